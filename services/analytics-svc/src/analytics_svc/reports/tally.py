"""The stream processor's tallies beside the facts: the same registrations, counted twice by two programs."""

from dataclasses import dataclass
from typing import Final, LiteralString

from analytics_svc.facts.file import FactFile, Row, rows
from analytics_svc.facts.tally import KEPT
from analytics_svc.reports.report import Window as ReportWindow

ALARM_SHARE: Final = 0.01
"""The share of registrations by which the tallies may differ."""

SETTLED_AFTER: Final = 30
"""Seconds after its end from when on a minute is compared: the tallies come a few seconds after the facts."""

COMPARED: LiteralString = """
    WITH counted AS (
        SELECT date_trunc('minute', known) AS minute, city, coalesce(district, '') AS district, service_type AS category,
               count(*) AS facts
        FROM event
        WHERE type = 'request.request-registered.v1' AND known >= date_trunc('minute', now() - to_seconds($kept::INTEGER))
        GROUP BY ALL
    ), tallied AS (
        SELECT minute, city, district, category, count FROM tally
        WHERE minute >= date_trunc('minute', now() - to_seconds($kept::INTEGER))
    )
    SELECT minute, city, district, category, coalesce(t.count, 0) AS tallies, coalesce(c.facts, 0) AS facts,
           coalesce(t.count, 0) - coalesce(c.facts, 0) AS difference,
           minute + INTERVAL 1 MINUTE + to_seconds($settled_after::INTEGER) <= now() AS settled
    FROM tallied t FULL JOIN counted c USING (minute, city, district, category)
    WHERE $city::VARCHAR IS NULL OR city = $city
    ORDER BY minute DESC, city, district, category
"""
UNCOUNTED: LiteralString = "SELECT count(*) AS count FROM stream_parked"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Tallies and facts by minute, and by how much they differ over the settled minutes of the last two days.

    `difference` sums the windows' differences regardless of their sign; `parked` counts events the stream processor set aside;
    `alarm` says that the difference is above 1 % of the facts.
    """

    tallies: int
    facts: int
    difference: int
    share: float
    alarm: bool
    parked: int
    windows: list[Row]


def checked(file: FactFile, city: str | None) -> str | None:
    """Give the city back when there is one of this name. Raises `UnknownCityError`."""
    return ReportWindow(city=city).checked(file).city


def compare(file: FactFile, city: str | None = None, limit: int = 1000) -> Comparison:
    """Compare the tallies with the facts; of the windows the newest `limit` are given."""
    with file.reading() as cursor:
        windows = rows(cursor, COMPARED, {"city": city, "settled_after": SETTLED_AFTER, "kept": int(KEPT.total_seconds())})
        parked = rows(cursor, UNCOUNTED)[0]["count"]
    settled = [row for row in windows if row["settled"]]
    facts, difference = _sum(settled, "facts"), sum(abs(each) for row in settled if isinstance(each := row["difference"], int))
    share = difference / facts if facts else float(difference > 0)
    return Comparison(
        tallies=_sum(settled, "tallies"),
        facts=facts,
        difference=difference,
        share=share,
        alarm=share > ALARM_SHARE,
        parked=parked if isinstance(parked, int) else 0,
        windows=windows[:limit],
    )


def _sum(windows: list[Row], column: str) -> int:
    return sum(each for row in windows if isinstance(each := row[column], int))
