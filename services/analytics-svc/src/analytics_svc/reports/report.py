"""What every report is: rows under a few columns, of what was known at a moment."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import LiteralString, Self

from analytics_svc.domain.refusal import AnalyticsError
from analytics_svc.facts.file import FactFile, Row


class UnknownDimensionError(AnalyticsError):
    """This report has no such dimension."""


class UnknownCityError(AnalyticsError):
    """There is no such city here."""


class ForeignPlaceError(AnalyticsError):
    """This cursor is of another report; leave it out to begin from the start."""


class NoDaysError(AnalyticsError):
    """The first day, `from`, is to come before the day no longer meant, `to`."""


CITIES: LiteralString = "SELECT slug FROM city ORDER BY slug"

Place = tuple[str | int | None, ...]
"""What the last row shown stands under: its dimensions, as JSON has them."""


@dataclass(frozen=True, slots=True)
class Window:
    """Which facts a report is about: those known at a moment (None: all), of a city (None: all), of days of the city's own time.

    `since` is the first day, `until` the first day no longer meant.
    """

    as_of: datetime | None = None
    city: str | None = None
    since: date | None = None
    until: date | None = None

    @property
    def params(self) -> dict[str, object]:
        """The window as parameters of a statement."""
        return {"as_of": self.as_of, "city": self.city, "since": self.since, "until": self.until}

    def checked(self, file: FactFile) -> Self:
        """Give the window back when it can be meant. Raises `UnknownCityError` or `NoDaysError`."""
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise NoDaysError(NoDaysError.__doc__)
        if self.city is not None:
            cities = [str(row["slug"]) for row in file.query(CITIES)]
            if self.city not in cities:
                raise UnknownCityError(f"{UnknownCityError.__doc__} There are: {', '.join(cities)}.")
        return self


@dataclass(frozen=True, slots=True)
class Table:
    """A report: its columns in order, the dimensions first; its rows, and what they sum to, counted by itself."""

    dimensions: Sequence[str]
    columns: Sequence[str]
    rows: Sequence[Row]
    total: Row


def chosen(wanted: Iterable[str], known: Sequence[str]) -> list[str]:
    """Give the dimensions asked for, in the report's own order.

    Raises `UnknownDimensionError` for one the report does not have.
    """
    asked = set(wanted)
    if unknown := asked - set(known):
        raise UnknownDimensionError(f"There is no {', '.join(sorted(unknown))} here, only {', '.join(known)}.")
    return [dimension for dimension in known if dimension in asked]


def table(dimensions: Sequence[str], measures: Sequence[str], found: Iterable[Row], total: Row) -> Table:
    """Make a report of what was found, with the columns asked for."""
    columns = [*dimensions, *measures]
    return Table(dimensions, columns, [{column: row[column] for column in columns} for row in found], total)


def page(report: Table, after: Place | None, limit: int) -> tuple[list[Row], Place | None]:
    """Cut at most `limit` rows after a place, and tell the place where the next page begins, or None at the end.

    Rows stand in the order of their dimensions, those without a value last. Raises `ForeignPlaceError`.
    """

    def place(row: Row) -> Place:
        return tuple(value if isinstance(value := row[name], int | None) else str(value) for name in report.dimensions)

    if after is not None and len(after) != len(report.dimensions):
        raise ForeignPlaceError(ForeignPlaceError.__doc__)
    try:
        rows = [row for row in report.rows if after is None or _order(place(row)) > _order(after)]
    except TypeError as error:
        raise ForeignPlaceError(ForeignPlaceError.__doc__) from error
    return rows[:limit], place(rows[limit - 1]) if len(rows) > limit else None


def _order(place: Place) -> tuple[tuple[bool, str | int], ...]:
    return tuple((value is None, "" if value is None else value) for value in place)


def as_csv(report: Table) -> str:
    """Write a report as CSV (RFC 4180), in UTF-8, with a header; its total is left out."""
    text = io.StringIO()
    writer = csv.DictWriter(text, report.columns)
    writer.writeheader()
    writer.writerows(report.rows)
    return text.getvalue()
