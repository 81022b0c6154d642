"""The files of a pack as they are written, and what each may hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated, Generic, Self, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, Field, StrictBool, model_validator

from shared_city.calendars import CalendarEntry
from shared_city.imports import RequestImport
from shared_city.model import (
    Building,
    Declines,
    District,
    Ladder,
    Organisation,
    PauseCauses,
    Prefix,
    Procedure,
    RoutingOverride,
    ServiceType,
    Stages,
    WarnPercent,
)
from shared_city.part import Language, Names, Part, Slug, Slugs, Text, each_once
from shared_city.source import Problem, Source, Where, read
from shared_city.wording import parse

M = TypeVar("M", bound=BaseModel)
M_co = TypeVar("M_co", bound=BaseModel, covariant=True)

CITY = "city.yaml"
FILES = (
    CITY,
    "calendars.yaml",
    "districts.yaml",
    "buildings.yaml",
    "service-types.yaml",
    "organisations.yaml",
    "responsibilities.yaml",
    "routing.yaml",
    "terms.yaml",
    "procedures.yaml",
    "import.yaml",
)


class CityFile(Part):
    """What `city.yaml` says."""

    slug: Slug
    names: Names
    version: Text
    timezone: ZoneInfo
    languages: Annotated[tuple[Language, ...], Field(min_length=1), AfterValidator(each_once)]
    default_language: Language
    register_prefix: Prefix


@dataclass(frozen=True)
class Territory:
    """A building, or a district, or the whole city when both are None."""

    building: str | None = None
    district: str | None = None

    def __str__(self) -> str:
        return self.building or self.district or "the whole city"


class ResponsibilityEntry(Part):
    """An entry of `responsibilities.yaml`: an organisation, any number of service types, buildings, districts or the city."""

    organisation: Slug
    service_types: Slugs
    buildings: Slugs | None = None
    districts: Slugs | None = None
    city_wide: StrictBool = False
    valid_from: date
    valid_to: date | None = None

    @model_validator(mode="after")
    def _has_a_territory_and_a_period(self) -> Self:
        """Refuse an entry for nowhere, for two territories at once, or for a period that ends before it begins."""
        if [self.city_wide, self.districts is not None, self.buildings is not None].count(True) != 1:
            raise ValueError("say either 'buildings', 'districts' or 'city_wide: true'")
        if self.valid_to is not None and self.valid_to <= self.valid_from:
            raise ValueError(f"valid_to ({self.valid_to}) must come after valid_from ({self.valid_from})")
        return self

    @property
    def territories(self) -> tuple[Territory, ...]:
        """Each building, or each district, or the whole city."""
        if self.buildings is not None:
            return tuple(Territory(building=building) for building in self.buildings)
        return tuple(Territory(district=district) for district in self.districts or (None,))


class CalendarReference(Part):
    """Which calendar, in which version, counts the terms.

    One of `calendars.yaml`; in a pack without that file one without a gap, day and night, in the city's timezone.
    """

    id: Text
    version: Text


class TermsEntry(Part):
    """An entry of `overrides` in `terms.yaml`: service types whose stages take another time than the rest."""

    service_types: Slugs
    stages: Stages


class TermsFile(Part):
    """What `terms.yaml` says."""

    version: Text
    calendar: CalendarReference
    stages: Stages
    overrides: tuple[TermsEntry, ...] = ()
    warn_percent: WarnPercent | None = None
    ladder: Ladder = ()
    statutory_pauses: PauseCauses = ()
    most_declines: Declines = 3


class ImportFile(Part):
    """What `import.yaml` says."""

    requests: RequestImport


@dataclass(frozen=True)
class Located(Generic[M_co]):
    """A valid entry, and where its file says it."""

    value: M_co
    source: Source
    where: Where

    @property
    def line(self) -> int:
        """The line the entry begins on."""
        return self.source.line(self.where)

    def problem(self, text: str, *place: str | int) -> Problem:
        """Say what is wrong with the entry, or with a place inside it."""
        return self.source.problem((*self.where, *place), text)


@dataclass(frozen=True)
class Listing(Generic[M_co]):
    """A file's valid entries, and the codes of all of them; None when the file cannot be read.

    A reference to an entry that is itself wrong is not one problem more.
    """

    entries: tuple[Located[M_co], ...] = ()
    codes: frozenset[str] | None = frozenset()


@dataclass(frozen=True)
class Pack:
    """What the files of one pack say, as far as each is valid by itself, and what is wrong with them."""

    path: Path
    city: Located[CityFile] | None
    calendars: Listing[CalendarEntry]
    districts: Listing[District]
    buildings: Listing[Building]
    service_types: Listing[ServiceType]
    organisations: Listing[Organisation]
    responsibilities: Listing[ResponsibilityEntry]
    routing: Listing[RoutingOverride]
    terms: Located[TermsFile] | None
    procedures: Listing[Procedure]
    request_import: Located[ImportFile] | None
    problems: list[Problem] = field(default_factory=list)


def read_pack(path: Path) -> Pack:
    """Read every file of a pack. A file the city does not use may be missing, `city.yaml` may not."""
    problems = _strangers(path)
    if not (path / CITY).is_file():
        problems.append(Problem(str(path / CITY), 1, "is missing: every pack has one"))
    return Pack(
        path=path,
        city=_whole(CityFile, path / CITY, problems),
        calendars=_listing(CalendarEntry, path / "calendars.yaml", problems),
        districts=_listing(District, path / "districts.yaml", problems),
        buildings=_listing(Building, path / "buildings.yaml", problems),
        service_types=_listing(ServiceType, path / "service-types.yaml", problems),
        organisations=_listing(Organisation, path / "organisations.yaml", problems),
        responsibilities=_listing(ResponsibilityEntry, path / "responsibilities.yaml", problems),
        routing=_listing(RoutingOverride, path / "routing.yaml", problems),
        terms=_whole(TermsFile, path / "terms.yaml", problems),
        procedures=_listing(Procedure, path / "procedures.yaml", problems),
        request_import=_whole(ImportFile, path / "import.yaml", problems),
        problems=problems,
    )


def _strangers(path: Path) -> list[Problem]:
    """Refuse a YAML file with a name no pack has: it would silently count for nothing."""
    return [
        Problem(str(file), 1, f"is no file of a pack; allowed: {', '.join(FILES)}")
        for file in sorted(path.glob("*.y*ml"))
        if file.name not in FILES
    ]


def _whole(model: type[M], path: Path, problems: list[Problem]) -> Located[M] | None:
    """Read a file that says one thing; None if there is no such file or it is not valid."""
    if not path.is_file():
        return None
    source, found = read(path)
    problems += found
    if source is None:
        return None
    value, wrong = parse(model, source, ())
    problems += wrong
    return None if value is None else Located(value, source, ())


def _listing(model: type[M], path: Path, problems: list[Problem]) -> Listing[M]:
    """Read a file that lists things; an entry that is not valid leaves the others standing."""
    if not path.is_file():
        return Listing()
    source, found = read(path)
    problems += found
    if source is None:
        return Listing(codes=None)
    if source.value is None:
        return Listing()
    if not isinstance(source.value, list):
        problems.append(source.problem((), "must be a list"))
        return Listing(codes=None)
    entries: list[Located[M]] = []
    for index in range(len(source.value)):
        value, wrong = parse(model, source, (index,))
        problems += wrong
        if value is not None:
            entries.append(Located(value, source, (index,)))
    return Listing(tuple(entries), _codes(source.value))


def _codes(entries: list[object]) -> frozenset[str]:
    """Collect what the entries are called, valid or not."""
    named = [entry for entry in entries if isinstance(entry, Mapping)]
    return frozenset(str(entry[key]) for entry in named for key in ("code", "slug", "id") if key in entry)
