"""Consuming from real Kafka into real PostgreSQL: each effect once, in order, whatever happens (T3, T5-7, T10, T25, T36, T37)."""

import asyncio
import random
import signal
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from uuid import uuid4

import psycopg
import pytest
import shop
import warehouse as house
from broker import Broker
from shop import OrderPackedV2, OrderPaid, OrderPlaced
from warehouse import (
    REACTIONS,
    MoneyArrived,
    Warehouse,
    caught_up,
    consumer_of,
    document,
    fact,
    open_warehouse,
    order_id,
    parcel_of,
    publish,
    running,
    until,
)

from shared_chassis import kafka
from shared_chassis.consumer import Early, Fenced, Invalid, Place, Position, PostgresPositions, Step, Transient, behind
from shared_chassis.postgres import ServiceDatabase
from shared_chassis.relay import PARTITIONER
from shared_events.envelope import Received

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]
Published = tuple[int, str, bytes]


@pytest.fixture
def warehouse(warehouse_database: ServiceDatabase) -> Warehouse:
    """Give the warehouse, with nothing heard yet."""
    return open_warehouse(warehouse_database)


@pytest.fixture
async def topic(kafka_bootstrap: str) -> str:
    """Make a topic as its owner does."""
    name = f"sample-{uuid4().hex[:8]}.events"
    await kafka.ensure_topic(kafka_bootstrap, name)
    return name


def day(orders: int, *, paid: bool = True, start: int = 0) -> list[Published]:
    """Spell a day of orders: each placed and paid, their facts interleaved, positions with gaps."""
    names = [order_id() for _ in range(orders)]
    facts = [(name, fact(name, 1, OrderPlaced(item="tea"))) for name in names]
    if paid:
        facts += [(name, fact(name, 2, OrderPaid())) for name in names]
    return [(start + 3 * place, name, document(recorded)) for place, (name, recorded) in enumerate(facts, 1)]


def partition_of(key: str) -> int:
    """Say which partition a key goes to."""
    return int(PARTITIONER(key.encode(), list(range(12)), list(range(12))))


def keys(events: Sequence[Published]) -> list[str]:
    """Name the orders of a day once each."""
    return list(dict.fromkeys(key for _, key, _ in events))


def parcels(warehouse: Warehouse) -> dict[str, list[str]]:
    """Read what the warehouse decided: per parcel the short names of its facts, in order."""
    rows = warehouse.database.query("SELECT stream_id, type FROM event_log ORDER BY position")
    found: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        found[row["stream_id"]].append(row["type"].removeprefix("warehouse.parcel-").removesuffix(".v1"))
    return found


def heard(warehouse: Warehouse) -> dict[str, list[int]]:
    """Read what was folded: per order the positions, in the order they were folded in."""
    found: dict[str, list[int]] = defaultdict(list)
    for row in warehouse.database.query("SELECT stream_id, position FROM heard ORDER BY place"):
        found[row["stream_id"]].append(row["position"])
    return found


def open_parked(warehouse: Warehouse) -> list[tuple[str, int, str]]:
    """Read what waits: (key, position, reason)."""
    rows = warehouse.database.query("SELECT key, position, reason FROM parked_event WHERE settled_at IS NULL ORDER BY position")
    return [(row["key"], row["position"], row["reason"]) for row in rows]


def assert_each_once(warehouse: Warehouse, events: Sequence[Published]) -> None:
    """See that every order's parcel was opened and sent once, and every fact folded once, in order."""
    assert parcels(warehouse) == {parcel_of(key): ["opened", "sent"] for key in keys(events)}
    expected = defaultdict(list)
    for position, key, _ in sorted(set(events)):
        expected[key].append(position)
    assert heard(warehouse) == expected
    states = warehouse.database.query("SELECT stream_id, state FROM order_state")
    assert {row["stream_id"]: row["state"] for row in states} == dict.fromkeys(keys(events), "OrderPaid")


async def test_every_event_has_its_effect_once_and_the_position_stands_at_the_end(
    warehouse: Warehouse, kafka_bootstrap: str, topic: str
) -> None:
    """Reactions, folds and positions; a second consumer of the same name finds nothing left to do."""
    events = day(100)
    await publish(kafka_bootstrap, topic, events)
    consumer = consumer_of(warehouse, kafka_bootstrap, [topic])
    async with running(consumer):
        await caught_up(consumer, kafka_bootstrap, topic)
        assert consumer.trouble() is None
    assert_each_once(warehouse, events)
    status = consumer.positions.status()
    assert max(place["last_position"] for place in status[consumer.name][topic].values()) == events[-1][0]
    assert behind(status, await kafka.end_offsets(kafka_bootstrap, [topic])) == {consumer.name: 0}
    again = consumer_of(warehouse, kafka_bootstrap, [topic], dict.fromkeys(REACTIONS, raise_invalid))
    async with running(again):
        await asyncio.sleep(2)
    assert open_parked(warehouse) == []
    assert again.positions.status() == status


def raise_invalid(_warehouse: Warehouse, _received: Received) -> None:
    """Refuse everything."""
    raise Invalid("this never works")


async def test_events_nobody_here_handles_are_passed_over_quickly(warehouse: Warehouse, kafka_bootstrap: str, topic: str) -> None:
    """By the header alone, thousands a second; unknown types are counted and passed over too."""
    order = order_id()
    packed = document(fact(order, 1, OrderPackedV2(by="x", grams=1)))
    unknown = packed.replace(b"sample.order-packed.v2", b"sample.order-blessed.v1")
    events = [(place, order_id(), packed) for place in range(1, 10_000)]
    subjects = [(p, k, s.replace(order.encode(), k.encode())) for p, k, s in [*events, (10_000, order_id(), unknown)]]
    await publish(kafka_bootstrap, topic, subjects)
    consumer = consumer_of(warehouse, kafka_bootstrap, [topic], folds={})
    begun = monotonic()
    async with running(consumer):
        await caught_up(consumer, kafka_bootstrap, topic)
        seconds = monotonic() - begun
    assert open_parked(warehouse) == []
    assert parcels(warehouse) == {}
    assert 10_000 / seconds > 2000, f"{10_000 / seconds:.0f}/s"


async def test_repeated_and_shuffled_events_lead_to_the_same_state(
    warehouse: Warehouse, kafka_bootstrap: str, topic: str
) -> None:
    """Trap T25: each input at least twice, as two relays would repeat them, the partitions shuffled against each other."""
    events = day(60)
    by_partition: dict[int, list[Published]] = defaultdict(list)
    for event in [*events[:80], *events[:80], *events[40:], *events, *events[:60]]:
        by_partition[partition_of(event[1])].append(event)
    shuffled: list[Published] = []
    dice = random.Random(25)  # noqa: S311 - the same shuffle each time
    while queues := [queue for queue in by_partition.values() if queue]:
        shuffled.append(dice.choice(queues).pop(0))
    await publish(kafka_bootstrap, topic, shuffled)
    consumer = consumer_of(warehouse, kafka_bootstrap, [topic])
    async with running(consumer):
        await caught_up(consumer, kafka_bootstrap, topic)
    assert open_parked(warehouse) == []
    assert_each_once(warehouse, events)


async def test_a_rebalance_in_mid_batch_applies_each_event_once(warehouse: Warehouse, kafka_bootstrap: str) -> None:
    """Trap T5: six partitions, interleaved positions; members join and leave while batches are in hand."""
    topic = f"sample-{uuid4().hex[:8]}.events"
    await kafka.ensure_topic(kafka_bootstrap, topic, partitions=6)
    events = day(300)
    await publish(kafka_bootstrap, topic, events[:200], partitions=6)
    runs: Counter[int] = Counter()

    def slowly(open_parcel: Callable[[Warehouse, Received], None]) -> Callable[[Warehouse, Received], None]:
        def react(context: Warehouse, received: Received) -> None:
            runs[received.position] += 1
            threading.Event().wait(0.01)
            open_parcel(context, received)

        return react

    reactions = {event: slowly(reaction) for event, reaction in REACTIONS.items()}
    first, second, third = (consumer_of(warehouse, kafka_bootstrap, [topic], reactions, partitions=6) for _ in range(3))
    async with running(first):
        await until(lambda: sum(runs.values()) > 20)
        async with running(second):
            await until(lambda: sum(runs.values()) > 100)
            await publish(kafka_bootstrap, topic, events[200:], partitions=6)
            async with running(third):
                await until(lambda: sum(runs.values()) > 250)
        await caught_up(first, kafka_bootstrap, topic)
    assert_each_once(warehouse, events)


async def test_a_former_owner_of_a_partition_changes_nothing(warehouse: Warehouse, kafka_bootstrap: str, topic: str) -> None:
    """Trap T6: who took the partition over raises its epoch; a step of the former owner is refused, its folds included."""
    events = day(1)
    await publish(kafka_bootstrap, topic, events)
    entered, go_on = threading.Event(), threading.Event()

    def stalled(context: Warehouse, received: Received) -> None:
        if not entered.is_set():
            entered.set()
            go_on.wait(20)
        house.when_placed_then_open(context, received)

    consumer = consumer_of(warehouse, kafka_bootstrap, [topic], {**REACTIONS, OrderPlaced: stalled})
    positions = PostgresPositions(warehouse.database)
    async with running(consumer):
        await until(entered.is_set)
        rows = warehouse.database.query("SELECT * FROM consumer_position WHERE next_offset = 0")
        for row in rows:
            place = Place(row["consumer"], row["cluster_id"], row["topic"], row["partition"])
            taken = positions.load(place)
            assert taken.epoch == row["epoch"] + 1
        warehouse.database.execute("INSERT INTO order_state VALUES (%(id)s, 'newer')", {"id": events[0][1]})
        go_on.set()
        await until(lambda: parcels(warehouse))
        await asyncio.sleep(0.2)
        await caught_up(consumer, kafka_bootstrap, topic)
    assert_each_once(warehouse, events)
    epochs = [row["epoch"] for row in warehouse.database.query("SELECT max(epoch) AS epoch FROM consumer_position")]
    assert epochs[0] >= 3


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
    warehouse: Warehouse, kafka_bootstrap: str, topic: str
) -> None:
    """Trap T10: a bad deploy. The offset is unmoved, the consumer says why, and a good one goes on from there."""
    events = day(120)
    await publish(kafka_bootstrap, topic, events)
    broken = dict.fromkeys(REACTIONS, raise_invalid)
    consumer = consumer_of(warehouse, kafka_bootstrap, [topic], broken, rest=2.0)
    async with running(consumer) as tasks:
        await until(lambda: "cannot be handled" in (consumer.trouble() or ""))
        await asyncio.sleep(5)
        assert "cannot be handled" in (consumer.trouble() or "")
        assert not tasks[0].done()
    assert open_parked(warehouse) == []
    assert warehouse.database.query("SELECT 1 FROM consumer_position WHERE next_offset > 0") == []
    good = consumer_of(warehouse, kafka_bootstrap, [topic])
    async with running(good):
        await caught_up(good, kafka_bootstrap, topic)
    assert_each_once(warehouse, events)


async def test_after_its_rest_the_breaker_closes_by_itself_when_things_are_good(
    warehouse: Warehouse, kafka_bootstrap: str, topic: str
) -> None:
    """What broke was repaired without a restart: the next attempt goes on."""
    events, broken = day(60), threading.Event()
    broken.set()

    def sometimes(context: Warehouse, received: Received) -> None:
        if broken.is_set():
            raise Invalid("out of order")
        house.when_placed_then_open(context, received)

    await publish(kafka_bootstrap, topic, events)
    consumer = consumer_of(warehouse, kafka_bootstrap, [topic], {**REACTIONS, OrderPlaced: sometimes}, rest=4.0)
    async with running(consumer):
        await until(lambda: "cannot be handled" in (consumer.trouble() or ""))
        broken.clear()
        await caught_up(consumer, kafka_bootstrap, topic)
        assert consumer.trouble() is None
    assert_each_once(warehouse, events)


async def test_when_the_database_refuses_every_fold_the_breaker_stops_too(
    warehouse: Warehouse, warehouse_database: ServiceDatabase, kafka_bootstrap: str, topic: str
) -> None:
    """A view's table is missing: a deploy went wrong, not 120 events."""
    events = day(120)
    await publish(kafka_bootstrap, topic, events)
    with psycopg.connect(warehouse_database.owner_url, autocommit=True) as connection:
        connection.execute(f"ALTER TABLE {warehouse_database.service}.heard RENAME TO heard_no_more".encode())
        consumer = consumer_of(warehouse, kafka_bootstrap, [topic], {}, rest=4.0)
        async with running(consumer):
            await until(lambda: "cannot be handled" in (consumer.trouble() or ""))
            assert open_parked(warehouse) == []
            connection.execute(f"ALTER TABLE {warehouse_database.service}.heard_no_more RENAME TO heard".encode())
            await caught_up(consumer, kafka_bootstrap, topic)
    assert open_parked(warehouse) == []
    assert set(heard(warehouse)) == set(keys(events))


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
    warehouse: Warehouse, kafka_bootstrap: str, topic: str
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
    consumer = consumer_of(warehouse, kafka_bootstrap, [topic, bank])
    async with running(consumer):
        await caught_up(consumer, kafka_bootstrap, bank)
        assert [reason for _, _, reason in open_parked(warehouse)] == ["early"] * 30
        assert consumer.trouble() is None
        await publish(kafka_bootstrap, topic, orders)
        begun = monotonic()
        await until(lambda: not open_parked(warehouse))
        assert monotonic() - begun < 5.0
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
        await until(lambda: len(tries) > 1)
        await asyncio.sleep(4)
    assert 3 <= len(tries) <= 8
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


async def test_an_old_version_is_handled_in_its_newest_shape(warehouse: Warehouse, kafka_bootstrap: str, topic: str) -> None:
    """Consumers are deployed before producers: version 1 reaches the fold of version 2."""
    order = order_id()
    await publish(kafka_bootstrap, topic, [(1, order, document(fact(order, 1, shop.OrderPacked(by="x"))))])
    consumer = consumer_of(warehouse, kafka_bootstrap, [topic])
    async with running(consumer):
        await caught_up(consumer, kafka_bootstrap, topic)
    assert heard(warehouse) == {order: [1]}


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


async def test_a_reaction_sees_what_earlier_events_of_its_key_folded(
    warehouse: Warehouse, kafka_bootstrap: str, topic: str
) -> None:
    """Also when both came in one batch: folds before a reaction are committed first."""
    events, seen = day(20), []

    def look(context: Warehouse, received: Received) -> None:
        row = context.database.query_one("SELECT state FROM order_state WHERE stream_id = %(id)s", {"id": received.stream_id})
        seen.append(row["state"] if row else None)
        house.when_paid_then_send(context, received)

    await publish(kafka_bootstrap, topic, events)
    consumer = consumer_of(warehouse, kafka_bootstrap, [topic], {**REACTIONS, OrderPaid: look})
    async with running(consumer):
        await caught_up(consumer, kafka_bootstrap, topic)
    assert seen == ["tea"] * 20
    assert_each_once(warehouse, events)


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


async def test_effects_are_once_though_every_backend_is_terminated(
    warehouse: Warehouse, kafka_bootstrap: str, topic: str, postgres_admin_url: str
) -> None:
    """Trap T3 on the hearing side: sessions die in mid-batch, also between a commit and its answer."""
    events = day(400)
    await publish(kafka_bootstrap, topic, events)
    consumer = consumer_of(warehouse, kafka_bootstrap, [topic])

    def kill() -> None:
        with psycopg.connect(postgres_admin_url, autocommit=True) as connection:
            sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
            connection.execute(sql, [warehouse.database.schema])

    async with running(consumer) as tasks:
        for _ in range(6):
            await asyncio.sleep(0.25)
            await asyncio.to_thread(kill)
        await caught_up(consumer, kafka_bootstrap, topic)
        assert not tasks[0].done()
    assert open_parked(warehouse) == []
    assert_each_once(warehouse, events)


async def test_a_fold_and_its_position_are_one(warehouse: Warehouse, kafka_bootstrap: str) -> None:
    """A step whose place has moved stores nothing at all."""
    positions = PostgresPositions(warehouse.database)
    place = Place("c", "cluster", "t", 0)
    standing = positions.load(place)
    order = order_id()
    statement = house.fold(Received(fact(order, 1, OrderPlaced(item="tea")), 7))
    positions.commit([Step(place, standing, Position(1, 7, standing.epoch), [statement])])
    later = house.fold(Received(fact(order, 2, OrderPaid()), 8))
    with pytest.raises(Fenced):
        positions.commit([Step(place, standing, Position(2, 8, standing.epoch), [later])])
    assert heard(warehouse) == {order: [7]}
    other = Place("c", "another-cluster", "t", 0)
    assert positions.load(other)[:2] == (0, 7)


async def test_effects_are_once_though_the_broker_is_killed_and_then_replaced(warehouse: Warehouse, broker: Broker) -> None:
    """Traps T11 and T35 on the hearing side: the consumer goes on by itself, in an empty cluster from its start."""
    name = f"sample-{uuid4().hex[:8]}.events"
    await kafka.ensure_topic(broker.bootstrap, name)
    events = day(90)
    await publish(broker.bootstrap, name, events[:60] + events[:60])  # offsets there run ahead of those to come
    consumer = consumer_of(warehouse, broker.bootstrap, [name])
    async with running(consumer) as tasks:
        await caught_up(consumer, broker.bootstrap, name)
        await asyncio.to_thread(broker.kill)
        await asyncio.sleep(1)
        await asyncio.to_thread(broker.start)
        await publish(broker.bootstrap, name, events[60:120])
        await caught_up(consumer, broker.bootstrap, name, seconds=60)
        await asyncio.to_thread(broker.kill)
        broker.forget()
        await asyncio.to_thread(broker.start)
        await kafka.ensure_topic(broker.bootstrap, name)
        await publish(broker.bootstrap, name, events)
        await caught_up(consumer, broker.bootstrap, name, seconds=60)
        assert not tasks[0].done()
    assert open_parked(warehouse) == []
    assert_each_once(warehouse, events)


CHILD = """
import asyncio, os, signal, sys
sys.path.insert(0, sys.argv[1])
import warehouse as house
from shared_chassis.consumer import lane, partition, position
from shared_chassis.consumer.member import Membership
from shared_chassis.postgres import ServiceDatabase

_, _, service, url, bootstrap, topic, step = sys.argv
import itertools
counter = itertools.count(1)

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def dying_at(name, plain, before=False):
    async def method(self, *arguments):
        if before and step == name:
            die()
        result = await plain(self, *arguments)
        if not before and step == name:
            die()
        return result
    return method

def reaction(plain):
    def react(context, received):
        count = next(counter)
        if step == "before a reaction" and count == 7:
            die()
        plain(context, received)
        if step == "after a reaction" and count == 7:
            die()
    return react

P = partition.Partition
P._run = dying_at("after the reactions", P._run)
P._commit = dying_at("after the commit", P._commit)
commit = position.PostgresPositions.commit
def dying_commit(self, steps):
    if step == "before the commit" and any(s.reached != s.expected for s in steps):
        die()
    commit(self, steps)
    if step == "after a commit of folds" and any(s.folds and s.reached == s.expected for s in steps):
        die()
position.PostgresPositions.commit = dying_commit
if step == "after the fetch":
    P.take = lambda self, records: die()

house_ = house.open_warehouse(ServiceDatabase(service, url, url))
reactions = {event: reaction(plain) for event, plain in house.REACTIONS.items()}
consumer = house.consumer_of(house_, bootstrap, [topic], reactions)
if step == "after Kafka was told":
    plain = Membership.__init__
    import shared_chassis.consumer.member as member
    member.TELL = 0.05
    def init(self, reading):
        plain(self, reading)
        tell = self._kafka.commit
        async def telling(offsets):
            await tell(offsets)
            die()
        self._kafka.commit = telling
    Membership.__init__ = init
asyncio.run(consumer.run(asyncio.Event()))
"""

STEPS = [
    "after the fetch",
    "before a reaction",
    "after a reaction",
    "after a commit of folds",
    "after the reactions",
    "before the commit",
    "after the commit",
    "after Kafka was told",
]


@pytest.mark.parametrize("step", STEPS)
async def test_a_consumer_killed_at_any_step_has_every_effect_once(
    warehouse: Warehouse, warehouse_database: ServiceDatabase, kafka_bootstrap: str, topic: str, step: str
) -> None:
    """Trap T7: kill -9 after each step of consuming; the next consumer completes it: nothing lost, effects once, in order."""
    events = day(100)
    await publish(kafka_bootstrap, topic, events)
    tests = str(Path(__file__).parent)
    arguments = [tests, warehouse_database.service, warehouse_database.app_url, kafka_bootstrap, topic, step]
    child = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", CHILD, *arguments], check=False, timeout=60, capture_output=True
    )
    assert child.returncode == -signal.SIGKILL, child.stderr
    consumer = consumer_of(warehouse, kafka_bootstrap, [topic])
    async with running(consumer):
        await caught_up(consumer, kafka_bootstrap, topic, seconds=40)
    assert open_parked(warehouse) == []
    assert_each_once(warehouse, events)
