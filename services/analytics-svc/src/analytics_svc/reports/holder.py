"""How long who held requests: every instant of every case belongs to one holder, so the minutes of all sum to the whole."""

from collections.abc import Iterable
from typing import Final, LiteralString

from analytics_svc.facts.file import FactFile, rows
from analytics_svc.reports.report import Table, Window, chosen, table

DIMENSIONS: Final = ("city", "district", "type", "kind", "organisation")

USUAL: Final = ("kind", "organisation")

MEASURES: Final = ("cases", "intervals", "microseconds", "minutes")
"""`microseconds` sum exactly; `minutes` are the same for people, to the thousandth."""

BY: LiteralString = """
    SELECT CASE WHEN list_contains($dimensions, 'city') THEN city END AS city,
           CASE WHEN list_contains($dimensions, 'district') THEN district END AS district,
           CASE WHEN list_contains($dimensions, 'type') THEN type END AS type,
           CASE WHEN list_contains($dimensions, 'kind') THEN kind END AS kind,
           CASE WHEN list_contains($dimensions, 'organisation') THEN organisation END AS organisation,
           count(DISTINCT case_id) AS cases,
           count(*) AS intervals,
           sum(epoch_us(until) - epoch_us(since))::BIGINT AS microseconds,
           round(sum(epoch_us(until) - epoch_us(since)) / 60e6, 3) AS minutes
    FROM request_held($as_of)
    WHERE $city::VARCHAR IS NULL OR city = $city
    GROUP BY ALL ORDER BY ALL
"""
ALL: LiteralString = """
    WITH span AS (
        SELECT case_id, count(*) AS intervals, epoch_us(max(until)) - epoch_us(min(since)) AS microseconds
        FROM request_held($as_of)
        WHERE $city::VARCHAR IS NULL OR city = $city
        GROUP BY case_id
    )
    SELECT count(*) AS cases,
           coalesce(sum(intervals), 0)::BIGINT AS intervals,
           coalesce(sum(microseconds), 0)::BIGINT AS microseconds,
           coalesce(round(sum(microseconds) / 60e6, 3), 0) AS minutes
    FROM span
"""


def holders(file: FactFile, dimensions: Iterable[str], window: Window) -> Table:
    """Sum the time of each holder, up to now or to the moment asked about; the total is from each case's first to last instant.

    Raises `UnknownDimensionError`.
    """
    by = chosen(dimensions, DIMENSIONS)
    params = {"as_of": window.as_of, "city": window.city}
    with file.reading() as cursor:
        found = rows(cursor, BY, {**params, "dimensions": by})
        return table(by, MEASURES, found, rows(cursor, ALL, params)[0])
