"""What every report is: rows under a few columns, of what was known at a moment."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from analytics_svc.domain.refusal import AnalyticsError
from analytics_svc.facts.file import Row


class UnknownDimensionError(AnalyticsError):
    """This report has no such dimension."""


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


@dataclass(frozen=True, slots=True)
class Table:
    """A report: its columns in order, its rows, and what they sum to, counted by themselves."""

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
    return Table(columns, [{column: row[column] for column in columns} for row in found], total)


def as_csv(report: Table) -> str:
    """Write a report as CSV (RFC 4180), in UTF-8, with a header; its total is left out."""
    text = io.StringIO()
    writer = csv.DictWriter(text, report.columns)
    writer.writeheader()
    writer.writerows(report.rows)
    return text.getvalue()
