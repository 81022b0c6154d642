"""Publishing on real PostgreSQL and Kafka: the topic is the store, in order per key (traps T3, T26)."""

import asyncio
from time import monotonic
from typing import Any

import psycopg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from outbox import (
    assert_complete,
    checkpoint,
    last_position,
    published,
    relay_of,
    stored,
    terminate_backends,
    write,
)
from warehouse import PATIENCE, order_id, position_of, read_topic, running, until

from shared_chassis import kafka
from shared_chassis.postgres import ServiceDatabase
from shared_chassis.relay import ForeignKeyError, message
from shared_chassis.store import Store

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]


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
    assert set(headers) == {"content-type", "type", "position", "traceparent", "era"}


async def test_an_event_is_published_at_once_when_notified(
    store: Store, shop_database: ServiceDatabase, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NOTIFY wakes the relay: it waits for no look, of which there is none here within the hour."""
    monkeypatch.setattr("shared_chassis.relay.POLL", 3600.0)
    monkeypatch.setattr("shared_chassis.relay.SESSION", "1h")
    relay, stop, waits = relay_of(shop_database, kafka_bootstrap), asyncio.Event(), []
    listen = relay._listen

    async def listen_and_count(connection: Any) -> None:
        waits.append(1)
        await listen(connection)

    monkeypatch.setattr(relay, "_listen", listen_and_count)
    publishing = asyncio.create_task(relay.run(stop))
    while last_position(store) < 5:
        await until(lambda: len(waits) > last_position(store))
        await asyncio.to_thread(write, store)
        await published(store)
    await until(lambda: len(waits) > 5)
    stop.set()
    await asyncio.to_thread(write, store)  # it looks up, and sees that it is told to stop
    async with asyncio.timeout(PATIENCE):
        await publishing


async def test_an_event_nobody_notified_of_is_published_by_the_next_look(
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
        await published(store)


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
        since = monotonic()
        await until(lambda: min(first._looked_at, second._looked_at) > since)
        await until(lambda: second.age() == first.age() == 0.0)
        assert epoch() == 1
        terminate_backends(postgres_admin_url, shop_database.service)
        await until(lambda: epoch() >= 2)
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
    assert row["epoch"] >= 9  # one more than the rival's
    assert_complete(store, await read_topic(kafka_bootstrap, relay.topic))


async def test_the_age_of_unpublished_events_is_told(
    store: Store, shop_database: ServiceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No broker: the age grows, and the relay goes on trying."""
    monkeypatch.setattr("shared_chassis.relay.POLL", 0.1)
    write(store)
    relay = relay_of(shop_database, "127.0.0.1:1")
    async with running(relay) as tasks:
        await until(lambda: relay.age() > 0.3)
        sooner = relay.age()
        await until(lambda: relay.age() > sooner)
        assert not tasks[0].done()


def test_an_event_whose_subject_is_not_its_stream_is_refused(store: Store) -> None:
    """Trap T26: the key is the subject, or nothing is sent."""
    write(store)
    (stream, state) = stored(store)[1]
    assert message(1, stream, state).key == stream.encode()
    with pytest.raises(ForeignKeyError):
        message(1, order_id(), state)


async def test_nothing_is_published_past_a_refused_event(
    store: Store, shop_database: ServiceDatabase, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap T26: the relay stops before it, alive and telling; what follows keeps its order and waits."""
    write(store)
    (_, state) = stored(store)[1]
    with psycopg.connect(shop_database.app_url, autocommit=True) as connection:
        connection.execute(
            f"INSERT INTO {shop_database.service}.stored_events VALUES ('order-foreign', 1, 'x', %s)".encode(), [state]
        )
    monkeypatch.setattr("shared_chassis.relay.LONGEST_REST", 0.1)
    relay, looks = relay_of(shop_database, kafka_bootstrap), []
    read = relay._read

    async def counted(lead: Any) -> Any:
        looks.append(lead.position)
        return await read(lead)

    monkeypatch.setattr(relay, "_read", counted)
    async with running(relay) as tasks:
        await until(lambda: checkpoint(store) == 1)
        write(store)
        before = len(looks)
        await until(lambda: len(looks) > before + 2)
        assert not tasks[0].done()
    assert [position_of(record) for record in await read_topic(kafka_bootstrap, relay.topic)] == [1]
    assert checkpoint(store) == 1


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
