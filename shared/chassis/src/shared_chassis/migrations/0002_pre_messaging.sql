-- What publishing, consuming and sending remember. Runs as the owner, with search_path = the service's schema.

-- Up to which position every event is acknowledged by a cluster. `epoch` rises with each new leader, so that an old one cannot move it.
CREATE TABLE relay_checkpoint (
    cluster_id text PRIMARY KEY,
    position bigint NOT NULL,
    epoch bigint NOT NULL
);

-- Where a consumer stands in a partition: the next offset to read, and the publisher's last position applied. `epoch` rises with
-- each process that takes the partition over, so that a former one changes nothing any more.
CREATE TABLE consumer_position (
    consumer text NOT NULL,
    cluster_id text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    last_position bigint NOT NULL,
    epoch bigint NOT NULL,
    taken_at timestamptz NOT NULL,
    PRIMARY KEY (consumer, topic, partition, cluster_id)
);

-- Events that wait: for another event, for a person, or behind an earlier event of their key. `state` is the stored document,
-- personal data sealed. `asked` is what a person wants done; the consumer that owns the partition does it.
CREATE TABLE parked_event (
    parked_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    position bigint NOT NULL,
    key text NOT NULL,
    type text NOT NULL,
    state bytea NOT NULL,
    reason text NOT NULL CHECK (reason IN ('early', 'invalid', 'unknown_version', 'behind')),
    awaits text,
    error text,
    attempts integer NOT NULL DEFAULT 0,
    parked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    asked text CHECK (asked IN ('retry', 'skip')),
    settled_at timestamptz,
    settled_as text CHECK (settled_as IN ('handled', 'skipped')),
    UNIQUE (consumer, topic, position)
);
CREATE INDEX parked_event_open_idx ON parked_event (consumer, topic, partition, key, position) WHERE settled_at IS NULL;
CREATE INDEX parked_event_asked_idx ON parked_event (consumer) WHERE asked IS NOT NULL AND settled_at IS NULL;

-- Who did what about a parked event, and why.
CREATE TABLE parked_action (
    parked_action_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    parked_id bigint NOT NULL REFERENCES parked_event,
    action text NOT NULL CHECK (action IN ('retry', 'skip')),
    actor text NOT NULL,
    reason text,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (action <> 'skip' OR length(trim(reason)) > 0)
);
CREATE INDEX parked_action_parked_idx ON parked_action (parked_id);

-- What is to be sent to the world outside: each cause over each channel once, also when its event is consumed again.
CREATE TABLE delivery (
    delivery_id uuid PRIMARY KEY,
    cause uuid NOT NULL,
    channel text NOT NULL,
    payload jsonb NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    leased_until timestamptz,
    sent_at timestamptz,
    failed_at timestamptz,
    error text,
    reported_at timestamptz,
    UNIQUE (cause, channel)
);
CREATE INDEX delivery_open_idx ON delivery (next_at) WHERE reported_at IS NULL;
