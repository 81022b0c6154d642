"""Publishing while processes, sessions and brokers die or stand still: nothing lost (traps T3, T6, T7, T11, T35)."""

import asyncio
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from broker import Broker
from outbox import (
    assert_complete,
    behind_checkpoint,
    checkpoint,
    load,
    published,
    relay_of,
    stored,
    terminate_backends,
    write,
)
from warehouse import PATIENCE, position_of, read_topic, running, until

from shared_chassis import kafka
from shared_chassis.postgres import ServiceDatabase
from shared_chassis.store import Store

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]


CHILD = """
import asyncio, os, signal, sys
from shared_chassis import relay as module
from shared_chassis.relay import Relay

url, schema, bootstrap, step = sys.argv[1:]

def die():
    os.kill(os.getpid(), signal.SIGKILL)

class Dying(Relay):
    async def _read(self, lead):
        messages = await super()._read(lead)
        if messages and step == "read":
            die()
        return messages

    async def _carry(self, producer, partition, todo):
        await super()._carry(producer, partition, todo)
        if step == "sent one partition":
            die()

    async def _advance(self, lead, reached):
        if step == "acknowledged":
            die()
        await super()._advance(lead, reached)
        if step == "moved":
            die()

module.AT_ONCE = 50
asyncio.run(Dying(url, schema, bootstrap, f"{schema}.events").run(asyncio.Event()))
"""


@pytest.mark.parametrize("step", ["read", "sent one partition", "acknowledged", "moved"])
async def test_a_relay_killed_at_any_step_loses_nothing(
    store: Store, shop_database: ServiceDatabase, kafka_bootstrap: str, step: str
) -> None:
    """Trap T7: kill -9 after each step of publishing; the next relay completes the topic, each key in order."""
    for _ in range(30):
        write(store, 5)
    arguments = [shop_database.app_url, shop_database.service, kafka_bootstrap, step]
    child = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", CHILD, *arguments], check=False, timeout=PATIENCE, capture_output=True
    )
    assert child.returncode == -signal.SIGKILL, child.stderr
    relay = relay_of(shop_database, kafka_bootstrap)
    async with running(relay):
        await published(store)
    assert_complete(store, await read_topic(kafka_bootstrap, relay.topic))


STOPPED = """
import asyncio, sys
from shared_chassis import relay
relay.SESSION = "2s"
url, schema, bootstrap = sys.argv[1:]
asyncio.run(relay.Relay(url, schema, bootstrap, f"{schema}.events").run(asyncio.Event()))
"""


async def test_a_leader_that_stands_still_is_succeeded_and_does_no_harm_when_it_wakes(
    store: Store, shop_database: ServiceDatabase, kafka_bootstrap: str
) -> None:
    """Trap T6: SIGSTOP the leader past its session, another takes over, SIGCONT: it may repeat old events, nothing else."""
    arguments = [shop_database.app_url, shop_database.service, kafka_bootstrap]
    child = await asyncio.to_thread(subprocess.Popen, [sys.executable, "-c", STOPPED, *arguments])
    try:
        write(store, 20)
        await published(store)
        child.send_signal(signal.SIGSTOP)
        with load(store, writers=2):
            successor = relay_of(shop_database, kafka_bootstrap)
            async with running(successor):
                standing = checkpoint(store)
                await until(partial(behind_checkpoint, store, standing))
                child.send_signal(signal.SIGCONT)
                await asyncio.sleep(2)
        await published(store)
        assert child.poll() is None
    finally:
        child.kill()
        await asyncio.to_thread(child.wait)
    assert_complete(store, await read_topic(kafka_bootstrap, successor.topic))


def _more_than(arrived: set[int], number: int) -> bool:
    """Say whether more than so many arrived."""
    return len(arrived) > number


async def test_events_arrive_though_every_backend_is_terminated(
    store: Store, shop_database: ServiceDatabase, kafka_bootstrap: str, postgres_admin_url: str
) -> None:
    """Trap T3: all sessions killed again and again under load: each event is out, nothing restarts."""
    relay = relay_of(shop_database, kafka_bootstrap)
    arrived: set[int] = set()

    async def watch() -> None:
        reader = AIOKafkaConsumer(bootstrap_servers=kafka_bootstrap, enable_auto_commit=False)
        await reader.start()
        try:
            reader.assign([TopicPartition(relay.topic, number) for number in range(kafka.PARTITIONS)])
            await reader.seek_to_beginning()
            async for record in reader:
                arrived.add(position_of(record))
        finally:
            await reader.stop()

    async with running(relay) as tasks:
        write(store)
        await published(store)
        watching = asyncio.create_task(watch())
        with load(store):
            for _ in range(5):
                await until(partial(_more_than, arrived, len(arrived) + 20))
                await asyncio.to_thread(terminate_backends, postgres_admin_url, shop_database.service)
        await until(lambda: len(arrived) == len(stored(store)))
        assert not any(task.done() for task in tasks)
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        assert_complete(store, await read_topic(kafka_bootstrap, relay.topic))
    assert len(arrived) > 100


async def test_publishing_resumes_by_itself_when_the_broker_was_killed(
    store: Store, shop_database: ServiceDatabase, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap T11: kill -9 of the broker under load, twice: none lost, each key in order, no restart of ours.

    Once its patience ends within the outage, so that producers are given up and built anew; once it does not.
    """
    relay = relay_of(shop_database, broker.bootstrap)
    async with running(relay) as tasks:
        with load(store, writers=2):
            await until(lambda: checkpoint(store) > 100)
            for patience in (1.0, 30.0):
                monkeypatch.setattr("shared_chassis.relay.PATIENCE", patience)
                await asyncio.to_thread(broker.kill)
                await asyncio.sleep(1.5)
                await asyncio.to_thread(broker.start)
                standing = checkpoint(store)
                await until(partial(behind_checkpoint, store, standing))
        await published(store)
        assert not tasks[0].done()
        await until(lambda: relay.age() == 0.0)
    assert_complete(store, await read_topic(broker.bootstrap, relay.topic))


async def test_an_empty_cluster_is_filled_from_the_start(store: Store, shop_database: ServiceDatabase, broker: Broker) -> None:
    """Trap T35: the broker is replaced by an empty one at the same address: all is published again, from the first event."""
    relay = relay_of(shop_database, broker.bootstrap)
    async with running(relay) as tasks:
        write(store, 50)
        await published(store)
        await asyncio.to_thread(broker.kill)
        broker.forget()
        await asyncio.to_thread(broker.start)
        clusters = "SELECT count(*) AS n FROM relay_checkpoint WHERE position >= 51"
        await asyncio.to_thread(write, store)
        await until(lambda: store.database.query_one(clusters) == {"n": 1})
        assert not tasks[0].done()
    records = await read_topic(broker.bootstrap, relay.topic)
    assert len(records) >= 51
    assert_complete(store, records)
