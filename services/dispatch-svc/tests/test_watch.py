"""The clocks survive restarts, jumps and changes of the time; two hundred thousand open ones cost a poll nothing (T9, T30)."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
import pytest
from control_room import LIFT_FITTER, MINUTE, Clock, ControlRoom, adopted, open_context, pack
from prometheus_client import REGISTRY
from psycopg.rows import dict_row

from dispatch_svc.application import Context
from dispatch_svc.worker import TIMERS
from shared_chassis import timer
from shared_chassis.postgres import ServiceDatabase
from shared_chassis.timer import Timers
from shared_events.dispatch import DeadlineBreached, DeadlineWarned, RequestEscalated, StageDeadlineSet
from shared_events.ids import case_stream

pytestmark = pytest.mark.postgres
MADRID = ZoneInfo("Europe/Madrid")


@pytest.fixture(scope="module")
def context(dispatch_database: ServiceDatabase) -> Iterator[Context]:
    """Give what use cases work with, in a city that warns, escalates and changes its clocks twice a year."""
    terms = pack().model_dump(mode="json")["terms"] | {
        "warn_percent": 50,
        "ladder": [{"after_minutes": 0, "to": "dispatcher"}, {"after_minutes": 60, "to": "supervisor"}],
        "calendar": {"id": "round-the-clock", "version": "1", "timezone": "Europe/Madrid"},
    }
    terms["stages"]["total"] = {"unit": "calendar-days", "days": 1}
    opened = adopted(dispatch_database, pack(timezone="Europe/Madrid", terms=terms))
    yield opened
    opened.database.close()


def stated(room: ControlRoom, request: UUID) -> list[tuple[str, str]]:
    """List what the clocks of a case have stated: which stage, what."""
    kinds = (DeadlineWarned, DeadlineBreached, RequestEscalated)
    return [(fact.stage, type(fact).__name__) for fact in room.facts(request) if isinstance(fact, kinds)]


def lateness() -> float:
    """Read the sum of the lateness of watched moments, in seconds."""
    return REGISTRY.get_sample_value("veche_timer_lateness_seconds_sum", {"kind": "watch"}) or 0.0


OPEN_CLOCKS = """
    INSERT INTO timer (timer_id, due_at, stream_id, kind, key, payload)
    SELECT gen_random_uuid(), now() + interval '1 day' + make_interval(secs => n), 'case-' || n, 'watch', 'next', '{}'
    FROM generate_series(1, 200000) AS n
"""


async def test_stopped_before_the_due_time_and_started_after_it_states_one_breach_and_how_late(
    room: ControlRoom, dispatch_database: ServiceDatabase
) -> None:
    """Another process, hours later: everything due is stated once, in order, and the lateness is measured."""
    request = room.submit()
    before = lateness()
    room.clock.put_forward(180 * MINUTE)
    restarted = open_context(dispatch_database, room.context.cities.values())
    timers = Timers(restarted.database, TIMERS, restarted)
    for _ in range(2):
        for due in timers._lease():
            timers._fire(due)
    restarted.database.close()
    assert stated(room, request) == [
        ("accept", "DeadlineWarned"),
        ("accept", "DeadlineBreached"),
        ("accept", "RequestEscalated"),
        ("accept", "RequestEscalated"),
    ]
    assert 165 * 60 <= lateness() - before < 180 * 60
    seen = await room.see(request)
    accept = next(clock for clock in seen["clocks"] if clock["stage"] == "accept")
    assert (accept["level"], accept["escalated_to"], accept["warned_at"] is None) == (2, "supervisor", False)


async def test_a_clock_that_jumps_states_nothing_twice_and_loses_nothing(room: ControlRoom) -> None:
    """Two hours forward, then back, then forward again: what was said is said, what was not is said when its moment comes."""
    request = room.submit()
    room.clock.put_forward(16 * MINUTE)
    room.fire_due()
    room.clock.put_forward(120 * MINUTE)
    room.fire_due()
    told = stated(room, request)
    room.clock.put_forward(-120 * MINUTE)
    assert room.fire_due() == 0
    await room.do(request, "acceptance", who=LIFT_FITTER)
    room.clock.put_forward(120 * MINUTE)
    room.fire_due()
    assert stated(room, request)[: len(told)] == told
    assert len(stated(room, request)) == len(set(zip(stated(room, request), _levels(room, request), strict=True)))
    assert ("finish", "DeadlineBreached") in stated(room, request)


def _levels(room: ControlRoom, request: UUID) -> list[int]:
    kinds = (DeadlineWarned, DeadlineBreached, RequestEscalated)
    return [getattr(fact, "level", 0) for fact in room.facts(request) if isinstance(fact, kinds)]


async def test_a_timer_leased_before_the_clock_was_put_back_still_speaks(room: ControlRoom) -> None:
    """It came due, so it is due: a clock put back meanwhile must not lose the breach."""
    request = room.submit()
    room.clock.put_forward(31 * MINUTE)
    timers = Timers(room.context.database, TIMERS, room.context)
    leased = [each for each in timers._lease() if each[0].stream_id == case_stream(request)]
    room.clock.put_forward(-60 * MINUTE)
    for each in leased:
        timers._fire(each)
    assert ("accept", "DeadlineWarned") in stated(room, request)
    room.clock.put_forward(120 * MINUTE)
    room.fire_due()
    assert ("accept", "DeadlineBreached") in stated(room, request)


@pytest.mark.parametrize(
    ("night", "hours"), [(datetime(2027, 3, 27, 12, tzinfo=MADRID), 35), (datetime(2027, 10, 30, 12, tzinfo=MADRID), 37)]
)
async def test_a_day_in_which_the_clocks_change_is_over_when_it_is(room: ControlRoom, night: datetime, hours: int) -> None:
    """Registered on Saturday at noon, due at the end of Sunday: 35 or 37 hours later, and breached then, not an hour off."""
    room.clock.put_forward(night.astimezone(UTC) - room.now())
    request = room.submit()
    total = next(fact for fact in room.facts(request) if isinstance(fact, StageDeadlineSet) and fact.stage == "total")
    assert total.due - night == timedelta(hours=hours)
    room.clock.put_forward(total.due - room.now() - 30 * MINUTE)
    room.fire_due()
    assert ("total", "DeadlineBreached") not in stated(room, request)
    room.clock.put_forward(30 * MINUTE)
    room.fire_due()
    assert stated(room, request).count(("total", "DeadlineBreached")) == 1


def test_two_hundred_thousand_open_clocks_cost_a_poll_nothing(empty_database: ServiceDatabase) -> None:
    """The poll and the lease read the index of open timers up to now, and no further."""
    Clock(empty_database)
    with psycopg.connect(empty_database.owner_url, autocommit=True, row_factory=dict_row) as connection:
        connection.execute(b"SET search_path = " + empty_database.service.encode())
        connection.execute(OPEN_CLOCKS)
        connection.execute("ANALYZE timer")
        for sql in (timer.NEXT_DUE, timer.LEASE):
            asked = {"kinds": list(TIMERS), "lease": 30, "limit": 64}
            with connection.transaction():
                rows = connection.execute(b"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + sql.encode(), asked).fetchall()
            plan = json.dumps(rows[0]["QUERY PLAN"])
            assert "timer_open_idx" in plan
            assert "Seq Scan" not in plan
            root = rows[0]["QUERY PLAN"][0]["Plan"]
            assert root["Shared Hit Blocks"] + root["Shared Read Blocks"] < 50, plan
