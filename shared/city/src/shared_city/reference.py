"""What the files of a pack must agree on: names in every language, no name twice, no reference to nothing, no overlap."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import combinations
from typing import get_args

from pydantic import BaseModel

from shared_city.files import Located, Pack, ResponsibilityEntry
from shared_city.model import District, Organisation, Procedure, ServiceType, Stage
from shared_city.part import matching_key
from shared_city.source import Problem


def disagreements(pack: Pack) -> list[Problem]:
    """Find everything the files do not agree on, as far as each of them is valid by itself."""
    return [
        *_city(pack),
        *_languages(pack),
        *_names_once("district", pack.districts.entries),
        *_names_once("service type", pack.service_types.entries),
        *_names_once("organisation", pack.organisations.entries),
        *_names_once("procedure", pack.procedures.entries),
        *_references(pack),
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
    languages = pack.city.value.languages
    allowed = f"the city's languages are: {', '.join(languages)}"
    for entry, names in named:
        for language in languages:
            if language not in names:
                yield entry.problem(f"names: there is none in '{language}'; {allowed}", "names")
        for language in names:
            if language not in languages:
                yield entry.problem(f"names: '{language}' is not asked for; {allowed}", "names", language)


def _names_once(what: str, entries: Sequence[Located[District | ServiceType | Organisation | Procedure]]) -> Iterator[Problem]:
    """Check that no code, slug or alias means two things, however it is spelt."""
    owners: dict[str, Located[BaseModel]] = {}
    for entry in entries:
        item = entry.value
        own = item.slug if isinstance(item, Organisation) else item.code
        for name in (own, *(() if isinstance(item, Procedure) else item.aliases)):
            first = owners.setdefault(matching_key(name), entry)
            if first is not entry:
                yield entry.problem(f"'{name}' already names the {what} on line {first.line}")


def _references(pack: Pack) -> Iterator[Problem]:
    """Check that responsibilities and terms speak of organisations, service types and districts that exist."""
    types, districts, organisations = pack.service_types.codes, pack.districts.codes, pack.organisations.codes
    for entry in pack.responsibilities.entries:
        value = entry.value
        yield from _unknown(entry, "organisation", organisations, [value.organisation], ("organisation",))
        yield from _unknown(entry, "service type", types, value.service_types, ("service_types",))
        yield from _unknown(entry, "district", districts, value.districts or (), ("districts",))
    if pack.terms is not None:
        for index, override in enumerate(pack.terms.value.overrides):
            place = ("overrides", index, "service_types")
            yield from _unknown(pack.terms, "service type", types, override.service_types, place)


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
            f"{service_type} in {territory or 'the whole city'}"
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
    """Check that every stage of every service type has exactly one term."""
    if pack.terms is None:
        if pack.service_types.entries and not (pack.path / "terms.yaml").is_file():
            yield Problem(str(pack.path / "terms.yaml"), 1, "is missing: a city with service types says how long they may take")
        return
    missing = [stage for stage in get_args(Stage) if stage not in pack.terms.value.stages]
    if missing:
        yield pack.terms.problem(f"stages: no term for {', '.join(missing)}", "stages")
    set_by: dict[tuple[str, Stage], int] = {}
    for index, override in enumerate(pack.terms.value.overrides):
        line = pack.terms.source.line(("overrides", index))
        for service_type in override.service_types:
            for stage in override.stages:
                first = set_by.setdefault((service_type, stage), line)
                if first != line:
                    yield pack.terms.problem(f"line {first} already sets '{stage}' of '{service_type}'", "overrides", index)


def _days(pack: Pack) -> Iterator[Problem]:
    """Check that no procedure asks for more days than it allows."""
    for entry in pack.procedures.entries:
        days = entry.value.duration_days
        if days.most is not None and days.most < days.least:
            yield entry.problem(f"duration_days: most ({days.most}) is less than least ({days.least})", "duration_days")
