"""The read models on real PostgreSQL: applied twice is once, rebuilt is live, and every list finds its rows by an index."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString, get_args
from uuid import UUID, uuid4

import psycopg
import pytest
from citizens import person
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection
from psycopg.rows import DictRow

from request_svc.api.answer import RequestShown
from request_svc.application import Context, erasure, lifecycle
from request_svc.views import FOLDS, PROJECTION, TABLES, case_status, register
from request_svc.views.register import Filters
from shared_chassis.http import Actor
from shared_chassis.postgres import ServiceDatabase
from shared_chassis.store import Command
from shared_chassis.view import project, rebuild, write
from shared_events.dispatch import (
    AssignmentAccepted,
    AssignmentDeclined,
    CaseClosed,
    CaseReopened,
    ClockPaused,
    ClockResumed,
    DeadlineBreached,
    Holder,
    HolderChanged,
    OrganisationKeyIssued,
    OrganisationKeyRevoked,
    RequestAssigned,
    RequestEscalated,
    RequestLinkedToIncident,
    RequestUnlinkedFromIncident,
    Stage,
    StageDeadlineSet,
    TermStated,
    WorkFoundImpossible,
    WorkReportedDone,
    WorkReturned,
    WorkScheduled,
    WorkStarted,
)
from shared_events.envelope import Envelope, Received, Recorded
from shared_events.event import Event
from shared_events.ids import case_stream, derive, request_stream
from shared_events.request import (
    AttachmentAdded,
    Channel,
    CompletionConfirmed,
    CompletionDeemedAccepted,
    CompletionDisputed,
    CompletionProposed,
    InformationNotReceived,
    InformationReceived,
    InformationRequested,
    Location,
    Outcome,
    RequestClosed,
    RequestLinkedAsDuplicate,
    RequestRated,
    RequestReclassified,
    RequestRegistered,
    RequestRejected,
    RequestReopened,
    RequestSubmitted,
    RequestUnlinked,
    RequestWithdrawn,
)

pytestmark = pytest.mark.postgres

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LIFTS = "organisation-kazan-lift-service"
GAS = {"where": "flat"}
"""What whoever smells gas may answer."""


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
PERSON_ASKED = UUID(int=3)
QUESTION = InformationRequested(
    number=1,
    person=PERSON_ASKED,
    question=None,
    by="dispatcher",
    until=NOON,
    policy_version="1",
    calendar="kazan",
    calendar_version="1",
)
MEANWHILE: Sequence[Sequence[Event]] = (
    (),
    (QUESTION, InformationReceived(number=1, person=PERSON_ASKED, answer=None)),
    (QUESTION, InformationNotReceived(number=1, until=NOON)),
    (QUESTION,),
    (RequestReclassified(previous="gas-smell", service_type="x", answers={}, questions_version=None, reason="r"),),
    (
        RequestLinkedAsDuplicate(of=UUID(int=5)),
        RequestClosed(outcome="duplicate"),
        RequestUnlinked(of=UUID(int=5), reason="r"),
        RequestReopened(round=2, because="unlinked"),
    ),
    (PROPOSED, CompletionDisputed(round=1, person=None), RequestReopened(round=2, because="disputed")),
    (AttachmentAdded(person=PERSON_ASKED, sha256="ab" * 32, media_type="image/png", size=1, place_stripped=False),),
)
RATED = RequestRated(round=1, person=PERSON_ASKED, organisation=LIFTS, rating=4)
closings = st.builds(RequestClosed, outcome=st.sampled_from(get_args(Outcome)))
lives = st.builds(
    lambda submission, meanwhile, ending, closing, stop: [
        submission,
        REGISTERED,
        *meanwhile,
        PROPOSED,
        ending,
        closing,
        RATED,
    ][:stop],
    submissions,
    st.sampled_from(MEANWHILE),
    endings,
    closings,
    st.integers(1, 11),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(life=lives, again=st.integers(0, 10))
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


def clock(stage: Stage, minutes: int) -> StageDeadlineSet:
    """Let a clock run."""
    return StageDeadlineSet(
        stage=stage,
        round=1,
        starts_at=NOON,
        due=NOON + timedelta(minutes=minutes),
        term=TermStated(unit="elapsed-minutes", amount=minutes),
        policy_version="1",
        calendar="kazan",
        calendar_version="1",
    )


HELD = Holder(kind="organisation", organisation=LIFTS)
INCIDENT = UUID(int=7)
BY_DISPATCH: Sequence[Event] = (
    HolderChanged(holder=Holder(kind="call_centre"), at=NOON),
    clock("total", 90),
    RequestLinkedToIncident(incident=INCIDENT, by="scope", expected_end=NOON),
    RequestUnlinkedFromIncident(incident=INCIDENT, reason="No."),
    RequestAssigned(organisation=LIFTS, round=1, by="rule"),
    HolderChanged(holder=HELD, at=NOON),
    clock("accept", 2),
    DeadlineBreached(stage="accept", round=1, due=NOON, holder=HELD),
    RequestEscalated(level=1, to="dispatcher", stage="accept", round=1, due=NOON, holder=HELD),
    AssignmentDeclined(organisation=LIFTS, round=1, number=1, reason="other", note="", proposes=None),
    RequestAssigned(organisation=LIFTS, round=1, by="dispatcher"),
    clock("accept", 2),
    AssignmentAccepted(organisation=LIFTS, round=1),
    clock("start", 10),
    clock("finish", 60),
    WorkScheduled(organisation=LIFTS, round=1, begins=NOON, ends=NOON + timedelta(hours=1)),
    WorkStarted(organisation=LIFTS, round=1),
    ClockPaused(stage="finish", round=1, at=NOON, because="information_requested", until=None),
    ClockResumed(stage="finish", round=1, at=NOON, due=NOON + timedelta(minutes=70), warn_at=None),
    WorkReturned(organisation=LIFTS, round=1, reason="not_equipped", note="", proposes=None),
    RequestAssigned(organisation=LIFTS, round=1, by="committee"),
    WorkReportedDone(organisation=LIFTS, round=1, evidence=()),
    HolderChanged(holder=Holder(kind="resident"), at=NOON),
    CaseReopened(round=2, at=NOON),
    WorkFoundImpossible(organisation=LIFTS, round=2, ground="Private.", outcome="impossible"),
    CaseClosed(outcome="impossible", at=NOON),
)
STATUS: LiteralString = """
    SELECT organisation, progress, holder, holder_organisation, held_since, clocks, breaches, escalation, planned_from,
        planned_until, incident, incident_until, impossible_ground, position
    FROM case_status WHERE request_id = %s
"""


def fold(connection: Connection[DictRow], received: Sequence[Received]) -> None:
    """Apply dispatch-svc's facts as the consumer does."""
    write(connection, [FOLDS[type(each.fact)](each) for each in received])


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


@pytest.mark.parametrize("length", range(1, len(BY_DISPATCH) + 1))
def test_what_dispatch_says_folded_together_is_folded_one_by_one(undone: Connection[DictRow], length: int) -> None:
    """How many facts come in a batch is chance."""
    together, apart = uuid4(), uuid4()
    for request in (together, apart):
        heard = [Received(event, event.version) for event in recorded(case_stream(request), BY_DISPATCH)]
        for part in [heard[:length], heard[length:]] if request == together else [[each] for each in heard]:
            fold(undone, part)
    assert rows(undone, STATUS, together) == rows(undone, STATUS, apart)


def test_the_status_says_whose_turn_it_is_and_which_clocks_run(undone: Connection[DictRow]) -> None:
    """Step by step, as dispatch-svc speaks: progress, organisation, the running clocks and the paused ones."""
    request = uuid4()
    seen = []
    for each in [Received(event, event.version) for event in recorded(case_stream(request), BY_DISPATCH)]:
        fold(undone, [each])
        (row,) = rows(undone, STATUS, request)
        clocks = " ".join(f"{stage}{'' if due else '-'}" for stage, due in sorted(row["clocks"].items()))
        seen.append((row["progress"], row["organisation"] is not None, clocks, row["incident"] is not None))
    assert seen == [
        (None, False, "", False),
        (None, False, "total", False),
        (None, False, "total", True),
        (None, False, "total", False),
        ("assigned", True, "total", False),
        ("assigned", True, "total", False),
        ("assigned", True, "accept total", False),
        ("assigned", True, "accept total", False),
        ("assigned", True, "accept total", False),
        ("declined", False, "total", False),
        ("assigned", True, "total", False),
        ("assigned", True, "accept total", False),
        ("accepted", True, "total", False),
        ("accepted", True, "start total", False),
        ("accepted", True, "finish start total", False),
        ("accepted", True, "finish start total", False),
        ("started", True, "finish total", False),
        ("started", True, "finish- total", False),
        ("started", True, "finish total", False),
        ("returned", False, "total", False),
        ("assigned", True, "total", False),
        ("reported_done", True, "total", False),
        ("reported_done", True, "total", False),
        (None, True, "total", False),
        ("impossible", True, "total", False),
        ("impossible", True, "", False),
    ]
    (row,) = rows(undone, STATUS, request)
    assert (row["breaches"], row["escalation"], row["impossible_ground"], row["holder"]) == (1, 1, "Private.", None)
    assert set(case_status.FOLDS) == {type(fact) for fact in BY_DISPATCH}


def test_the_stage_that_is_due_first_is_the_one_shown(context: Context) -> None:
    """Of the work's own clocks; the total and the law's own run beside, a paused one is due at no moment."""
    request = lifecycle.submit(context, asked(answers=GAS), "self", None, _actor(uuid4()), Command(uuid4(), "agent:1")).id
    heard = [clock("total", 1), clock("finish", 60), clock("start", 10)]
    with context.database.connection() as connection:
        fold(connection, [Received(event, event.version) for event in recorded(case_stream(request), heard)])
    row = register.one(context.database, request)
    assert row is not None
    shown = RequestShown.of(row)
    assert (shown.stage, shown.stage_due) == ("start", NOON + timedelta(minutes=10))
    assert set(shown.clocks) == {"total", "finish", "start"}


def test_an_organisations_keys_are_known_as_dispatch_issued_and_revoked_them(undone: Connection[DictRow]) -> None:
    """Each fact twice is each fact once."""
    heard: Sequence[Event] = (
        OrganisationKeyIssued(
            organisation=LIFTS, key_id="k1", sha256="ab" * 32, scopes=("work", "ask"), label="ERP", valid_until=None
        ),
        OrganisationKeyRevoked(organisation=LIFTS, key_id="k1", at=NOON),
    )
    received = [Received(event, event.version) for event in recorded(LIFTS, heard)]
    for each in (received[0], received[0], received[1], received[0], received[1]):
        fold(undone, [each])
    found = undone.execute("SELECT organisation, scopes, revoked_at FROM api_key WHERE key_id = 'k1'").fetchall()
    assert [(row["organisation"], row["scopes"], row["revoked_at"]) for row in found] == [(LIFTS, ["work", "ask"], NOON)]


SNAPSHOT: LiteralString = "SELECT * FROM request ORDER BY request_id"
TYPES: LiteralString = "SELECT * FROM service_type ORDER BY city, code"
BUILDINGS: LiteralString = "SELECT * FROM building ORDER BY city, code"
ERASED: LiteralString = "SELECT * FROM erased_person ORDER BY person"


def snapshot(context: Context) -> list[list[DictRow]]:
    """Read all that is rebuilt."""
    return [context.database.query(sql) for sql in (SNAPSHOT, TYPES, BUILDINGS, ERASED)]


def test_rebuilt_views_equal_the_live_ones_and_cursors_stay_valid(context: Context, request_database: ServiceDatabase) -> None:
    """Positions are the store's own, so a page read before the switch goes on after it."""
    agent = person("agent")
    for place in range(6):
        command = Command(derive("rebuild", place), f"agent:{agent.id}")
        entry = lifecycle.submit(context, asked(description="x", answers=GAS), "caller", None, _actor(agent.id), command)
        if place % 2:
            lifecycle.reject(context, entry.id, "No.", "refused", Command(derive("reject", place), f"agent:{agent.id}"))
    erasure.erase(context, uuid4(), _actor(agent.id), Command(uuid4(), f"agent:{agent.id}"))
    before = snapshot(context)
    assert all(before)
    first = register.page(context.database, Filters(), None, 3)
    context.database.execute("UPDATE request SET state = 'lost', position = -position")
    rebuild(request_database, context.store.mapper, PROJECTION, TABLES)
    assert snapshot(context) == before
    rest = register.page(context.database, Filters(), first[-1]["position"], 100)
    assert {row["id"] for row in [*first, *rest]} == {row["request_id"] for row in before[0]}
    assert len(first) + len(rest) == len(before[0])
    lifecycle.submit(context, asked(answers=GAS), "none", None, _actor(agent.id), Command(uuid4(), f"agent:{agent.id}"))


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
    sql, params = register.statement_of(LISTS[name], 1_140_000, 51)
    with filled.database.connection() as connection:
        explained = connection.execute(
            b"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + sql.encode(), params, prepare=False
        ).fetchone()
    assert explained is not None
    plan = explained["QUERY PLAN"][0]["Plan"]
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 1500, plan
    assert "Seq Scan" not in {node["Node Type"] for node in _nodes(plan) if node.get("Relation Name") == "request"}


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)
