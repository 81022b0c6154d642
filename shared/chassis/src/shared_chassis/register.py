"""Numbers of a public register: drawn one after another before they are used, so that every hole is explained."""

from datetime import datetime
from typing import LiteralString, NamedTuple
from uuid import UUID

from shared_chassis.postgres import Database

DRAW: LiteralString = """
    SELECT draw_number(%(series)s, %(command)s) AS number, set_config('synchronous_commit', 'off', true)
"""
DRAW_OF_YEAR: LiteralString = """
    SELECT coalesce((SELECT d.series FROM register_draw d WHERE d.command_id = %(command)s), wanted.series) AS series,
        draw_number(wanted.series, %(command)s) AS number, set_config('synchronous_commit', 'off', true)
    FROM (SELECT %(prefix)s || '-' || extract(year FROM rule_now() AT TIME ZONE %(zone)s)::integer AS series) AS wanted
"""
VOIDS: LiteralString = """
    SELECT d.series, d.number, d.drawn_at FROM register_draw d
    WHERE d.drawn_at < rule_now() - interval '1 hour' AND d.series = %(series)s
      AND NOT EXISTS (SELECT 1 FROM command c WHERE c.command_id = d.command_id AND c.count > 0)
    ORDER BY d.number
"""


class Void(NamedTuple):
    """A number that was drawn and never used within the hour."""

    series: str
    number: int
    drawn_at: datetime


class Drawn(NamedTuple):
    """A number, and the series it was drawn from."""

    series: str
    number: int


def draw(database: Database, series: str, command: UUID) -> int:
    """Draw the next number of a series for a command; the same command draws the same number again.

    Commits without waiting for the disk: whatever uses the number commits later in the same log, and takes the draw with it.
    """
    row = database.query_one(DRAW, {"series": series, "command": command})
    if row is None:
        raise LookupError(series)
    return int(row["number"])


def draw_of_year(database: Database, prefix: str, zone: str, command: UUID) -> Drawn:
    """Draw from the series `<prefix>-<year>` of the year that clocks in a zone show now, as `draw` does.

    The same command gets the same number and series again, also when the year has turned meanwhile.
    """
    row = database.query_one(DRAW_OF_YEAR, {"prefix": prefix, "zone": zone, "command": command})
    if row is None:
        raise LookupError(prefix)
    return Drawn(row["series"], int(row["number"]))


def voids(database: Database, series: str) -> list[Void]:
    """List the series' numbers that were drawn over an hour ago by a command that stored nothing."""
    return [Void(row["series"], row["number"], row["drawn_at"]) for row in database.query(VOIDS, {"series": series})]
