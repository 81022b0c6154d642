"""What a case looks at: who is responsible, which override goes before, which incident explains, which term counts."""

from datetime import UTC, date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from dispatch_svc.domain.override import Overrides, ready
from dispatch_svc.domain.policy import CALENDAR as CALENDAR_STREAM
from dispatch_svc.domain.policy import PACK, CalendarChangedError, adopt_calendar, adopt_terms, calendar_of
from dispatch_svc.domain.responsibility import Grant, Territory
from dispatch_svc.domain.rulebook import ActiveIncident, NoRoute, Policy, Route, Rulebook, ServiceType
from shared_calendar import Calendar
from shared_events.dispatch import (
    CalendarAdopted,
    DayHours,
    IncidentScope,
    OverrideRule,
    RoutingInputs,
    RoutingRulesActivated,
    TermPolicyAdopted,
    TermStated,
)

WEEK = {day: DayHours(hours=(("00:00", "24:00"),)) for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
NOON = datetime(2026, 7, 1, 9, tzinfo=UTC)
MOSCOW = ZoneInfo("Europe/Moscow")
CITY, KIROV, HOUSE = Territory("kazan", "lift", None), Territory("kazan", "lift", "kirov"), Territory("kazan", "lift", None, "7")


def asked(at: datetime = NOON, **changes: object) -> RoutingInputs:
    """Say what a routing looks at: a lift in building 7 in Kirov, at noon on a Wednesday."""
    says = {"city": "kazan", "service_type": "lift", "district": "kirov", "building": "7", "at": at}
    return RoutingInputs.model_validate({**says, **changes})


def rulebook(grants: dict[Territory, tuple[Grant, ...]] | None = None, **more: object) -> Rulebook:
    """Make a rulebook of Kazan."""
    return Rulebook({"kazan": MOSCOW}, {}, grants or {}, {}, **more)  # type: ignore[arg-type]  # named as its fields are


def grants(organisation: str, first: date = date(2026, 1, 1), until: date | None = None, version: int = 1) -> Grant:
    """Make a grant."""
    return Grant("r", version, organisation, first, until)


def test_a_grant_counts_from_its_first_day_up_to_its_end() -> None:
    """The day of the end is no longer one of its days."""
    book = rulebook({CITY: (grants("a", date(2026, 3, 1), date(2026, 6, 1)), grants("b", date(2026, 6, 1), version=2))})
    noons = [datetime(2026, month, day, 9, tzinfo=UTC) for month, day in ((2, 28), (3, 1), (5, 31), (6, 1))]
    found = [book.responsible(asked(noon)) for noon in noons]
    assert [each and each.organisation for each in found] == [None, "a", "a", "b"]


def test_the_day_is_the_citys_own() -> None:
    """At 22:00 UTC it is the next day in Moscow."""
    book = rulebook({CITY: (grants("a", date(2026, 7, 2)),)})
    assert book.responsible(asked(datetime(2026, 7, 1, 20, 59, tzinfo=UTC))) is None
    assert book.responsible(asked(datetime(2026, 7, 1, 21, 0, tzinfo=UTC))) is not None


def test_of_two_grants_for_one_day_the_one_stated_later_counts() -> None:
    """A newer pack wins, wherever its period begins."""
    book = rulebook({CITY: (grants("a", date(2026, 3, 1)), grants("b", date(2026, 1, 1), version=2))})
    found = book.responsible(asked())
    assert found is not None
    assert found.organisation == "b"


def test_a_building_goes_before_its_district_and_that_before_the_city() -> None:
    """The narrowest territory that has somebody on that day."""
    every = {CITY: (grants("city"),), KIROV: (grants("kirov"),), HOUSE: (grants("house", until=date(2026, 6, 1)),)}
    assert rulebook(every).route(asked()) == Route("kirov", "r", 1)
    every[HOUSE] = (grants("house"),)
    assert rulebook(every).route(asked()) == Route("house", "r", 1)
    assert rulebook(every).route(asked(building="8")) == Route("kirov", "r", 1)
    assert rulebook(every).route(asked(building=None, district=None)) == Route("city", "r", 1)
    assert rulebook().route(asked()) == NoRoute("nobody_responsible")


def overridden(*rules: tuple[str, str]) -> dict[str, object]:
    """Have rules in force in Kazan."""
    stated = tuple(OverrideRule(id=name, when=when, organisation=name.upper()) for name, when in rules)
    return {
        "overrides": {"kazan": ready(RoutingRulesActivated(city="kazan", version=4, rules=stated, note=""))},
        "types": {("kazan", "lift"): ServiceType("house", emergency=False)},
        "suburbs": {("kazan", "7"): "Sokol"},
    }


@pytest.mark.parametrize(
    ("when", "result"),
    [
        ('service_type = "lift"', True),
        ('group = "house"', True),
        ("emergency", False),
        ('district = "kirov" and building = "7"', True),
        ('suburb = "Sokol"', True),
        ("hour = 12", True),
        ('weekday = "wed"', True),
        ("answers.floor > 5", True),
        ("answers.trapped", True),
        ("answers.nothing", False),
    ],
)
def test_an_override_that_is_true_goes_before_responsibility(when: str, result: bool) -> None:  # noqa: FBT001 - what is expected
    """By what the request is about, where and when it was registered in the city's own time, and what was answered."""
    book = rulebook({CITY: (grants("city"),)}, **overridden(("special", when)))
    inputs = asked(answers={"floor": 9, "trapped": True})
    expected = Route("SPECIAL", "rules-kazan#special", 4) if result else Route("city", "r", 1)
    assert book.route(inputs) == expected


def test_an_override_that_fails_sends_nothing_anywhere() -> None:
    """Not to whom is responsible either: it is an alarm with the rule's name and the reason, and it stays in force."""
    rules = overridden(("night", "hour = 3"), ("broken", "answers.floor > 5"), ("every", "hour = 12"))
    book = rulebook({CITY: (grants("city"),)}, **rules)
    failed = book.route(asked(answers={"floor": "nine"}))
    assert failed == NoRoute(
        "rule_failed", "rules-kazan#broken", "answers.floor is 'nine', a text, and is compared with a number"
    )
    assert book.route(asked(answers={"floor": 2})) == Route("EVERY", "rules-kazan#every", 4)


def test_what_is_not_known_of_a_request_fails_the_rule_that_asks_for_it() -> None:
    """A service type no pack has, a city without a policy's calendar: never taken for false."""
    group = rulebook(**overridden(("broken", 'group = "house"'))).route(asked(service_type="new"))
    holiday = rulebook(**overridden(("broken", "holiday"))).route(asked())
    assert [each.reason for each in (group, holiday) if isinstance(each, NoRoute)] == ["rule_failed", "rule_failed"]


def test_a_holiday_is_a_day_off_that_the_citys_calendar_names() -> None:
    """A Sunday is none, a day with shorter hours is none."""
    calendar = Calendar.model_validate(
        {
            "id": "office",
            "version": "1",
            "timezone": "Europe/Moscow",
            "week": {day: [] if day == "sun" else [["09:00", "18:00"]] for day in WEEK},
            "days": {"2026-07-01": {"hours": []}, "2026-07-02": {"hours": [["09:00", "12:00"]]}},
        }
    )
    book = Rulebook({"kazan": MOSCOW}, {}, {}, {"kazan": Policy("1", calendar, {})})
    days = [datetime(2026, 7, day, 9, tzinfo=UTC) for day in (1, 2, 5)]
    assert [book.looked_at(asked(day))["holiday"] for day in days] == [True, False, False]


def test_a_city_without_overrides_asks_nothing() -> None:
    """Routing by responsibility alone works out no expression."""
    assert rulebook({CITY: (grants("a"),)}, overrides={"kazan": Overrides("kazan", 2)}).route(asked()) == Route("a", "r", 1)


@pytest.mark.parametrize(
    ("scope", "inputs", "result"),
    [
        ({"service_types": ["lift"]}, {}, True),
        ({"service_types": ["pipe"]}, {}, False),
        ({"service_types": ["lift"], "districts": ["kirov", "volga"]}, {}, True),
        ({"service_types": ["lift"], "districts": ["volga"]}, {}, False),
        ({"service_types": ["lift"], "districts": ["volga"]}, {"district": None}, False),
        ({"service_types": ["lift"], "buildings": ["7"]}, {}, True),
        ({"service_types": ["lift"], "buildings": ["8"]}, {}, False),
        ({"service_types": ["lift"]}, {"city": "madrid"}, False),
        ({"service_types": ["lift"]}, {"at": datetime(2026, 7, 1, 8, 59, tzinfo=UTC)}, False),
    ],
)
def test_an_incident_explains_what_is_in_its_scope_since_it_began(
    scope: dict[str, list[str]],
    inputs: dict[str, object],
    result: bool,  # noqa: FBT001 - what is expected
) -> None:
    """By service type, district, building and the moment of the registration."""
    incident = ActiveIncident(UUID(int=1), "kazan", IncidentScope.model_validate(scope), "a", None, NOON)
    assert bool(rulebook(incidents=[incident]).explaining(asked(**inputs))) is result


def test_a_type_without_a_term_of_its_own_has_that_of_all_others_stage_by_stage() -> None:
    """Only what differs stands under the type's name."""
    calendar = Calendar.model_validate({"id": "always", "version": "1", "timezone": "Europe/Moscow"})
    hours, hour = TermStated(unit="elapsed-minutes", amount=240), TermStated(unit="elapsed-minutes", amount=60)
    policy = Policy("1", calendar, {"*": {"accept": hour, "finish": hours}, "lift": {"finish": hour}})
    assert policy.term_for("lift", "finish") == hour
    assert policy.term_for("lift", "accept") == hour
    assert policy.term_for("roof", "finish") == hours
    assert policy.term_for(None, "finish") == hours
    assert policy.term_for("lift", "answer") is None


def calendar(version: str = "1", pack: str = "1", hours: tuple[tuple[str, str], ...] = ()) -> CalendarAdopted:
    """State a calendar with one day that differs."""
    return CalendarAdopted(
        city="kazan",
        calendar="office",
        version=version,
        timezone="Europe/Moscow",
        week=WEEK,
        days={date(2026, 1, 9): DayHours(hours=hours, name={"ru": "Перенос"})},
        pack_version=pack,
    )


def test_a_calendar_is_adopted_once_a_version_and_never_changes() -> None:
    """A newer pack that says the same says nothing; one that changes a version in place is refused."""
    known = CALENDAR_STREAM.evolve(CALENDAR_STREAM.initial, calendar())
    assert adopt_calendar(CALENDAR_STREAM.initial, calendar()) == [calendar()]
    assert adopt_calendar(known, calendar(pack="2")) == []
    with pytest.raises(CalendarChangedError, match="office 1 of kazan"):
        adopt_calendar(known, calendar(hours=(("09:00", "12:00"),)))
    newer = calendar("2", hours=(("09:00", "12:00"),))
    both = CALENDAR_STREAM.evolve(known, newer)
    assert adopt_calendar(known, newer) == [newer]
    assert set(both.adopted) == {"1", "2"}


def test_a_calendar_counts_as_the_fact_says() -> None:
    """Its zone, its week, its days."""
    made = calendar_of(calendar())
    assert (made.id, made.version, made.timezone) == ("office", "1", MOSCOW)
    assert (made.is_working_day(date(2026, 1, 9)), made.is_working_day(date(2026, 1, 10))) == (False, True)
    assert made.name_of(date(2026, 1, 9)) == {"ru": "Перенос"}


def test_terms_are_adopted_when_they_differ() -> None:
    """The same terms again are no news."""
    terms = TermPolicyAdopted(city="kazan", version="1", calendar="office", calendar_version="1", terms={})
    assert adopt_terms(None, terms) == [terms]
    assert adopt_terms(terms, terms) == []
    assert "pack_version" in PACK
