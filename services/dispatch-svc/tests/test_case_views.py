"""What people see of cases is what their facts say, after whatever has happened to them; seen twice it is the same."""

import random
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest
from case_file import LIFTS, PIPES
from control_room import ControlRoom, views
from psycopg import Connection
from psycopg.rows import DictRow
from test_case_laws import OF_PEOPLE, OF_REQUESTS, City

from dispatch_svc.application import Context
from dispatch_svc.domain.case import CASE, Case
from dispatch_svc.views import PROJECTION, TABLES
from dispatch_svc.views.case import one
from shared_chassis import view
from shared_chassis.postgres import ServiceDatabase
from shared_chassis.store import Command
from shared_chassis.view import Projection
from shared_events.envelope import Recorded
from shared_events.event import Event
from shared_events.ids import case_stream

pytestmark = pytest.mark.postgres

OF_THE_WORK = {"accept", "start", "finish"}
WEIGHTED = [*["forward"] * 10, *["timers"] * 3, *["tell"] * 3, *["ask", "dispute", "decline"] * 2, *OF_PEOPLE, *OF_REQUESTS]


def lived(chance: random.Random) -> list[Event]:
    """Let anything happen to a case; its facts."""
    city = City(chance.choice(["lift", "pipe", "other"]))
    for _ in range(chance.randint(10, 80)):
        city.move(chance.choice(WEIGHTED), chance.choice([LIFTS, PIPES]), chance.randint(0, 6), chance.randint(0, 3))
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
    """State, holder and every clock that is not over; the holders' minutes sum to the time it was open."""
    facts = lived(random.Random(seed))  # noqa: S311 - chance of a test
    if not facts:
        return
    request = stored(room.context, facts)
    known = room.context.store.load(CASE, case_stream(request)).state
    found = one(room.context.database, request)
    assert found is not None
    row = found.case
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
    assert row["due"] == first[0]
    assert [(task["id"], task["state"]) for task in found.sub_tasks] == [
        (task.id, task.over or "open") for task in {task.id: task for task in known.sub_tasks}.values()
    ]
    seen = await room.see(request)
    assert sum(held["minutes"] for held in seen["holders"]) == pytest.approx(seen["total_minutes"])


def _clocks_are(known: Case, rows: list[dict[str, object]]) -> None:
    """Check that the clocks that are seen to run or to stand still are those that do."""
    going_on = {} if known.state == "closed" else {clock.stage: clock for clock in known.clocks}
    seen = {row["stage"]: row for row in rows if row["ended_at"] is None}
    assert set(seen) == set(going_on)
    for stage, clock in going_on.items():
        row = seen[stage]
        assert (row["starts_at"], row["due"], row["warn_at"], row["round"]) == (
            clock.starts_at,
            clock.due,
            clock.warn_at,
            clock.round,
        )
        assert (row["paused_by"], row["warned_at"] is not None, row["breached_at"] is not None, row["level"]) == (
            clock.paused_by,
            clock.warned,
            clock.breached,
            clock.level,
        )


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
