-- Finds the commands whose actor and body hash are to be forgotten, and none that are. Runs as the owner, with search_path = the
-- service's schema.
CREATE INDEX command_kept_idx ON command (recorded_at) WHERE actor IS NOT NULL OR body_hash IS NOT NULL;
