"""How long who held requests: every instant of every open case belongs to one holder, so the minutes of all sum to the whole.

The time in which a case was closed, before it was reopened, is nobody's and in no figure.
"""

from collections.abc import Iterable
from dataclasses import dataclass
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
    WHERE ($city::VARCHAR IS NULL OR city = $city) AND ($district::VARCHAR IS NULL OR district = $district)
      AND ($type::VARCHAR IS NULL OR type = $type) AND ($kind::VARCHAR IS NULL OR kind = $kind)
      AND ($organisation::VARCHAR IS NULL OR organisation = $organisation)
    GROUP BY ALL ORDER BY ALL NULLS LAST
"""
ALL: LiteralString = """
    WITH span AS (
        SELECT case_id, count(*) AS intervals, epoch_us(max(until)) - epoch_us(min(since)) AS microseconds
        FROM request_held($as_of)
        WHERE ($city::VARCHAR IS NULL OR city = $city) AND ($district::VARCHAR IS NULL OR district = $district)
          AND ($type::VARCHAR IS NULL OR type = $type)
        GROUP BY case_id
    )
    SELECT count(*) AS cases,
           coalesce(sum(s.intervals), 0)::BIGINT AS intervals,
           coalesce(sum(s.microseconds - coalesce(c.microseconds, 0)), 0)::BIGINT AS microseconds,
           coalesce(round(sum(s.microseconds - coalesce(c.microseconds, 0)) / 60e6, 3), 0) AS minutes
    FROM span s LEFT JOIN closed_stretch($as_of) c USING (case_id)
"""
CHOSEN: LiteralString = """
    SELECT count(DISTINCT case_id) AS cases,
           count(*) AS intervals,
           coalesce(sum(epoch_us(until) - epoch_us(since)), 0)::BIGINT AS microseconds,
           coalesce(round(sum(epoch_us(until) - epoch_us(since)) / 60e6, 3), 0) AS minutes
    FROM request_held($as_of)
    WHERE ($city::VARCHAR IS NULL OR city = $city) AND ($district::VARCHAR IS NULL OR district = $district)
      AND ($type::VARCHAR IS NULL OR type = $type) AND ($kind::VARCHAR IS NULL OR kind = $kind)
      AND ($organisation::VARCHAR IS NULL OR organisation = $organisation)
"""


@dataclass(frozen=True, slots=True)
class Of:
    """Which time is meant: of which requests, and of which holders; None: all."""

    district: str | None = None
    type: str | None = None
    kind: str | None = None
    organisation: str | None = None


def holders(file: FactFile, dimensions: Iterable[str], window: Window, of: Of = Of()) -> Table:
    """Sum the time of each holder, up to now or to the moment asked about.

    The total of all holders is reckoned by itself: from each case's first to its last instant, without the time it was closed.
    Raises `UnknownDimensionError` or `UnknownCityError`.
    """
    by = chosen(dimensions, DIMENSIONS)
    cases = {"as_of": window.as_of, "city": window.checked(file).city, "district": of.district, "type": of.type}
    holding = {**cases, "kind": of.kind, "organisation": of.organisation}
    some = of.kind is not None or of.organisation is not None
    with file.reading() as cursor:
        found = rows(cursor, BY, {**holding, "dimensions": by})
        total = rows(cursor, CHOSEN, holding) if some else rows(cursor, ALL, cases)
        return table(by, MEASURES, found, total[0])
