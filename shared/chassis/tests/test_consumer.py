"""Consuming from real Kafka into real PostgreSQL: each effect once, in order of its stream (traps T5, T6, T25)."""

import asyncio
import random
import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from uuid import uuid4

import pytest
import shop
import warehouse as house
from shop import OrderPackedV2, OrderPaid, OrderPlaced
from warehouse import (
    PATIENCE,
    REACTIONS,
    Published,
    Warehouse,
    assert_each_once,
    caught_up,
    consumer_of,
    day,
    document,
    fact,
    heard,
    open_parked,
    order_id,
    parcels,
    partition_of,
    publish,
    running,
    until,
)

from shared_chassis import kafka
from shared_chassis.consumer import Fenced, Invalid, Place, Position, PostgresPositions, Step, behind
from shared_events.envelope import Received

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]


TAKEN_TWICE = "SELECT count(*) AS partitions FROM consumer_position WHERE epoch > 1"


def raise_invalid(_warehouse: Warehouse, _received: Received) -> None:
    """Refuse everything."""
    raise Invalid("this never works")


async def test_every_event_has_its_effect_once_and_the_position_stands_at_the_end(
    warehouse: Warehouse, kafka_bootstrap: str, topic: str
) -> None:
    """Reactions, folds and positions; a second consumer of the same name finds nothing left to do."""
    events = day(100)
    await publish(kafka_bootstrap, topic, events)
    consumer = consumer_of(warehouse, kafka_bootstrap, [topic])
    async with running(consumer):
        await caught_up(consumer, kafka_bootstrap, topic)
        await until(lambda: consumer.trouble() is None)
    assert_each_once(warehouse, events)
    status = consumer.positions.status()
    assert max(place["last_position"] for place in status[consumer.name][topic].values()) == events[-1][0]
    assert behind(status, await kafka.end_offsets(kafka_bootstrap, [topic])) == {consumer.name: 0}
    again = consumer_of(warehouse, kafka_bootstrap, [topic], dict.fromkeys(REACTIONS, raise_invalid))
    async with running(again):
        await until(lambda: warehouse.database.query_one(TAKEN_TWICE) == {"partitions": 12})
        await asyncio.sleep(0.5)
    assert open_parked(warehouse) == []
    assert again.positions.status() == status


async def test_events_nobody_here_handles_are_passed_over_unread(
    warehouse: Warehouse, kafka_bootstrap: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the header alone, and in few commits; unknown types are counted and passed over too."""
    order = order_id()
    packed = document(fact(order, 1, OrderPackedV2(by="x", grams=1)))
    unknown = packed.replace(b"sample.order-packed.v2", b"sample.order-blessed.v1")
    events = [(place, order_id(), packed) for place in range(1, 4000)]
    subjects = [(p, k, s.replace(order.encode(), k.encode())) for p, k, s in [*events, (4000, order_id(), unknown)]]
    await publish(kafka_bootstrap, topic, subjects)
    read: list[bytes] = []
    monkeypatch.setattr(warehouse.store.mapper, "from_document", read.append)
    consumer = consumer_of(warehouse, kafka_bootstrap, [topic], folds={})
    steps: list[Step] = []
    commit = consumer.positions.commit
    monkeypatch.setattr(consumer.positions, "commit", lambda each: (steps.extend(each), commit(each))[1])
    async with running(consumer):
        await caught_up(consumer, kafka_bootstrap, topic)
    assert open_parked(warehouse) == []
    assert parcels(warehouse) == {}
    assert read == []
    assert len(steps) < 400


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
            go_on.wait(PATIENCE)
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
        await caught_up(consumer, kafka_bootstrap, topic)
    assert_each_once(warehouse, events)
    epochs = [row["epoch"] for row in warehouse.database.query("SELECT max(epoch) AS epoch FROM consumer_position")]
    assert epochs[0] >= 3


async def test_an_old_version_is_handled_in_its_newest_shape(warehouse: Warehouse, kafka_bootstrap: str, topic: str) -> None:
    """Consumers are deployed before producers: version 1 reaches the fold of version 2."""
    order = order_id()
    await publish(kafka_bootstrap, topic, [(1, order, document(fact(order, 1, shop.OrderPacked(by="x"))))])
    consumer = consumer_of(warehouse, kafka_bootstrap, [topic])
    async with running(consumer):
        await caught_up(consumer, kafka_bootstrap, topic)
    assert heard(warehouse) == {order: [1]}


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
    assert set(seen) == {"tea"}
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
