"""Questions asked of a city."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared_calendar import ElapsedMinutes, NaiveTimeError
from shared_city import (
    City,
    NoTermsError,
    district,
    load_cities,
    load_city,
    organisation,
    procedure,
    responsible,
    service_type,
    terms_for,
)

WritePack = Callable[..., Path]

SPRING = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def city(write_pack: WritePack) -> City:
    """Load the sample pack."""
    return load_city(write_pack())


@pytest.mark.parametrize("name", ["street-light", "Street Light Out", "STREET LIGHT OUT", "street_light_out", " streetlightout "])
def test_a_service_type_is_found_however_it_is_spelt(city: City, name: str) -> None:
    """Case, spaces and underscores play no part."""
    found = service_type(city, name)
    assert found is not None
    assert found.code == "street-light"


def test_districts_organisations_and_procedures_are_found(city: City) -> None:
    """By code, slug and alias."""
    names = (district(city, "1"), organisation(city, "bsl"), procedure(city, "general-plan"))
    assert names == (city.districts[0], city.organisations[1], city.procedures[0])


def test_what_the_city_does_not_know_is_nothing(city: City) -> None:
    """An unknown name is None, never a guess."""
    assert service_type(city, "Street Light") is None
    assert district(city, "") is None
    assert organisation(city, "street-light") is None
    assert procedure(city, "plan") is None


def test_a_service_type_has_its_own_terms_or_the_citys(city: City) -> None:
    """An override holds for its stage only; a type nobody knows yet has the city's terms."""
    assert terms_for(city, "no-heating", "accept") == ElapsedMinutes(minutes=5)
    assert terms_for(city, "no-heating", "finish") == ElapsedMinutes(minutes=600)
    assert terms_for(city, "other", "accept") == ElapsedMinutes(minutes=60)
    assert terms_for(city, None, "silent_consent") == ElapsedMinutes(minutes=30)


def test_a_city_without_terms_says_so(write_pack: WritePack) -> None:
    """It takes no requests, so nobody should ask."""
    bare = load_city(write_pack(without=["terms.yaml", "service-types.yaml", "responsibilities.yaml"]))
    with pytest.raises(NoTermsError, match="sample"):
        terms_for(bare, None, "accept")


def test_the_terms_calendar_stands_in_the_citys_zone(city: City) -> None:
    """It is pinned by id and version."""
    assert city.terms is not None
    assert (city.terms.calendar.id, city.terms.calendar.version) == ("sample", "1")
    assert city.terms.calendar.timezone == city.timezone


@pytest.mark.parametrize(
    ("type_", "place", "expected"),
    [
        ("no-heating", "north", "houses"),
        ("no-heating", "south", "houses"),
        ("no-heating", None, None),
        ("street-light", "north", "houses"),
        ("street-light", "south", "lights"),
        ("street-light", None, "lights"),
        ("other", "north", None),
    ],
)
def test_exactly_one_organisation_is_responsible_or_none(city: City, type_: str, place: str | None, expected: str | None) -> None:
    """One named for the district goes before one for the whole city."""
    found = responsible(city, type_, place, SPRING)
    assert (found.organisation if found else None) == expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2025-12-31T20:59:59+00:00", False),
        ("2025-12-31T21:00:00+00:00", True),
        ("2026-06-30T20:59:59+00:00", True),
        ("2026-06-30T21:00:00+00:00", False),
    ],
)
def test_a_responsibility_begins_and_ends_at_the_citys_midnight(city: City, moment: str, *, expected: bool) -> None:
    """Moscow's midnight is 21:00 UTC; the last day does not count."""
    found = responsible(city, "no-heating", "north", datetime.fromisoformat(moment))
    assert (found is not None) is expected


def test_a_naive_time_is_refused(city: City) -> None:
    """The same hour is another day in another city."""
    with pytest.raises(NaiveTimeError):
        responsible(city, "no-heating", "north", SPRING.replace(tzinfo=None))


def test_an_entry_is_written_out_for_each_type_and_territory(city: City) -> None:
    """Each responsibility is one fact."""
    written = [(item.organisation, item.service_type, item.district) for item in city.responsibilities]
    assert written == [
        ("houses", "no-heating", "north"),
        ("houses", "no-heating", "south"),
        ("lights", "street-light", None),
        ("houses", "street-light", "north"),
    ]


def test_the_pack_version_follows_what_the_pack_says(write_pack: WritePack) -> None:
    """A comment or another order of keys is the same pack; a changed term is another, even with the old number."""
    head, reworded = 'calendar: {id: sample, version: "1"}', '# a comment\ncalendar: {version: "1",\n  id: sample}'
    original = load_city(write_pack())
    turned = ("{en: South, ru: Юг}", "{ru: Юг, en: South}")
    same = load_city(write_pack({"terms.yaml": [(head, reworded)], "districts.yaml": [turned]}, parent="same"))
    changed = load_city(write_pack({"terms.yaml": [("minutes: 600", "minutes: 601")]}, parent="changed"))
    assert original.version == changed.version == "1"
    assert original.pack_version.startswith("1+")
    assert original.pack_version == same.pack_version != changed.pack_version


def test_a_city_cannot_be_changed(city: City) -> None:
    """Nor the mapping of cities."""
    with pytest.raises(ValueError, match="frozen"):
        city.version = "2"  # type: ignore[misc]  # that it cannot is the test


def test_cities_are_loaded_by_slug(write_pack: WritePack) -> None:
    """Every directory of the directory is a city; what is hidden or no directory is not looked at."""
    path = write_pack()
    (path.parent / ".cache").mkdir()
    (path.parent / "README.md").write_text("Cities.", encoding="utf-8")
    cities = load_cities(path.parent)
    assert list(cities) == ["sample"]
    assert cities["sample"] == load_city(path)
