"""City packs become facts, once; a changed pack changes only what it changes; every replica notices, and routing asks nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from control_room import LIFTS, PIPES, adopted, granting, open_context, pack, term
from psycopg.rows import DictRow

from dispatch_svc.application import Context, adopt, mistakes
from dispatch_svc.domain.responsibility import Territory
from dispatch_svc.domain.rulebook import Route
from dispatch_svc.views.rulebook import AGE
from shared_chassis.postgres import ServiceDatabase
from shared_city import City, load_cities, responsible
from shared_events.dispatch import RoutingInputs, TermStated
from shared_events.ids import derive, organisation_stream, responsibility_stream, sla_stream

pytestmark = pytest.mark.postgres
REAL_PACKS = Path(__file__).parents[3] / "cities"


def stored(context: Context) -> list[DictRow]:
    """Read everything stored, in order."""
    return context.database.query("SELECT stream_id, version, type, event_id, actor, data FROM event_log ORDER BY position")


@contextmanager
def running(*contexts: Context) -> Iterator[None]:
    """Close the contexts in the end."""
    try:
        yield
    finally:
        for context in contexts:
            context.database.close()


def today() -> str:
    """Say what day it is in the city."""
    return datetime.now(tz=pack().timezone).date().isoformat()


def where(context: Context, service_type: str, district: str | None = None) -> str | None:
    """Ask where a request of today goes."""
    inputs = RoutingInputs(city="kazan", service_type=service_type, district=district, building=None, at=datetime.now(tz=UTC))
    found = context.rulebooks.latest().responsible(inputs)
    return None if found is None else found.organisation


def test_a_pack_is_adopted_once_however_often_and_wherever_a_process_starts(empty_database: ServiceDatabase) -> None:
    """The same command ids: a second start, or another replica, states nothing more."""
    first = adopted(empty_database, pack())
    facts = stored(first)
    adopt(first)
    second = adopted(empty_database, pack())
    with running(first, second):
        assert [fact["type"] for fact in facts] == [
            "dispatch.calendar-adopted.v1",
            *["dispatch.organisation-registered.v1"] * 2,
            "dispatch.term-policy-adopted.v1",
            *["dispatch.responsibility-granted.v1"] * 3,
        ]
        assert stored(second) == facts
        lifts = organisation_stream("kazan", "lifts")
        assert (facts[1]["stream_id"], facts[1]["actor"]) == (lifts, "service:dispatch-svc")
        command = derive("kazan", pack().pack_version, lifts)
        assert facts[1]["event_id"] == str(derive(command, 0))
        assert second.rulebooks.latest() == first.rulebooks.latest()


def test_a_start_that_was_cut_short_is_finished_by_the_next_one(
    empty_database: ServiceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever was adopted before the crash is not adopted twice, the rest is."""
    context = open_context(empty_database, [pack()])

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with running(context):
        with monkeypatch.context() as patch:
            patch.setattr("dispatch_svc.application.adoption._adopt_responsibilities", crash)
            with pytest.raises(KeyboardInterrupt):
                adopt(context)
        assert len(stored(context)) == 4
        adopt(context)
        assert len(stored(context)) == 7


def test_a_changed_pack_states_what_changed_and_nothing_else(empty_database: ServiceDatabase) -> None:
    """A new name, a new term, another organisation, a responsibility gone: a new version each."""
    before = adopted(empty_database, pack())
    known, first = len(stored(before)), today()
    changed = pack(
        "2",
        organisations=[
            {"slug": "lifts", "name": "Lifts & Sons", "kind": "contractor"},
            {"slug": "pipes", "name": "Pipes", "kind": "supplier"},
        ],
        responsibilities=[granting("lifts", "lift"), granting("lifts", "pipe")],
        terms={
            "version": "terms-2",
            "calendar": {"id": "round-the-clock", "version": "1", "timezone": "Europe/Moscow"},
            "stages": {"accept": term(5), "finish": term(6), "silent_consent": term(7)},
            "by_service_type": {},
        },
    )
    after = adopted(empty_database, changed)
    with running(before, after):
        news = {(fact["stream_id"], fact["version"]): fact["data"] for fact in stored(after)[known:]}
        kirov, pipe = responsibility_stream("kazan", "lift", "kirov"), responsibility_stream("kazan", "pipe", "city")
        assert set(news) == {(organisation_stream("kazan", "lifts"), 2), (sla_stream("kazan"), 2), (kirov, 2), (pipe, 2)}
        assert news[pipe, 2]["organisation"] == LIFTS
        assert news[kirov, 2]["valid_to"] in {first, today()}
        assert (where(after, "lift", "kirov"), where(after, "pipe")) == (LIFTS, LIFTS)


def test_a_replica_with_an_older_pack_takes_nothing_back(empty_database: ServiceDatabase) -> None:
    """In a rolling update old processes still start: what the newer pack said stands."""
    old, new = pack(), pack("2", responsibilities=[granting("lifts", "pipe")])
    first = adopted(empty_database, old)
    second = adopted(empty_database, new)
    facts = stored(second)
    third = adopted(empty_database, old)
    with running(first, second, third):
        assert stored(third) == facts
        assert where(third, "pipe") == LIFTS


def test_another_replica_notices_a_new_rulebook_within_a_second_and_asks_no_oftener(empty_database: ServiceDatabase) -> None:
    """A thousand routings cost one query; a second later the new pack is seen."""
    clock = [0.0]
    replica = open_context(empty_database, [pack()], lambda: clock[0])
    adopt(replica)
    with running(replica):
        assert where(replica, "pipe") == PIPES
        newer = adopted(empty_database, pack("2", responsibilities=[granting("lifts", "pipe")]))
        with running(newer), monitored(replica) as queries:
            assert {where(replica, "pipe") for _ in range(1000)} == {PIPES}
            assert queries == []
            clock[0] += AGE
            assert {where(replica, "pipe") for _ in range(1000)} == {LIFTS}
            asked = len(queries)
            clock[0] += AGE
            assert {where(replica, "pipe") for _ in range(1000)} == {LIFTS}
            assert len(queries) == asked + 1


@contextmanager
def monitored(context: Context) -> Iterator[list[str]]:
    """Count the queries that reach the database through this context."""
    queries: list[str] = []
    lend = context.database.datastore.pool.connection

    @contextmanager
    def counted(*arguments: object) -> Iterator[object]:
        queries.append("query")
        with lend(*arguments) as connection:  # type: ignore[arg-type]  # handed on
            yield connection

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(context.database.datastore.pool, "connection", counted)
        yield queries


def test_every_version_of_a_calendar_is_kept_and_clocks_find_the_one_they_began_with(empty_database: ServiceDatabase) -> None:
    """Also in a process whose own pack has another version: what is pinned is counted by for good."""
    old = adopted(empty_database, pack(terms=terms_by("1", [])))
    new = adopted(empty_database, pack("2", terms=terms_by("2", ["2026-01-09"])))
    old.rulebooks.forget()
    with running(old, new):
        for rules in (old.rulebooks.latest(), new.rulebooks.latest()):
            first = rules.pinned_calendar("kazan", "office", "1")
            second = rules.pinned_calendar("kazan", "office", "2")
            assert first is not None
            assert second is not None
            assert (first.is_working_day(date(2026, 1, 9)), second.is_working_day(date(2026, 1, 9))) == (True, False)
            assert rules.policies["kazan"].calendar == second
            former = rules.policy("kazan", "terms-1")
            assert former is not None
            assert former.calendar == first


def test_a_calendar_that_changed_without_a_new_version_stays_what_it_was(empty_database: ServiceDatabase) -> None:
    """The pack is adopted all the same; clocks were counted by the old one."""
    first = adopted(empty_database, pack(terms=terms_by("1", [])))
    second = adopted(empty_database, pack("2", terms=terms_by("1", ["2026-01-09"])))
    with running(first, second):
        calendar = second.rulebooks.latest().pinned_calendar("kazan", "office", "1")
        assert calendar is not None
        assert calendar.is_working_day(date(2026, 1, 9))
        assert [fact["type"] for fact in stored(second)].count("dispatch.calendar-adopted.v1") == 1


def test_a_policy_says_everything_its_pack_does(empty_database: ServiceDatabase) -> None:
    """Units, windows, warning, ladder, pauses and how often a request may be declined."""
    says = {
        **terms_by("1", []),
        "stages": {
            "accept": {"unit": "windowed-minutes", "minutes": 120, "opens": "08:00", "closes": "23:00"},
            "finish": {"unit": "working-days", "days": 3},
            "silent_consent": term(60),
        },
        "warn_percent": 80,
        "ladder": [{"after_minutes": 0, "to": "dispatcher"}, {"after_minutes": 60, "to": "supervisor"}],
        "statutory_pauses": ["information_requested"],
        "most_declines": 5,
    }
    context = adopted(empty_database, pack(terms=says))
    with running(context):
        policy = context.rulebooks.latest().policies["kazan"]
        assert policy.term_for("lift", "accept") == TermStated(unit="windowed-minutes", amount=120, opens="08:00", closes="23:00")
        assert policy.term_for("lift", "finish") == TermStated(unit="working-days", amount=3)
        assert set(policy.terms["*"]) == {"accept", "finish"}
        assert (policy.warn_percent, policy.most_declines) == (80, 5)
        assert policy.statutory_pauses == ("information_requested",)
        assert [(rung.after_minutes, rung.to) for rung in policy.ladder] == [(0, "dispatcher"), (60, "supervisor")]


def test_a_packs_overrides_and_buildings_route_and_the_organisations_own_calendar_counts(empty_database: ServiceDatabase) -> None:
    """Overrides first, then the building's own responsibility."""
    says = {
        "buildings": [{"code": "7", "address": "Bauman 7", "suburb": "Centre", "district": "kirov"}],
        "routing": [{"id": "centre", "when": 'suburb = "Centre" and hour < 24', "organisation": "pipes", "note": "Old houses"}],
        "responsibilities": [granting("lifts", "lift"), {**granting("pipes", "pipe"), "building": "7"}],
        "calendars": [{"id": "day-shift", "version": "1", "timezone": "Europe/Moscow"}],
        "organisations": [
            {"slug": "lifts", "name": "Lifts", "kind": "contractor", "calendar": "day-shift"},
            {"slug": "pipes", "name": "Pipes", "kind": "supplier"},
        ],
    }
    context = adopted(empty_database, pack(**says))
    without = adopted(empty_database, pack("2", **{**says, "routing": []}))
    context.rulebooks.forget()
    with running(context, without):
        rules = without.rulebooks.latest()
        inputs = RoutingInputs(city="kazan", service_type="pipe", district="kirov", building="7", at=datetime.now(tz=UTC))
        assert rules.route(inputs) == Route(PIPES, Territory("kazan", "pipe", None, "7").stream_id, 1)
        assert rules.overrides["kazan"].version == 2
        own = rules.calendar_of("kazan", LIFTS)
        assert own is not None
        assert own.id == "day-shift"
        assert rules.calendar_of("kazan", PIPES) is None
        types = [fact["data"]["rules"] for fact in stored(without) if fact["type"] == "dispatch.routing-rules-activated.v1"]
        assert [len(each) for each in types] == [1, 0]


def test_a_pack_whose_overrides_cannot_be_read_is_told_before_anything_starts() -> None:
    """By city, rule and column."""
    wrong = pack(routing=[{"id": "typo", "when": "huor < 6", "organisation": "pipes", "note": "n"}])
    assert mistakes([pack()]) == []
    (told,) = mistakes([wrong])
    assert told.startswith("kazan/routing.yaml: A routing rule cannot be activated. rule 'typo', column 1: there is no 'huor'")


def terms_by(version: str, days_off: list[str]) -> dict[str, object]:
    """Write terms counted by a version of an office's calendar."""
    week = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
    days = {day: {"hours": []} for day in days_off}
    return {
        "version": f"terms-{version}",
        "calendar": {"id": "office", "version": version, "timezone": "Europe/Moscow", "week": week, "days": days},
        "stages": {"accept": term(5), "finish": term(6), "silent_consent": term(7)},
        "by_service_type": {},
    }


def test_the_real_packs_are_adopted_and_route_as_they_say(empty_database: ServiceDatabase) -> None:
    """For every service type in every district the stored rules give what the pack gives."""
    cities = load_cities(REAL_PACKS)
    context = adopted(empty_database, *cities.values())
    now = datetime.now(tz=UTC)
    with running(context):
        rules = context.rulebooks.latest()
        asked = [(city, service_type.code, district) for city in cities.values() for service_type in city.service_types
                 for district in (None, *(each.code for each in city.districts))]  # fmt: skip
        assert asked
        for city, service_type, district in asked:
            inputs = RoutingInputs(city=city.slug, service_type=service_type, district=district, building=None, at=now)
            found, says = rules.responsible(inputs), responsible(city, service_type, district, now)
            assert (found and found.organisation) == (says and organisation_stream(city.slug, says.organisation))
        assert rules.organisation("los-angeles", "organisation-los-angeles-bos") is not None
        assert {slug for slug, city in cities.items() if city.terms is not None} == set(rules.policies)


def test_a_city_without_service_requests_adopts_nothing(empty_database: ServiceDatabase) -> None:
    """Its pack is noted as adopted all the same, so the next start asks once."""
    quiet: City = pack(organisations=[], responsibilities=[], terms=None)
    context = adopted(empty_database, quiet)
    with running(context):
        assert stored(context) == []
        with monitored(context) as queries:
            adopt(context)
        assert len(queries) == 1
