-- The facts of analytics-svc in DuckDB. Every table is a function of the events heard, whatever their order and however often.
-- `known` is the event's recorded time: when the city knew; `happened` is when it did.

CREATE SEQUENCE parked_number;
CREATE SEQUENCE parked_action_number;

CREATE TABLE city (slug VARCHAR PRIMARY KEY, timezone VARCHAR NOT NULL);

-- Every event of every topic, as a fact: the only table that grows with what the city does. `cause` is what it is the effect of: the
-- event it names, else the one (or the command) it follows from. `aspect` tells effects of one cause apart: a message's channel and
-- request, an assignment's round. The columns after `folded_at` hold what is counted of it; which of them are there is told by the
-- type (`facts/fold.py`). `about` is the uuid of its stream, `at` the moment it speaks of, `other` what it refers to.
CREATE TABLE event (
    id UUID PRIMARY KEY,
    topic VARCHAR NOT NULL,
    type VARCHAR NOT NULL,
    subject VARCHAR NOT NULL,
    version BIGINT NOT NULL,
    position BIGINT NOT NULL,
    happened TIMESTAMPTZ NOT NULL,
    known TIMESTAMPTZ NOT NULL,
    correlation UUID NOT NULL,
    cause UUID NOT NULL,
    aspect VARCHAR,
    folded_at TIMESTAMPTZ NOT NULL,
    about UUID,
    city VARCHAR,
    district VARCHAR,
    service_type VARCHAR,
    organisation VARCHAR,
    kind VARCHAR,
    stage VARCHAR,
    round INTEGER,
    "at" TIMESTAMPTZ,
    due TIMESTAMPTZ,
    rating INTEGER,
    person_known BOOLEAN,
    other UUID
);

-- What the stream processor counted, and what it could not; a district that is missing is ''.
CREATE TABLE tally (
    minute TIMESTAMPTZ NOT NULL,
    city VARCHAR NOT NULL,
    district VARCHAR NOT NULL,
    category VARCHAR NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (minute, city, district, category)
);
CREATE TABLE stream_parked (
    topic VARCHAR NOT NULL,
    partition INTEGER NOT NULL,
    "offset" BIGINT NOT NULL,
    key VARCHAR NOT NULL,
    type VARCHAR NOT NULL,
    error VARCHAR NOT NULL,
    parked_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (topic, partition, "offset")
);

-- Where a consumer stands, in the transaction of the facts; the same columns as in the services' own databases.
CREATE TABLE consumer_position (
    consumer VARCHAR NOT NULL,
    cluster_id VARCHAR NOT NULL,
    topic VARCHAR NOT NULL,
    partition INTEGER NOT NULL,
    next_offset BIGINT NOT NULL,
    last_position BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    PRIMARY KEY (consumer, topic, partition, cluster_id)
);
CREATE TABLE consumer_era (
    consumer VARCHAR NOT NULL,
    topic VARCHAR NOT NULL,
    partition INTEGER NOT NULL,
    era VARCHAR NOT NULL,
    PRIMARY KEY (consumer, topic, partition, era)
);
CREATE TABLE parked_event (
    parked_id BIGINT PRIMARY KEY DEFAULT nextval('parked_number'),
    consumer VARCHAR NOT NULL,
    topic VARCHAR NOT NULL,
    partition INTEGER NOT NULL,
    position BIGINT NOT NULL,
    key VARCHAR NOT NULL,
    type VARCHAR NOT NULL,
    state BLOB NOT NULL,
    reason VARCHAR NOT NULL,
    awaits VARCHAR,
    error VARCHAR,
    attempts INTEGER NOT NULL DEFAULT 0,
    parked_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    asked VARCHAR,
    settled_at TIMESTAMPTZ,
    settled_as VARCHAR,
    UNIQUE (consumer, topic, position)
);
CREATE TABLE parked_action (
    parked_action_id BIGINT PRIMARY KEY DEFAULT nextval('parked_action_number'),
    parked_id BIGINT NOT NULL,
    action VARCHAR NOT NULL,
    actor VARCHAR NOT NULL,
    reason VARCHAR,
    "at" TIMESTAMPTZ NOT NULL DEFAULT now()
);
