"""The tables of request-svc's own read models, as plain SQL."""
