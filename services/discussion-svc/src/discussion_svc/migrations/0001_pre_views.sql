-- Own read models of discussion-svc; made anew from the events by `rebuild-views`.

CREATE TABLE discussion (
    id uuid PRIMARY KEY,
    city text NOT NULL,
    title text NOT NULL,
    subject text NOT NULL,
    procedure text NOT NULL,
    procedure_version text NOT NULL,
    statute text,
    lead_days integer NOT NULL,
    kinds text[] NOT NULL,
    territory text,
    stage text NOT NULL,
    registered_at timestamptz NOT NULL,
    announced_at timestamptz,
    opens_at timestamptz,
    closes_at timestamptz,
    protocol_sha256 text,
    protocol_drafted_at timestamptz
);
CREATE INDEX discussion_newest_idx ON discussion (registered_at DESC, id DESC);
CREATE INDEX discussion_city_idx ON discussion (city, registered_at DESC, id DESC);
CREATE INDEX discussion_stage_idx ON discussion (stage, registered_at DESC, id DESC);

CREATE TABLE document (
    discussion uuid NOT NULL,
    sha256 text NOT NULL,
    name text NOT NULL,
    media_type text NOT NULL,
    size bigint NOT NULL,
    attached_at timestamptz NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (discussion, sha256)
);

-- `place` is the last part of the register number, by which a discussion's submissions are listed.
CREATE TABLE submission (
    id uuid PRIMARY KEY,
    discussion uuid NOT NULL,
    kind text NOT NULL,
    text text NOT NULL,
    in_reply_to uuid,
    submitted_at timestamptz NOT NULL,
    number text UNIQUE,
    place bigint,
    supports integer NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX submission_register_idx ON submission (discussion, place);
CREATE INDEX submission_kind_idx ON submission (discussion, kind);
CREATE INDEX submission_reply_idx ON submission (in_reply_to) WHERE in_reply_to IS NOT NULL;

-- One person, one voice. People stand here under their pseudonyms.
CREATE TABLE support (
    submission uuid NOT NULL,
    person uuid NOT NULL,
    PRIMARY KEY (submission, person)
);
