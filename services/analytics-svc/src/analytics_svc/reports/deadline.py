"""Terms kept and not kept: every clock of every case, by what it measured and who was to keep it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, LiteralString

from analytics_svc.facts.file import FactFile, rows
from analytics_svc.reports.report import Table, Window, chosen, table

DIMENSIONS: Final = ("city", "district", "type", "stage", "organisation", "day")
"""What clocks are told apart by; `day` is the day on which they are due, in the city's time. A clock that the call centre or a
dispatcher was to keep has no organisation."""

USUAL: Final = ("type", "stage", "organisation", "day")

MEASURES: Final = ("clocks", "kept", "late", "running", "warnings", "escalations")
"""A clock is late when it was breached, be it over or not; otherwise kept when it is over, and running when it is not. Warnings
and escalations are how often somebody was told."""

BY: LiteralString = """
    SELECT CASE WHEN list_contains($dimensions, 'city') THEN city END AS city,
           CASE WHEN list_contains($dimensions, 'district') THEN district END AS district,
           CASE WHEN list_contains($dimensions, 'type') THEN type END AS type,
           CASE WHEN list_contains($dimensions, 'stage') THEN stage END AS stage,
           CASE WHEN list_contains($dimensions, 'organisation') THEN organisation END AS organisation,
           CASE WHEN list_contains($dimensions, 'day') THEN day END AS day,
           count(*) AS clocks, count(*) FILTER (state = 'kept') AS kept, count(*) FILTER (state = 'late') AS late,
           count(*) FILTER (state = 'running') AS running, sum(warnings)::BIGINT AS warnings,
           sum(escalations)::BIGINT AS escalations
    FROM clock_of_request($as_of)
    WHERE ($city::VARCHAR IS NULL OR city = $city) AND ($district::VARCHAR IS NULL OR district = $district)
      AND ($type::VARCHAR IS NULL OR type = $type) AND ($stage::VARCHAR IS NULL OR stage = $stage)
      AND ($organisation::VARCHAR IS NULL OR organisation = $organisation)
      AND ($since::DATE IS NULL OR day >= $since) AND ($until::DATE IS NULL OR day < $until)
    GROUP BY ALL ORDER BY ALL NULLS LAST
"""
ALL: LiteralString = """
    SELECT count(*) AS clocks, count(*) FILTER (state = 'kept') AS kept, count(*) FILTER (state = 'late') AS late,
           count(*) FILTER (state = 'running') AS running, coalesce(sum(warnings), 0)::BIGINT AS warnings,
           coalesce(sum(escalations), 0)::BIGINT AS escalations
    FROM clock_of_request($as_of)
    WHERE ($city::VARCHAR IS NULL OR city = $city) AND ($district::VARCHAR IS NULL OR district = $district)
      AND ($type::VARCHAR IS NULL OR type = $type) AND ($stage::VARCHAR IS NULL OR stage = $stage)
      AND ($organisation::VARCHAR IS NULL OR organisation = $organisation)
      AND ($since::DATE IS NULL OR day >= $since) AND ($until::DATE IS NULL OR day < $until)
"""


@dataclass(frozen=True, slots=True)
class Of:
    """Which clocks are meant; None: all."""

    district: str | None = None
    type: str | None = None
    stage: str | None = None
    organisation: str | None = None


def deadlines(file: FactFile, dimensions: Iterable[str], window: Window, of: Of = Of()) -> Table:
    """Count clocks kept, late and running. Raises `UnknownDimensionError`, `UnknownCityError` or `NoDaysError`."""
    by = chosen(dimensions, DIMENSIONS)
    of_clocks = {"district": of.district, "type": of.type, "stage": of.stage, "organisation": of.organisation}
    params = {**window.checked(file).params, **of_clocks}
    with file.reading() as cursor:
        found = rows(cursor, BY, {**params, "dimensions": by})
        return table(by, MEASURES, found, rows(cursor, ALL, params)[0])
