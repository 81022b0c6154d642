"""A warehouse that listens to the shop and to its bank: what the tests of consuming, parking, timers and sending need."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import monotonic
from typing import LiteralString, Protocol
from uuid import UUID, uuid4

import psycopg
import shop
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from shared_chassis import kafka
from shared_chassis.consumer import Consumer, Early, Folds, PostgresPositions, Reactions
from shared_chassis.mapper import EventMapper, to_document
from shared_chassis.postgres import Database, ServiceDatabase
from shared_chassis.recorder import Recorder
from shared_chassis.relay import PARTITIONER, message
from shared_chassis.store import Command, Store
from shared_chassis.stream import Stream
from shared_chassis.view import Statement
from shared_events.catalogue import catalogue_of
from shared_events.envelope import Envelope, Received, Recorded
from shared_events.event import Event
from shared_events.ids import derive, uuid_of

NAME = "warehouse-svc"

PATIENCE = 120.0
"""Seconds a test waits for what must come to pass: only a fault takes as long, however slow the machine."""


class BankEvent(Event, service="bank"):
    """A fact of the bank."""


class MoneyArrived(BankEvent):
    """Somebody paid for an order."""

    order: str


class WarehouseEvent(Event, service="warehouse"):
    """A fact of the warehouse."""


class ParcelOpened(WarehouseEvent):
    """A parcel is begun for an order."""

    item: str


class ParcelSent(WarehouseEvent):
    """The parcel is on its way."""


CATALOGUE = catalogue_of((*shop.EVENTS, MoneyArrived, ParcelOpened, ParcelSent))


@dataclass(frozen=True)
class Parcel:
    """What a parcel is by now."""

    items: tuple[str, ...] = ()
    sent: bool = False


def evolve(parcel: Parcel, event: Event) -> Parcel:
    """Fold a fact into the parcel."""
    match event:
        case ParcelOpened():
            return replace(parcel, items=(*parcel.items, event.item))
        case ParcelSent():
            return replace(parcel, sent=True)
        case _:
            raise AssertionError(event)


PARCEL = Stream("parcel", Parcel(), evolve)

TABLES: LiteralString = """
    CREATE TABLE heard (
        place bigint GENERATED ALWAYS AS IDENTITY, stream_id text, position bigint, type text, PRIMARY KEY (stream_id, position));
    CREATE TABLE order_state (stream_id text PRIMARY KEY, state text NOT NULL CHECK (state <> 'refused'))
"""
HEARD: LiteralString = """
    WITH heard AS (
        INSERT INTO heard (stream_id, position, type) VALUES (%(stream_id)s, %(position)s, %(type)s) ON CONFLICT DO NOTHING)
    INSERT INTO order_state (stream_id, state) VALUES (%(stream_id)s, %(state)s)
    ON CONFLICT (stream_id) DO UPDATE SET state = excluded.state
"""


@dataclass(frozen=True)
class Warehouse:
    """The context of the warehouse's reactions."""

    store: Store

    @property
    def database(self) -> Database:
        """Its database."""
        return self.store.database


def parcel_of(order: str) -> str:
    """Name the parcel of an order."""
    return f"parcel-{uuid_of(order)}"


def when_placed_then_open(warehouse: Warehouse, received: Received) -> None:
    """When an order is placed, then a parcel is opened."""
    fact = received.fact
    assert isinstance(fact, shop.OrderPlaced)
    command = Command.because_of(received, "open-parcel", NAME)
    warehouse.store.handle(PARCEL, parcel_of(received.stream_id), lambda _s, _n: [ParcelOpened(item=fact.item)], command)


def when_paid_then_send(warehouse: Warehouse, received: Received) -> None:
    """When an order is paid, then its parcel is sent."""
    _send(warehouse, received, received.stream_id)


def when_money_arrived_then_send(warehouse: Warehouse, received: Received) -> None:
    """When money arrived for an order, then its parcel is sent."""
    fact = received.fact
    assert isinstance(fact, MoneyArrived)
    _send(warehouse, received, fact.order)


def _send(warehouse: Warehouse, received: Received, order: str) -> None:
    def decide(parcel: Parcel, _now: datetime) -> Sequence[Event]:
        if not parcel.items:
            raise Early(parcel_of(order))
        return [] if parcel.sent else [ParcelSent()]

    warehouse.store.handle(PARCEL, parcel_of(order), decide, Command.because_of(received, "send-parcel", NAME))


def fold(received: Received) -> Statement:
    """Note what was heard, and the order's last state."""
    fact = received.fact
    state = fact.item if isinstance(fact, shop.OrderPlaced) else type(fact).__name__
    params = {"stream_id": received.stream_id, "position": received.position, "type": received.envelope.type, "state": state}
    return Statement(HEARD, params)


REACTIONS: Reactions[Warehouse] = {
    shop.OrderPlaced: when_placed_then_open,
    shop.OrderPaid: when_paid_then_send,
    MoneyArrived: when_money_arrived_then_send,
}
FOLDS: Folds = {shop.OrderPlaced: fold, shop.OrderPaid: fold, shop.OrderPackedV2: fold}


def open_warehouse(database: ServiceDatabase) -> Warehouse:
    """Open the warehouse as its application does, but patiently."""
    pool = shop.patient(Database(database.app_url, database.service, 14))
    return Warehouse(Store(pool, Recorder(pool), EventMapper(CATALOGUE, "/shop/warehouse-svc")))


def consumer_of(
    warehouse: Warehouse,
    bootstrap: str,
    topics: Sequence[str],
    reactions: Reactions[Warehouse] = REACTIONS,
    folds: Folds = FOLDS,
    *,
    name: str = NAME,
    partitions: int = 12,
    rest: float = 30.0,
) -> Consumer[Warehouse]:
    """Wire a consumer of the warehouse."""
    return Consumer(
        f"{name}-{warehouse.database.schema}",
        topics,
        warehouse.store.mapper,
        reactions,
        folds,
        PostgresPositions(warehouse.database),
        warehouse,
        bootstrap=bootstrap,
        partitions=dict.fromkeys(topics, partitions),
        rest=rest,
    )


class Runs(Protocol):
    """A part of a process."""

    async def run(self, stop: asyncio.Event) -> None:
        """Run until told to stop."""
        ...


@asynccontextmanager
async def running(*parts: Runs) -> AsyncIterator[list["asyncio.Task[None]"]]:
    """Run parts of a process, and see that they end well."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(part.run(stop)) for part in parts]
    try:
        yield tasks
    finally:
        stop.set()
        for task in tasks:
            async with asyncio.timeout(PATIENCE):
                await task


async def until(true: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until something is so. Fails after a while."""
    deadline = monotonic() + seconds
    while True:
        with suppress(psycopg.OperationalError):  # sessions are killed in tests; ask again
            if await asyncio.to_thread(true):
                return
        assert monotonic() < deadline, "it did not come to pass"
        await asyncio.sleep(0.05)


def order_id() -> str:
    """Name a new order."""
    return f"order-{uuid4()}"


def fact(stream_id: str, version: int, event: Event, cause: UUID | None = None) -> Recorded:
    """Record a fact as another service's store would."""
    id_ = derive(stream_id, version)
    now = datetime(2026, 3, 1, 12, 0, version % 60, tzinfo=UTC)
    envelope = Envelope(id_, "/shop/sample-svc", event.TYPE, now, now, "resident:1", uuid_of(stream_id) or id_, cause or id_)
    return Recorded(stream_id, version, envelope, event)


def document(recorded: Recorded) -> bytes:
    """Spell the document of a fact."""
    return to_document(recorded)


async def publish(bootstrap: str, topic: str, events: Iterable[tuple[int, str, bytes]], partitions: int = 12) -> None:
    """Publish (position, key, document) in this order, as a relay would."""
    producer = kafka.new_producer(bootstrap)
    await producer.start()
    numbers = list(range(partitions))
    try:
        for position, key, state in events:
            made = message(position, key, state)
            number = PARTITIONER(made.key, numbers, numbers)
            await producer.send(topic, made.value, made.key, number, headers=list(made.headers))
        await producer.flush()
    finally:
        await producer.stop()


async def read_topic(bootstrap: str, topic: str) -> "list[ConsumerRecord[bytes, bytes]]":
    """Read a whole topic; records of a partition in order."""
    ends = (await kafka.end_offsets(bootstrap, [topic]))[topic]
    if not any(ends.values()):
        return []
    reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    await reader.start()
    try:
        places = [TopicPartition(topic, number) for number, end in ends.items() if end > 0]
        reader.assign(places)
        await reader.seek_to_beginning()
        found: list[ConsumerRecord[bytes, bytes]] = []
        while len(found) < sum(ends.values()):
            async with asyncio.timeout(PATIENCE):
                for records in (await reader.getmany(timeout_ms=1000)).values():
                    found += records
        return found
    finally:
        await reader.stop()


def position_of(record: "ConsumerRecord[bytes, bytes]") -> int:
    """Read the position header."""
    return int(dict(record.headers)["position"])


def applied_once(records: "Iterable[ConsumerRecord[bytes, bytes]]") -> dict[int, list[int]]:
    """Skip by position, as every consumer does: per partition the positions that take effect, in order."""
    applied: dict[int, list[int]] = {}
    for record in records:
        seen = applied.setdefault(record.partition, [])
        if not seen or position_of(record) > seen[-1]:
            seen.append(position_of(record))
    return applied


def at_end(consumer: Consumer[Warehouse], ends: dict[str, dict[int, int]]) -> bool:
    """Say whether a consumer stands at these ends."""
    status = consumer.positions.status().get(consumer.name, {})
    with suppress(KeyError):
        return all(status[topic][number]["next_offset"] == end for topic, all_ in ends.items() for number, end in all_.items())
    return False


async def caught_up(consumer: Consumer[Warehouse], bootstrap: str, *topics: str, seconds: float = PATIENCE) -> None:
    """Wait until a consumer stands at the topics' present ends."""
    ends = await kafka.end_offsets(bootstrap, topics)
    await until(lambda: at_end(consumer, ends), seconds)


Published = tuple[int, str, bytes]


def partition_of(key: str) -> int:
    """Say which partition a key goes to."""
    return int(PARTITIONER(key.encode(), list(range(12)), list(range(12))))


def order_in(partition: int) -> str:
    """Name a new order that goes to a partition."""
    while partition_of(name := order_id()) != partition:
        pass
    return name


def keys(events: Sequence[Published]) -> list[str]:
    """Name the orders of a day once each."""
    return list(dict.fromkeys(key for _, key, _ in events))


def day(orders: int, *, paid: bool = True, start: int = 0) -> list[Published]:
    """Spell a day of orders: each placed and paid, their facts interleaved, positions with gaps."""
    names = [order_id() for _ in range(orders)]
    facts = [(name, fact(name, 1, shop.OrderPlaced(item="tea"))) for name in names]
    if paid:
        facts += [(name, fact(name, 2, shop.OrderPaid())) for name in names]
    return [(start + 3 * place, name, document(recorded)) for place, (name, recorded) in enumerate(facts, 1)]


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
    expected: dict[str, list[int]] = defaultdict(list)
    for position, key, _ in sorted(set(events)):
        expected[key].append(position)
    assert heard(warehouse) == expected
    states = warehouse.database.query("SELECT stream_id, state FROM order_state")
    assert {row["stream_id"]: row["state"] for row in states} == dict.fromkeys(keys(events), "OrderPaid")
