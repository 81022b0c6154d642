-- Cases in full: terms in every unit, clocks that stand still, are warned of and escalated, parts of the work, and evidence required.

ALTER TABLE term_policy ADD COLUMN terms jsonb NOT NULL DEFAULT '{}';
ALTER TABLE term_policy ADD COLUMN warn_percent integer;
ALTER TABLE term_policy ADD COLUMN ladder jsonb NOT NULL DEFAULT '[]';
ALTER TABLE term_policy ADD COLUMN statutory_pauses text[] NOT NULL DEFAULT '{}';
ALTER TABLE term_policy ADD COLUMN most_declines integer NOT NULL DEFAULT 3;
ALTER TABLE term_policy ALTER COLUMN minutes DROP NOT NULL;

-- What request-svc says of service types; folded from its facts, not rebuilt from our own.
CREATE TABLE service_type (
    city text NOT NULL,
    code text NOT NULL,
    version bigint NOT NULL,
    evidence_required integer NOT NULL,
    PRIMARY KEY (city, code)
);

-- `stage` and `due` are those of the work's own clock that is due first.
ALTER TABLE cases ADD COLUMN waiting boolean NOT NULL DEFAULT false;
ALTER TABLE cases ADD COLUMN declines integer NOT NULL DEFAULT 0;
ALTER TABLE cases ADD COLUMN proposed text;
ALTER TABLE cases ADD COLUMN committee_ground text;
ALTER TABLE cases ADD COLUMN plan_begins timestamptz;
ALTER TABLE cases ADD COLUMN plan_ends timestamptz;
ALTER TABLE cases ADD COLUMN impossible_ground text;
CREATE INDEX cases_due_idx ON cases (due, case_id) WHERE due IS NOT NULL;
CREATE INDEX cases_holder_idx ON cases (holder, opened_at, case_id) WHERE closed_at IS NULL;

-- `until` is told where it is not the next one's `since`: at the end of the request, or of a stretch of it.
ALTER TABLE holder_interval ADD COLUMN until timestamptz;

-- `recounted`: the stage goes on in a later row, by the terms of another service type.
ALTER TABLE stage_clock ADD COLUMN term jsonb NOT NULL DEFAULT '{}';
ALTER TABLE stage_clock ADD COLUMN warn_at timestamptz;
ALTER TABLE stage_clock ADD COLUMN paused_at timestamptz;
ALTER TABLE stage_clock ADD COLUMN paused_by text;
ALTER TABLE stage_clock ADD COLUMN paused_until timestamptz;
ALTER TABLE stage_clock ADD COLUMN warned_at timestamptz;
ALTER TABLE stage_clock ADD COLUMN level integer NOT NULL DEFAULT 0;
ALTER TABLE stage_clock ADD COLUMN escalated_to text;
ALTER TABLE stage_clock ADD COLUMN recounted boolean NOT NULL DEFAULT false;
ALTER TABLE stage_clock ALTER COLUMN minutes DROP NOT NULL;

-- When a clock stood still, and why. One that lasts has no end.
CREATE TABLE clock_pause (
    case_id uuid NOT NULL,
    version bigint NOT NULL,
    stage text NOT NULL,
    since timestamptz NOT NULL,
    because text NOT NULL,
    until timestamptz,
    PRIMARY KEY (case_id, version)
);

CREATE TABLE sub_task (
    sub_task_id uuid PRIMARY KEY,
    case_id uuid NOT NULL,
    version bigint NOT NULL,
    organisation text NOT NULL,
    title text NOT NULL,
    state text NOT NULL,
    evidence text[],
    reason text,
    opened_at timestamptz NOT NULL,
    ended_at timestamptz
);
CREATE INDEX sub_task_case_idx ON sub_task (case_id, version);
CREATE INDEX sub_task_open_idx ON sub_task (organisation, case_id) WHERE state = 'open';
