"""Requests by what they are about, by outcome and by whose word ended them, as they were known at a moment."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, LiteralString

from analytics_svc.facts.file import FactFile, rows
from analytics_svc.reports.report import Table, Window, chosen, table

DIMENSIONS: Final = ("city", "district", "type", "channel", "day", "outcome", "ending", "rounds")
"""What requests are told apart by. `day` is the day of submission in the city's time; a request not closed, or open again, is
`open`. `ending` is whose word it was that the work is done: confirmed, silent (the resident did not answer in time), or unasked;
a confirmation and a silence are never one figure. `rounds` is how often the work was taken up, from 1."""

USUAL: Final = ("district", "type", "day", "outcome")

MEASURES: Final = (
    "count",
    "reopenings",
    "disputes",
    "declines",
    "returns",
    "committee",
    "warnings",
    "breaches",
    "escalations",
    "in_incidents",
)
"""Requests; how often they were reopened, disputed, declined, given back, decided by the committee, warned about, breached and
escalated; and how many of them an incident explains."""

BY: LiteralString = """
    SELECT CASE WHEN list_contains($dimensions, 'city') THEN city END AS city,
           CASE WHEN list_contains($dimensions, 'district') THEN district END AS district,
           CASE WHEN list_contains($dimensions, 'type') THEN type END AS type,
           CASE WHEN list_contains($dimensions, 'channel') THEN channel END AS channel,
           CASE WHEN list_contains($dimensions, 'day') THEN day END AS day,
           CASE WHEN list_contains($dimensions, 'outcome') THEN outcome END AS outcome,
           CASE WHEN list_contains($dimensions, 'ending') THEN ending END AS ending,
           CASE WHEN list_contains($dimensions, 'rounds') THEN rounds END AS rounds,
           count(*) AS count, sum(reopenings)::BIGINT AS reopenings, sum(disputes)::BIGINT AS disputes,
           sum(declines)::BIGINT AS declines, sum(returns)::BIGINT AS returns, sum(committee)::BIGINT AS committee,
           sum(warnings)::BIGINT AS warnings, sum(breaches)::BIGINT AS breaches, sum(escalations)::BIGINT AS escalations,
           count(*) FILTER (in_incident) AS in_incidents
    FROM request_known($as_of)
    WHERE ($city::VARCHAR IS NULL OR city = $city) AND ($district::VARCHAR IS NULL OR district = $district)
      AND ($type::VARCHAR IS NULL OR type = $type) AND ($channel::VARCHAR IS NULL OR channel = $channel)
      AND ($outcome::VARCHAR IS NULL OR outcome = $outcome) AND ($ending::VARCHAR IS NULL OR ending = $ending)
      AND ($since::DATE IS NULL OR day >= $since) AND ($until::DATE IS NULL OR day < $until)
    GROUP BY ALL ORDER BY ALL NULLS LAST
"""
ALL: LiteralString = """
    SELECT count(*) AS count, coalesce(sum(reopenings), 0)::BIGINT AS reopenings, coalesce(sum(disputes), 0)::BIGINT AS disputes,
           coalesce(sum(declines), 0)::BIGINT AS declines, coalesce(sum(returns), 0)::BIGINT AS returns,
           coalesce(sum(committee), 0)::BIGINT AS committee, coalesce(sum(warnings), 0)::BIGINT AS warnings,
           coalesce(sum(breaches), 0)::BIGINT AS breaches, coalesce(sum(escalations), 0)::BIGINT AS escalations,
           count(*) FILTER (in_incident) AS in_incidents
    FROM request_known($as_of)
    WHERE ($city::VARCHAR IS NULL OR city = $city) AND ($district::VARCHAR IS NULL OR district = $district)
      AND ($type::VARCHAR IS NULL OR type = $type) AND ($channel::VARCHAR IS NULL OR channel = $channel)
      AND ($outcome::VARCHAR IS NULL OR outcome = $outcome) AND ($ending::VARCHAR IS NULL OR ending = $ending)
      AND ($since::DATE IS NULL OR day >= $since) AND ($until::DATE IS NULL OR day < $until)
"""


@dataclass(frozen=True, slots=True)
class Of:
    """Which requests are meant; None: all."""

    district: str | None = None
    type: str | None = None
    channel: str | None = None
    outcome: str | None = None
    ending: str | None = None

    @property
    def params(self) -> dict[str, object]:
        """The choice as parameters of a statement."""
        told = {"district": self.district, "type": self.type, "channel": self.channel}
        return {**told, "outcome": self.outcome, "ending": self.ending}


def requests(file: FactFile, dimensions: Iterable[str], window: Window, of: Of = Of()) -> Table:
    """Count requests by the dimensions asked for. Raises `UnknownDimensionError`, `UnknownCityError` or `NoDaysError`."""
    by = chosen(dimensions, DIMENSIONS)
    params = {**window.checked(file).params, **of.params}
    with file.reading() as cursor:
        found = rows(cursor, BY, {**params, "dimensions": by})
        return table(by, MEASURES, found, rows(cursor, ALL, params)[0])
