"""Questions asked of a city."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from shared_calendar import CalendarDays, ElapsedMinutes, Hours, Months, NaiveTimeError
from shared_city import (
    City,
    NoTermsError,
    UnknownCalendarError,
    building,
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
    bare = load_city(
        write_pack(without=["terms.yaml", "service-types.yaml", "responsibilities.yaml", "organisations.yaml", "routing.yaml"])
    )
    with pytest.raises(NoTermsError, match="City: sample, stage: accept"):
        terms_for(bare, None, "accept")


def test_a_stage_without_a_term_says_so(city: City) -> None:
    """The sample sets none for the start of the work."""
    with pytest.raises(NoTermsError, match="City: sample, stage: start"):
        terms_for(city, "no-heating", "start")


def test_the_terms_calendar_stands_in_the_citys_zone(city: City) -> None:
    """It is one of the pack's; a pack without calendars has one without a gap, in the version it names."""
    assert city.terms is not None
    assert city.terms.calendar == city.calendar("sample")
    assert city.terms.calendar.timezone == city.timezone
    assert city.calendar("shifts").timezone.key == "Europe/Samara"
    with pytest.raises(UnknownCalendarError, match="City: sample, calendar: office"):
        city.calendar("office")


def test_a_city_without_calendars_counts_day_and_night(write_pack: WritePack) -> None:
    """Its terms name a calendar and a version; every hour of every day counts."""
    plain = load_city(write_pack({"organisations.yaml": [("  calendar: shifts\n", "")]}, without=["calendars.yaml"]))
    assert plain.terms is not None
    assert plain.calendars == (plain.terms.calendar,)
    assert (plain.terms.calendar.id, plain.terms.calendar.version) == ("sample", "1")
    assert set(plain.terms.calendar.week.values()) == {(("00:00", "24:00"),)}


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        ("2025-08-27", (("08:00", "17:00"),)),
        ("2025-08-29", ()),
        ("2025-08-30", (("10:00", "14:00"),)),
        ("2025-08-31", ()),
        ("2025-06-12", ()),
        ("2025-06-13", ()),
        ("2025-11-01", (("08:00", "15:00"),)),
        ("2026-06-12", (("08:00", "15:00"),)),
    ],
    ids=["weekday", "own day off", "own working day", "Sunday", "holiday", "moved day off", "working Saturday", "year not asked"],
)
def test_a_calendar_is_written_out_to_dates(city: City, day: str, hours: Hours) -> None:
    """The country's holidays, the days moved for them, and before both what the pack itself says."""
    assert city.calendar("sample").hours_on(date.fromisoformat(day)) == hours


def test_days_off_are_called_by_name(city: City) -> None:
    """The library's holidays in those of the city's languages that it speaks."""
    sample = city.calendar("sample")
    assert sample.name_of(date(2025, 6, 12)) == {"en": "Russia Day", "ru": "День России"}
    assert sample.name_of(date(2025, 8, 29)) == {"en": "Fair", "ru": "Ярмарка"}
    assert sample.name_of(date(2025, 8, 27)) == {}


def test_a_calendars_version_tells_its_content(write_pack: WritePack, city: City) -> None:
    """The same number over other dates is another version: a clock keeps the dates it started with."""
    version = city.calendar("sample").version
    other = load_city(write_pack({"calendars.yaml": [("date: 2025-08-29", "date: 2025-08-28")]}, parent="other"))
    again = load_city(
        write_pack({"calendars.yaml": [("names: {en: Fair", "# said twice\n      names: {en: Fair")]}, parent="same")
    )
    assert version.startswith("1+")
    assert version == again.calendar("sample").version != other.calendar("sample").version


def test_a_term_for_a_whole_holds_for_its_kinds(write_pack: WritePack) -> None:
    """A lift is a kind of `other`: it has that one's terms where it has none of its own, however deep it stands."""
    of_the_whole = (
        "  - service_types: [other]\n    stages:\n"
        "      accept: {unit: months, months: 1}\n      total: {unit: months, months: 2}\n"
    )
    own = "  - service_types: [lift]\n    stages:\n      accept: {unit: calendar-days, days: 1}\n"
    deep = "- code: door\n  names: {en: Door, ru: Дверь}\n  group: house\n  parent: lift\n"
    city = load_city(write_pack(add={"terms.yaml": of_the_whole + own, "service-types.yaml": deep}))
    assert terms_for(city, "other", "accept") == Months(months=1)
    assert [terms_for(city, code, "accept") for code in ("lift", "door")] == [CalendarDays(days=1)] * 2
    assert [terms_for(city, code, "total") for code in ("lift", "door")] == [Months(months=2)] * 2
    assert terms_for(city, "street-light", "accept") == ElapsedMinutes(minutes=60)


def test_the_policy_says_who_is_told_and_when(city: City) -> None:
    """Warnings, the ladder, what stops the statutory clock, and when the committee decides."""
    assert city.terms is not None
    assert (city.terms.warn_percent, city.terms.most_declines) == (75, 2)
    assert [(rung.after_minutes, rung.to) for rung in city.terms.ladder] == [(0, "dispatcher"), (60, "supervisor")]
    assert city.terms.statutory_pauses == ("completion_proposed",)


def test_buildings_questions_and_overrides_are_read(city: City) -> None:
    """As the pack says them."""
    assert building(city, "mill-1") == city.buildings[0]
    assert building(city, "mill-2") is None
    assert (city.buildings[0].district, city.buildings[1].district) == ("north", None)
    assert [(rule.id, rule.organisation) for rule in city.routing] == [("night", "lights")]
    lift = service_type(city, "lift")
    assert lift is not None
    assert [(question.code, question.kind, question.required) for question in lift.questions] == [
        ("people", "number", True),
        ("where", "choice", False),
    ]
    assert (lift.questions_version, lift.evidence_required, lift.parent) == ("3", 1, "other")


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
        ("no-heating", "north/mill-1", "lights"),
        ("no-heating", "north/tower", "houses"),
        ("street-light", "south/mill-1", "lights"),
    ],
)
def test_exactly_one_organisation_is_responsible_or_none(city: City, type_: str, place: str | None, expected: str | None) -> None:
    """One named for the building goes before one for the district, and that before one for the whole city."""
    where, _, house = (place or "").partition("/")
    found = responsible(city, type_, where or None, SPRING, house or None)
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
    written = [(item.organisation, item.service_type, item.district, item.building) for item in city.responsibilities]
    assert written == [
        ("houses", "no-heating", "north", None),
        ("houses", "no-heating", "south", None),
        ("lights", "street-light", None, None),
        ("houses", "street-light", "north", None),
        ("lights", "no-heating", None, "mill-1"),
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
