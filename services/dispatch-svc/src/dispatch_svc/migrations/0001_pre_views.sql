-- Read models of dispatch-svc: the rulebook (organisations, responsibilities, terms) and the cases with holders and clocks.

CREATE TABLE organisation (
    stream_id text PRIMARY KEY,
    version bigint NOT NULL,
    city text NOT NULL,
    slug text NOT NULL,
    name text NOT NULL,
    kind text NOT NULL
);
CREATE INDEX organisation_city_idx ON organisation (city, stream_id);

-- One row a grant ever stated; which of them count today is the rulebook's question.
CREATE TABLE responsibility (
    stream_id text NOT NULL,
    version bigint NOT NULL,
    city text NOT NULL,
    service_type text NOT NULL,
    district text,
    organisation text NOT NULL,
    valid_from date NOT NULL,
    valid_to date,
    PRIMARY KEY (stream_id, version)
);
CREATE INDEX responsibility_city_idx ON responsibility (city, stream_id, version);

CREATE TABLE term_policy (
    stream_id text NOT NULL,
    stream_version bigint NOT NULL,
    city text NOT NULL,
    version text NOT NULL,
    calendar text NOT NULL,
    calendar_version text NOT NULL,
    minutes jsonb NOT NULL,
    PRIMARY KEY (stream_id, stream_version)
);

-- `stage` and `due` are those of the clock that runs. `opened_at` is the first holder's beginning.
CREATE TABLE cases (
    case_id uuid PRIMARY KEY,
    version bigint NOT NULL,
    city text NOT NULL,
    service_type text,
    district text,
    building text,
    state text NOT NULL,
    round integer NOT NULL,
    organisation text,
    assigned_by text,
    holder text,
    holder_organisation text,
    held_since timestamptz,
    stage text,
    due timestamptz,
    rule text,
    rule_version bigint,
    routing_failure text,
    routing_inputs jsonb,
    evidence text[],
    opened_at timestamptz,
    closed_at timestamptz,
    outcome text
);
CREATE INDEX cases_opened_idx ON cases (opened_at, case_id);
CREATE INDEX cases_city_idx ON cases (city, opened_at, case_id);
CREATE INDEX cases_district_idx ON cases (district, opened_at, case_id);
CREATE INDEX cases_organisation_idx ON cases (organisation, opened_at, case_id);
CREATE INDEX cases_state_idx ON cases (state, opened_at, case_id);
CREATE INDEX cases_stage_idx ON cases (stage, opened_at, case_id) WHERE stage IS NOT NULL;

-- Who held a case since when; until when is the next row's `since`, or the end of the request.
CREATE TABLE holder_interval (
    case_id uuid NOT NULL,
    version bigint NOT NULL,
    holder text NOT NULL,
    organisation text,
    since timestamptz NOT NULL,
    PRIMARY KEY (case_id, version)
);

CREATE TABLE stage_clock (
    case_id uuid NOT NULL,
    version bigint NOT NULL,
    stage text NOT NULL,
    round integer NOT NULL,
    starts_at timestamptz NOT NULL,
    due timestamptz NOT NULL,
    minutes integer NOT NULL,
    policy_version text NOT NULL,
    calendar text NOT NULL,
    calendar_version text NOT NULL,
    ended_at timestamptz,
    breached_at timestamptz,
    PRIMARY KEY (case_id, version)
);
