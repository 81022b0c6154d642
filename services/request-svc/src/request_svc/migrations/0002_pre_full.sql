-- Rounds, duplicates, questions to residents, ratings; service types with their own questions; buildings; erasures; and more of what
-- dispatch-svc says of a request.

ALTER TABLE request ADD COLUMN round integer NOT NULL DEFAULT 1;
ALTER TABLE request ADD COLUMN information_due timestamptz;
ALTER TABLE request ADD COLUMN duplicate_of uuid;
ALTER TABLE request ADD COLUMN rating integer;
-- What may be the same is looked for among the open requests of a type.
CREATE INDEX request_open_idx ON request (city, service_type, submitted_at) WHERE state <> 'closed';
-- Of two requests at most one repeats the other, also when two agents link them the other way round at one moment.
CREATE UNIQUE INDEX request_duplicate_idx ON request (least(request_id, duplicate_of), greatest(request_id, duplicate_of))
    WHERE duplicate_of IS NOT NULL;

ALTER TABLE service_type ADD COLUMN parent text;
ALTER TABLE service_type ADD COLUMN questions jsonb NOT NULL DEFAULT '[]';
ALTER TABLE service_type ADD COLUMN questions_version text;
ALTER TABLE service_type ADD COLUMN evidence_required integer NOT NULL DEFAULT 0;
ALTER TABLE service_type ADD COLUMN valid_from date;
ALTER TABLE service_type ADD COLUMN valid_to date;

CREATE TABLE building (
    city text NOT NULL,
    code text NOT NULL,
    address text NOT NULL,
    suburb text,
    district text,
    pack_version text NOT NULL,
    PRIMARY KEY (city, code)
);

CREATE TABLE erased_person (
    person uuid PRIMARY KEY,
    erased_at timestamptz NOT NULL
);

-- `clocks` is when each running clock is due, by what it measures; null while it stands still.
ALTER TABLE case_status ADD COLUMN clocks jsonb NOT NULL DEFAULT '{}';
ALTER TABLE case_status ADD COLUMN escalation integer NOT NULL DEFAULT 0;
ALTER TABLE case_status ADD COLUMN planned_from timestamptz;
ALTER TABLE case_status ADD COLUMN planned_until timestamptz;
ALTER TABLE case_status ADD COLUMN incident uuid;
ALTER TABLE case_status ADD COLUMN incident_until timestamptz;
ALTER TABLE case_status ADD COLUMN impossible_ground text;
UPDATE case_status SET clocks = jsonb_build_object(stage, stage_due) WHERE stage IS NOT NULL;
