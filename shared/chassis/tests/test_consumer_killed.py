"""Consuming while processes, sessions and brokers die: nothing lost, every effect once (traps T3, T7, T11, T35)."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from broker import Broker
from warehouse import (
    PATIENCE,
    Warehouse,
    assert_each_once,
    caught_up,
    consumer_of,
    day,
    open_parked,
    publish,
    running,
)

from shared_chassis import kafka
from shared_chassis.postgres import ServiceDatabase

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]


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
    warehouse.database.datastore.pool.check()  # whichever connections of it were killed and not used since
    assert open_parked(warehouse) == []
    assert_each_once(warehouse, events)


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
        await caught_up(consumer, broker.bootstrap, name)
        await asyncio.to_thread(broker.kill)
        broker.forget()
        await asyncio.to_thread(broker.start)
        await kafka.ensure_topic(broker.bootstrap, name)
        await publish(broker.bootstrap, name, events)
        await caught_up(consumer, broker.bootstrap, name)
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
        subprocess.run, [sys.executable, "-c", CHILD, *arguments], check=False, timeout=PATIENCE, capture_output=True
    )
    assert child.returncode == -signal.SIGKILL, child.stderr
    consumer = consumer_of(warehouse, kafka_bootstrap, [topic])
    async with running(consumer):
        await caught_up(consumer, kafka_bootstrap, topic)
    assert open_parked(warehouse) == []
    assert_each_once(warehouse, events)
