"""Publishing on real PostgreSQL and Kafka: nothing lost, order per key, through every kind of blip (traps T3, T7, T11, T26)."""

import asyncio
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from uuid import uuid4

import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from broker import Broker
from shop import ORDER, place
from warehouse import applied_once, order_id, position_of, read_topic, running, until

from shared_chassis import kafka
from shared_chassis.postgres import ServiceDatabase
from shared_chassis.relay import ForeignKeyError, Relay, message
from shared_chassis.store import Command, Store

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]


def relay_of(database: ServiceDatabase, bootstrap: str) -> Relay:
    """Wire the shop's relay."""
    return Relay(database.app_url, database.service, bootstrap, f"{database.service}.events")


def write(store: Store, count: int = 1, order: str | None = None) -> str:
    """Store so many facts of one order."""
    order = order or order_id()
    for _ in range(count):
        store.handle(ORDER, order, place(), Command(uuid4(), "resident:1"))
    return order


def stored(store: Store) -> dict[int, tuple[str, bytes]]:
    """Read all that is stored: position to stream and document."""
    rows = store.database.query("SELECT notification_id, originator_id, state FROM stored_events ORDER BY 1")
    return {row["notification_id"]: (row["originator_id"], bytes(row["state"])) for row in rows}


def checkpoint(store: Store) -> int:
    """Read the relay's checkpoint."""
    row = store.database.query_one("SELECT max(position) AS position FROM relay_checkpoint")
    return int(row["position"] or 0) if row else 0


def behind_checkpoint(store: Store, position: int) -> bool:
    """Say whether the checkpoint is past a position."""
    return checkpoint(store) > position


def last_position(store: Store) -> int:
    """Read the store's end."""
    return max(stored(store), default=0)


async def published(store: Store, seconds: float = 30.0) -> None:
    """Wait until the checkpoint stands at the store's end."""
    await until(lambda: checkpoint(store) == last_position(store), seconds)


def assert_complete(store: Store, records: "list[ConsumerRecord[bytes, bytes]]") -> None:
    """See that the topic, read as consumers read it, is the store: every event once, each key in order."""
    documents = stored(store)
    applied = applied_once(records)
    assert sorted(position for positions in applied.values() for position in positions) == sorted(documents)
    by_key = defaultdict(list)
    for record in records:
        stream, state = documents[position_of(record)]
        assert (record.key, record.value) == (stream.encode(), state)
        by_key[record.key].append(record.partition)
    assert all(len(set(partitions)) == 1 for partitions in by_key.values())


@contextmanager
def load(store: Store, writers: int = 4) -> Iterator[list[int]]:
    """Write from several threads until the block ends, through whatever happens; the list tells how many were stored."""
    stop, count = threading.Event(), [0]

    def keep_writing() -> None:
        while not stop.is_set():
            with suppress(Exception):
                write(store, 3)
                count[0] += 3

    threads = [threading.Thread(target=keep_writing) for _ in range(writers)]
    for thread in threads:
        thread.start()
    try:
        yield count
    finally:
        stop.set()
        for thread in threads:
            thread.join()


async def test_the_topic_is_the_store(store: Store, shop_database: ServiceDatabase, kafka_bootstrap: str) -> None:
    """The stored bytes go out under the stream's name, in order, with headers to filter and trace by."""
    orders = [write(store, 5) for _ in range(40)]
    relay = relay_of(shop_database, kafka_bootstrap)
    async with running(relay):
        await published(store)
        records = await read_topic(kafka_bootstrap, relay.topic)
    assert_complete(store, records)
    assert len(records) == 200
    assert {record.key.decode() for record in records} == set(orders)
    headers = dict(records[0].headers)
    assert headers["content-type"] == b"application/cloudevents+json"
    assert headers["type"] == b"sample.order-placed.v1"
    correlation = records[0].key.decode().removeprefix("order-").replace("-", "")
    assert headers["traceparent"].decode().split("-")[:2] == ["00", correlation]
    assert set(headers) == {"content-type", "type", "position", "traceparent"}


async def test_an_event_is_published_at_once_when_notified(
    store: Store, shop_database: ServiceDatabase, kafka_bootstrap: str
) -> None:
    """NOTIFY wakes the relay: most events are out in a fraction of the poll's second."""
    relay, waits = relay_of(shop_database, kafka_bootstrap), []
    async with running(relay):
        write(store)
        await published(store)
        for _ in range(10):
            await asyncio.sleep(0.05)
            before = monotonic()
            await asyncio.to_thread(write, store)
            await until(lambda: checkpoint(store) == last_position(store))
            waits.append(monotonic() - before)
    assert sorted(waits)[5] < 0.3


async def test_an_event_nobody_notified_of_is_published_within_two_seconds(
    store: Store, shop_database: ServiceDatabase, kafka_bootstrap: str
) -> None:
    """Trap T3: NOTIFY is a hint; an importer that sends none is published by the next look."""
    relay = relay_of(shop_database, kafka_bootstrap)
    async with running(relay):
        write(store)
        await published(store)
        (stream, state) = stored(store)[1]
        with psycopg.connect(shop_database.app_url, autocommit=True) as connection:
            connection.execute(
                f"INSERT INTO {shop_database.service}.stored_events VALUES (%s, 2, 'sample.order-placed.v1', %s)".encode(),
                [stream, state],
            )
        await published(store, seconds=2.0)


async def test_events_arrive_though_every_backend_is_terminated(
    store: Store, shop_database: ServiceDatabase, kafka_bootstrap: str, postgres_admin_url: str
) -> None:
    """Trap T3: all sessions killed again and again under load: each event is out within two seconds, nothing restarts."""
    relay = relay_of(shop_database, kafka_bootstrap)
    arrived: dict[int, datetime] = {}

    async def watch() -> None:
        reader = AIOKafkaConsumer(bootstrap_servers=kafka_bootstrap, enable_auto_commit=False)
        await reader.start()
        try:
            reader.assign([TopicPartition(relay.topic, number) for number in range(kafka.PARTITIONS)])
            await reader.seek_to_beginning()
            async for record in reader:
                arrived.setdefault(position_of(record), datetime.now(UTC))
        finally:
            await reader.stop()

    async with running(relay) as tasks:
        write(store)
        await published(store)
        watching = asyncio.create_task(watch())
        with load(store):
            for _ in range(5):
                await asyncio.sleep(0.8)
                await asyncio.to_thread(terminate_backends, postgres_admin_url, shop_database.service)
            await asyncio.sleep(0.5)
        await until(lambda: len(arrived) == len(stored(store)))
        assert not any(task.done() for task in tasks)
        watching.cancel()
        assert_complete(store, await read_topic(kafka_bootstrap, relay.topic))
    recorded = store.database.query("SELECT position, recorded_time FROM event_log")
    late = [(arrived[row["position"]] - row["recorded_time"]).total_seconds() for row in recorded if row["position"] > 1]
    assert len(late) > 100
    assert max(late) < 2.0


def terminate_backends(admin_url: str, database: str) -> None:
    """Kill every session of a database but ours."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database])


async def test_one_relay_leads_and_another_takes_over(
    store: Store, shop_database: ServiceDatabase, kafka_bootstrap: str, postgres_admin_url: str
) -> None:
    """The follower waits; when the leader's session ends somebody leads anew, in a higher epoch."""
    first, second = relay_of(shop_database, kafka_bootstrap), relay_of(shop_database, kafka_bootstrap)

    def epoch() -> int:
        row = store.database.query_one("SELECT max(epoch) AS epoch FROM relay_checkpoint")
        return int(row["epoch"] or 0) if row else 0

    async with running(first, second):
        write(store, 10)
        await published(store)
        await asyncio.sleep(1.5)
        assert epoch() == 1
        assert second.age() == first.age() == 0.0
        terminate_backends(postgres_admin_url, shop_database.service)
        await until(lambda: epoch() >= 2, 10)
        await asyncio.to_thread(write, store, 10)
        await published(store)
    assert_complete(store, await read_topic(kafka_bootstrap, first.topic))


async def test_a_deposed_relay_moves_nothing(store: Store, shop_database: ServiceDatabase, kafka_bootstrap: str) -> None:
    """A higher epoch in the checkpoint means somebody else leads: what this one sent is sent again under the next epoch."""
    relay = relay_of(shop_database, kafka_bootstrap)
    async with running(relay):
        write(store, 3)
        await published(store)
        store.database.execute("UPDATE relay_checkpoint SET epoch = epoch + 7")
        write(store, 3)
        await published(store)
    row = store.database.query_one("SELECT epoch FROM relay_checkpoint")
    assert row is not None
    assert row["epoch"] == 9
    assert_complete(store, await read_topic(kafka_bootstrap, relay.topic))


async def test_the_age_of_unpublished_events_is_told(store: Store, shop_database: ServiceDatabase) -> None:
    """No broker: the age grows, and the relay goes on trying."""
    write(store)
    relay = relay_of(shop_database, "127.0.0.1:1")
    async with running(relay) as tasks:
        await asyncio.sleep(3.5)
        assert relay.age() > 3.0
        assert not tasks[0].done()


def test_an_event_whose_subject_is_not_its_stream_is_refused(store: Store) -> None:
    """Trap T26: the key is the subject, or nothing is sent."""
    write(store)
    (stream, state) = stored(store)[1]
    assert message(1, stream, state).key == stream.encode()
    with pytest.raises(ForeignKeyError):
        message(1, order_id(), state)


async def test_nothing_is_published_past_a_refused_event(
    store: Store, shop_database: ServiceDatabase, kafka_bootstrap: str
) -> None:
    """Trap T26: the relay stops before it, alive and telling; what follows keeps its order and waits."""
    write(store)
    (_, state) = stored(store)[1]
    with psycopg.connect(shop_database.app_url, autocommit=True) as connection:
        connection.execute(
            f"INSERT INTO {shop_database.service}.stored_events VALUES ('order-foreign', 1, 'x', %s)".encode(), [state]
        )
    relay = relay_of(shop_database, kafka_bootstrap)
    async with running(relay) as tasks:
        await asyncio.sleep(2)
        write(store)
        await asyncio.sleep(1)
        assert not tasks[0].done()
    assert [position_of(record) for record in await read_topic(kafka_bootstrap, relay.topic)] == [1]
    assert checkpoint(store) == 1


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
        subprocess.run, [sys.executable, "-c", CHILD, *arguments], check=False, timeout=60, capture_output=True
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


async def test_an_order_is_kept_when_a_batch_fails(
    store: Store, shop_database: ServiceDatabase, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a partition one batch is under way at a time: the next cannot overtake one that failed and is sent again."""
    order = write(store, 40)
    monkeypatch.setattr(kafka, "BATCH_BYTES", 2048)
    failed = []
    plain = AIOKafkaProducer.send_batch

    async def fail_the_third(self: object, batch: object, topic: str, *, partition: int) -> object:
        failed.append(1)
        if len(failed) == 3:
            future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
            future.set_exception(KafkaError("out of order sequence number"))
            return future
        return await plain(self, batch, topic, partition=partition)

    monkeypatch.setattr(AIOKafkaProducer, "send_batch", fail_the_third)
    relay = relay_of(shop_database, kafka_bootstrap)
    async with running(relay):
        await published(store)
    assert len(failed) > 6
    records = await read_topic(kafka_bootstrap, relay.topic)
    assert {record.key.decode() for record in records} == {order}
    assert_complete(store, records)


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
        assert relay.age() < 2.0
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
        clusters = "SELECT count(*) AS n FROM relay_checkpoint WHERE position = 51"
        await asyncio.to_thread(write, store)
        await until(lambda: store.database.query_one(clusters) == {"n": 1}, 60)
        assert not tasks[0].done()
    records = await read_topic(broker.bootstrap, relay.topic)
    assert len(records) >= 51
    assert_complete(store, records)
