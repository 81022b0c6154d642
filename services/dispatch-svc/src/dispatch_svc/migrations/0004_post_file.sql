-- Everything about one case is read from its own facts.
DROP TABLE holder_interval;
DROP TABLE stage_clock;
ALTER TABLE cases DROP COLUMN rule;
ALTER TABLE cases DROP COLUMN rule_version;
ALTER TABLE cases DROP COLUMN routing_failure;
ALTER TABLE cases DROP COLUMN evidence;
-- The index of open cases serves what these did.
DROP INDEX cases_state_idx;
DROP INDEX cases_stage_idx;
