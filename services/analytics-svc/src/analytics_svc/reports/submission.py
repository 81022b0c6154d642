"""Questions, proposals and remarks by discussion, kind and day."""

from collections.abc import Iterable
from typing import Final, LiteralString
from uuid import UUID

from analytics_svc.facts.file import FactFile, rows
from analytics_svc.reports.report import Table, Window, chosen, table

DIMENSIONS: Final = ("city", "discussion", "kind", "day")
"""What submissions are told apart by; `day` is the day of submission in the city's time."""

USUAL: Final = ("discussion", "kind", "day")

BY: LiteralString = """
    SELECT CASE WHEN list_contains($dimensions, 'city') THEN city END AS city,
           CASE WHEN list_contains($dimensions, 'discussion') THEN discussion END AS discussion,
           CASE WHEN list_contains($dimensions, 'kind') THEN kind END AS kind,
           CASE WHEN list_contains($dimensions, 'day') THEN day END AS day,
           count(*) AS count
    FROM submission_known($as_of)
    WHERE ($city::VARCHAR IS NULL OR city = $city) AND ($discussion::UUID IS NULL OR discussion = $discussion)
      AND ($since::DATE IS NULL OR day >= $since) AND ($until::DATE IS NULL OR day < $until)
    GROUP BY ALL ORDER BY ALL NULLS LAST
"""
ALL: LiteralString = """
    SELECT count(*) AS count FROM submission_known($as_of)
    WHERE ($city::VARCHAR IS NULL OR city = $city) AND ($discussion::UUID IS NULL OR discussion = $discussion)
      AND ($since::DATE IS NULL OR day >= $since) AND ($until::DATE IS NULL OR day < $until)
"""


def submissions(file: FactFile, dimensions: Iterable[str], window: Window, discussion: UUID | None = None) -> Table:
    """Count submissions by the dimensions asked for. Raises `UnknownDimensionError`, `UnknownCityError` or `NoDaysError`."""
    by = chosen(dimensions, DIMENSIONS)
    params = {**window.checked(file).params, "discussion": discussion}
    with file.reading() as cursor:
        found = rows(cursor, BY, {**params, "dimensions": by})
        return table(by, ("count",), found, rows(cursor, ALL, params)[0])
