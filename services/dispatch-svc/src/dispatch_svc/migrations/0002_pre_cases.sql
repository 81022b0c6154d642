-- Cases in full: terms in every unit, parts of the work, and evidence required.

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

-- `stage` and `due` are those of the work's own clock that is due first; `clocks` says when each of those is due that is not over.
ALTER TABLE cases ADD COLUMN waiting boolean NOT NULL DEFAULT false;
ALTER TABLE cases ADD COLUMN clocks jsonb NOT NULL DEFAULT '{}';
ALTER TABLE cases ADD COLUMN declines integer NOT NULL DEFAULT 0;
ALTER TABLE cases ADD COLUMN plan_begins timestamptz;
ALTER TABLE cases ADD COLUMN plan_ends timestamptz;
-- Lists of open cases, by whatever changes while they are open: no index holds that, so a change of it touches none, and the row
-- stays on its page where there is room.
CREATE INDEX cases_open_idx ON cases (opened_at, case_id) WHERE closed_at IS NULL;
ALTER TABLE cases SET (fillfactor = 80);

-- Which parts of the work are whose, and whether they are open.
CREATE TABLE sub_task (
    sub_task_id uuid PRIMARY KEY,
    case_id uuid NOT NULL,
    organisation text NOT NULL,
    state text NOT NULL
);
CREATE INDEX sub_task_open_idx ON sub_task (organisation, case_id) WHERE state = 'open';
