"""Maintenance, forgotten transactions and clocks that disagree do not disturb the log (traps T13, T30)."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic, sleep
from uuid import uuid4

import psycopg
import pytest
import shop
import warehouse as house
from outbox import relay_of, stored, write
from shop import command, wait_until
from warehouse import Warehouse, caught_up, consumer_of, heard, running

from shared_chassis.mapper import EventMapper
from shared_chassis.postgres import Database, ServiceDatabase
from shared_chassis.recorder import Conflict, Recorder
from shared_chassis.store import Store
from shared_chassis.view import rebuild

pytestmark = pytest.mark.postgres

BOUND = 120.0
"""Seconds an append may take at the very most: far above what any of this costs, far below for ever."""


@dataclass
class Traffic:
    """Writers that go on, and a reader that follows them."""

    store: Store
    written: int = 0
    seen: list[int] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    def goes_on(self) -> None:
        """See that from now on more is written and read, within the bound."""
        for count in (lambda: self.written, lambda: len(self.seen)):
            before, deadline = count(), monotonic() + BOUND
            while count() < before + 20:
                assert monotonic() < deadline, "writers or readers stand still"
                sleep(0.02)


@contextmanager
def traffic(store: Store, writers: int = 4) -> Iterator[Traffic]:
    """Write from several threads and read behind them until the block ends; then everything written was seen, in order."""
    told, stop, written_out = Traffic(store), threading.Event(), threading.Event()

    def keep_writing() -> None:
        while not stop.is_set():
            try:
                write(store)
            except Exception as error:  # noqa: BLE001 - told to the test
                told.failures.append(error)
                continue
            told.written += 1

    def keep_reading() -> None:
        while True:
            ended = written_out.is_set()
            found = store._recorder.select_notifications(told.seen[-1] if told.seen else 0, 500, inclusive_of_start=False)
            told.seen.extend(each.id for each in found)
            if ended and not found:
                return
            sleep(0.01)

    threads = [threading.Thread(target=keep_writing) for _ in range(writers)]
    reader = threading.Thread(target=keep_reading)
    for thread in (*threads, reader):
        thread.start()
    try:
        yield told
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        written_out.set()
        reader.join()
    assert told.seen == sorted(stored(store))


@contextmanager
def owner(database: ServiceDatabase, *, autocommit: bool = True) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    """Connect as the database's owner."""
    with psycopg.connect(database.owner_url, autocommit=autocommit) as connection:
        connection.execute(f"SET search_path = {database.service}".encode())
        if not autocommit:
            connection.commit()
        yield connection


def test_appends_go_on_while_an_index_build_waits_for_a_forgotten_transaction(
    store: Store, shop_database: ServiceDatabase
) -> None:
    """Trap T13: VACUUM, CREATE INDEX CONCURRENTLY and a transaction that has the events open and was forgotten."""
    with traffic(store) as told:
        told.goes_on()
        with owner(shop_database, autocommit=False) as forgotten:
            forgotten.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            forgotten.execute("SELECT count(*) FROM stored_events")
            forgotten.execute("LOCK TABLE stored_events IN ROW EXCLUSIVE MODE")

            def build() -> None:
                with owner(shop_database) as connection:
                    connection.execute("CREATE INDEX CONCURRENTLY stored_events_topic_idx ON stored_events (topic)")

            building = threading.Thread(target=build)
            building.start()
            _wait_until_it_waits(shop_database)
            told.goes_on()
            assert building.is_alive()
            forgotten.rollback()
        building.join()
        with owner(shop_database) as connection:
            connection.execute("VACUUM (ANALYZE) stored_events")
            told.goes_on()
            connection.execute("VACUUM (FREEZE) command")
            told.goes_on()
    assert told.failures == []
    with owner(shop_database) as connection:
        found = connection.execute(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = 'stored_events_topic_idx'::regclass"
        ).fetchone()
    assert found == (True,)


def test_a_forgotten_append_is_ended_and_appends_recover(hurried: Store, shop_database: ServiceDatabase) -> None:
    """Trap T13: the application's own session forgets a transaction that holds the append lock: the server ends it."""
    write(hurried)
    with traffic(hurried) as told:
        told.goes_on()
        forgotten = psycopg.connect(shop_database.app_url, options=hurried.database.datastore.pool.kwargs["options"])  # type: ignore[index]  # a dict
        forgotten.execute(
            "INSERT INTO stored_events (originator_id, originator_version, topic, state) VALUES ('order-x', 1, 'x', '{}')"
        )
        wait_until(lambda: told.failures)
        wait_until(lambda: hurried.database.query(SESSION, {"pid": forgotten.info.backend_pid}) == [])
        with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
            forgotten.execute("SELECT 1")
        forgotten.close()
        told.goes_on()
    assert hurried.database.query("SELECT 1 FROM stored_events WHERE originator_id = 'order-x'") == []


SESSION = "SELECT 1 FROM pg_stat_activity WHERE pid = %(pid)s"


@pytest.fixture
def hurried(shop_database: ServiceDatabase) -> Iterator[Store]:
    """Open the shop's store with the application's own haste."""
    opened = shop.open_store(shop_database, hurried=True)
    yield opened
    opened.database.close()


def _wait_until_it_waits(database: ServiceDatabase) -> None:
    """Wait until the index build stands behind the forgotten transaction."""
    deadline = monotonic() + BOUND
    with owner(database) as connection:
        while not connection.execute(
            "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX%' AND wait_event_type = 'Lock'"
        ).fetchall():
            assert monotonic() < deadline
            sleep(0.05)


SKEWED = """
    CREATE OR REPLACE FUNCTION rule_now() RETURNS timestamptz LANGUAGE sql VOLATILE AS
    $$ SELECT clock_timestamp() + coalesce(current_setting('shop.skew', true), '0')::interval $$
"""


@pytest.fixture
def skewed(shop_database: ServiceDatabase) -> Iterator[Callable[[str], Store]]:
    """Open stores whose clocks are wrong by so much."""
    stores: list[Store] = []
    with owner(shop_database) as connection:
        connection.execute(SKEWED)

    def opened(skew: str) -> Store:
        database = shop.patient(Database(shop_database.app_url, shop_database.service, 4))
        kwargs = database.datastore.pool.kwargs
        assert isinstance(kwargs, dict)
        kwargs["options"] += f" -c shop.skew={skew}"
        stores.append(Store(database, Recorder(database, shop.PROJECTION), EventMapper(shop.CATALOGUE, "/shop/sample-svc")))
        return stores[-1]

    yield opened
    for store in stores:
        store.database.close()


def _interleave(stores: Sequence[Store], count: int) -> list[str]:
    """Write to a few orders from several writers in turn."""
    orders = [f"order-{uuid4()}" for _ in range(5)]
    for number in range(count):
        write(stores[number % len(stores)], 1, orders[number % len(orders)])
    return orders


def _times(store: Store) -> list[datetime]:
    return [row["recorded_time"] for row in store.database.query("SELECT recorded_time FROM event_log ORDER BY position")]


def _view(store: Store) -> list[dict[str, object]]:
    return store.database.query("SELECT stream_id, version, item FROM order_view ORDER BY 1, 2")


@pytest.mark.kafka
async def test_clocks_that_disagree_change_no_view_and_no_order(
    skewed: Callable[[str], Store], shop_database: ServiceDatabase, warehouse: Warehouse, kafka_bootstrap: str
) -> None:
    """Trap T30: writers five minutes before and after the time: the log, its views and its hearers go by position alone."""
    writers = [skewed("-5min"), skewed("0min"), skewed("5min")]
    orders = _interleave(writers, 60)
    times = _times(writers[1])
    assert times != sorted(times)
    assert max(times) - min(times) > timedelta(minutes=9)
    states = [[store.load(shop.ORDER, order) for order in orders] for store in writers]
    assert states[0] == states[1] == states[2]
    assert [loaded.version for loaded in states[0]] == [12] * 5
    live = _view(writers[0])
    rebuild(shop_database, EventMapper(shop.CATALOGUE, "/shop/sample-svc"), shop.PROJECTION, shop.TABLES)
    assert _view(writers[0]) == live
    assert len(live) == 60
    relay, consumer = (
        relay_of(shop_database, kafka_bootstrap),
        consumer_of(warehouse, kafka_bootstrap, [f"{shop_database.service}.events"]),
    )
    async with running(relay):
        await house.until(lambda: writers[0].database.query("SELECT 1 FROM relay_checkpoint WHERE position = 60"))
    async with running(consumer):
        await caught_up(consumer, kafka_bootstrap, relay.topic)
    by_order: dict[str, list[int]] = {}
    for position, (order, _) in stored(writers[0]).items():
        by_order.setdefault(order, []).append(position)
    assert heard(warehouse) == by_order
    assert house.parcels(warehouse) == {house.parcel_of(order): ["opened"] * 12 for order in orders}


def _insist(store: Store, order: str) -> None:
    """Repeat a command until the store takes it, as an honest client does after a 409."""
    asked = command()
    while True:
        with suppress(Conflict):
            store.handle(shop.ORDER, order, shop.place(), asked)
            return


def test_a_writer_in_the_past_does_not_conflict_with_one_in_the_future(skewed: Callable[[str], Store]) -> None:
    """Trap T30: the expected version decides, never a time; both writers finish on one stream."""
    writers = [skewed("-5min"), skewed("5min")]
    order = f"order-{uuid4()}"

    def keep_writing(store: Store) -> None:
        for _ in range(10):
            _insist(store, order)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(keep_writing, writers))
    assert writers[0].load(shop.ORDER, order).version == 20
    positions = [position for position, (stream, _) in stored(writers[0]).items() if stream == order]
    assert positions == sorted(positions)
