-- The event store of the eventsourcing library (same columns, types and storage options), and what our append needs beside it.
-- Runs as the owner, with search_path = the service's schema. The application's role may read and insert events, nothing else.

CREATE FUNCTION rule_now() RETURNS timestamptz LANGUAGE sql VOLATILE AS 'SELECT clock_timestamp()';
COMMENT ON FUNCTION rule_now() IS 'The clock of every rule. Only a benchmark''s own database has another one.';

CREATE TABLE stored_events (
    originator_id text NOT NULL,
    originator_version bigint NOT NULL,
    topic text,
    state bytea,
    notification_id bigserial,
    PRIMARY KEY (originator_id, originator_version)
) WITH (
    autovacuum_enabled = true,
    autovacuum_vacuum_threshold = 100000000,
    autovacuum_vacuum_scale_factor = 0.5,
    autovacuum_analyze_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.01
);
CREATE UNIQUE INDEX stored_events_notification_id_idx ON stored_events (notification_id ASC);
CREATE TYPE stored_event_text AS (originator_id text, originator_version bigint, topic text, state bytea);

-- One append at a time, so that position order is commit order: whoever inserts holds this lock until commit, importers too.
CREATE FUNCTION take_append_lock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, 0));
    RETURN NULL;
END $$;
CREATE TRIGGER stored_events_append_lock BEFORE INSERT ON stored_events
    FOR EACH STATEMENT EXECUTE FUNCTION take_append_lock();

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Events are never changed or removed (% on %.%)', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER stored_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON stored_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The stored document as JSON, for people with psql and for the one index by journey.
CREATE FUNCTION event_document(state bytea) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN convert_from(state, 'UTF8')::jsonb;
CREATE INDEX stored_events_correlation_idx ON stored_events ((event_document(state) ->> 'correlationid'));
CREATE VIEW event_log AS
    SELECT notification_id AS position,
           originator_id AS stream_id,
           originator_version AS version,
           topic AS type,
           event_document(state) ->> 'id' AS event_id,
           (event_document(state) ->> 'time')::timestamptz AS time,
           (event_document(state) ->> 'recordedtime')::timestamptz AS recorded_time,
           event_document(state) ->> 'actor' AS actor,
           event_document(state) ->> 'correlationid' AS correlation_id,
           event_document(state) ->> 'causationid' AS causation_id,
           event_document(state) -> 'data' AS data
    FROM stored_events;

-- Idempotency: what a command led to. `actor` and `body_hash` tell a repetition from a key used twice.
CREATE TABLE command (
    command_id uuid PRIMARY KEY,
    stream_id text NOT NULL,
    first_version bigint NOT NULL,
    count integer NOT NULL,
    actor text,
    body_hash bytea,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX command_recorded_idx ON command USING brin (recorded_at);

CREATE TABLE timer (
    timer_id uuid PRIMARY KEY,
    due_at timestamptz NOT NULL,
    stream_id text NOT NULL,
    kind text NOT NULL,
    key text NOT NULL,
    payload jsonb NOT NULL,
    leased_until timestamptz,
    fired_at timestamptz,
    cancelled_at timestamptz
);
CREATE INDEX timer_open_idx ON timer (due_at) WHERE fired_at IS NULL AND cancelled_at IS NULL;

-- Numbers of a register, drawn before they are used; one never used is explained, not hidden.
CREATE TABLE register_series (series text PRIMARY KEY, last bigint NOT NULL);
CREATE TABLE register_draw (
    command_id uuid PRIMARY KEY,
    series text NOT NULL,
    number bigint NOT NULL,
    drawn_at timestamptz NOT NULL,
    UNIQUE (series, number)
);
CREATE FUNCTION draw_number(wanted_series text, by_command uuid) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE drawn bigint;
BEGIN
    SELECT number INTO drawn FROM register_draw WHERE command_id = by_command;
    IF drawn IS NOT NULL THEN RETURN drawn; END IF;
    INSERT INTO register_series AS s (series, last) VALUES (wanted_series, 1)
        ON CONFLICT (series) DO UPDATE SET last = s.last + 1 RETURNING last INTO drawn;
    INSERT INTO register_draw (command_id, series, number, drawn_at) VALUES (by_command, wanted_series, drawn, rule_now());
    RETURN drawn;
EXCEPTION WHEN unique_violation THEN
    SELECT number INTO STRICT drawn FROM register_draw WHERE command_id = by_command;
    RETURN drawn;
END $$;
