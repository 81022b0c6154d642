"""What the stores, the topics and the consumers hold, read independently of the services: by SQL, and by reading Kafka."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import LiteralString, cast
from uuid import UUID

import orjson
import psycopg
from aiokafka import AIOKafkaConsumer, TopicPartition
from psycopg.conninfo import make_conninfo

from local_stack.state import State
from shared_events.event import topic_of
from veche.demo.counted import Counted, count, weigh
from veche.failure import CommandError

SERVICES = ("request", "dispatch", "discussion", "notification", "analytics")
SETTLE_PATIENCE = 300.0
LOOK_AGAIN = 0.3

END: LiteralString = "SELECT coalesce(max(notification_id), 0) FROM stored_events"
PUBLISHED: LiteralString = "SELECT coalesce(max(position), 0) FROM relay_checkpoint"
POSITIONS: LiteralString = "SELECT consumer, topic, partition, next_offset, last_position FROM consumer_position"
UNSENT: LiteralString = "SELECT count(*) FROM delivery WHERE reported_at IS NULL"
PARKED: LiteralString = "SELECT position, topic, consumer FROM parked_event WHERE settled_at IS NULL"
STORED: LiteralString = "SELECT notification_id, originator_id, topic, state FROM stored_events ORDER BY notification_id"
COMMANDS: LiteralString = "SELECT command_id FROM command"


AskPositions = Callable[[], Awaitable[Mapping[str, Mapping[str, Mapping[str, Mapping[str, int]]]]]]


class PositionsReader:
    """Asks analytics-svc for its positions, which are in its own file."""

    def __init__(self, ask: AskPositions) -> None:
        self._ask = ask

    async def __call__(self) -> dict[str, dict[str, dict[int, int]]]:
        """Consumer → topic → partition → next offset."""
        body = await self._ask()
        return {
            consumer: {
                topic: {int(number): int(place["next_offset"]) for number, place in places.items()}
                for topic, places in topics.items()
            }
            for consumer, topics in body.items()
        }


class NotSettledError(CommandError):
    """The consumers did not reach the end of the topics; `veche status` and `veche parked list` say more."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One event as the report sees it."""

    id: UUID
    service: str
    position: int
    type: str
    subject: str
    causation: UUID
    recorded: datetime
    data: Mapping[str, object]
    digest: int = 0
    """A hash of its bytes, the same for the same bytes within this process."""


@dataclass
class Books:
    """Everything read at one time: stored and published facts by id, handled command ids, positions, what is parked."""

    stored: dict[UUID, Fact] = field(default_factory=dict)
    published: dict[UUID, Fact] = field(default_factory=dict)
    messages: int = 0
    commands: dict[str, set[UUID]] = field(default_factory=dict)
    consumed: dict[str, dict[str, dict[int, int]]] = field(default_factory=dict)
    """Consumer → topic → partition → next offset."""
    offsets: dict[UUID, tuple[str, int, int]] = field(default_factory=dict)
    """Where each published fact stands first: topic, partition, offset."""
    parked: set[tuple[str, str, int]] = field(default_factory=set)
    """Consumer, topic, position."""
    counted: Counted = field(default_factory=Counted)
    """What SQL counts by itself."""


def connect(state: State, service: str) -> "psycopg.Connection[tuple[object, ...]]":
    """Open a service's database as the administrator, to read."""
    connection = psycopg.connect(make_conninfo(state.admin_url, dbname=service), autocommit=True)
    connection.execute(f"SET search_path = {service}".encode())
    connection.execute("SET default_transaction_read_only = on")
    return connection


def number(connection: "psycopg.Connection[tuple[object, ...]]", sql: LiteralString) -> int:
    """Read one number."""
    row = connection.execute(sql).fetchone()
    return int(str(row[0])) if row is not None else 0


def stored_until(state: State) -> dict[str, int]:
    """Read the position of the last event in every store."""
    found: dict[str, int] = {}
    for service in SERVICES:
        with connect(state, service) as connection:
            found[service] = number(connection, END)
    return found


def unpublished(state: State) -> Counter[str]:
    """Count the positions each relay still has to publish, and the messages still to be sent; nothing left is not named."""
    left: Counter[str] = Counter()
    for service in SERVICES:
        with connect(state, service) as connection:
            left[f"{service}.events is behind its store by"] += number(connection, END) - number(connection, PUBLISHED)
            left[f"messages to be sent by {service}-svc:"] += number(connection, UNSENT)
    return +left


def positions(state: State) -> dict[str, dict[str, dict[int, int]]]:
    """Read the next offset of every consumer that keeps its position in PostgreSQL: consumer → topic → partition → offset."""
    found: dict[str, dict[str, dict[int, int]]] = {}
    for service in SERVICES:
        with connect(state, service) as connection:
            for consumer, topic, partition, offset, _ in connection.execute(POSITIONS).fetchall():
                found.setdefault(str(consumer), {}).setdefault(str(topic), {})[int(str(partition))] = int(str(offset))
    return found


async def end_offsets(bootstrap: str) -> dict[str, dict[int, int]]:
    """Read the end of every partition of every service's topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None)
    await consumer.start()
    try:
        partitions = [
            TopicPartition(topic_of(service), each)
            for service in SERVICES
            for each in (await _partitions(consumer, topic_of(service)))
        ]
        ends = await consumer.end_offsets(partitions)
    finally:
        await consumer.stop()
    found: dict[str, dict[int, int]] = {}
    for partition, offset in ends.items():
        found.setdefault(partition.topic, {})[partition.partition] = offset
    return found


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> Sequence[int]:
    await consumer._client.add_topic(topic)  # noqa: SLF001 - a consumer without a group has no public way to ask for metadata
    return sorted(consumer.partitions_for_topic(topic) or ())


def behind(ends: Mapping[str, Mapping[int, int]], consumed: Mapping[str, Mapping[str, Mapping[int, int]]]) -> Counter[str]:
    """Count the messages that each consumer has not reached, by topic; nothing left is not named."""
    left: Counter[str] = Counter()
    for consumer, topics in consumed.items():
        for topic, partitions in topics.items():
            late = (end - partitions.get(partition, 0) for partition, end in ends.get(topic, {}).items())
            left[f"{consumer} is behind in {topic} by"] += sum(max(each, 0) for each in late)
    return +left


async def settle(state: State, analytics_positions: PositionsReader) -> float:
    """Wait until everything stored is published and every consumer stands at the end; the moment it did, in monotonic seconds.

    Raises `NotSettledError` after minutes.
    """
    until = monotonic() + SETTLE_PATIENCE
    quiet_since: float | None = None
    while True:
        left = await asyncio.to_thread(unpublished, state)
        if not left:
            consumed = await asyncio.to_thread(positions, state) | await analytics_positions()
            left = behind(await end_offsets(state.bootstrap), consumed)
            left += await asyncio.to_thread(unpublished, state)
        if left:
            quiet_since = None
        elif quiet_since is not None:
            return quiet_since
        else:
            quiet_since = monotonic()
        if monotonic() > until:
            named = ", ".join(f"{what} {count}" for what, count in left.items()) or "something new every moment"
            raise NotSettledError(f"{NotSettledError.__doc__} Now: {named}.")
        await asyncio.sleep(LOOK_AGAIN)


async def read_books(state: State, analytics_positions: PositionsReader) -> Books:
    """Read everything: the stores by SQL, the topics from their beginning, the positions and what is parked."""
    books = Books()
    for service in SERVICES:
        await asyncio.to_thread(_read_store, state, service, books)
    await asyncio.to_thread(_count, state, books)
    await _read_topics(state.bootstrap, books)
    books.consumed = await asyncio.to_thread(positions, state) | await analytics_positions()
    return books


def _read_store(state: State, service: str, books: Books) -> None:
    with connect(state, service) as connection:
        with connection.transaction(), connection.cursor(name="books") as cursor:
            cursor.itersize = 5000
            for position, _subject, _type, raw in cursor.execute(STORED):
                fact = _fact(service, int(str(position)), bytes(cast("bytes", raw)))
                books.stored[fact.id] = fact
        books.commands[service] = {UUID(str(row[0])) for row in connection.execute(COMMANDS).fetchall()}
        for position, topic, consumer in connection.execute(PARKED).fetchall():
            books.parked.add((str(consumer), str(topic), int(str(position))))


def _count(state: State, books: Books) -> None:
    with connect(state, "request") as request, connect(state, "dispatch") as dispatch:
        for connection in (request, dispatch):
            count(connection, books.counted)
        weigh(request, dispatch, books.counted)


async def _read_topics(bootstrap: str, books: Books) -> None:
    ends = await end_offsets(bootstrap)
    known = {(fact.service, fact.position): fact for fact in books.stored.values()}
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False)
    await consumer.start()
    try:
        left = {
            TopicPartition(topic, partition): end
            for topic, all_ends in ends.items()
            for partition, end in all_ends.items()
            if end
        }
        consumer.assign(list(left))
        await consumer.seek_to_beginning()
        while left:
            for partition, messages in (await consumer.getmany(timeout_ms=1000, max_records=5000)).items():
                for message in messages:
                    place = partition.topic.partition(".")[0], int(dict(message.headers)["position"])
                    same = known.get(place)  # the same bytes are the same fact, and read once
                    fact = same if same is not None and same.digest == hash(message.value) else _fact(*place, message.value)
                    books.messages += 1
                    books.published.setdefault(fact.id, fact)
                    books.offsets.setdefault(fact.id, (partition.topic, partition.partition, message.offset))
                if await consumer.position(partition) >= left[partition]:
                    del left[partition]
                    consumer.pause(partition)
    finally:
        await consumer.stop()


def _fact(service: str, position: int, state: bytes) -> Fact:
    document = orjson.loads(state)
    return Fact(
        UUID(document["id"]),
        service,
        position,
        document["type"],
        document["subject"],
        UUID(document["causationid"]),
        datetime.fromisoformat(document["recordedtime"]).astimezone(UTC),
        document["data"],
        hash(state),
    )
