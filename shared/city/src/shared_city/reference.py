"""What the files of a pack must agree on: names in every language, no name twice, no reference to nothing, no overlap."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import combinations
from typing import TypeAlias, assert_never

from pydantic import BaseModel

from shared_city.calendars import CalendarEntry
from shared_city.files import Located, Pack, ResponsibilityEntry, TermsFile
from shared_city.model import Building, District, Organisation, Procedure, RoutingOverride, ServiceType, Stage
from shared_city.part import matching_key
from shared_city.source import Problem, Where

Named: TypeAlias = District | Building | ServiceType | Organisation | Procedure | CalendarEntry | RoutingOverride
REQUIRED: tuple[Stage, ...] = ("accept", "finish", "silent_consent", "information")
"""The stages every city sets a term for: work without an end, silence without one and a pause without a cap are not allowed."""


def disagreements(pack: Pack) -> list[Problem]:
    """Find everything the files do not agree on, as far as each of them is valid by itself."""
    return [
        *_city(pack),
        *_languages(pack),
        *_names_once("calendar", pack.calendars.entries),
        *_names_once("district", pack.districts.entries),
        *_names_once("building", pack.buildings.entries),
        *_names_once("service type", pack.service_types.entries),
        *_names_once("organisation", pack.organisations.entries),
        *_names_once("procedure", pack.procedures.entries),
        *_names_once("routing override", pack.routing.entries),
        *_references(pack),
        *_trees(pack.service_types.entries),
        *_dates_once(pack.calendars.entries),
        *_overlaps(pack.responsibilities.entries),
        *_terms(pack),
        *_days(pack),
    ]


def _city(pack: Pack) -> Iterator[Problem]:
    """Check that the city is called like its directory, and that its default language is one of its own."""
    if pack.city is None:
        return
    city, directory = pack.city.value, pack.path.resolve().name
    if city.slug != directory:
        yield pack.city.problem(f"slug: must be '{directory}', the name of the pack's directory, not '{city.slug}'", "slug")
    if city.default_language not in city.languages:
        yield pack.city.problem(
            f"default_language: must be one of the city's languages ({', '.join(city.languages)}), not '{city.default_language}'",
            "default_language",
        )


def _languages(pack: Pack) -> Iterator[Problem]:
    """Check that whatever has names has one in each language of the city, and in no other."""
    if pack.city is None:
        return
    named: list[tuple[Located[BaseModel], Mapping[str, str]]] = [
        (pack.city, pack.city.value.names),
        *((entry, entry.value.names) for entry in pack.districts.entries),
        *((entry, entry.value.names) for entry in pack.service_types.entries),
        *((entry, entry.value.names) for entry in pack.procedures.entries),
    ]
    deeper: list[tuple[Located[BaseModel], Mapping[str, str], Where]] = [
        *((entry, names, ("names",)) for entry, names in named),
        *(found for entry in pack.service_types.entries for found in _asked(entry)),
        *(found for entry in pack.calendars.entries for found in _named_days(entry)),
    ]
    languages = pack.city.value.languages
    allowed = f"the city's languages are: {', '.join(languages)}"
    for entry, names, place in deeper:
        for language in languages:
            if language not in names:
                yield entry.problem(f"names: there is none in '{language}'; {allowed}", *place)
        for language in names:
            if language not in languages:
                yield entry.problem(f"names: '{language}' is not asked for; {allowed}", *place, language)


def _asked(entry: Located[ServiceType]) -> Iterator[tuple[Located[BaseModel], Mapping[str, str], Where]]:
    """Give the names of a service type's questions and of the choices they leave, each with its place."""
    for index, question in enumerate(entry.value.questions):
        yield entry, question.names, ("questions", index, "names")
        for code, names in question.choices.items():
            yield entry, names, ("questions", index, "choices", code)


def _named_days(entry: Located[CalendarEntry]) -> Iterator[tuple[Located[BaseModel], Mapping[str, str], Where]]:
    """Give the names of a calendar's own days, each with its place."""
    for index, day in enumerate(entry.value.days_off):
        yield entry, day.names, ("days_off", index, "names")
    for index, working in enumerate(entry.value.working_days):
        if working.names is not None:
            yield entry, working.names, ("working_days", index, "names")


def _names_once(what: str, entries: Sequence[Located[Named]]) -> Iterator[Problem]:
    """Check that no code, slug, id or alias means two things, however it is spelt."""
    owners: dict[str, Located[BaseModel]] = {}
    for entry in entries:
        for name in _names(entry.value):
            first = owners.setdefault(matching_key(name), entry)
            if first is not entry:
                yield entry.problem(f"'{name}' already names the {what} on line {first.line}")


def _names(item: Named) -> tuple[str, ...]:
    """Give everything a thing goes by."""
    match item:
        case District() | ServiceType():
            return (item.code, *item.aliases)
        case Organisation():
            return (item.slug, *item.aliases)
        case Building() | Procedure():
            return (item.code,)
        case CalendarEntry() | RoutingOverride():
            return (item.id,)
        case _:
            assert_never(item)


def _references(pack: Pack) -> Iterator[Problem]:
    """Check that the files speak of organisations, service types, buildings, districts and calendars that exist."""
    types, districts, organisations = pack.service_types.codes, pack.districts.codes, pack.organisations.codes
    for building in pack.buildings.entries:
        yield from _unknown(building, "district", districts, _present(building.value.district), ("district",))
    for service_type in pack.service_types.entries:
        yield from _unknown(service_type, "service type", types, _present(service_type.value.parent), ("parent",))
    for organisation in pack.organisations.entries:
        calendar = _present(organisation.value.calendar)
        yield from _unknown(organisation, "calendar", pack.calendars.codes, calendar, ("calendar",))
    for rule in pack.routing.entries:
        yield from _unknown(rule, "organisation", organisations, [rule.value.organisation], ("organisation",))
    for entry in pack.responsibilities.entries:
        value = entry.value
        yield from _unknown(entry, "organisation", organisations, [value.organisation], ("organisation",))
        yield from _unknown(entry, "service type", types, value.service_types, ("service_types",))
        yield from _unknown(entry, "district", districts, value.districts or (), ("districts",))
        yield from _unknown(entry, "building", pack.buildings.codes, value.buildings or (), ("buildings",))
    if pack.terms is not None:
        for index, override in enumerate(pack.terms.value.overrides):
            place = ("overrides", index, "service_types")
            yield from _unknown(pack.terms, "service type", types, override.service_types, place)


def _present(name: str | None) -> tuple[str, ...]:
    return () if name is None else (name,)


def _trees(entries: Sequence[Located[ServiceType]]) -> Iterator[Problem]:
    """Check that no service type is a kind of itself, however far round."""
    parents = {entry.value.code: entry.value.parent for entry in entries}
    for entry in entries:
        path = [entry.value.code]
        while (step := parents.get(path[-1])) is not None and step not in path:
            path.append(step)
        if step == entry.value.code:
            yield entry.problem(f"parent: '{step}' would be a kind of itself: {' -> '.join([*path, step])}", "parent")


def _dates_once(entries: Sequence[Located[CalendarEntry]]) -> Iterator[Problem]:
    """Check that a calendar says one thing of a date."""
    for entry in entries:
        says = entry.value
        said: dict[date, int] = {}
        places = [("days_off", index, day.date) for index, day in enumerate(says.days_off)]
        places += [("working_days", index, day.date) for index, day in enumerate(says.working_days)]
        for list_name, index, day in places:
            line = entry.source.line((*entry.where, list_name, index))
            if said.setdefault(day, line) != line:
                yield entry.problem(f"{day}: line {said[day]} already says what day it is", list_name, index)


def _unknown(
    entry: Located[BaseModel], what: str, known: frozenset[str] | None, named: Sequence[str], place: tuple[str | int, ...]
) -> Iterator[Problem]:
    """Find the names that name nothing; nobody can say so of a file that cannot be read."""
    if known is None:
        return
    for index, name in enumerate(named):
        if name not in known:
            there_are = f"known: {', '.join(sorted(known))}" if known else "the pack has none"
            yield entry.problem(f"there is no {what} '{name}'; {there_are}", *place, index)


def _overlaps(entries: Sequence[Located[ResponsibilityEntry]]) -> Iterator[Problem]:
    """Check that at every moment at most one organisation answers for a service type in a territory."""
    for first, second in combinations(entries, 2):
        one, other = first.value, second.value
        if not (one.valid_from < (other.valid_to or date.max) and other.valid_from < (one.valid_to or date.max)):
            continue
        both = [
            f"{service_type} in {territory}"
            for service_type in other.service_types
            if service_type in one.service_types
            for territory in other.territories
            if territory in one.territories
        ]
        if both:
            yield second.problem(
                f"line {first.line} already makes '{one.organisation}' responsible, for an overlapping period, for "
                f"{', '.join(both)}"
            )


def _terms(pack: Pack) -> Iterator[Problem]:
    """Check that no stage of a service type has two terms, that none is missing, and that there is such a calendar."""
    if pack.terms is None:
        if pack.service_types.entries and not (pack.path / "terms.yaml").is_file():
            yield Problem(str(pack.path / "terms.yaml"), 1, "is missing: a city with service types says how long they may take")
        return
    missing = [stage for stage in REQUIRED if stage not in pack.terms.value.stages]
    if missing:
        yield pack.terms.problem(f"stages: no term for {', '.join(missing)}", "stages")
    yield from _calendar_of_terms(pack, pack.terms)
    set_by: dict[tuple[str, Stage], int] = {}
    for index, override in enumerate(pack.terms.value.overrides):
        line = pack.terms.source.line(("overrides", index))
        for service_type in override.service_types:
            for stage in override.stages:
                first = set_by.setdefault((service_type, stage), line)
                if first != line:
                    yield pack.terms.problem(f"line {first} already sets '{stage}' of '{service_type}'", "overrides", index)


def _calendar_of_terms(pack: Pack, terms: Located[TermsFile]) -> Iterator[Problem]:
    """Check that terms are counted by a calendar of the pack in its present version; a pack may have none at all."""
    if pack.calendars.codes == frozenset():
        return
    wanted = terms.value.calendar
    yield from _unknown(terms, "calendar", pack.calendars.codes, [wanted.id], ("calendar", "id"))
    for entry in pack.calendars.entries:
        if entry.value.id == wanted.id and entry.value.version != wanted.version:
            yield terms.problem(
                f"calendar: '{wanted.id}' is in version '{entry.value.version}', not '{wanted.version}'", "calendar", "version"
            )


def _days(pack: Pack) -> Iterator[Problem]:
    """Check that no procedure asks for more days than it allows."""
    for entry in pack.procedures.entries:
        days = entry.value.duration_days
        if days.most is not None and days.most < days.least:
            yield entry.problem(f"duration_days: most ({days.most}) is less than least ({days.least})", "duration_days")
