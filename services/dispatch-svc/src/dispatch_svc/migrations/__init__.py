"""The tables of dispatch-svc's own read models, as plain SQL."""
