"""The tables of analytics-svc's own read model, as plain SQL."""
