"""Rows of a file of service requests, read as the city's pack says."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Literal

from shared_city import (
    City,
    Reporter,
    RequestImport,
    UnreadableDateError,
    columns,
    district,
    ending,
    organisation,
    read_time,
    reporter,
    service_type,
)
from shared_events.ids import organisation_stream
from veche.failure import CommandError

Ending = Literal["done", "withdrawn", "not_responsible", "open"]


class NothingToImportError(CommandError):
    """This city's pack does not say how a file of requests is read (import.yaml)."""


@dataclass(frozen=True)
class Row:
    """One request of the file; `line` counts from 1 with the header. Times are UTC."""

    line: int
    number: str
    created: datetime
    serviced: datetime | None
    closed: datetime | None
    service_type: str
    district: str | None
    owner: str | None
    ending: Ending | None
    status: str
    reporter: Reporter
    address: str | None
    latitude: str | None
    longitude: str | None


@dataclass(frozen=True)
class Refused:
    """A row that cannot be played, and why."""

    line: int
    reason: str


def read_rows(file: Path, city: City) -> tuple[list[Row], list[Refused]]:
    """Read a file's rows in the order they were created, and those that cannot be read.

    Raises `NothingToImportError`, or `MissingColumnsError` of shared_city.
    """
    plan = city.request_import
    if plan is None:
        raise NothingToImportError(f"{NothingToImportError.__doc__} (cities/{city.slug})")
    rows: list[Row] = []
    refused: list[Refused] = []
    with file.open(encoding="utf-8-sig", newline="") as source:
        reader = csv.DictReader(source)
        names = columns(plan, list(reader.fieldnames or ()))
        named = _Named(city)
        for record in reader:
            line = reader.line_num
            cells: dict[str, str] = {column: (record.get(name) or "").strip() for column, name in names.items()}
            try:
                rows.append(_row(line, cells, plan, named))
            except (UnreadableDateError, UnknownTypeError, NoNumberError) as error:
                refused.append(Refused(line, str(error)))
    rows.sort(key=lambda row: (row.created, row.number))
    return rows, refused


class UnknownTypeError(ValueError):
    """The pack knows no service type of this name."""


class NoNumberError(ValueError):
    """The row has no number or no creation date."""


class _Named:
    """What a city calls things, each name looked up once: a day names the same few things thousands of times."""

    def __init__(self, city: City) -> None:
        self.city = city
        self.service_type = cache(partial(service_type, city))
        self.district = cache(partial(district, city))
        self.organisation = cache(partial(organisation, city))


def _row(line: int, cells: Mapping[str, str], plan: RequestImport, named: _Named) -> Row:
    city = named.city
    created = read_time(plan, city.timezone, cells["created"])
    if created is None or not cells["number"]:
        raise NoNumberError(NoNumberError.__doc__)
    known = named.service_type(cells["service_type"])
    if known is None:
        raise UnknownTypeError(f"{UnknownTypeError.__doc__} It reads '{cells['service_type']}'.")
    territory = named.district(cells["district"]) if cells.get("district") else None
    owner = named.organisation(cells["owner"]) if cells.get("owner") else None
    return Row(
        line,
        cells["number"],
        created,
        _not_before(read_time(plan, city.timezone, cells.get("serviced", "")), created),
        _not_before(read_time(plan, city.timezone, cells.get("closed", "")), created),
        known.code,
        territory.code if territory is not None else None,
        organisation_stream(city.slug, owner.slug) if owner is not None else None,
        ending(plan, cells["status"]),
        cells["status"],
        reporter(plan, cells.get("channel", ""), cells.get("anonymous", "")),
        cells.get("address") or None,
        cells.get("latitude") or None,
        cells.get("longitude") or None,
    )


def _not_before(time: datetime | None, created: datetime) -> datetime | None:
    """Take what happened before the request was created as happening with it: real files say such things."""
    return None if time is None else max(time, created)


def gaps(rows: list[Row], speed: float | None) -> Iterator[tuple[float, Row]]:
    """Give each row with the seconds after the first at which it is due; at once without a speed."""
    for row in rows:
        seconds = 0.0 if speed is None else (row.created - rows[0].created).total_seconds() / speed
        yield seconds, row
