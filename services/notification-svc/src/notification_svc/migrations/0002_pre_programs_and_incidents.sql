-- Executors' programs that are called, incidents people are told of, and items about no request.

-- A name derived from what it names, where a statement makes many: the first 16 bytes of SHA-256 as a UUID of version 8 (RFC 9562).
CREATE FUNCTION derived(names text) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN overlay(overlay(encode(substr(sha256(convert_to(names, 'UTF8')), 1, 16), 'hex') PLACING '8' FROM 13) PLACING '8' FROM 17)::uuid;

ALTER TABLE work_item ALTER COLUMN request DROP NOT NULL;

-- The facts that opened an item, and those that leave nothing to do; `subject` is the uuid of the stream they stand in (a request,
-- its case, an incident), `version` their place in it. An item is completed by the first fact after the one that opened it, in
-- whatever order both arrive.
CREATE TABLE trouble (
    cause uuid PRIMARY KEY,
    subject uuid NOT NULL,
    kind text NOT NULL,
    version bigint NOT NULL
);
CREATE INDEX trouble_subject_idx ON trouble (subject, kind, version);
CREATE TABLE settled (
    subject uuid NOT NULL,
    kind text NOT NULL,
    version bigint NOT NULL,
    cause uuid NOT NULL,
    cause_type text NOT NULL,
    PRIMARY KEY (subject, kind, version)
);
INSERT INTO trouble (cause, subject, kind, version) SELECT cause, request, kind, version FROM case_trouble;
INSERT INTO settled (subject, kind, version, cause, cause_type) SELECT request, kind, version, cause, cause_type FROM case_settled;

-- Whom a case is assigned to, as dispatch-svc's facts say; null between two assignments. A sub-task has an organisation of its own.
CREATE TABLE case_card (request uuid PRIMARY KEY, organisation text);
CREATE TABLE sub_task (sub_task uuid PRIMARY KEY, organisation text NOT NULL);

-- Which requests an incident explains, what it is called, and when it was said to last otherwise: whoever was linked by then is told.
CREATE TABLE incident (incident uuid PRIMARY KEY, names jsonb NOT NULL);
CREATE TABLE incident_link (
    request uuid NOT NULL,
    incident uuid NOT NULL,
    at timestamptz NOT NULL,
    linked boolean NOT NULL,
    PRIMARY KEY (incident, request)
);
CREATE TABLE incident_prolonged (
    cause uuid PRIMARY KEY,
    incident uuid NOT NULL,
    at timestamptz NOT NULL,
    notice jsonb NOT NULL
);
CREATE INDEX incident_prolonged_incident_idx ON incident_prolonged (incident, at);

-- The programs that are called, as own events say; rebuilt from them. `since` is when the subscription began: what happened before is
-- nothing it is told of; `rotated_at` when it got its present secret, null as long as that is its first.
CREATE TABLE subscription (
    subscription uuid PRIMARY KEY,
    organisation text NOT NULL,
    url text NOT NULL,
    events text[] NOT NULL,
    secret_version integer NOT NULL,
    active boolean NOT NULL,
    since timestamptz NOT NULL,
    rotated_at timestamptz
);
CREATE INDEX subscription_organisation_idx ON subscription (organisation, since, subscription);

-- What became of each call to a program, as own events say; rebuilt from them. `failure` is the latest event that says it failed: it
-- opened the item in the queue.
CREATE TABLE webhook (
    delivery uuid PRIMARY KEY,
    subscription uuid NOT NULL,
    state text NOT NULL,
    at timestamptz NOT NULL,
    failure uuid
);
CREATE INDEX webhook_failure_idx ON webhook (failure) WHERE failure IS NOT NULL;

-- The calls to a subscription's program, the latest event first.
CREATE INDEX delivery_subscription_idx ON delivery ((payload ->> 'subscription'), (payload ->> 'time') DESC, delivery_id DESC)
    WHERE channel = 'webhook';
