"""Own read models: applied twice is once, rebuilt is live, and nobody sees an empty page meanwhile (traps T15, T16)."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import cast
from uuid import uuid4

import psycopg
import pytest
import shop
from psycopg import Connection
from psycopg.rows import DictRow, dict_row
from shop import ORDER, OrderPlaced, place

from shared_chassis.keyring import Keyring
from shared_chassis.mapper import EventMapper
from shared_chassis.postgres import Database, MigrationChangedError, ServiceDatabase, migrate, pending_migrations
from shared_chassis.recorder import Recorder
from shared_chassis.register import draw, voids
from shared_chassis.store import Command, Store
from shared_chassis.view import Fold, Row, Rows, Statement, project, rebuild
from shared_events.envelope import Envelope, Recorded
from shared_events.ids import uuid_of

pytestmark = pytest.mark.postgres

CHECKSUM = "SELECT count(*) AS n, md5(string_agg(v::text, ',' ORDER BY stream_id, version)) AS sum FROM order_view v"


def test_a_rebuilt_view_is_the_live_one_and_readers_never_go_back(shop_database: ServiceDatabase, store: Store) -> None:
    """Rebuild and switch under load: the count a reader sees never falls, and the result is what live would be."""
    order = f"order-{uuid4()}"
    for n in range(200):
        store.handle(ORDER, order, place(str(n)), Command(uuid4(), "resident:1"))
    store.database.execute("UPDATE order_view SET item = 'spoilt' WHERE version = 7")
    counts: list[int] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            row = store.database.query_one("SELECT count(*) AS n FROM order_view")
            assert row is not None
            counts.append(row["n"])

    def write() -> None:
        for n in range(100):
            store.handle(ORDER, order, place(f"later {n}"), Command(uuid4(), "resident:1"))

    threads = [threading.Thread(target=read), threading.Thread(target=write)]
    for thread in threads:
        thread.start()
    told: list[tuple[int, int]] = []
    position = rebuild(shop_database, store.mapper, shop.PROJECTION, shop.TABLES, lambda done, end: told.append((done, end)))
    threads[1].join()
    stop.set()
    threads[0].join()
    assert counts == sorted(counts)
    assert told[-1][0] == position
    live = store.database.query_one(CHECKSUM)
    assert live is not None
    assert live["n"] == 300
    rebuild(shop_database, store.mapper, shop.PROJECTION, shop.TABLES)
    assert store.database.query_one(CHECKSUM) == live
    assert store.database.query_one("SELECT item FROM order_view WHERE version = 7") == {"item": "6"}
    store.handle(ORDER, order, place("after"), Command(uuid4(), "resident:1"))


def test_a_view_keeps_personal_data_sealed(shop_database: ServiceDatabase, keyring: Keyring) -> None:
    """The row holds a token; a page opens it at the last step."""
    database = Database(shop_database.app_url, shop_database.service)
    store = Store(database, Recorder(database, shop.PROJECTION), EventMapper(shop.CATALOGUE, "/shop/sample-svc", keyring))
    order, person = f"order-{uuid4()}", uuid4()
    store.handle(
        ORDER, order, lambda _s, _n: [OrderPlaced(item="tea", person=person, note="ring twice")], Command(uuid4(), "resident:1")
    )
    row = database.query_one("SELECT note FROM order_view")
    assert row is not None
    assert "ring" not in row["note"]
    assert keyring.open([row["note"]]) == {row["note"]: "ring twice"}
    dump = database.query("SELECT convert_from(state, 'UTF8') AS text FROM stored_events")
    assert "ring" not in str(dump)
    database.close()


TILL = Rows("till", {"order_id": "uuid", "items": "jsonb", "paid_at": "timestamptz", "tags": "text[]"})


def sell(row: Row | None, fact: Recorded) -> Row:
    """Add what was ordered."""
    items = cast("list[object]", row["items"]) if row else []
    return {
        "order_id": uuid_of(fact.stream_id),
        "items": [*items, cast("OrderPlaced", fact.fact).item],
        "paid_at": fact.envelope.time,
        "tags": ["a", "b, c"],
    }


def sold(order: str, *items: str) -> list[Recorded]:
    """Sell some things, one after another."""
    now = datetime(2026, 1, 12, 6, tzinfo=UTC)
    envelope = Envelope(uuid4(), "/shop", OrderPlaced.TYPE, now, now, "resident:1", uuid4(), uuid4())
    return [Recorded(order, place, envelope, OrderPlaced(item=item)) for place, item in enumerate(items, 1)]


@pytest.fixture
def till(shop_database: ServiceDatabase) -> Iterator[Connection[DictRow]]:
    """Give a connection with a table that is folded in memory."""
    with psycopg.connect(
        shop_database.owner_url, autocommit=True, row_factory=dict_row, options=f"-c search_path={shop_database.service}"
    ) as connection:
        connection.execute("CREATE TABLE till (order_id uuid PRIMARY KEY, items jsonb, paid_at timestamptz, tags text[])")
        yield connection


def in_till(connection: Connection[DictRow], order: str) -> DictRow | None:
    """Read an order's row, and which transaction wrote it."""
    return connection.execute("SELECT *, xmin::text AS written FROM till WHERE order_id = %s", [uuid_of(order)]).fetchone()


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_a_row_folded_in_batches_is_the_row_folded_fact_by_fact(till: Connection[DictRow], batch: int) -> None:
    """The order of a stream's facts counts, not how many come together; every type comes back as it was written."""
    first, second = f"order-{uuid4()}", f"order-{uuid4()}"
    mixed = [each for pair in zip(sold(first, *"abcde"), sold(second, *"vwxyz"), strict=True) for each in pair]
    for start in range(0, len(mixed), batch):
        with till.pipeline(), till.transaction():
            project(till, {OrderPlaced: Fold(TILL, sell)}, mixed[start : start + batch])
    row, other = in_till(till, first), in_till(till, second)
    assert row is not None
    assert other is not None
    assert (row["items"], other["items"]) == (list("abcde"), list("vwxyz"))
    assert (row["paid_at"], row["tags"]) == (datetime(2026, 1, 12, 6, tzinfo=UTC), ["a", "b, c"])


def test_a_row_that_does_not_change_is_not_written(till: Connection[DictRow]) -> None:
    """And where a fact makes no row, there is none; a step may write several things."""
    order, nobody = f"order-{uuid4()}", f"order-{uuid4()}"
    project(till, {OrderPlaced: Fold(TILL, sell)}, sold(order, "tea"))
    before = in_till(till, order)
    project(till, {OrderPlaced: Fold(TILL, lambda row, _fact: row)}, [*sold(order, "milk"), *sold(nobody, "milk")])
    assert before is not None
    assert in_till(till, order) == before
    assert in_till(till, nobody) is None
    both = (Statement("UPDATE till SET tags = '{}'", {}), Fold(TILL, sell)(sold(nobody, "milk")[0]))
    project(till, {OrderPlaced: lambda _fact: both}, sold(order, "milk"))
    row, new = in_till(till, order), in_till(till, nobody)
    assert row is not None
    assert new is not None
    assert (row["tags"], new["items"]) == ([], ["milk"])


def test_a_stream_without_a_uuid_has_no_row() -> None:
    """It would be everybody's row."""
    with pytest.raises(ValueError, match="names no uuid"):
        Fold(TILL, sell)(sold("calendar-kazan", "tea")[0])


def test_numbers_of_a_register_have_no_unexplained_hole(store: Store) -> None:
    """The same command draws the same number; one that stored nothing is listed as void after an hour."""
    commands = [uuid4() for _ in range(3)]
    assert [draw(store.database, "KZN-2026", key) for key in commands] == [1, 2, 3]
    assert draw(store.database, "KZN-2026", commands[1]) == 2
    assert draw(store.database, "KZN-2027", uuid4()) == 1
    store.handle(ORDER, f"order-{uuid4()}", place(), Command(commands[0], "resident:1"))
    store.handle(ORDER, f"order-{uuid4()}", lambda _s, _n: [], Command(commands[2], "resident:1"))
    assert voids(store.database, "KZN-2026") == []
    store.database.execute("UPDATE register_draw SET drawn_at = drawn_at - interval '61 minutes'")
    assert [void.number for void in voids(store.database, "KZN-2026")] == [2, 3]


def test_many_draw_at_once_without_a_gap(store: Store) -> None:
    """Thirty-two threads, each number once, none left out."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(32) as pool:
        numbers = list(pool.map(lambda _n: draw(store.database, "LAX-2026", uuid4()), range(300)))
    assert sorted(numbers) == list(range(1, 301))


def test_migrating_again_changes_nothing_and_an_edited_migration_is_refused(
    shop_database: ServiceDatabase, postgres_admin_url: str, store: Store
) -> None:
    """Migrations are replayed once; their text is part of the record."""
    assert migrate(postgres_admin_url, shop_database.service, None, "only-for-tests") == shop_database
    assert pending_migrations(store.database, None) == []
    with psycopg.connect(shop_database.owner_url, autocommit=True) as connection:
        connection.execute(f"UPDATE {shop_database.service}.schema_migration SET sha256 = 'x'".encode())
    with pytest.raises(MigrationChangedError):
        migrate(postgres_admin_url, shop_database.service, None, "only-for-tests")
    with psycopg.connect(shop_database.owner_url, autocommit=True) as connection:
        connection.execute(f"DELETE FROM {shop_database.service}.schema_migration WHERE name LIKE '%store%'".encode())
    assert any("0001_pre_store" in name for name in pending_migrations(store.database, None))
