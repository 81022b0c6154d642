"""How residents rated the work of organisations: who was asked, who answered what, and who said nothing."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, LiteralString

from analytics_svc.facts.file import FactFile, rows
from analytics_svc.reports.report import Table, Window, chosen, table

DIMENSIONS: Final = ("city", "district", "type", "organisation", "day")
"""What ratings are told apart by; `day` is the day of asking, in the city's time."""

USUAL: Final = ("organisation",)

MEASURES: Final = ("asked", "given", "silent", "points", "average")
"""Each round is asked about once. `points` sum exactly; `average` is of those given (1 to 5), null where none was."""

BY: LiteralString = """
    SELECT CASE WHEN list_contains($dimensions, 'city') THEN city END AS city,
           CASE WHEN list_contains($dimensions, 'district') THEN district END AS district,
           CASE WHEN list_contains($dimensions, 'type') THEN type END AS type,
           CASE WHEN list_contains($dimensions, 'organisation') THEN organisation END AS organisation,
           CASE WHEN list_contains($dimensions, 'day') THEN day END AS day,
           count(*) AS asked, count(rating) AS given, count(*) - count(rating) AS silent,
           coalesce(sum(rating), 0)::BIGINT AS points, round(avg(rating), 3) AS average
    FROM rating_asked($as_of)
    WHERE ($city::VARCHAR IS NULL OR city = $city) AND ($district::VARCHAR IS NULL OR district = $district)
      AND ($type::VARCHAR IS NULL OR type = $type) AND ($organisation::VARCHAR IS NULL OR organisation = $organisation)
      AND ($since::DATE IS NULL OR day >= $since) AND ($until::DATE IS NULL OR day < $until)
    GROUP BY ALL ORDER BY ALL NULLS LAST
"""
ALL: LiteralString = """
    SELECT count(*) AS asked, count(rating) AS given, count(*) - count(rating) AS silent,
           coalesce(sum(rating), 0)::BIGINT AS points, round(avg(rating), 3) AS average
    FROM rating_asked($as_of)
    WHERE ($city::VARCHAR IS NULL OR city = $city) AND ($district::VARCHAR IS NULL OR district = $district)
      AND ($type::VARCHAR IS NULL OR type = $type) AND ($organisation::VARCHAR IS NULL OR organisation = $organisation)
      AND ($since::DATE IS NULL OR day >= $since) AND ($until::DATE IS NULL OR day < $until)
"""


@dataclass(frozen=True, slots=True)
class Of:
    """Which ratings are meant; None: all."""

    district: str | None = None
    type: str | None = None
    organisation: str | None = None


def ratings(file: FactFile, dimensions: Iterable[str], window: Window, of: Of = Of()) -> Table:
    """Count ratings asked for, given and not given. Raises `UnknownDimensionError`, `UnknownCityError` or `NoDaysError`."""
    by = chosen(dimensions, DIMENSIONS)
    params = {**window.checked(file).params, "district": of.district, "type": of.type, "organisation": of.organisation}
    with file.reading() as cursor:
        found = rows(cursor, BY, {**params, "dimensions": by})
        return table(by, MEASURES, found, rows(cursor, ALL, params)[0])
