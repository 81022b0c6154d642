-- The rulebook in full: territories down to a building, calendars in all their versions, routing overrides, incidents and what they
-- explain. Keys of organisations stand in the chassis' own table.

ALTER TABLE organisation ADD COLUMN IF NOT EXISTS calendar text;

ALTER TABLE responsibility ADD COLUMN IF NOT EXISTS building text;
ALTER TABLE responsibility ADD COLUMN IF NOT EXISTS pack_version text NOT NULL DEFAULT '';
CREATE INDEX responsibility_organisation_idx ON responsibility (organisation, stream_id, version);

-- One row a version ever adopted, as the fact said it.
CREATE TABLE calendar (
    stream_id text NOT NULL,
    stream_version bigint NOT NULL,
    city text NOT NULL,
    calendar text NOT NULL,
    version text NOT NULL,
    timezone text NOT NULL,
    week jsonb NOT NULL,
    days jsonb NOT NULL,
    pack_version text NOT NULL,
    PRIMARY KEY (stream_id, stream_version)
);

-- One row a version ever activated; the newest of a city counts.
CREATE TABLE routing_rules (
    city text NOT NULL,
    version integer NOT NULL,
    rules jsonb NOT NULL,
    note text NOT NULL,
    activated_at timestamptz NOT NULL,
    PRIMARY KEY (city, version)
);

CREATE TABLE incident (
    incident_id uuid PRIMARY KEY,
    version bigint NOT NULL,
    city text NOT NULL,
    state text NOT NULL,
    names jsonb,
    service_types text[] NOT NULL,
    districts text[] NOT NULL DEFAULT '{}',
    buildings text[] NOT NULL DEFAULT '{}',
    organisation text,
    began_at timestamptz NOT NULL,
    expected_end timestamptz,
    surge jsonb,
    ended_at timestamptz,
    reason text,
    evidence text[] NOT NULL DEFAULT '{}',
    known_at timestamptz NOT NULL
);
CREATE INDEX incident_city_idx ON incident (city, known_at DESC, incident_id);
CREATE INDEX incident_open_idx ON incident (city) WHERE state IN ('suggested', 'declared');

-- Which incidents explain which cases.
CREATE TABLE incident_case (
    incident_id uuid NOT NULL,
    case_id uuid NOT NULL,
    PRIMARY KEY (incident_id, case_id)
);
CREATE INDEX incident_case_case_idx ON incident_case (case_id);
-- What an incident may have to link: open cases of a service type, in the order of their ids.
CREATE INDEX cases_to_link_idx ON cases (city, service_type, case_id) WHERE closed_at IS NULL;

-- What the keys of organisations are called and may do, for people; what opens doors is the chassis' table of hashes.
CREATE TABLE organisation_key (
    organisation text NOT NULL,
    key_id text NOT NULL,
    label text NOT NULL,
    scopes text[] NOT NULL,
    issued_at timestamptz NOT NULL,
    issued_by text NOT NULL,
    valid_until timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (organisation, key_id)
);
