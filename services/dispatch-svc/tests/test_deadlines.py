"""Stage clocks on real PostgreSQL: a breach once, while the stage runs, however late anybody looks."""

from datetime import datetime
from uuid import UUID

import pytest
from control_room import DISPATCHER, LIFTS, MINUTE, PIPES, ControlRoom

from shared_events.dispatch import DeadlineBreached, StageDeadlineSet
from shared_events.ids import case_stream
from shared_events.request import RequestClosed

pytestmark = pytest.mark.postgres


def breaches(room: ControlRoom, request: UUID) -> list[tuple[str, datetime]]:
    """List the breaches stated of a case: the stage, and when it was due."""
    return [(fact.stage, fact.due) for fact in room.facts(request) if isinstance(fact, DeadlineBreached)]


def due(room: ControlRoom, request: UUID) -> datetime:
    """Say when the latest clock is due."""
    return [fact for fact in room.facts(request) if isinstance(fact, StageDeadlineSet)][-1].due


async def test_a_stage_that_outlasts_its_term_is_breached_once_however_late_the_worker_is(room: ControlRoom) -> None:
    """The worker was down for hours: one breach, late, with the `due` that was; firing again states nothing."""
    request = room.submit()
    term = due(room, request)
    assert room.fire_due() == 0
    room.clock.put_forward(300 * MINUTE)
    assert room.fire_due() == 1
    assert room.fire_due() == 0
    assert breaches(room, request) == [("accept", term)]
    seen = await room.see(request)
    clocks = seen["clocks"]
    assert -300 < clocks[0]["remaining_minutes"] <= -270
    recorded = room.context.store.events(case_stream(request))[-1]
    assert recorded.envelope.recorded_time - term >= 270 * MINUTE


async def test_a_stage_that_ended_in_time_is_never_breached(room: ControlRoom) -> None:
    """Its timer is cancelled in the commit that ended it."""
    accepted, closed = room.submit(), room.submit()
    await room.do(accepted, "acceptance", "start", "report")
    room.hear(closed, RequestClosed(outcome="withdrawn"))
    room.clock.put_forward(500 * MINUTE)
    assert room.fire_due() == 0
    assert breaches(room, accepted) == breaches(room, closed) == []


async def test_a_stage_that_ended_too_late_while_the_worker_was_down_is_breached_all_the_same(room: ControlRoom) -> None:
    """The acceptance states it first; the timer that comes back states nothing more."""
    request = room.submit()
    term = due(room, request)
    room.clock.put_forward(45 * MINUTE)
    await room.do(request, "acceptance")
    assert breaches(room, request) == [("accept", term)]
    assert room.named(request)[-3:] == ["DeadlineBreached", "AssignmentAccepted", "StageDeadlineSet"]
    assert room.fire_due() == 0
    seen = await room.see(request)
    clocks = seen["clocks"]
    assert [(clock["stage"], clock["breached_at"] is None, clock["ended_at"] is None) for clock in clocks] == [
        ("accept", False, False),
        ("finish", True, True),
    ]


async def test_a_timer_leased_before_its_stage_ended_states_nothing_after(room: ControlRoom) -> None:
    """Two workers, a slow one: whoever speaks last finds the stage over or the breach stated."""
    from dispatch_svc.worker import TIMERS
    from shared_chassis.timer import Timers

    request = room.submit()
    room.clock.put_forward(31 * MINUTE)
    timers = Timers(room.context.database, TIMERS, room.context)
    leased = timers._lease()
    await room.do(request, "acceptance")
    for timer in leased:
        timers._fire(timer)
    assert len(leased) == 1
    assert len(breaches(room, request)) == 1


async def test_every_stage_has_a_clock_and_reassignment_a_new_one(room: ControlRoom) -> None:
    """Breached, given to another, breached again, and the finish clock by the type's own hour."""
    request = room.submit()
    room.clock.put_forward(31 * MINUTE)
    room.fire_due()
    await room.post(request, "assignment", DISPATCHER, {"organisation": PIPES})
    room.clock.put_forward(31 * MINUTE)
    room.fire_due()
    await room.post(request, "assignment", DISPATCHER, {"organisation": LIFTS})
    await room.do(request, "acceptance", "start")
    room.clock.put_forward(40 * MINUTE)
    assert room.fire_due() == 0
    room.clock.put_forward(20 * MINUTE)
    room.fire_due()
    assert [stage for stage, _ in breaches(room, request)] == ["accept", "accept", "finish"]
    holders = [fact.holder.organisation for fact in room.facts(request) if isinstance(fact, DeadlineBreached)]
    assert holders == [LIFTS, PIPES, LIFTS]
