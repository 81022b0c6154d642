"""What people see of cases is what their facts say, after whatever has happened to them; seen twice it is the same."""

import random
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from any_city import OF_PEOPLE, OF_REQUESTS, City
from case_file import LIFTS, PIPES, REQUEST, T0
from control_room import ControlRoom, views
from psycopg import Connection
from psycopg.rows import DictRow

from dispatch_svc.application import Context
from dispatch_svc.domain.case import CASE, Case
from dispatch_svc.views import PROJECTION, TABLES
from dispatch_svc.views.case import CaseFile, ClockSeen, Filters, file_of, page
from shared_calendar.pause import union
from shared_chassis import view
from shared_chassis.postgres import ServiceDatabase
from shared_chassis.store import Command
from shared_chassis.view import Change, Projection, Row
from shared_events.dispatch import CaseClosed
from shared_events.envelope import Envelope, Recorded
from shared_events.event import Event
from shared_events.ids import case_stream

pytestmark = pytest.mark.postgres

OF_THE_WORK = {"accept", "start", "finish"}
PARTS = ["sub-task", "sub-task done", "sub-task cancelled", "link", "unlink"]
WEIGHTED = [*["forward"] * 10, *["timers"] * 3, *["tell"] * 3, *["ask", "dispute", "decline"] * 2, *OF_PEOPLE, *OF_REQUESTS]


def lived(chance: random.Random, moves: Sequence[str] = WEIGHTED) -> list[Event]:
    """Let anything happen to a case; its facts."""
    city = City(chance.choice(["lift", "pipe", "other"]))
    for _ in range(chance.randint(10, 80)):
        city.move(chance.choice(moves), chance.choice([LIFTS, PIPES]), chance.randint(0, 6), chance.randint(0, 3))
    return city.facts


def stored(context: Context, facts: list[Event]) -> UUID:
    """Store a case as it was lived, some facts a commit."""
    request, at = uuid4(), 0
    while at < len(facts):
        taken = facts[at : at + 7]
        context.store.handle(CASE, case_stream(request), lambda _known, _now, said=taken: said, Command(uuid4(), "service:tests"))
        at += len(taken)
    return request


@pytest.mark.parametrize("seed", range(40))
async def test_a_case_is_seen_as_its_facts_say(room: ControlRoom, seed: int) -> None:
    """State, holder, parts and every clock that is not over; the holders' minutes sum to the time it was open."""
    facts = lived(random.Random(seed))  # noqa: S311 - chance of a test
    if not facts:
        return
    request = stored(room.context, facts)
    known = room.context.store.load(CASE, case_stream(request)).state
    found = file_of(room.context.store.events(case_stream(request)))
    assert found is not None
    row: DictRow = found.row
    assert (row["version"], row["state"], row["round"], row["organisation"], row["service_type"]) == (
        known.facts,
        known.state,
        known.round,
        known.organisation,
        known.service_type,
    )
    assert (row["waiting"], row["declines"]) == (known.waiting, known.declines)
    assert (row["held_since"] or known.since) <= (known.since or row["held_since"])
    _clocks_are(known, found.clocks)
    first = min(((clock.due, clock.stage) for clock in known.clocks if clock.stage in OF_THE_WORK), default=(None, None))
    assert (row["due"], row["stage"]) == first
    assert found.told.incidents == known.incidents
    assert {fact.at for fact in facts if isinstance(fact, CaseClosed)} <= {held.until for held in found.holders}
    assert [(task.id, task.state) for task in found.sub_tasks] == [
        (task.id, task.over or "open") for task in {task.id: task for task in known.sub_tasks}.values()
    ]
    seen = await room.see(request)
    assert sum(held["minutes"] for held in seen["holders"]) == pytest.approx(seen["total_minutes"])


def _clocks_are(known: Case, clocks: Sequence[ClockSeen]) -> None:
    """Check that the clocks that are seen to run or to stand still are those that do."""
    going_on = {} if known.state == "closed" else {clock.stage: clock for clock in known.clocks}
    seen = {clock.stage: clock for clock in clocks if clock.ended_at is None}
    assert set(seen) == set(going_on)
    for stage, clock in going_on.items():
        shown = seen[stage]
        assert (shown.set_by.starts_at, shown.due, shown.warn_at, shown.set_by.round) == (
            clock.starts_at,
            clock.due,
            clock.warn_at,
            clock.round,
        )
        assert (shown.paused_by, shown.warned_at is not None, shown.breached_at is not None, shown.level) == (
            clock.paused_by,
            clock.warned,
            clock.breached,
            clock.level,
        )
        assert union(shown.pauses) == union(clock.pauses)


@pytest.mark.parametrize("seed", range(40, 60))
def test_lists_show_of_a_case_what_its_own_facts_say(context: Context, seed: int) -> None:
    """The row that is written some facts at a time is the one that is read from all of them; so is the list of its parts."""
    facts = lived(random.Random(seed), [*WEIGHTED, *PARTS * 10])  # noqa: S311 - chance of a test
    if not facts:
        return
    request = stored(context, facts)
    found = file_of(context.store.events(case_stream(request)))
    assert found is not None
    listed = next(row for row in page(context.database, Filters(), None, 1000) if row["case_id"] == request)
    assert listed == {name: found.row[name] for name in listed}
    stage, due = listed["stage"], listed["due"] and listed["due"] + timedelta(microseconds=1)
    for chosen in (Filters(state=listed["state"]), Filters(stage=stage), Filters(due_before=due)):
        assert request in {row["case_id"] for row in page(context.database, chosen, None, 1000)}
    for organisation in (LIFTS, PIPES):
        open_parts = page(context.database, Filters(sub_tasks_of=organisation), None, 1000)
        assert (request in {row["case_id"] for row in open_parts}) == _has_open_part(found, organisation)


@pytest.mark.parametrize("seed", range(20))
def test_every_fact_of_a_case_raises_its_version_in_lists_once(seed: int) -> None:
    """Whatever else the fact writes; one that the row knows already leaves it as it is."""
    facts = lived(random.Random(seed), [*WEIGHTED, *PARTS * 10])  # noqa: S311 - chance of a test
    said = Envelope(UUID(int=1), "/tests", "", T0, T0, "service:tests", UUID(int=2), UUID(int=3))
    row: Row | None = None
    for version, fact in enumerate(facts, 1):
        recorded = Recorded(case_stream(REQUEST), version, said, fact)
        step = PROJECTION[type(fact)](recorded)
        (change,) = (each for each in (step if isinstance(step, Sequence) else [step]) if isinstance(each, Change))
        row = change.evolve(row)
        assert row is not None
        assert row["version"] == version
        assert change.evolve(row) is row


def _has_open_part(found: CaseFile, organisation: str) -> bool:
    return any((task.organisation, task.state) == (organisation, "open") for task in found.sub_tasks)


def test_views_are_rebuilt_from_the_facts_as_they_were_and_each_fact_applied_twice_is_applied_once(
    context: Context, dispatch_database: ServiceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever has happened, in every table."""
    chance = random.Random(7)  # noqa: S311 - chance of a test
    requests = [stored(context, lived(chance)) for _ in range(15)]
    live = views(context)
    view.rebuild(dispatch_database, context.store.mapper, PROJECTION, TABLES)
    assert views(context) == live
    once_each = view.project

    def twice_each(connection: Connection[DictRow], projection: Projection, recorded: Sequence[Recorded]) -> None:
        for fact in recorded:
            once_each(connection, projection, [fact, fact])

    monkeypatch.setattr(view, "project", twice_each)
    view.rebuild(dispatch_database, context.store.mapper, PROJECTION, TABLES)
    assert len(requests) == 15
    assert views(context) == live
