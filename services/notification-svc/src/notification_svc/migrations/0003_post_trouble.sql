-- `trouble` and `settled` hold what these held.
DROP TABLE case_trouble;
DROP TABLE case_settled;
