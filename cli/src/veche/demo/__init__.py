"""The demo: a city up, two real days played, and a report that counts everything twice."""
