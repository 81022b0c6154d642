-- The queue as its own events say; rebuilt from them.
-- `until` ends the lease of a claimed item or the deferral of a deferred one; from `available_at` on it may be claimed, and a
-- completed one never. `urgent_from` is the order of the queue: a point of priority is worth a minute of waiting, so that order
-- does not change while items wait, and none starves. Where an item was opened before its request was known here, city, district,
-- service type and language are null; readers then take them from the request's card.
CREATE TABLE work_item (
    item uuid PRIMARY KEY,
    kind text NOT NULL,
    cause uuid NOT NULL,
    cause_type text NOT NULL,
    request uuid NOT NULL,
    city text,
    district text,
    service_type text,
    language text,
    priority integer NOT NULL,
    due timestamptz,
    opened_at timestamptz NOT NULL,
    urgent_from timestamptz NOT NULL,
    state text NOT NULL,
    agent text,
    until timestamptz,
    available_at timestamptz
);
CREATE INDEX work_item_open_idx ON work_item (urgent_from, item) WHERE available_at IS NOT NULL;
CREATE INDEX work_item_order_idx ON work_item (urgent_from, item);
CREATE INDEX work_item_state_idx ON work_item (state, urgent_from, item);
CREATE INDEX work_item_kind_idx ON work_item (kind, urgent_from, item);

-- What people were told, as its own events say; rebuilt from them.
CREATE TABLE message (
    message uuid PRIMARY KEY,
    person uuid NOT NULL,
    request uuid NOT NULL,
    city text NOT NULL,
    number text,
    template text NOT NULL,
    language text,
    channel text NOT NULL,
    cause uuid NOT NULL,
    state text NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX message_person_idx ON message (person, at DESC, message DESC);

-- What is known here of a request, from request-svc's facts. `submitted` is false while only later facts have arrived;
-- `email` is a sealed value.
CREATE TABLE request_card (
    request uuid PRIMARY KEY,
    submitted boolean NOT NULL DEFAULT false,
    city text,
    district text,
    service_type text,
    person uuid,
    language text,
    email text,
    number text
);

-- Facts a person is to be told of, about a request not yet known here; they leave with its arrival.
CREATE TABLE early_notice (
    cause uuid PRIMARY KEY,
    request uuid NOT NULL,
    notice jsonb NOT NULL
);
CREATE INDEX early_notice_request_idx ON early_notice (request);

-- The facts of a case that opened an item, and those that leave nothing to do; `version` is their place in the case's stream. An
-- item is completed by the first fact after the one that opened it, in whatever order both arrive.
CREATE TABLE case_trouble (
    cause uuid PRIMARY KEY,
    request uuid NOT NULL,
    kind text NOT NULL,
    version bigint NOT NULL
);
CREATE INDEX case_trouble_request_idx ON case_trouble (request, kind, version);
CREATE TABLE case_settled (
    request uuid NOT NULL,
    kind text NOT NULL,
    version bigint NOT NULL,
    cause uuid NOT NULL,
    cause_type text NOT NULL,
    PRIMARY KEY (request, kind, version)
);
