"""The read models on real PostgreSQL: applied twice is once, rebuilt is live, and every list finds its rows by an index."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, LiteralString, get_args
from uuid import UUID, uuid4

import psycopg
import pytest
from citizens import person
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection
from psycopg.rows import DictRow

from request_svc.application import Context, lifecycle
from request_svc.views import FOLDS, PROJECTION, TABLES, case_status, register
from request_svc.views.register import Filters
from shared_chassis.http import Actor
from shared_chassis.postgres import ServiceDatabase
from shared_chassis.store import Command
from shared_chassis.view import project, rebuild
from shared_events.dispatch import (
    AssignmentAccepted,
    CaseClosed,
    DeadlineBreached,
    Holder,
    HolderChanged,
    RequestAssigned,
    StageDeadlineSet,
    WorkReportedDone,
    WorkStarted,
)
from shared_events.envelope import Envelope, Received, Recorded
from shared_events.event import Event
from shared_events.ids import case_stream, derive, request_stream
from shared_events.request import (
    Channel,
    CompletionConfirmed,
    CompletionDeemedAccepted,
    CompletionProposed,
    Location,
    Outcome,
    RequestClosed,
    RequestRegistered,
    RequestRejected,
    RequestSubmitted,
    RequestWithdrawn,
)

pytestmark = pytest.mark.postgres

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LIFTS = "organisation-kazan-lift-service"


def asked(**more: Any) -> RequestSubmitted:
    """Make a submission."""
    return RequestSubmitted(
        city="kazan", channel="web", service_type="gas-smell", location=Location(district="kirovsky"), person=None, language="ru"
    ).model_copy(update=more)


def recorded(stream_id: str, facts: Sequence[Event]) -> list[Recorded]:
    """Put facts in their envelopes, as the first of a stream."""
    return [
        Recorded(stream_id, place, Envelope(uuid4(), "/t", fact.TYPE, NOON, NOON, "agent:1", uuid4(), uuid4()), fact)
        for place, fact in enumerate(facts, 1)
    ]


@pytest.fixture
def undone(context: Context) -> Iterator[Connection[DictRow]]:
    """A connection whose work is undone."""
    with context.database.connection() as connection, connection.transaction(force_rollback=True):
        yield connection


def store_places(connection: Connection[DictRow], events: Sequence[Recorded]) -> None:
    """Give each event its position."""
    for event in events:
        connection.execute(
            "INSERT INTO stored_events (originator_id, originator_version, topic, state) VALUES (%s, %s, 't', '\\x7b7d')",
            [event.stream_id, event.version],
        )


def rows(connection: Connection[DictRow], sql: LiteralString, key: UUID) -> list[DictRow]:
    """Read what a view holds of a request."""
    return connection.execute(sql, [key]).fetchall()


submissions = st.builds(
    asked,
    person=st.one_of(st.none(), st.uuids()),
    channel=st.sampled_from(get_args(Channel)),
    location=st.builds(Location, district=st.sampled_from(["kirovsky", None]), latitude=st.just("55.7")),
)
endings = st.one_of(
    st.builds(CompletionConfirmed, round=st.just(1)),
    st.builds(CompletionDeemedAccepted, round=st.just(1), consent_due=st.just(NOON)),
    st.builds(RequestWithdrawn, reason=st.just("other")),
    st.builds(RequestRejected, ground=st.just("No."), outcome=st.just("refused")),
)
REGISTERED = RequestRegistered(number="T-1", city="kazan", service_type="gas-smell", district=None)
PROPOSED = CompletionProposed(
    round=1, organisation=LIFTS, evidence=(), consent_due=NOON, policy_version="1", calendar="kazan", calendar_version="1"
)
closings = st.builds(RequestClosed, outcome=st.sampled_from(get_args(Outcome)))
lives = st.builds(
    lambda submission, ending, closing, stop: [submission, REGISTERED, PROPOSED, ending, closing][:stop],
    submissions,
    endings,
    closings,
    st.integers(1, 5),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(life=lives, again=st.integers(0, 4))
def test_the_register_applied_twice_is_applied_once(undone: Connection[DictRow], life: Sequence[Event], again: int) -> None:
    """Each fact twice, from any place on once more, and any fact once more at the very end."""
    request = uuid4()
    events = recorded(request_stream(request), life)
    with undone.transaction(force_rollback=True):
        store_places(undone, events)
        project(undone, PROJECTION, events)
        once = rows(undone, "SELECT * FROM request WHERE request_id = %s", request)
        assert len(once) == 1
        project(undone, PROJECTION, [event for event in events for _ in range(2)])
        project(undone, PROJECTION, events[again:])
        project(undone, PROJECTION, events[again : again + 1])
        assert rows(undone, "SELECT * FROM request WHERE request_id = %s", request) == once


ACCEPT_CLOCK = StageDeadlineSet(
    stage="accept",
    round=1,
    starts_at=NOON,
    due=NOON,
    minutes=2,
    policy_version="1",
    calendar="kazan",
    calendar_version="1",
)
BY_DISPATCH: Sequence[Event] = (
    HolderChanged(holder=Holder(kind="call_centre"), at=NOON),
    RequestAssigned(organisation=LIFTS, round=1, by="rule"),
    HolderChanged(holder=Holder(kind="organisation", organisation=LIFTS), at=NOON),
    ACCEPT_CLOCK,
    DeadlineBreached(stage="accept", round=1, due=NOON, holder=Holder(kind="organisation", organisation=LIFTS)),
    RequestAssigned(organisation=LIFTS, round=1, by="dispatcher"),
    ACCEPT_CLOCK,
    AssignmentAccepted(organisation=LIFTS, round=1),
    WorkStarted(organisation=LIFTS, round=1),
    WorkReportedDone(organisation=LIFTS, round=1, evidence=()),
    HolderChanged(holder=Holder(kind="resident"), at=NOON),
    CaseClosed(outcome="done", at=NOON),
)
STATUS: LiteralString = """
    SELECT organisation, progress, holder, holder_organisation, held_since, stage, stage_due, breaches, position
    FROM case_status WHERE request_id = %s
"""


def fold(connection: Connection[DictRow], received: Sequence[Received]) -> None:
    """Apply dispatch-svc's facts as the consumer does."""
    for each in received:
        statement = FOLDS[type(each.fact)](each)
        connection.execute(statement.sql, statement.params)


@pytest.mark.parametrize("length", range(1, len(BY_DISPATCH) + 1))
def test_what_dispatch_says_folded_twice_is_folded_once(undone: Connection[DictRow], length: int) -> None:
    """A zombie, a new cluster and a retry change nothing, breaches are not counted twice."""
    request = uuid4()
    heard = [Received(event, event.version * 10) for event in recorded(case_stream(request), BY_DISPATCH[:length])]
    fold(undone, heard)
    once = rows(undone, STATUS, request)
    fold(undone, heard)
    fold(undone, heard[length // 2 :])
    assert rows(undone, STATUS, request) == once


def test_the_status_says_whose_turn_it_is_and_which_clock_runs(undone: Connection[DictRow]) -> None:
    """Step by step, as dispatch-svc speaks."""
    request = uuid4()
    heard = [Received(event, event.version) for event in recorded(case_stream(request), BY_DISPATCH)]
    seen = []
    for each in heard:
        fold(undone, [each])
        (row,) = rows(undone, STATUS, request)
        seen.append((row["progress"], row["holder"], row["holder_organisation"], row["stage"], row["breaches"]))
    assert seen == [
        (None, "call_centre", None, None, 0),
        ("assigned", "call_centre", None, None, 0),
        ("assigned", "organisation", LIFTS, None, 0),
        ("assigned", "organisation", LIFTS, "accept", 0),
        ("assigned", "organisation", LIFTS, "accept", 1),
        ("assigned", "organisation", LIFTS, None, 1),
        ("assigned", "organisation", LIFTS, "accept", 1),
        ("accepted", "organisation", LIFTS, None, 1),
        ("started", "organisation", LIFTS, None, 1),
        ("reported_done", "organisation", LIFTS, None, 1),
        ("reported_done", "resident", None, None, 1),
        ("reported_done", None, None, None, 1),
    ]
    assert set(case_status.FOLDS) == {type(fact) for fact in BY_DISPATCH}


SNAPSHOT: LiteralString = "SELECT * FROM request ORDER BY request_id"
TYPES: LiteralString = "SELECT * FROM service_type ORDER BY city, code"


def test_rebuilt_views_equal_the_live_ones_and_cursors_stay_valid(context: Context, request_database: ServiceDatabase) -> None:
    """Positions are the store's own, so a page read before the switch goes on after it."""
    agent = person("agent")
    for place in range(6):
        command = Command(derive("rebuild", place), f"agent:{agent.id}")
        entry = lifecycle.submit(context, asked(description="x"), "caller", None, _actor(agent.id), command)
        if place % 2:
            lifecycle.reject(context, entry.id, "No.", "refused", Command(derive("reject", place), f"agent:{agent.id}"))
    before = [context.database.query(SNAPSHOT), context.database.query(TYPES)]
    first = register.page(context.database, Filters(), None, 3)
    context.database.execute("UPDATE request SET state = 'lost', position = -position")
    rebuild(request_database, context.store.mapper, PROJECTION, TABLES)
    assert [context.database.query(SNAPSHOT), context.database.query(TYPES)] == before
    rest = register.page(context.database, Filters(), first[-1]["position"], 100)
    assert {row["id"] for row in [*first, *rest]} == {row["request_id"] for row in before[0]}
    assert len(first) + len(rest) == len(before[0])
    lifecycle.submit(context, asked(), "none", None, _actor(agent.id), Command(uuid4(), f"agent:{agent.id}"))


def _actor(agent: UUID) -> Actor:
    return Actor("agent", str(agent), frozenset({"agent"}))


FILL: LiteralString = """
    INSERT INTO request (request_id, position, version, city, channel, service_type, district, person, number, state, outcome,
        submitted_at)
    SELECT gen_random_uuid(), 1000000 + n, 5, CASE WHEN n % 1000 = 0 THEN 'los-angeles' ELSE 'kazan' END, 'web',
        CASE WHEN n % 7001 = 0 THEN 'rare' ELSE 'type-' || n % 40 END,
        CASE WHEN n % 7002 = 0 THEN 'rare' ELSE 'district-' || n % 7 END,
        ('00000000-0000-8000-8000-' || lpad((n % 20000)::text, 12, '0'))::uuid, 'FILL-' || n,
        CASE WHEN n % 500 = 0 THEN 'registered' WHEN n = 77777 THEN 'submitted' ELSE 'closed' END,
        CASE WHEN n % 500 = 0 OR n = 77777 THEN NULL WHEN n % 5000 = 1 THEN 'refused' ELSE 'done' END, now()
    FROM generate_series(1, 150000) AS n
"""
PERSON = UUID("00000000-0000-8000-8000-000000000042")
LISTS: dict[str, Filters] = {
    "all": Filters(),
    "city": Filters(city="kazan"),
    "rare city": Filters(city="los-angeles"),
    "no such city": Filters(city="atlantis"),
    "district": Filters(district="district-3"),
    "rare district": Filters(district="rare"),
    "service type": Filters(service_type="type-7"),
    "rare service type": Filters(service_type="rare"),
    "state": Filters(state="closed"),
    "rare state": Filters(state="submitted"),
    "outcome": Filters(outcome="done"),
    "rare outcome": Filters(outcome="refused"),
    "no such outcome": Filters(outcome="duplicate"),
    "person": Filters(person=PERSON),
    "number": Filters(number="FILL-4711"),
    "district and type": Filters(city="kazan", district="district-3", service_type="type-7"),
    "open in a district": Filters(city="kazan", district="district-3", state="registered"),
    "refused of a type": Filters(service_type="type-1", outcome="refused"),
}


@pytest.fixture(scope="module")
def filled(context: Context, request_database: ServiceDatabase) -> Context:
    """A register that has filled up, with the statistics a day of work brings."""
    context.database.execute(FILL)
    with psycopg.connect(request_database.owner_url, autocommit=True) as owner:
        owner.execute(f"SET search_path = {request_database.service}".encode())
        owner.execute("ANALYZE request")
    return context


@pytest.mark.parametrize("name", LISTS)
def test_every_list_touches_a_few_pages_of_a_full_register(filled: Context, name: str) -> None:
    """Whatever the filters, as the service itself asks; a walk over the register would touch thousands."""
    with filled.database.connection() as connection:
        explained = connection.execute(
            b"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + register.PAGE.encode(),
            {**asdict(LISTS[name]), "before": 1_140_000, "limit": 51},
            prepare=False,
        ).fetchone()
    assert explained is not None
    plan = explained["QUERY PLAN"][0]["Plan"]
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 1500, plan
    assert "Seq Scan" not in {node["Node Type"] for node in _nodes(plan) if node.get("Relation Name") == "request"}


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)
