"""Events that cannot be handled: now, yet, or ever (traps T10, T26, T36, T37)."""

import threading
from collections.abc import Callable
from itertools import pairwise
from math import inf
from time import monotonic
from uuid import uuid4

import psycopg
import pytest
import warehouse as house
from shop import OrderPackedV2, OrderPaid, OrderPlaced
from warehouse import (
    FOLDS,
    PATIENCE,
    REACTIONS,
    MoneyArrived,
    Warehouse,
    assert_each_once,
    caught_up,
    consumer_of,
    day,
    document,
    fact,
    heard,
    keys,
    open_parked,
    order_id,
    parcel_of,
    parcels,
    partition_of,
    publish,
    running,
    until,
)

from shared_chassis import kafka
from shared_chassis.consumer import Early, Invalid, Transient, partition
from shared_chassis.consumer.breaker import Breaker
from shared_chassis.postgres import ServiceDatabase
from shared_chassis.view import Fold, Row, Rows, Writing
from shared_events.envelope import Received

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]


def count_trials(monkeypatch: pytest.MonkeyPatch, repair: Callable[[], object] = lambda: None) -> list[str | None]:
    """Tell what was wrong before each of the breaker's trials, and repair it before the first."""
    trials: list[str | None] = []
    try_again = Breaker.try_again

    def tried(breaker: Breaker) -> None:
        if not trials:
            repair()
        trials.append(breaker.why)
        try_again(breaker)

    monkeypatch.setattr(Breaker, "try_again", tried)
    return trials


def raise_invalid(_warehouse: Warehouse, _received: Received) -> None:
    """Refuse everything."""
    raise Invalid("this never works")


async def test_a_bad_event_holds_up_only_its_own_key(warehouse: Warehouse, kafka_bootstrap: str, topic: str) -> None:
    """Trap T10: its key waits, in order; every other key goes on."""
    events = day(60)
    bad = keys(events)[7]

    def picky(context: Warehouse, received: Received) -> None:
        if received.stream_id == bad:
            raise Invalid("I do not like this one")
        house.when_placed_then_open(context, received)

    await publish(kafka_bootstrap, topic, events)
    consumer = consumer_of(warehouse, kafka_bootstrap, [topic], {**REACTIONS, OrderPlaced: picky})
    async with running(consumer):
        await caught_up(consumer, kafka_bootstrap, topic)
    waiting = [position for position, key, _ in events if key == bad]
    assert open_parked(warehouse) == [(bad, waiting[0], "invalid"), (bad, waiting[1], "behind")]
    assert_each_once(warehouse, [event for event in events if event[1] != bad])
    row = warehouse.database.query_one("SELECT error, state FROM parked_event WHERE reason = 'invalid'")
    assert row is not None
    assert row["error"] == "Invalid: I do not like this one"
    assert bytes(row["state"]) == next(state for _, key, state in events if key == bad)


async def test_when_everything_is_bad_the_breaker_stops_and_nothing_is_parked(
    warehouse: Warehouse, kafka_bootstrap: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap T10: a bad deploy. The offset is unmoved, the consumer says why, and a good one goes on from there."""
    events = day(120)
    await publish(kafka_bootstrap, topic, events)
    monkeypatch.setattr(partition, "PROBATION", PATIENCE)  # until it is known; not however many a slow machine met in a second
    trials = count_trials(monkeypatch)
    broken = dict.fromkeys(REACTIONS, raise_invalid)
    consumer = consumer_of(warehouse, kafka_bootstrap, [topic], broken, rest=0.2)
    async with running(consumer) as tasks:
        await until(lambda: "cannot be handled" in (consumer.trouble() or ""))
        await until(lambda: len(trials) > 1)
        assert "cannot be handled" in (consumer.trouble() or "")
        assert not tasks[0].done()
    assert open_parked(warehouse) == []
    assert warehouse.database.query("SELECT 1 FROM consumer_position WHERE next_offset > 0") == []
    good = consumer_of(warehouse, kafka_bootstrap, [topic])
    async with running(good):
        await caught_up(good, kafka_bootstrap, topic)
    assert_each_once(warehouse, events)


async def test_after_its_rest_the_breaker_closes_by_itself_when_things_are_good(
    warehouse: Warehouse, kafka_bootstrap: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What broke was repaired without a restart: the next attempt goes on."""
    events, broken = day(60), threading.Event()
    broken.set()

    def sometimes(context: Warehouse, received: Received) -> None:
        if broken.is_set():
            raise Invalid("out of order")
        house.when_placed_then_open(context, received)

    monkeypatch.setattr(partition, "PROBATION", PATIENCE)
    trials = count_trials(monkeypatch, repair=broken.clear)
    await publish(kafka_bootstrap, topic, events)
    consumer = consumer_of(warehouse, kafka_bootstrap, [topic], {**REACTIONS, OrderPlaced: sometimes}, rest=0.2)
    async with running(consumer):
        await until(lambda: trials)
        await caught_up(consumer, kafka_bootstrap, topic)
        await until(lambda: consumer.trouble() is None)
    assert "cannot be handled" in (trials[0] or "")
    assert_each_once(warehouse, events)


async def test_when_the_database_refuses_every_fold_the_breaker_stops_too(
    warehouse: Warehouse,
    warehouse_database: ServiceDatabase,
    kafka_bootstrap: str,
    topic: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A view's table is missing: a deploy went wrong, not 120 events."""
    events = day(120)
    await publish(kafka_bootstrap, topic, events)
    with psycopg.connect(warehouse_database.owner_url, autocommit=True) as connection:
        connection.execute(f"ALTER TABLE {warehouse_database.service}.heard RENAME TO heard_no_more".encode())
        monkeypatch.setattr(partition, "PROBATION", PATIENCE)

        def repair() -> None:
            assert open_parked(warehouse) == []
            connection.execute(f"ALTER TABLE {warehouse_database.service}.heard_no_more RENAME TO heard".encode())

        trials = count_trials(monkeypatch, repair)
        consumer = consumer_of(warehouse, kafka_bootstrap, [topic], {}, rest=0.2)
        async with running(consumer):
            await until(lambda: trials)
            await caught_up(consumer, kafka_bootstrap, topic)
    assert open_parked(warehouse) == []
    assert set(heard(warehouse)) == set(keys(events))


@pytest.mark.usefixtures("steady")
async def test_an_unforeseen_error_is_met_three_times_and_then_parked(
    warehouse: Warehouse, kafka_bootstrap: str, topic: str
) -> None:
    """A fault of ours may be a passing one; after the third time a person looks."""
    events, calls = day(1), []

    def faulty(_context: Warehouse, _received: Received) -> None:
        calls.append(1)
        raise ZeroDivisionError

    await publish(kafka_bootstrap, topic, events)
    consumer = consumer_of(warehouse, kafka_bootstrap, [topic], {**REACTIONS, OrderPlaced: faulty})
    async with running(consumer):
        await caught_up(consumer, kafka_bootstrap, topic)
    assert len(calls) == 3
    assert [reason for _, _, reason in open_parked(warehouse)] == ["invalid", "behind"]


async def test_trouble_is_waited_out_in_place_while_other_partitions_go_on(
    warehouse: Warehouse, kafka_bootstrap: str, topic: str
) -> None:
    """Transient: nothing is parked or skipped, the key keeps its order, others do not wait for it."""
    events, trouble = day(60), threading.Event()
    slow, tries = keys(events)[0], []
    trouble.set()

    def troubled(context: Warehouse, received: Received) -> None:
        if received.stream_id == slow and trouble.is_set():
            tries.append(monotonic())
            raise Transient("the world is not ready")
        house.when_placed_then_open(context, received)

    await publish(kafka_bootstrap, topic, events)
    consumer = consumer_of(warehouse, kafka_bootstrap, [topic], {**REACTIONS, OrderPlaced: troubled})
    same = {key for key in keys(events) if partition_of(key) == partition_of(slow)}
    async with running(consumer):
        others = {parcel_of(key): ["opened", "sent"] for key in keys(events) if key not in same}
        await until(lambda: {k: v for k, v in parcels(warehouse).items() if k in others} == others)
        await until(lambda: len(tries) > 3)
        assert open_parked(warehouse) == []
        trouble.clear()
        await caught_up(consumer, kafka_bootstrap, topic)
    assert_each_once(warehouse, events)


async def test_an_early_event_waits_and_is_released_by_what_it_awaits(
    warehouse: Warehouse, kafka_bootstrap: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap T36: the bank's word comes before the shop's; the same final state, and nothing is blocked meanwhile."""
    bank = f"bank-{uuid4().hex[:8]}.events"
    await kafka.ensure_topic(kafka_bootstrap, bank)
    orders = day(30, paid=False)
    payments = [f"payment-{uuid4()}" for _ in orders]
    words = [
        (place, payment, document(fact(payment, 1, MoneyArrived(order=key))))
        for place, (payment, (_, key, _)) in enumerate(zip(payments, orders, strict=True), 1)
    ]
    await publish(kafka_bootstrap, bank, words)
    monkeypatch.setattr(partition.Wait, "of", classmethod(lambda cls, awaits, attempts, **_: cls(awaits, attempts, inf)))
    consumer = consumer_of(warehouse, kafka_bootstrap, [topic, bank])  # whose early events are tried when they may go on, only
    async with running(consumer):
        await caught_up(consumer, kafka_bootstrap, bank)
        assert [reason for _, _, reason in open_parked(warehouse)] == ["early"] * 30
        await until(lambda: consumer.trouble() is None)
        await publish(kafka_bootstrap, topic, orders)
        await until(lambda: not open_parked(warehouse))
    assert parcels(warehouse) == {parcel_of(key): ["opened", "sent"] for _, key, _ in orders}
    assert warehouse.database.query("SELECT 1 FROM parked_event") == []


async def test_an_early_event_is_released_after_a_restart_too(warehouse: Warehouse, kafka_bootstrap: str, topic: str) -> None:
    """Who waits is in the database, and so is what they wait for."""
    bank = f"bank-{uuid4().hex[:8]}.events"
    await kafka.ensure_topic(kafka_bootstrap, bank)
    (order,) = day(1, paid=False)
    payment = f"payment-{uuid4()}"
    await publish(kafka_bootstrap, bank, [(1, payment, document(fact(payment, 1, MoneyArrived(order=order[1]))))])
    first = consumer_of(warehouse, kafka_bootstrap, [topic, bank])
    async with running(first):
        await caught_up(first, kafka_bootstrap, bank)
    assert len(open_parked(warehouse)) == 1
    warehouse.database.execute("UPDATE parked_event SET attempts = 20")  # its own next try is a minute away
    opened = fact(order[1], 1, OrderPlaced(item="tea"))
    house.when_placed_then_open(warehouse, Received(opened, 1))
    async with running(consumer_of(warehouse, kafka_bootstrap, [topic, bank])):
        await until(lambda: not open_parked(warehouse))
    assert parcels(warehouse)[parcel_of(order[1])] == ["opened", "sent"]


async def test_an_event_that_stays_early_is_not_tried_all_the_time(
    warehouse: Warehouse, kafka_bootstrap: str, topic: str
) -> None:
    """What it says it awaits is there already: it is tried less and less often, and holds up nobody."""
    order, tries = order_id(), []
    house.when_placed_then_open(warehouse, Received(fact(order, 1, OrderPlaced(item="tea")), 1))

    def never_satisfied(_context: Warehouse, received: Received) -> None:
        tries.append(monotonic())
        raise Early(parcel_of(received.stream_id))

    await publish(kafka_bootstrap, topic, [(1, order, document(fact(order, 1, OrderPlaced(item="tea"))))])
    consumer = consumer_of(warehouse, kafka_bootstrap, [topic], {OrderPlaced: never_satisfied})
    async with running(consumer):
        await until(lambda: len(tries) > 3)
    rests = [later - sooner for sooner, later in pairwise(tries)]
    assert rests[1] >= 0.5
    assert rests[2] >= 1.0
    assert open_parked(warehouse) == [(order, 1, "early")]


async def test_a_new_version_of_a_known_type_parks_its_key(warehouse: Warehouse, kafka_bootstrap: str, topic: str) -> None:
    """Trap T37: never skipped; what follows waits behind it."""
    order, other = order_id(), order_id()
    newer = document(fact(order, 1, OrderPlaced(item="tea"))).replace(b"order-placed.v1", b"order-placed.v2")
    events = [(1, order, newer), (2, order, document(fact(order, 2, OrderPaid())))]
    events.append((3, other, document(fact(other, 1, OrderPlaced(item="tea")))))
    await publish(kafka_bootstrap, topic, events)
    consumer = consumer_of(warehouse, kafka_bootstrap, [topic])
    async with running(consumer):
        await caught_up(consumer, kafka_bootstrap, topic)
    assert open_parked(warehouse) == [(order, 1, "unknown_version"), (order, 2, "behind")]
    assert parcels(warehouse) == {parcel_of(other): ["opened"]}


async def test_an_event_under_a_foreign_key_is_parked(warehouse: Warehouse, kafka_bootstrap: str, topic: str) -> None:
    """Trap T26, on the hearing side: a key that is not the subject could be out of order."""
    order, other = order_id(), order_id()
    producer = kafka.new_producer(kafka_bootstrap)
    await producer.start()
    headers = [("type", b"sample.order-placed.v1"), ("position", b"1")]
    await producer.send(topic, document(fact(order, 1, OrderPlaced(item="tea"))), other.encode(), headers=headers)
    await producer.send(topic, b"hello", b"nobody")
    await producer.stop()
    consumer = consumer_of(warehouse, kafka_bootstrap, [topic])
    async with running(consumer):
        await caught_up(consumer, kafka_bootstrap, topic)
    assert open_parked(warehouse) == [(other, 1, "invalid")]


async def test_a_fold_the_database_refuses_parks_its_event_alone(warehouse: Warehouse, kafka_bootstrap: str, topic: str) -> None:
    """One statement breaks a constraint: the others of its transaction are stored, its own key waits."""
    events = day(20, paid=False)
    bad = order_id()
    refused = [
        (1001, bad, document(fact(bad, 1, OrderPlaced(item="refused")))),
        (1002, bad, document(fact(bad, 2, OrderPackedV2(by="x", grams=1)))),
    ]
    await publish(kafka_bootstrap, topic, [*events[:10], *refused, *[(p + 2000, k, s) for p, k, s in events[10:]]])
    consumer = consumer_of(warehouse, kafka_bootstrap, [topic], {})
    async with running(consumer):
        await caught_up(consumer, kafka_bootstrap, topic)
    assert open_parked(warehouse) == [(bad, 1001, "invalid"), (bad, 1002, "behind")]
    assert set(heard(warehouse)) == set(keys(events))


async def test_a_fact_that_does_not_fit_its_row_is_parked_alone(warehouse: Warehouse, kafka_bootstrap: str, topic: str) -> None:
    """One fold in memory fails: the others of its transaction are stored, its own key waits."""
    events = day(20, paid=False)
    bad = order_id()
    refused = [
        (1001, bad, document(fact(bad, 1, OrderPlaced(item="misfit")))),
        (1002, bad, document(fact(bad, 2, OrderPackedV2(by="x", grams=1)))),
    ]
    rows = Rows("heard", {"stream_id": "uuid"})

    def misfit(_row: Row | None, received: Received) -> Row:
        raise KeyError(received.stream_id)

    def fold_or_fail(received: Received) -> Writing:
        return Fold(rows, misfit)(received) if received.stream_id == bad else FOLDS[type(received.fact)](received)

    await publish(kafka_bootstrap, topic, [*events[:10], *refused, *[(p + 2000, k, s) for p, k, s in events[10:]]])
    consumer = consumer_of(warehouse, kafka_bootstrap, [topic], {}, folds=dict.fromkeys(FOLDS, fold_or_fail))
    async with running(consumer):
        await caught_up(consumer, kafka_bootstrap, topic)
    assert open_parked(warehouse) == [(bad, 1001, "invalid"), (bad, 1002, "behind")]
    assert set(heard(warehouse)) == set(keys(events))
