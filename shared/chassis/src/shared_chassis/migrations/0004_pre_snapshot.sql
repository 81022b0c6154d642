-- States of long streams as they were at a version, so that loading reads only what came after. Runs as the owner, with
-- search_path = the service's schema. A cache: any row may be missing, old or damaged, and all of them may be deleted at any time.

-- `fingerprint` tells the shape of the state: code with another one ignores the row. `event_id` is the event the state ends with,
-- `digest` SHA-256 over all of it.
CREATE TABLE snapshot (
    stream_id text PRIMARY KEY,
    version bigint NOT NULL,
    fingerprint text NOT NULL,
    event_id uuid NOT NULL,
    state bytea NOT NULL,
    digest bytea NOT NULL,
    taken_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
