"""Loading a city pack: every file read, every problem told at once, then one frozen `City`."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from zoneinfo import ZoneInfo

from shared_calendar import Calendar, Term
from shared_city.calendars import write_out
from shared_city.files import FILES, Pack, ResponsibilityEntry, TermsFile, read_pack
from shared_city.model import City, Responsibility, Stage, Terms
from shared_city.reference import disagreements
from shared_city.source import PackError, Problem


def load_city(path: Path) -> City:
    """Load the pack in a directory. Raises `PackError` with every problem in it, by file and line."""
    if not path.is_dir():
        raise PackError([Problem(str(path), 1, "is no directory; a city pack is one")])
    return _assemble(read_pack(path))


def load_cities(directory: Path) -> Mapping[str, City]:
    """Load every pack in a directory of packs, by slug. Raises `PackError` with every problem in all of them."""
    if not directory.is_dir():
        raise PackError([Problem(str(directory), 1, "is no directory; cities are kept in one, a directory each")])
    packs = [read_pack(path) for path in sorted(directory.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    if not packs:
        raise PackError([Problem(str(directory), 1, "holds no city pack: a directory with a city.yaml")])
    cities: dict[str, City] = {}
    problems = list(_shared_prefixes(packs))
    for pack in packs:
        try:
            cities[pack.path.name] = _assemble(pack)
        except PackError as error:
            problems += error.problems
    if problems:
        raise PackError(problems)
    return MappingProxyType(cities)


def check(path: Path) -> list[str]:
    """Say what is wrong with a pack, or with a directory of packs: `file:line: what`, one each; nothing if all is well."""
    try:
        if any((path / name).is_file() for name in FILES):
            load_city(path)
        else:
            load_cities(path)
    except PackError as error:
        return [str(problem) for problem in error.problems]
    return []


def _assemble(pack: Pack) -> City:
    """Make a city of a pack without problems; raise `PackError` with all of them otherwise."""
    problems = [*pack.problems, *disagreements(pack)]
    if problems or pack.city is None:
        raise PackError(problems)
    says = pack.city.value
    calendars = tuple(write_out(entry.value, says.timezone, says.languages) for entry in pack.calendars.entries)
    terms = None if pack.terms is None else _terms(pack, pack.terms.value, calendars, says.timezone)
    return City(
        slug=says.slug,
        names=says.names,
        version=says.version,
        timezone=says.timezone,
        languages=says.languages,
        default_language=says.default_language,
        register_prefix=says.register_prefix,
        districts=tuple(entry.value for entry in pack.districts.entries),
        service_types=tuple(entry.value for entry in pack.service_types.entries),
        organisations=tuple(entry.value for entry in pack.organisations.entries),
        responsibilities=tuple(
            responsibility for entry in pack.responsibilities.entries for responsibility in _responsibilities(entry.value)
        ),
        terms=terms,
        calendars=calendars or (() if terms is None else (terms.calendar,)),
        buildings=tuple(entry.value for entry in pack.buildings.entries),
        routing=tuple(entry.value for entry in pack.routing.entries),
        procedures=tuple(entry.value for entry in pack.procedures.entries),
        request_import=None if pack.request_import is None else pack.request_import.value.requests,
    )


def _responsibilities(entry: ResponsibilityEntry) -> Iterator[Responsibility]:
    """Write an entry out: one responsibility for each service type in each territory."""
    for service_type in entry.service_types:
        for territory in entry.territories:
            yield Responsibility(
                organisation=entry.organisation,
                service_type=service_type,
                district=territory.district,
                building=territory.building,
                valid_from=entry.valid_from,
                valid_to=entry.valid_to,
            )


def _terms(pack: Pack, says: TermsFile, calendars: Sequence[Calendar], timezone: ZoneInfo) -> Terms:
    """Gather the overrides by service type, a type's own before those of the types it is a kind of; find the calendar."""
    own: dict[str, dict[Stage, Term]] = {}
    for override in says.overrides:
        for service_type in override.service_types:
            own.setdefault(service_type, {}).update(override.stages)
    parents = {entry.value.code: entry.value.parent for entry in pack.service_types.entries}
    by_service_type = {code: inherited for code in parents if (inherited := _inherited(code, parents, own))}
    around_the_clock = Calendar(id=says.calendar.id, version=says.calendar.version, timezone=timezone)
    return Terms(
        version=says.version,
        calendar=next((calendar for calendar in calendars if calendar.id == says.calendar.id), around_the_clock),
        stages=says.stages,
        by_service_type=by_service_type,
        warn_percent=says.warn_percent,
        ladder=says.ladder,
        statutory_pauses=says.statutory_pauses,
        most_declines=says.most_declines,
    )


def _inherited(code: str, parents: Mapping[str, str | None], own: Mapping[str, Mapping[Stage, Term]]) -> dict[Stage, Term]:
    """Gather what is set for a type or for any type it is a kind of, the nearest first."""
    stages: dict[Stage, Term] = {}
    step: str | None = code
    while step is not None:
        stages = {**own.get(step, {}), **stages}
        step = parents.get(step)
    return stages


def _shared_prefixes(packs: Sequence[Pack]) -> Iterator[Problem]:
    """Check that a register number tells its city."""
    owners: dict[str, str] = {}
    for city in (pack.city for pack in packs if pack.city is not None):
        prefix, place = city.value.register_prefix, f"{city.source.file}:{city.source.line(('register_prefix',))}"
        if owners.setdefault(prefix, place) != place:
            yield city.problem(f"register_prefix: '{prefix}' is taken by {owners[prefix]}", "register_prefix")
