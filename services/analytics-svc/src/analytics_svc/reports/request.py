"""Requests by city, district, type, channel, day and outcome, as they were known at a moment."""

from collections.abc import Iterable
from typing import Final, LiteralString

from analytics_svc.facts.file import FactFile, rows
from analytics_svc.reports.report import Table, Window, chosen, table

DIMENSIONS: Final = ("city", "district", "type", "channel", "day", "outcome")
"""What requests are told apart by. `day` is the day of submission in the city's time; a request not closed yet is `open`."""

USUAL: Final = ("district", "type", "day", "outcome")

BY: LiteralString = """
    SELECT CASE WHEN list_contains($dimensions, 'city') THEN city END AS city,
           CASE WHEN list_contains($dimensions, 'district') THEN district END AS district,
           CASE WHEN list_contains($dimensions, 'type') THEN type END AS type,
           CASE WHEN list_contains($dimensions, 'channel') THEN channel END AS channel,
           CASE WHEN list_contains($dimensions, 'day') THEN day END AS day,
           CASE WHEN list_contains($dimensions, 'outcome') THEN outcome END AS outcome,
           count(*) AS count
    FROM request_known($as_of)
    WHERE ($city::VARCHAR IS NULL OR city = $city)
      AND ($since::DATE IS NULL OR day >= $since) AND ($until::DATE IS NULL OR day < $until)
    GROUP BY ALL ORDER BY ALL
"""
ALL: LiteralString = """
    SELECT count(*) AS count FROM request_known($as_of)
    WHERE ($city::VARCHAR IS NULL OR city = $city)
      AND ($since::DATE IS NULL OR day >= $since) AND ($until::DATE IS NULL OR day < $until)
"""


def requests(file: FactFile, dimensions: Iterable[str], window: Window) -> Table:
    """Count requests by the dimensions asked for. Raises `UnknownDimensionError`."""
    by = chosen(dimensions, DIMENSIONS)
    with file.reading() as cursor:
        found = rows(cursor, BY, {**window.params, "dimensions": by})
        return table(by, ("count",), found, rows(cursor, ALL, window.params)[0])
