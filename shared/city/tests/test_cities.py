"""The packs of this repository."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

import shared_events.discussion
import shared_events.dispatch
import shared_events.request
from shared_calendar import CalendarDays, ElapsedMinutes, Unit, WindowedMinutes, WorkingMinutes, due, elapsed
from shared_city import (
    City,
    Reporter,
    check,
    columns,
    district,
    ending,
    load_cities,
    organisation,
    read_time,
    reporter,
    responsible,
    service_type,
    terms_for,
)
from shared_city.imports import Channel, Ending
from shared_city.model import EscalationTarget, OrganisationKind, PauseCause, QuestionKind, Stage, SubmissionKind

CITIES = Path(__file__).parents[3] / "cities"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

# Every type and owner of MyLA311's files.
LOS_ANGELES_TYPES = {
    "Bulky Items": "bos",
    "Dead Animal Removal": "bos",
    "Electronic Waste": "bos",
    "Feedback": "bos",
    "Graffiti Removal": "ocb",
    "Homeless Encampment": "bos",
    "Illegal Dumping Pickup": "bos",
    "Metal/Household Appliances": "bos",
    "Multiple Streetlight Issue": "bsl",
    "Other": None,
    "Report Water Waste": "ladwp",
    "Single Streetlight Issue": "bsl",
}


@pytest.fixture(scope="module")
def cities() -> Mapping[str, City]:
    """Load every pack of the repository."""
    return load_cities(CITIES)


def test_every_pack_is_valid() -> None:
    """Nothing is wrong with any of them."""
    assert check(CITIES) == []


def test_kazan_serves_seven_districts_in_three_languages(cities: Mapping[str, City]) -> None:
    """The districts, languages, kinds of organisations and kinds of procedures of the city."""
    kazan = cities["kazan"]
    assert [item.names["ru"] for item in kazan.districts] == [
        "Авиастроительный",
        "Вахитовский",
        "Кировский",
        "Московский",
        "Ново-Савиновский",
        "Приволжский",
        "Советский",
    ]
    assert kazan.languages == ("ru", "tt", "en")
    assert {item.kind for item in kazan.organisations} == set(get_args(OrganisationKind))
    assert {(item.statute is None, item.lead_days) for item in kazan.procedures} == {(True, 0), (False, 7)}


def test_kazan_has_one_responsible_for_every_kind_but_other(cities: Mapping[str, City]) -> None:
    """In each district each type has somebody; `other`, and who does not know which kind it is, goes to a dispatcher."""
    kazan = cities["kazan"]
    wholes = {item.parent for item in kazan.service_types}
    nobody = {
        (item.code, place.code)
        for item in kazan.service_types
        if item.code not in wholes
        for place in kazan.districts
        if responsible(kazan, item.code, place.code, NOW) is None
    }
    assert nobody == {("other", place.code) for place in kazan.districts}
    yards = [responsible(kazan, "yard-cleaning", place, NOW) for place in ("vakhitovsky", "kirovsky")]
    assert [item.organisation for item in yards if item] == ["management-vakhitovsky", "yard-works"]


def test_kazan_has_the_terms_of_the_decree(cities: Mapping[str, City]) -> None:
    """An accident half an hour, a blocked sewer or chute two hours, repairs three days, a written appeal thirty."""
    kazan = cities["kazan"]
    for accident in ("no-heating", "no-cold-water", "pipe-burst", "no-electricity", "gas-smell", "trapped-in-lift"):
        steps = [terms_for(kazan, accident, stage) for stage in ("accept", "start")]
        assert all(isinstance(step, ElapsedMinutes) for step in steps)
        assert sum(step.amount for step in steps) == 30
    assert terms_for(kazan, "sewer-blockage", "statutory") == ElapsedMinutes(minutes=2 * 60)
    by_day = WindowedMinutes(minutes=2 * 60, opens="08:00", closes="23:00")
    assert terms_for(kazan, "refuse-chute-blockage", "statutory") == by_day
    assert terms_for(kazan, "roof-leak", "statutory") == CalendarDays(days=3)
    assert terms_for(kazan, "roof-leak", "finish") == CalendarDays(days=3)
    assert terms_for(kazan, "charges", "answer") == CalendarDays(days=30)


def test_kazan_sets_every_clock_for_every_kind(cities: Mapping[str, City]) -> None:
    """All six clocks, silent consent and the wait for an answer, in all six units."""
    kazan = cities["kazan"]
    terms = [terms_for(kazan, item.code, stage) for item in kazan.service_types for stage in get_args(Stage)]
    assert {term.unit for term in terms} == set(get_args(Unit))


@pytest.mark.parametrize(("year", "days", "hours"), [(2025, 245, None), (2026, 244, 1945)])
def test_kazans_offices_work_as_the_republics_ministry_of_labour_says(
    cities: Mapping[str, City], year: int, days: int, hours: int | None
) -> None:
    """Working days of a five-day week, and hours of a forty-hour week, as the ministry publishes them for Tatarstan."""
    office = cities["kazan"].calendar("office")
    every = [date(year, 1, 1) + timedelta(days=number) for number in range(365)]
    assert sum(office.is_working_day(day) for day in every) == days
    term = WorkingMinutes(minutes=1)
    new_year, next_year = (datetime(each, 1, 1, tzinfo=office.timezone) for each in (year, year + 1))
    if hours is not None:
        assert elapsed(new_year, next_year, term, office) == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2026-01-09", []),
        ("2025-11-01", ["08:00-12:00", "13:00-16:00"]),
        ("2025-11-03", []),
        ("2025-03-31", ["08:00-12:00", "13:00-17:00"]),
        ("2026-03-19", ["08:00-12:00", "13:00-16:00"]),
        ("2026-03-20", []),
        ("2026-05-27", []),
        ("2026-11-06", []),
        ("2027-02-20", ["08:00-12:00", "13:00-16:00"]),
        ("2027-02-22", []),
        ("2027-08-30", []),
    ],
)
def test_kazan_keeps_russias_and_tatarstans_days(cities: Mapping[str, City], day: str, expected: list[str]) -> None:
    """Moved days, working Saturdays, days before a holiday; a regional holiday on a Sunday moves nothing."""
    hours = cities["kazan"].calendar("office").hours_on(date.fromisoformat(day))
    assert [f"{opens}-{closes}" for opens, closes in hours] == expected


def test_kazans_emergency_services_never_close(cities: Mapping[str, City]) -> None:
    """Day and night, and no gap at midnight or on the first of January."""
    kazan = cities["kazan"]
    emergency = kazan.calendar("emergency")
    assert emergency.days == {}
    eve = datetime(2025, 12, 31, 23, 30, tzinfo=kazan.timezone)
    assert due(eve, WorkingMinutes(minutes=60), emergency) == due(eve, ElapsedMinutes(minutes=60), emergency)
    on_call = [item.slug for item in kazan.organisations if item.calendar == "emergency"]
    assert {"emergency-repair", "lift-service", "gas-network"} <= set(on_call)


def test_kazans_types_are_a_tree_and_its_buildings_stand_in_every_district(cities: Mapping[str, City]) -> None:
    """Three levels of types; every building has an address, a suburb and a district."""
    kazan = cities["kazan"]
    parents = {item.code: item.parent for item in kazan.service_types}
    assert parents["no-heating"] == "heating"
    assert parents["heating"] == "housing"
    assert parents["housing"] is None
    assert len(kazan.buildings) >= 20
    assert {item.district for item in kazan.buildings} == {item.code for item in kazan.districts}
    assert all(item.suburb for item in kazan.buildings)


def test_a_house_that_manages_itself_goes_before_its_district(cities: Mapping[str, City]) -> None:
    """One named for a building."""
    kazan = cities["kazan"]
    own = responsible(kazan, "roof-leak", "sovetsky", NOW, "pobedy-100")
    next_door = responsible(kazan, "roof-leak", "sovetsky", NOW, "zakieva-5")
    assert [item.organisation for item in (own, next_door) if item] == ["housing-partnership-pobeda", "management-sovetsky"]


@pytest.mark.parametrize(("name", "owner"), LOS_ANGELES_TYPES.items())
def test_each_type_of_los_angeles_has_its_owner(cities: Mapping[str, City], name: str, owner: str | None) -> None:
    """City-wide, with or without a district; `Other` has none."""
    city = cities["los-angeles"]
    found = service_type(city, name)
    assert found is not None
    assert name in found.aliases
    for place in (None, "cd-13"):
        who = responsible(city, found.code, place, NOW)
        assert (who.organisation if who else None) == owner


def test_los_angeles_has_twelve_types_and_fifteen_districts(cities: Mapping[str, City]) -> None:
    """A district is found by its number, as people and spreadsheets write it."""
    city = cities["los-angeles"]
    assert len(city.service_types) == len(LOS_ANGELES_TYPES)
    assert [item.code for item in city.districts] == [f"cd-{number}" for number in range(1, 16)]
    for spelling in ("13", "13.0", "CD 13", "cd13", "Council District 13", "cd-13"):
        found = district(city, spelling)
        assert found is not None
        assert found.code == "cd-13"
    assert district(city, "") is None


def test_los_angeles_owners_go_by_their_abbreviations(cities: Mapping[str, City]) -> None:
    """An owner of another year may be unknown."""
    city = cities["los-angeles"]
    found = [organisation(city, name) for name in ("BOS", "OCB", "ITA", "BSL", "LADWP", "BSS")]
    assert [item.slug if item else None for item in found] == ["bos", "ocb", "ita", "bsl", "ladwp", None]


def test_los_angeles_is_played_in_minutes(cities: Mapping[str, City]) -> None:
    """So that breaches and silent consent happen while one watches."""
    city = cities["los-angeles"]
    assert city.terms is not None
    assert {stage: term.amount for stage, term in city.terms.stages.items()} == {
        "accept": 2,
        "finish": 60,
        "total": 120,
        "silent_consent": 1,
        "information": 5,
    }
    assert {term.unit for term in city.terms.stages.values()} == {"elapsed-minutes"}
    assert (city.terms.warn_percent, city.terms.most_declines) == (50, 3)
    assert [(rung.after_minutes, rung.to) for rung in city.terms.ladder] == [(0, "dispatcher")]


HEADERS = {
    "2017": "SRNumber,CreatedDate,UpdatedDate,ActionTaken,Owner,RequestType,Status,RequestSource,MobileOS,Anonymous,AssignTo,"
    "ServiceDate,ClosedDate,AddressVerified,ApproximateAddress,Address,Latitude,Longitude,Location,CD,CDMember",
    "spaced": "SR Number,Created Date,Updated Date,Action Taken,Owner,Request Type,Status,Request Source,Anonymous,"
    "Service Date,Closed Date,Address,Latitude,Longitude,Council District,Council District Member",
    "snake": "sr_number,created_date,updated_date,owner,request_type,status,request_source,anonymous,service_date,"
    "closed_date,address,latitude,longitude,cd,cd_member",
    "lower": "srnumber,createddate,updateddate,owner,requesttype,status,requestsource,anonymous,servicedate,closeddate,"
    "address,latitude,longitude,councildistrict",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS.keys())
def test_every_year_of_los_angeles_is_read(cities: Mapping[str, City], header: str) -> None:
    """All thirteen columns are found under the names of any year, and none is taken for another."""
    plan = cities["los-angeles"].request_import
    assert plan is not None
    named = columns(plan, header.split(","))
    assert len(set(named.values())) == len(named) == len(plan.columns)
    assert named["number"].lower().startswith("sr")
    assert "closed" in named["closed"].lower()
    assert named["district"].lower().replace(" ", "") in {"cd", "councildistrict"}


@pytest.mark.parametrize(
    "text",
    [
        "12/31/2017 11:59:58 PM",
        "12/31/2017 23:59:58",
        "12/31/17 11:59:58 PM",
        "12/31/17 23:59:58",
        "2017-12-31T23:59:58",
        "2017-12-31T23:59:58.000",
        "2017-12-31 23:59:58",
        "2017 Dec 31 11:59:58 PM",
        "2018-01-01T07:59:58.000Z",
        "2018-01-01T07:59:58+00:00",
    ],
)
def test_every_style_of_dates_of_los_angeles_is_read(cities: Mapping[str, City], text: str) -> None:
    """12- and 24-hour clocks, years of two and four digits, in Los Angeles' time."""
    city = cities["los-angeles"]
    assert city.request_import is not None
    assert read_time(city.request_import, city.timezone, text) == datetime(2018, 1, 1, 7, 59, 58, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["12/31/2017 23:59", "12/31/17 23:59", "12/31/2017 11:59 PM", "12/31/17 11:59 PM", "2017-12-31 23:59"]
)
def test_dates_of_los_angeles_without_seconds_are_read(cities: Mapping[str, City], text: str) -> None:
    """As spreadsheets write them."""
    city = cities["los-angeles"]
    assert city.request_import is not None
    assert read_time(city.request_import, city.timezone, text) == datetime(2018, 1, 1, 7, 59, tzinfo=UTC)


def test_los_angeles_channels_and_statuses_mean_what_the_play_says(cities: Mapping[str, City]) -> None:
    """Residents by app and self service, nobody by a driver's own report, an agent for a caller by all else."""
    plan = cities["los-angeles"].request_import
    assert plan is not None
    by_agent = Reporter("call_centre", "agent", "caller")
    assert reporter(plan, "Mobile App", "N") == Reporter("mobile", "resident", "self")
    assert reporter(plan, "Self Service", "N") == Reporter("web", "resident", "self")
    assert reporter(plan, "Self Service", "Y") == Reporter("web", "resident", "none")
    assert reporter(plan, "Driver Self Report", "N") == Reporter("call_centre", "agent", "none")
    for channel in ("Call", "Email", "Council's Office", "Voicemail", "Walk-in", "Twitter"):
        assert reporter(plan, channel, "N") == by_agent
    statuses: dict[str, Ending | None] = {
        "Closed": "done",
        "Cancelled": "withdrawn",
        "Referred Out": "not_responsible",
        "Open": "open",
        "Pending": None,
    }
    assert {status: ending(plan, status) for status in statuses} == statuses


def test_madrid_holds_discussions_without_a_statute_and_takes_no_requests(cities: Mapping[str, City]) -> None:
    """One procedure, which may open at once."""
    madrid = cities["madrid"]
    (only,) = madrid.procedures
    assert (only.statute, only.lead_days, only.duration_days.least) == (None, 0, 0)
    assert set(only.submissions) == set(get_args(SubmissionKind))
    assert (madrid.service_types, madrid.terms) == ((), None)


def test_packs_use_the_words_of_the_contract() -> None:
    """What a pack may say of kinds and channels is what events may say of them."""
    assert set(get_args(shared_events.dispatch.Stage)) == set(get_args(Stage)) - {"silent_consent", "information"}
    assert get_args(PauseCause) == get_args(shared_events.dispatch.PauseCause)
    assert get_args(EscalationTarget) == get_args(shared_events.dispatch.EscalationTarget)
    assert get_args(Unit) == get_args(shared_events.dispatch.TermStated.model_fields["unit"].annotation)
    assert get_args(QuestionKind) == get_args(shared_events.request.Question.model_fields["kind"].annotation)
    assert get_args(OrganisationKind) == get_args(shared_events.dispatch.OrganisationKind)
    assert get_args(SubmissionKind) == get_args(shared_events.discussion.SubmissionKind)
    assert get_args(Channel) == get_args(shared_events.request.Channel)
    assert set(get_args(Ending)) - {"open"} <= set(get_args(shared_events.request.Outcome))
