"""Consumers that stand still, or take their time: no effect twice, none out of order, no storm (traps T6, T12)."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import shop
import warehouse as house
from aiokafka import AIOKafkaConsumer
from shop import OrderPlaced
from warehouse import (
    REACTIONS,
    Published,
    Warehouse,
    assert_each_once,
    at_end,
    caught_up,
    consumer_of,
    day,
    document,
    fact,
    keys,
    open_parked,
    publish,
    running,
    until,
)

from shared_chassis import kafka
from shared_chassis.consumer.member import Membership
from shared_chassis.postgres import ServiceDatabase
from shared_events.envelope import Received

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]

CHILD = """
import asyncio, itertools, os, signal, sys
sys.path.insert(0, sys.argv[1])
import warehouse as house
from shared_chassis.consumer import position
from shared_chassis.postgres import ServiceDatabase

_, _, service, url, bootstrap, topic, moment = sys.argv
counter = itertools.count(1)

def stand_still():
    os.kill(os.getpid(), signal.SIGSTOP)

commit = position.PostgresPositions.commit
def commit_late(self, steps):
    folding = any(step.folds and step.reached != step.expected for step in steps)
    if moment == "before a commit" and folding and next(counter) == 1:
        stand_still()
    commit(self, steps)
position.PostgresPositions.commit = commit_late

def react_late(plain):
    def react(context, received):
        if moment == "before a reaction" and next(counter) == 7:
            stand_still()
        plain(context, received)
        if moment == "after a reaction" and next(counter) == 7:
            stand_still()
    return react

opened = house.open_warehouse(ServiceDatabase(service, url, url))
reactions = {event: react_late(plain) for event, plain in house.REACTIONS.items()}
asyncio.run(house.consumer_of(opened, bootstrap, [topic], reactions).run(asyncio.Event()))
"""


def stands_still(child: "subprocess.Popen[bytes]") -> bool:
    """Say whether a process is stopped."""
    assert child.poll() is None
    return "\nState:\tT" in Path(f"/proc/{child.pid}/status").read_text()


def epochs(warehouse: Warehouse) -> dict[int, int]:
    """Read how often each partition was taken over."""
    rows = warehouse.database.query("SELECT partition, epoch FROM consumer_position")
    return {row["partition"]: row["epoch"] for row in rows}


def later(events: list[Published]) -> list[Published]:
    """Say one more thing about each order, which a late word must not overtake."""
    last = events[-1][0]
    return [(last + n, key, document(fact(key, 3, shop.OrderPackedV2(by="x", grams=1)))) for n, key in enumerate(keys(events), 1)]


@pytest.mark.parametrize("moment", ["before a reaction", "after a reaction", "before a commit"])
async def test_a_consumer_that_stands_still_is_succeeded_and_does_no_harm_when_it_wakes(
    warehouse: Warehouse, warehouse_database: ServiceDatabase, kafka_bootstrap: str, topic: str, moment: str
) -> None:
    """Trap T6: SIGSTOP past its session, another takes over and goes further, SIGCONT: no effect twice or out of order."""
    events = day(60)
    await publish(kafka_bootstrap, topic, events)
    arguments = [
        str(Path(__file__).parent),
        warehouse_database.service,
        warehouse_database.app_url,
        kafka_bootstrap,
        topic,
        moment,
    ]
    child = await asyncio.to_thread(subprocess.Popen, [sys.executable, "-c", CHILD, *arguments])
    try:
        await until(lambda: stands_still(child))
        successor = consumer_of(warehouse, kafka_bootstrap, [topic])
        async with running(successor):
            await caught_up(successor, kafka_bootstrap, topic)
            more = later(events)
            await publish(kafka_bootstrap, topic, more)
            await caught_up(successor, kafka_bootstrap, topic)
            before = epochs(warehouse)
            os.kill(child.pid, signal.SIGCONT)
            await until(lambda: not stands_still(child))
            await until(lambda: all(epoch > before[number] for number, epoch in epochs(warehouse).items()))  # it is back
            assert child.poll() is None
            await caught_up(successor, kafka_bootstrap, topic)
            await until(lambda: successor.trouble() is None)
    finally:
        child.kill()
        await asyncio.to_thread(child.wait)
    assert open_parked(warehouse) == []
    states = warehouse.database.query("SELECT DISTINCT state FROM order_state")
    assert states == [{"state": "OrderPackedV2"}]
    warehouse.database.execute("UPDATE order_state SET state = 'OrderPaid'")
    warehouse.database.execute("DELETE FROM heard WHERE type = 'sample.order-packed.v2'")
    assert_each_once(warehouse, events)


@pytest.mark.usefixtures("steady")
async def test_a_slow_handler_is_not_evicted(
    warehouse: Warehouse, kafka_bootstrap: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap T12: Kafka is polled on and on while a handler takes its time: one assignment, no second."""
    polls: list[int] = []
    poll = AIOKafkaConsumer.getmany

    async def counted_poll(self: Any, **options: Any) -> Any:
        polls.append(1)
        return await poll(self, **options)

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", counted_poll)
    assigned: list[int] = []
    assign = Membership.on_partitions_assigned

    async def counted(self: Membership[Warehouse], partitions: Any) -> None:
        assigned.append(len(partitions))
        await assign(self, partitions)

    monkeypatch.setattr(Membership, "on_partitions_assigned", counted)
    events, slept = day(30), threading.Event()

    def slow(context: Warehouse, received: Received) -> None:
        if received.stream_id == events[0][1]:
            before = len(polls)
            shop.wait_until(lambda: len(polls) > before + 3)
            slept.set()
        house.when_placed_then_open(context, received)

    await publish(kafka_bootstrap, topic, events)
    consumer = consumer_of(warehouse, kafka_bootstrap, [topic], {**REACTIONS, OrderPlaced: slow})
    async with running(consumer):
        ends = await kafka.end_offsets(kafka_bootstrap, [topic])
        await until(lambda: at_end(consumer, ends))
        await until(lambda: consumer.trouble() is None)
    assert slept.is_set()
    assert assigned == [12]
    assert_each_once(warehouse, events)
