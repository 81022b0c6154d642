-- What stage a request is in follows from its clocks.
ALTER TABLE case_status DROP COLUMN stage;
ALTER TABLE case_status DROP COLUMN stage_due;
