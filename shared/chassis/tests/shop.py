"""A small shop: the chassis' own catalogue, stream and view, so that its tests need no service of the city."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import LiteralString
from uuid import UUID, uuid4

import psycopg

from shared_chassis.mapper import EventMapper
from shared_chassis.postgres import Database, ServiceDatabase
from shared_chassis.recorder import Recorder
from shared_chassis.store import Command, Store
from shared_chassis.stream import Cancel, Set, Stream
from shared_chassis.view import Projection, Statement
from shared_events.catalogue import catalogue_of
from shared_events.envelope import Recorded
from shared_events.event import Event
from shared_events.personal import Personal, token_of


class SampleEvent(Event, service="sample"):
    """A fact of the shop."""


class OrderPlaced(SampleEvent):
    """Somebody wants something."""

    item: str
    person: UUID | None = None
    note: Personal[str] = None
    pay_until: datetime | None = None


class OrderPacked(SampleEvent):
    """It is in the box; the first shape of this fact knew no weight."""

    by: str

    def upcast(self) -> "OrderPackedV2":
        """Take the weight for unknown."""
        return OrderPackedV2(by=self.by, grams=None)


class OrderPackedV2(SampleEvent):
    """It is in the box, which weighs so many grams."""

    by: str
    grams: int | None


class OrderPaid(SampleEvent):
    """The money is here."""


class OrderExpired(SampleEvent):
    """Nobody paid in time."""


EVENTS: tuple[type[Event], ...] = (OrderPlaced, OrderPacked, OrderPackedV2, OrderPaid, OrderExpired)
CATALOGUE = catalogue_of(EVENTS)


@dataclass(frozen=True)
class Order:
    """What an order is by now."""

    items: tuple[str, ...] = ()
    packed: bool = False
    paid: bool = False
    expired: bool = False


def evolve(order: Order, event: Event) -> Order:
    """Fold a fact into the order."""
    match event:
        case OrderPlaced():
            return replace(order, items=(*order.items, event.item))
        case OrderPackedV2():
            return replace(order, packed=True)
        case OrderPaid():
            return replace(order, paid=True)
        case OrderExpired():
            return replace(order, expired=True)
        case _:
            raise AssertionError(event)


def timers(_order: Order, events: Sequence[Event]) -> Sequence[Set | Cancel]:
    """Wait for the money."""
    found: list[Set | Cancel] = []
    for event in events:
        match event:
            case OrderPlaced(pay_until=until) if until is not None:
                found.append(Set("expire", "payment", until, {"why": "unpaid"}))
            case OrderPaid():
                found.append(Cancel("expire", "payment"))
            case _:
                pass
    return found


DecideOrder = Callable[[Order, datetime], Sequence[Event]]
ORDER = Stream("order", Order(), evolve, timers)

PLACED: LiteralString = """
    INSERT INTO order_view (stream_id, version, item, note) VALUES (%(stream_id)s, %(version)s, %(item)s, %(note)s)
"""


def _placed(recorded: Recorded) -> Statement:
    fact = recorded.fact
    assert isinstance(fact, OrderPlaced)
    return Statement(
        PLACED,
        {"stream_id": recorded.stream_id, "version": recorded.version, "item": fact.item, "note": token_of(fact.note)},
    )


PROJECTION: Projection = {OrderPlaced: _placed}
VIEW_TABLE: LiteralString = (
    "CREATE TABLE order_view (stream_id text, version bigint, item text, note text, PRIMARY KEY (stream_id, version))"
)
TABLES = ("order_view",)


def patient(database: Database) -> Database:
    """Wait a minute for locks and connections, as a neighbour's commit may take on a busy machine, and not for the disk."""
    pool = database.datastore.pool
    pool.timeout = 60.0
    assert isinstance(pool.kwargs, dict)
    pool.kwargs["options"] += " -c lock_timeout=60s -c synchronous_commit=off"
    return database


def open_store(
    database: ServiceDatabase, projection: Projection = PROJECTION, pool_size: int = 12, *, hurried: bool = False
) -> Store:
    """Open the shop's store as the application does, but patiently, unless its haste is what a test is about."""
    pool = Database(database.app_url, database.service, pool_size)
    if not hurried:
        patient(pool)
    return Store(pool, Recorder(pool, projection), EventMapper(CATALOGUE, "/shop/sample-svc"))


def place(item: str = "tea", after: timedelta | None = None) -> DecideOrder:
    """Decide to place an order, paid within a time or not at all."""
    return lambda _order, now: [OrderPlaced(item=item, pay_until=now + after if after is not None else None)]


def command(key: UUID | None = None, actor: str = "resident:1") -> Command:
    """Somebody wants something."""
    return Command(key or uuid4(), actor)


def order_id() -> str:
    """Name a new order."""
    return f"order-{uuid4()}"


def wait_until(true: Callable[[], object], seconds: float = 120.0) -> None:
    """Wait until something is so. Fails when only a fault can be the reason."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


WAITING = """
    SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database
    WHERE d.datname = %s AND l.locktype = 'advisory' AND NOT l.granted
"""


def an_append_waits(database: ServiceDatabase) -> bool:
    """Say whether somebody stands before the append lock."""
    with psycopg.connect(database.owner_url) as connection:
        return connection.execute(WAITING, [database.service]).fetchone() is not None


def stored(store: Store) -> list[tuple[int, str, int]]:
    """Read (position, stream, version) of everything stored, by position."""
    rows = store.database.query("SELECT notification_id, originator_id, originator_version FROM stored_events ORDER BY 1")
    return [(row["notification_id"], row["originator_id"], row["originator_version"]) for row in rows]
