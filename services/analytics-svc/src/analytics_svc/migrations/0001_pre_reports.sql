-- Read model of analytics-svc: the reports people keep. Everything else it knows is in its DuckDB file.

CREATE TABLE saved_report (
    report uuid PRIMARY KEY,
    name text NOT NULL,
    kind text NOT NULL,
    parameters jsonb NOT NULL,
    saved_by text NOT NULL,
    saved_at timestamptz NOT NULL
);
CREATE INDEX saved_report_order_idx ON saved_report (saved_at, report);
