"""Publishing: the store's log is the outbox, and one leader per service carries it to Kafka, in order and at least once.

Of a partition never more than one batch is under way, so that a batch that fails cannot be overtaken by the next: consumers skip
by position, and what came late would be skipped. On any error all begins anew from the checkpoint.

The relay's one PostgreSQL connection is asynchronous: it waits for NOTIFY without a thread of its own.
"""

import asyncio
from bisect import bisect_left
from collections import deque
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from time import monotonic
from typing import LiteralString

import orjson
import psycopg
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import DefaultPartitioner
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg.sql import SQL, Identifier

from shared_chassis import kafka
from shared_chassis.consumer.era import Era
from shared_chassis.http import Check, age_check
from shared_chassis.log import told
from shared_chassis.metric import RELAY_AGE, RELAY_LAG, RELAY_POSITION
from shared_chassis.postgres import Database
from shared_chassis.process import Component, ServiceSettings
from shared_events.envelope import CONTENT_TYPE
from shared_events.event import topic_of

AT_ONCE = 500
GATHER = 0.25
"""Seconds to let events gather after a batch that was not full: a busy store is published in dozens, not one by one."""
POLL = 1.0
"""Seconds between two looks at the store when nobody notifies."""

PATIENCE = 30.0
"""Seconds to wait for Kafka's acknowledgement before beginning anew."""

PING = 2.0
"""Seconds between two signs of life to PostgreSQL while Kafka is slow."""

SESSION = "10s"
"""After so long without a sign of life PostgreSQL ends the leader's session, and another may lead."""

LONGEST_REST = 2.0
"""Seconds at most between two beginnings when nothing could be published in between."""

SAME_CLUSTER = 10.0
"""Seconds between two questions whether the cluster is still the same."""

LATE = 30.0
"""How old the oldest unpublished event may be, in seconds, before the process calls itself not ready."""

LEAD = "SELECT pg_try_advisory_lock(hashtextextended(%(name)s, 0)) AS leads"
TAKE_OVER = """
    INSERT INTO relay_checkpoint AS r (cluster_id, position, epoch) VALUES (%(cluster)s, 0, 1)
    ON CONFLICT (cluster_id) DO UPDATE SET epoch = r.epoch + 1
    RETURNING position, epoch
"""
ERAS: LiteralString = "SELECT after, era FROM log_era ORDER BY after"
READ: LiteralString = """
    SELECT notification_id, originator_id, state, rule_now() AS now FROM stored_events
    WHERE notification_id > %(position)s ORDER BY notification_id LIMIT %(limit)s
"""
MOVE = """
    UPDATE relay_checkpoint SET position = %(reached)s
    WHERE cluster_id = %(cluster)s AND position = %(position)s AND epoch = %(epoch)s
"""
OLDEST = """
    SELECT extract(epoch FROM rule_now() - (event_document(state) ->> 'recordedtime')::timestamptz)::float8 AS age
    FROM stored_events
    WHERE notification_id > coalesce((SELECT position FROM relay_checkpoint WHERE cluster_id = %(cluster)s), 0)
    ORDER BY notification_id LIMIT 1
"""
BEHIND = """
    SELECT coalesce((SELECT max(notification_id) FROM stored_events), 0) - %(position)s AS behind
"""

PARTITIONER = DefaultPartitioner()
"""Kafka's own rule for keys, the same in every language's client."""

log = structlog.get_logger()


class ForeignKeyError(RuntimeError):
    """A stored event's subject is not the stream it stands in: it is not published, nor is anything after it."""


class Deposed(Exception):
    """Another relay leads by now; this one begins anew as a follower."""


@dataclass(frozen=True, slots=True)
class Message:
    """An event as Kafka carries it: the stored bytes, under the stream's name."""

    position: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    recorded: datetime


def message(position: int, stream_id: str, state: bytes, era: Era | None = None) -> Message:
    """Make the message of a stored event; headers let one filter and trace without reading it, and notice another history.

    Raises `ForeignKeyError` when the document's subject is not the stream.
    """
    document = orjson.loads(state)
    if document["subject"] != stream_id:
        raise ForeignKeyError(f"{ForeignKeyError.__doc__} (position {position})")
    trace, span = document["correlationid"].replace("-", ""), document["id"].replace("-", "")[:16]
    headers: tuple[tuple[str, bytes], ...] = (
        ("content-type", CONTENT_TYPE.encode()),
        ("type", document["type"].encode()),
        ("position", str(position).encode()),
        ("traceparent", f"00-{trace}-{span}-01".encode()),
    )
    if era is not None:
        headers = (*headers, ("era", era.header()))
    return Message(position, stream_id.encode(), state, headers, datetime.fromisoformat(document["recordedtime"]))


class Relay:
    """Publishes a service's events to its topic; of several processes one does, and another takes over when it dies.

    `url` and `schema` are the service's database, `topic` its topic, made and checked here.
    """

    def __init__(self, url: str, schema: str, bootstrap: str, topic: str, replication: int = 1) -> None:
        self.topic = topic
        self._url = url
        self._schema = schema
        self._bootstrap = bootstrap
        self._replication = replication
        self._looked_at = monotonic()
        self._waiting_since: float | None = None
        self._published = False

    def age(self) -> float:
        """Tell how old the oldest unpublished event is, in seconds; 0 when none is.

        When nothing could be learned for a while, it is at least that long: no news is not good news.
        """
        now = monotonic()
        silent = now - self._looked_at
        waiting = now - self._waiting_since if self._waiting_since is not None else 0.0
        return max(waiting, silent if silent > 3 * POLL else 0.0)

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until told to stop, beginning anew from the checkpoint after any trouble.

        Raises `TopicError` when the topic is not as the contract says.
        """
        attempt = 0
        while not stop.is_set():
            self._published = False
            try:
                await self._follow(stop)
            except kafka.TopicError:
                raise
            except (ForeignKeyError, Deposed, KafkaError, psycopg.Error, OSError, TimeoutError) as error:
                attempt = 0 if self._published else attempt + 1
                seconds = min(LONGEST_REST, 0.05 * 2.0**attempt)
                log.warning("relay.interrupted", topic=self.topic, error=told(error), seconds=seconds)
                RELAY_AGE.set(self.age())
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await stop.wait()

    async def _follow(self, stop: asyncio.Event) -> None:
        """Wait for the lead, then lead."""
        connection = await self._connect()
        try:
            cluster = await kafka.cluster_id(self._bootstrap)
            while not await self._wins(connection):
                await self._look(connection, cluster)
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL):
                        await stop.wait()
                if stop.is_set():
                    return
            await self._lead(connection, stop)
        finally:
            await connection.close()

    async def _connect(self) -> AsyncConnection[DictRow]:
        connection: AsyncConnection[DictRow] = await AsyncConnection.connect(
            self._url,
            autocommit=True,
            row_factory=dict_row,
            connect_timeout=2,
            application_name=f"{self._schema}-relay",
            options=f"-c search_path={self._schema} -c idle_session_timeout={SESSION} -c synchronous_commit=off -c timezone=UTC",
        )
        await connection.execute(SQL("LISTEN {}").format(Identifier(f"{self._schema}_events")))
        return connection

    async def _wins(self, connection: AsyncConnection[DictRow]) -> bool:
        row = await (await connection.execute(LEAD, {"name": f"{self._schema}.relay"})).fetchone()
        return bool(row and row["leads"])

    async def _lead(self, connection: AsyncConnection[DictRow], stop: asyncio.Event) -> None:
        """Publish from the checkpoint on, with a producer of this lead alone."""
        await kafka.ensure_topic(self._bootstrap, self.topic, replication=self._replication)
        producer = kafka.new_producer(self._bootstrap)
        try:
            await producer.start()
            cluster = await kafka.cluster_id(self._bootstrap)
            partitions = tuple(sorted(await producer.partitions_for(self.topic)))
            lead = await self._take_over(connection, producer, cluster, partitions)
            log.info("relay.leads", topic=self.topic, cluster=cluster, position=lead.position, epoch=lead.epoch)
            await self._publish(lead, stop)
        finally:
            await _discard(producer)

    async def _take_over(
        self, connection: AsyncConnection[DictRow], producer: AIOKafkaProducer, cluster: str, partitions: tuple[int, ...]
    ) -> "_Lead":
        row = await (await connection.execute(TAKE_OVER, {"cluster": cluster})).fetchone()
        if row is None:
            raise Deposed(Deposed.__doc__)
        return _Lead(connection, producer, cluster, partitions, row["epoch"], row["position"])

    async def _publish(self, lead: "_Lead", stop: asyncio.Event) -> None:
        same_cluster_at = measured_at = monotonic()
        while not stop.is_set():
            messages = await self._read(lead)
            if messages:
                await _meanwhile(lead.connection, self._send(lead, messages))
                await self._advance(lead, messages[-1].position)
                if len(messages) < AT_ONCE:
                    await asyncio.sleep(GATHER)
            else:
                await self._listen(lead.connection)
            now = monotonic()
            if now - measured_at > POLL:
                measured_at = now
                await self._measure(lead)
            if now - same_cluster_at > SAME_CLUSTER:
                same_cluster_at = now
                if await kafka.cluster_id(self._bootstrap) != lead.cluster:
                    raise Deposed("Another cluster answers: its checkpoint counts now.")

    async def _read(self, lead: "_Lead") -> list[Message]:
        """Read what is not yet published, in the order of commits."""
        rows = await (await lead.connection.execute(READ, {"position": lead.position, "limit": AT_ONCE}, prepare=True)).fetchall()
        eras = await _eras(lead.connection) if rows else []
        messages: list[Message] = []
        for row in rows:
            position = row["notification_id"]
            try:
                messages.append(message(position, row["originator_id"], row["state"], _era_of(eras, position)))
            except ForeignKeyError:
                if not messages:
                    raise
                break  # what stands before it goes out first
        self._note((rows[0]["now"] - messages[0].recorded).total_seconds() if messages else None)
        return messages

    async def _send(self, lead: "_Lead", messages: Iterable[Message]) -> None:
        """Have every message acknowledged; partitions side by side, each in order."""
        by_partition: dict[int, deque[Message]] = {}
        for each in messages:
            by_partition.setdefault(_partition(each.key, lead.partitions), deque()).append(each)
        await asyncio.gather(*(self._carry(lead.producer, number, todo) for number, todo in by_partition.items()))

    async def _carry(self, producer: AIOKafkaProducer, partition: int, todo: "deque[Message]") -> None:
        while todo:
            batch = producer.create_batch()
            while todo:
                first = todo[0]
                if batch.append(timestamp=None, key=first.key, value=first.value, headers=list(first.headers)) is None:
                    break
                todo.popleft()
            batch.close()
            await (await producer.send_batch(batch, self.topic, partition=partition))

    async def _advance(self, lead: "_Lead", reached: int) -> None:
        """Move the checkpoint. Raises `Deposed` when another relay has taken over."""
        moved = await lead.connection.execute(
            MOVE, {"reached": reached, "cluster": lead.cluster, "position": lead.position, "epoch": lead.epoch}, prepare=True
        )
        if moved.rowcount == 0:
            raise Deposed(Deposed.__doc__)
        lead.position = reached
        self._published = True
        RELAY_POSITION.set(reached)

    async def _listen(self, connection: AsyncConnection[DictRow]) -> None:
        """Wait for word of new events, or a second."""
        async for _ in connection.notifies(timeout=POLL, stop_after=1):
            pass

    async def _measure(self, lead: "_Lead") -> None:
        row = await (await lead.connection.execute(BEHIND, {"position": lead.position}, prepare=True)).fetchone()
        RELAY_LAG.set(max(0, row["behind"]) if row else 0)
        RELAY_AGE.set(self.age())

    async def _look(self, connection: AsyncConnection[DictRow], cluster: str) -> None:
        """See, as a follower, whether the leader keeps up."""
        row = await (await connection.execute(OLDEST, {"cluster": cluster}, prepare=True)).fetchone()
        self._note(row["age"] if row else None)
        RELAY_AGE.set(self.age())

    def _note(self, age: float | None) -> None:
        self._looked_at = monotonic()
        self._waiting_since = None if age is None else self._looked_at - max(0.0, age)


@dataclass(slots=True)
class _Lead:
    """What one lead holds: its connection, producer, cluster and epoch, and how far it has published."""

    connection: AsyncConnection[DictRow]
    producer: AIOKafkaProducer
    cluster: str
    partitions: tuple[int, ...]
    epoch: int
    position: int


def relay_component(service: str, database: Database, settings: ServiceSettings) -> tuple[Component, Check]:
    """Make the component that publishes a service's events, and the check that none of them waits for long."""
    relay = Relay(database.url, service, settings.kafka_bootstrap_servers, topic_of(service))
    return Component("relay", relay.run), age_check(relay.age, LATE)


@lru_cache(maxsize=20_000)
def _partition(key: bytes, partitions: tuple[int, ...]) -> int:
    """Choose a key's partition as every producer does; its hash, in Python, is worth remembering: a stream has a dozen events."""
    return int(PARTITIONER(key, partitions, partitions))


async def _eras(connection: AsyncConnection[DictRow]) -> list[Era]:
    """Read the eras of the log in order: one for each life of the database's server."""
    return [Era(row["after"], str(row["era"])) for row in await (await connection.execute(ERAS, prepare=True)).fetchall()]


def _era_of(eras: Sequence[Era], position: int) -> Era | None:
    """Name the era a position belongs to; None for one before the first."""
    place = bisect_left(eras, position, key=lambda era: era.after)
    return eras[place - 1] if place else None


async def _meanwhile(connection: AsyncConnection[DictRow], work: Coroutine[None, None, None]) -> None:
    """Wait for Kafka while PostgreSQL hears that this leader lives. Raises `TimeoutError` when the wait gets too long."""
    task = asyncio.create_task(work)
    deadline = monotonic() + PATIENCE
    try:
        while not (await asyncio.wait({task}, timeout=PING))[0]:
            if monotonic() > deadline:
                raise TimeoutError(f"Kafka acknowledged nothing for {PATIENCE:g} seconds.")
            await connection.execute("SELECT 1")
        task.result()
    finally:
        task.cancel()


async def _discard(producer: AIOKafkaProducer) -> None:
    """End a producer that may be broken, without waiting for what it still wants to send: that is sent again."""
    given_up = KafkaError("This producer is given up.")
    producer._message_accumulator.fail_all(given_up)  # noqa: SLF001 - stop() alone would wait as long as no broker answers
    try:
        async with asyncio.timeout(PATIENCE):
            await producer.stop()
    except Exception as error:  # noqa: BLE001 - it is gone either way, and its successor does not depend on it
        log.warning("relay.producer_discarded", error=told(error))
        await producer.client.close()
