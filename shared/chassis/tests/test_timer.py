"""Clocks on real PostgreSQL: they fire once, also after a restart, and many open ones cost nothing (trap T9)."""

import asyncio
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import LiteralString
from uuid import UUID, uuid4

import psycopg
import pytest
from prometheus_client import REGISTRY
from shop import ORDER, Order, OrderExpired, OrderPlaced, open_store, place
from warehouse import PATIENCE, order_id, running, until

from shared_chassis.postgres import ServiceDatabase
from shared_chassis.store import Command, Store
from shared_chassis.timer import DueTimer, TimerReactions, Timers
from shared_events.event import Event

pytestmark = pytest.mark.postgres


def when_unpaid_then_expire(store: Store, timer: DueTimer) -> None:
    """When the time to pay is over, then the order expires."""

    def decide(order: Order, _now: datetime) -> Sequence[Event]:
        return [] if order.paid else [OrderExpired()]

    store.handle(ORDER, timer.stream_id, decide, Command.of_timer(timer, "sample-svc"))


LAST_AND_DUE: LiteralString = """
    SELECT recorded_time, (SELECT due_at FROM timer WHERE fired_at IS NOT NULL) AS due_at
    FROM event_log ORDER BY position DESC LIMIT 1
"""
UNKNOWN: LiteralString = """
    INSERT INTO timer (timer_id, due_at, stream_id, kind, key, payload)
    SELECT gen_random_uuid(), rule_now() - interval '1 hour', 's', 'from the future', g::text, '{}' FROM generate_series(1, 500) g
"""
MANY: LiteralString = """
    INSERT INTO timer (timer_id, due_at, stream_id, kind, key, payload)
    SELECT gen_random_uuid(), rule_now() + interval '1 hour' + g * interval '1 second', 'case-' || g, 'expire', 'x', '{}'
    FROM generate_series(1, 200000) g
"""
ENDED: LiteralString = "SELECT 1 FROM command WHERE count = 0"
REACTIONS: TimerReactions[Store] = {"expire": when_unpaid_then_expire}


def place_order(store: Store, after: timedelta) -> str:
    """Place an order that is to be paid within a time."""
    order = order_id()
    store.handle(ORDER, order, place(after=after), Command(uuid4(), "resident:1"))
    return order


def go_on_to(database: ServiceDatabase, after: str) -> None:
    """Set the clock of every rule so much ahead of the machine's."""
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute(
            f"CREATE OR REPLACE FUNCTION {database.service}.rule_now() RETURNS timestamptz LANGUAGE sql VOLATILE"
            f" AS $$ SELECT clock_timestamp() + interval '{after}' $$".encode()
        )


def expired(store: Store) -> list[str]:
    """Name the orders that expired, each as often as it did."""
    rows = store.database.query("SELECT stream_id FROM event_log WHERE type = 'sample.order-expired.v1' ORDER BY position")
    return [row["stream_id"] for row in rows]


def unfired(store: Store) -> int:
    """Count the timers that have not fired."""
    return len(store.database.query("SELECT 1 FROM timer WHERE fired_at IS NULL AND cancelled_at IS NULL"))


def lateness(count: str) -> float:
    """Read the measured lateness."""
    return REGISTRY.get_sample_value(f"veche_timer_lateness_seconds_{count}", {"kind": "expire"}) or 0.0


async def test_a_timer_fires_at_its_moment_and_not_before(store: Store, shop_database: ServiceDatabase) -> None:
    """However often one looks before; and one that is due within the second is looked for when it is due."""
    soon, later = place_order(store, timedelta(hours=1)), place_order(store, timedelta(hours=3))
    timers = Timers(store.database, REACTIONS, store)
    async with running(timers):
        await asyncio.sleep(0.3)
        assert expired(store) == []
        go_on_to(shop_database, "59 minutes 59.5 seconds")
        assert timers._until_due() <= 0.5
        await until(lambda: expired(store))
    row = store.database.query_one(LAST_AND_DUE)
    assert row is not None
    assert timedelta(0) <= row["recorded_time"] - row["due_at"]
    assert expired(store) == [soon]
    assert later not in expired(store)


async def test_a_timer_that_was_due_while_nobody_ran_fires_once_after_the_restart(shop_database: ServiceDatabase) -> None:
    """Trap T9: stop before the due time, start after it: one breach, and its lateness is measured."""
    before = open_store(shop_database)
    stopped_early = Timers(before.database, REACTIONS, before)
    async with running(stopped_early):
        order = place_order(before, timedelta(hours=1))
    before.database.close()
    go_on_to(shop_database, "2 hours")
    after = open_store(shop_database)
    counted, seconds = lateness("count"), lateness("sum")
    async with running(Timers(after.database, REACTIONS, after), Timers(after.database, REACTIONS, after)):
        await until(lambda: not unfired(after))
    assert expired(after) == [order]
    assert lateness("count") == counted + 1
    assert 3500 < lateness("sum") - seconds < 7000
    after.database.close()


async def test_a_process_that_died_while_firing_is_followed_by_another(store: Store) -> None:
    """The lease ends, the timer fires elsewhere; the command id makes it once."""
    order = place_order(store, timedelta(seconds=-1))
    dying = Timers(store.database, REACTIONS, store)
    assert len(dying._lease()) == 1
    async with running(Timers(store.database, REACTIONS, store)):
        await asyncio.sleep(0.5)
        assert expired(store) == []
        store.database.execute("UPDATE timer SET leased_until = clock_timestamp() - interval '1 second'")
        await until(lambda: expired(store))
    assert expired(store) == [order]


async def test_two_workers_fire_each_timer_once(store: Store) -> None:
    """Leases keep them apart: few are tried twice, none has two effects."""
    orders = [place_order(store, timedelta(seconds=-1)) for _ in range(150)]
    async with running(*(Timers(store.database, REACTIONS, store) for _ in range(3))):
        await until(lambda: not unfired(store))
    assert sorted(expired(store)) == sorted(orders)


async def test_a_timer_whose_rule_decides_nothing_is_done(store: Store) -> None:
    """Deciding nothing is a decision: it fires once and no more."""
    place_order(store, timedelta(seconds=-1))
    fired: list[UUID] = []

    def nothing(_store: Store, timer: DueTimer) -> None:
        fired.append(timer.id)

    async with running(Timers(store.database, {"expire": nothing}, store)):
        await until(lambda: not unfired(store))
        await asyncio.sleep(0.3)
    assert len(fired) == 1
    assert expired(store) == []


async def test_an_unknown_kind_is_told_and_left(store: Store) -> None:
    """Another release may know it; the known ones are not held up."""
    order = place_order(store, timedelta(seconds=-1))
    store.database.execute(UNKNOWN)
    async with running(Timers(store.database, REACTIONS, store)):
        await until(lambda: expired(store))
    assert expired(store) == [order]
    assert unfired(store) == 500


async def test_a_reaction_that_fails_is_tried_again_and_holds_up_nobody(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """One timer's fault is no other's."""
    monkeypatch.setattr("shared_chassis.timer.RETRY_SECONDS", 0.5)
    bad, good = place_order(store, timedelta(seconds=-2)), place_order(store, timedelta(seconds=-1))
    tries: list[float] = []

    def faulty(context: Store, timer: DueTimer) -> None:
        if timer.stream_id == bad:
            tries.append(monotonic())
            if len(tries) < 3:
                raise ZeroDivisionError
        when_unpaid_then_expire(context, timer)

    async with running(Timers(store.database, {"expire": faulty}, store)):
        await until(lambda: not unfired(store))
    assert expired(store) == [good, bad]
    assert len(tries) == 3
    assert tries[1] - tries[0] > 0.4


@pytest.mark.parametrize("over", [False, True], ids=["to come", "come meanwhile"])
async def test_a_deadline_moved_while_its_timer_fires_is_kept(
    store: Store, shop_database: ServiceDatabase, *, over: bool
) -> None:
    """The old moment's firing marks nothing of the new one, which still comes, also where it is over by then."""
    order = place_order(store, timedelta(seconds=-1))
    entered, go_on = threading.Event(), threading.Event()
    due: list[datetime] = []

    def slow(context: Store, timer: DueTimer) -> None:
        due.append(timer.due_at)
        if not entered.is_set():
            entered.set()
            go_on.wait(PATIENCE)
            context.handle(ORDER, timer.stream_id, lambda _s, _n: [], Command.of_timer(timer, "sample-svc"))
            return
        when_unpaid_then_expire(context, timer)

    async with running(Timers(store.database, {"expire": slow}, store)):
        await until(entered.is_set)
        later = datetime.now(UTC) + timedelta(hours=1)
        store.handle(ORDER, order, lambda _s, _n: [OrderPlaced(item="more", pay_until=later)], Command(uuid4(), "resident:1"))
        if over:
            go_on_to(shop_database, "1 hour")
        go_on.set()
        await until(lambda: store.database.query(ENDED))
        go_on_to(shop_database, "1 hour")
        await until(lambda: expired(store))
    assert due[1:] == [later]


async def test_among_two_hundred_thousand_open_clocks_the_due_one_fires(store: Store, shop_database: ServiceDatabase) -> None:
    """And nothing else does: what is not due is neither leased nor looked at more often."""
    with psycopg.connect(shop_database.owner_url, autocommit=True) as connection:
        connection.execute(f"SET search_path = {shop_database.service}".encode())
        connection.execute(MANY)
        connection.execute("ANALYZE timer")
    timers = Timers(store.database, REACTIONS, store)
    assert timers._until_due() == 1.0
    assert timers._lease() == []
    order = place_order(store, timedelta(seconds=-1))
    async with running(timers):
        await until(lambda: expired(store))
    assert expired(store) == [order]
