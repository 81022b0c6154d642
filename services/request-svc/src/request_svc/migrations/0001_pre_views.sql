-- Read models of request-svc: the public register of requests, the service types, and what dispatch-svc says of each request.

-- A row a request. `position` is its submission's place in the store: the order of the register, the same after every rebuild.
-- Nothing of a person's stands here but the pseudonym, and that is shown to nobody else.
CREATE TABLE request (
    request_id uuid PRIMARY KEY,
    position bigint NOT NULL,
    version bigint NOT NULL,
    city text NOT NULL,
    channel text NOT NULL,
    service_type text,
    district text,
    building text,
    address text,
    latitude text,
    longitude text,
    person uuid,
    number text,
    state text NOT NULL,
    ending text,
    outcome text,
    submitted_at timestamptz NOT NULL,
    registered_at timestamptz,
    consent_due timestamptz,
    closed_at timestamptz
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX request_number_idx ON request (number);
CREATE UNIQUE INDEX request_position_idx ON request (position);
CREATE INDEX request_city_idx ON request (city, position);
CREATE INDEX request_district_idx ON request (district, position);
CREATE INDEX request_service_type_idx ON request (service_type, position);
CREATE INDEX request_state_idx ON request (state, position);
CREATE INDEX request_outcome_idx ON request (outcome, position) WHERE outcome IS NOT NULL;
CREATE INDEX request_person_idx ON request (person, position) WHERE person IS NOT NULL;

CREATE TABLE service_type (
    city text NOT NULL,
    code text NOT NULL,
    names jsonb NOT NULL,
    type_group text NOT NULL,
    emergency boolean NOT NULL,
    pack_version text NOT NULL,
    PRIMARY KEY (city, code)
);

-- dispatch-svc's facts as they were last heard: who holds the request, which clock runs, how often one ran out.
-- `position` is the last of them in its log, so that hearing one twice changes nothing.
CREATE TABLE case_status (
    request_id uuid PRIMARY KEY,
    position bigint NOT NULL,
    organisation text,
    progress text,
    holder text,
    holder_organisation text,
    held_since timestamptz,
    stage text,
    stage_due timestamptz,
    breaches integer NOT NULL DEFAULT 0
);
