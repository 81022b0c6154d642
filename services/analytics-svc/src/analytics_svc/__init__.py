"""analytics-svc counts what everybody states, and decides nothing but which reports are kept.

It listens to every service, itself included. `analytics-svc serve` folds each event, once, into one DuckDB file: facts, positions
and events set aside in one transaction, so the file is a materialisation that can be thrown away and built anew from the topics.
It answers reports from it in the same process, as of any moment known: requests, holders, deadlines, ratings, submissions,
totals, reconciliation. It states `ReportSaved`, in the stream `report-<uuid>`: a report is kept as the query that draws it.

`analytics-svc streams` is a process of its own: it tallies registrations by the minute, a hint beside the facts, of which the
report of the tallies tells the difference; and it says, on `analytics.signals`, when far more came of one type from one district
than on average (`SurgeDetected`).
"""
