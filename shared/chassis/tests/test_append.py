"""The append on PostgreSQL: whole, in the order of positions, by nobody else (traps T1, T2, T4, T29, T31, T33, T34, T40)."""

import contextlib
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg
import pytest
import shop
from eventsourcing.persistence import OperationalError
from eventsourcing.postgres import PostgresApplicationRecorder
from psycopg.conninfo import conninfo_to_dict
from shop import ORDER, OrderPlaced, an_append_waits, command, order_id, place, stored, wait_until

from shared_chassis.postgres import Database, ServiceDatabase
from shared_chassis.recorder import Conflict, DbFunctionsError, Recorder
from shared_chassis.store import Store
from shared_chassis.view import Statement
from shared_events.event import Event
from shared_events.ids import derive

pytestmark = pytest.mark.postgres


def test_the_version_taken_by_a_neighbour_in_the_batch_is_a_conflict_for_one(shop_database: ServiceDatabase) -> None:
    """Trap T40: of two commits on one version in one batch, one wins whole, one is told."""
    store = shop.open_store(shop_database)
    recorder = store._recorder
    order = order_id()
    verdicts: list[object] = []
    loaded = store.load(ORDER, order)

    def append(item: str) -> None:
        now = store.now()
        facts: Sequence[Event] = [OrderPlaced(item=item), OrderPlaced(item=item)]
        try:
            verdicts.append(store._append(ORDER, order, loaded, facts, now, command()))
        except Conflict as conflict:
            verdicts.append(conflict)

    blocker = psycopg.connect(shop_database.owner_url)
    blocker.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [f"{shop_database.service}.stored_events"])
    threads = [threading.Thread(target=append, args=(item,)) for item in ("first", "a", "b")]
    threads[0].start()
    wait_until(lambda: an_append_waits(shop_database))
    for thread in threads[1:]:
        thread.start()
    wait_until(lambda: len(recorder._queue) == 2)
    blocker.close()
    for thread in threads:
        thread.join()
    assert sum(isinstance(verdict, Conflict) for verdict in verdicts) == 2
    assert store.load(ORDER, order).state.items in (("first",) * 2, ("a",) * 2, ("b",) * 2)
    store.database.close()


def test_a_failing_view_stores_nothing_of_its_command_and_all_of_its_neighbours(shop_database: ServiceDatabase) -> None:
    """Trap T31: the error reaches the one who caused it."""

    def view(recorded: object) -> Statement:
        assert hasattr(recorded, "fact")
        if recorded.fact.item == "bad":
            return Statement("INSERT INTO order_view (nothing) VALUES (1)", {})
        return shop._placed(recorded)  # type: ignore[arg-type]  # narrowed by the assertion above

    store = shop.open_store(shop_database, {OrderPlaced: view})
    orders = {item: order_id() for item in ("a", "bad", "b", "c")}
    with ThreadPoolExecutor(4) as pool:
        futures = {item: pool.submit(store.handle, ORDER, order, place(item), command()) for item, order in orders.items()}
    with pytest.raises(Exception, match="nothing"):
        futures["bad"].result()
    for item in ("a", "b", "c"):
        assert futures[item].result().count == 1
    assert {stream for _, stream, _ in stored(store)} == {orders[item] for item in ("a", "b", "c")}
    assert store.database.query_one("SELECT count(*) AS n FROM command") == {"n": 3}
    store.database.close()


def test_position_order_is_commit_order(shop_database: ServiceDatabase) -> None:
    """Trap T1: a position drawn in an open transaction is never passed by a later one a reader can see; importers (T34) too."""
    store = shop.open_store(shop_database)
    importer = psycopg.connect(shop_database.owner_url)
    importer.execute(f"SET search_path = {shop_database.service}".encode())
    with importer.cursor().copy("COPY stored_events (originator_id, originator_version, topic, state) FROM STDIN") as copy:
        copy.write_row(("order-imported", 1, "sample.order-paid.v1", b"{}"))
    order = order_id()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(store.handle, ORDER, order, place(), command())
        wait_until(lambda: an_append_waits(shop_database))
        seen_meanwhile = store._recorder.select_notifications(0, 100)
        importer.commit()
        waiting.result()
    importer.close()
    assert [notification.originator_id for notification in seen_meanwhile] == []
    after = store._recorder.select_notifications(0, 100)
    assert [notification.originator_id for notification in after] == ["order-imported", order]
    assert [notification.id for notification in after] == sorted(notification.id for notification in after)
    store.database.close()


def test_a_tailing_reader_sees_everything_thirty_two_writers_store(shop_database: ServiceDatabase) -> None:
    """Trap T1: a thousand rounds; what a reader that only looks ahead has seen is what is stored, in that order."""
    store = shop.open_store(shop_database)
    seen: list[int] = []
    done = threading.Event()

    def tail() -> None:
        while True:
            finished = done.is_set()
            found = store._recorder.select_notifications(seen[-1] if seen else 0, 500, inclusive_of_start=False)
            seen.extend(notification.id for notification in found)
            if finished and not found:
                return

    reader = threading.Thread(target=tail)
    reader.start()
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(lambda _n: store.handle(ORDER, order_id(), place(), command()), range(1000)))
    done.set()
    reader.join()
    assert seen == [position for position, _, _ in stored(store)]
    assert len(seen) == 1000
    store.database.close()


def test_the_insert_function_of_the_library_is_refused(shop_database: ServiceDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trap T2: with POSTGRES_ENABLE_DB_FUNCTIONS the recorder does not start."""
    database = Database(shop_database.app_url, shop_database.service)
    monkeypatch.setenv("POSTGRES_ENABLE_DB_FUNCTIONS", "y")
    with pytest.raises(DbFunctionsError):
        Recorder(database)
    monkeypatch.delenv("POSTGRES_ENABLE_DB_FUNCTIONS")
    database.datastore.enable_db_functions = True
    with pytest.raises(DbFunctionsError):
        Recorder(database)
    database.close()


class CuttingProxy:
    """Stands between the store and PostgreSQL and cuts the line when told, after the server has answered."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self.cut_after_commit = False
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, True), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, answers: bool) -> None:  # noqa: FBT001 - one of two ways
        try:
            while data := source.recv(65536):
                if answers and self.cut_after_commit and b"COMMIT\x00" in data:
                    self.cut_after_commit = False
                    self.cuts += 1
                    break
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()


def test_a_lost_answer_after_commit_is_not_a_conflict(shop_database: ServiceDatabase) -> None:
    """Trap T4: the line is cut after COMMIT, before its answer: the caller gets the result, and there is exactly one event."""
    parts = conninfo_to_dict(shop_database.app_url)
    proxy = CuttingProxy(str(parts["host"]), int(str(parts["port"])))
    through = shop_database.app_url.replace(f":{parts['port']}/", f":{proxy.port}/")
    store = shop.open_store(ServiceDatabase(shop_database.service, shop_database.owner_url, through))
    store.handle(ORDER, order_id(), place(), command())
    order, key = order_id(), uuid4()
    proxy.cut_after_commit = True
    result = store.handle(ORDER, order, place(), command(key))
    assert proxy.cuts == 1
    assert (result.first_version, result.count, result.repeated) == (1, 1, True)
    assert [version for _, stream, version in stored(store) if stream == order] == [1]
    assert store.handle(ORDER, order, place(), command(key)).repeated
    store.database.close()
    proxy.close()


@pytest.mark.parametrize(
    "statement", ["UPDATE stored_events SET state = state", "DELETE FROM stored_events", "TRUNCATE stored_events"]
)
def test_nobody_changes_or_removes_events(shop_database: ServiceDatabase, store: Store, statement: str) -> None:
    """Trap T29: the application's role lacks the privilege; even the owner meets the trigger."""
    store.handle(ORDER, order_id(), place(), command())
    for url, refusal in ((shop_database.app_url, "permission denied"), (shop_database.owner_url, "never changed or removed")):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"SET search_path = {shop_database.service}".encode())
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match=refusal):
                connection.execute(statement.encode())
    assert len(stored(store)) == 1


def test_the_application_cannot_create_or_drop(shop_database: ServiceDatabase) -> None:
    """Tables come from migrations alone."""
    with psycopg.connect(shop_database.app_url, autocommit=True) as connection:
        connection.execute(f"SET search_path = {shop_database.service}".encode())
        for statement in (
            b"CREATE TABLE mine (x int)",
            b"DROP TABLE order_view",
            b"DROP TRIGGER stored_events_append_only ON stored_events",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_a_forgotten_row_lock_fails_appends_within_the_lock_timeout_and_they_recover(shop_database: ServiceDatabase) -> None:
    """Trap T33: somebody holds what the append needs; it errs within seconds, and works when the lock is gone."""
    store = shop.open_store(shop_database, hurried=True)
    order = order_id()
    careless = psycopg.connect(shop_database.owner_url)
    careless.execute(f"SET search_path = {shop_database.service}".encode())
    careless.execute("LOCK TABLE order_view IN EXCLUSIVE MODE")
    patience = threading.Timer(120, careless.rollback)  # an append that waited this long would get through, and be wrong
    patience.start()
    with pytest.raises(OperationalError) as refused:
        store.handle(ORDER, order, place(), command())
    patience.cancel()
    assert isinstance(refused.value.__cause__, psycopg.errors.LockNotAvailable)
    careless.rollback()
    careless.close()
    assert store.handle(ORDER, order, place(), command()).count == 1
    store.database.close()


def test_the_tables_are_the_librarys_own(shop_database: ServiceDatabase) -> None:
    """An upgrade of the library that changes its schema is red."""
    with psycopg.connect(shop_database.owner_url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA stock_{shop_database.service}".encode())
        database = Database(shop_database.owner_url, f"stock_{shop_database.service}", 2)
        PostgresApplicationRecorder(database.datastore, events_table_name="stored_events").create_table()
        database.close()

        def shape(schema: str) -> list[object]:
            columns = connection.execute(
                "SELECT column_name, data_type, is_nullable, column_default IS NULL FROM information_schema.columns"
                " WHERE table_schema = %s AND table_name = 'stored_events' ORDER BY 1",
                [schema],
            ).fetchall()
            attributes = connection.execute(
                "SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
                " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = 'stored_event_text'"
                " ORDER BY a.attnum",
                [schema],
            ).fetchall()
            indexes = connection.execute(
                "SELECT indexname, replace(indexdef, %s, '') FROM pg_indexes WHERE schemaname = %s"
                " AND tablename = 'stored_events'"
                " AND indexname NOT LIKE '%%correlation%%' ORDER BY 1",
                [f"{schema}.", schema],
            ).fetchall()
            options = connection.execute(
                "SELECT reloptions FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s"
                " AND relname = 'stored_events'",
                [schema],
            ).fetchall()
            return [columns, attributes, indexes, options]

        assert shape(shop_database.service) == shape(f"stock_{shop_database.service}")


def test_event_log_reads_as_people_do(store: Store) -> None:
    """The SQL view shows who, when and why, and finds a journey by its index."""
    order = order_id()
    result = store.handle(ORDER, order, place(), command(actor="resident:9"))
    rows = store.database.query("SELECT stream_id, version, type, actor, data ->> 'item' AS item FROM event_log")
    assert rows == [
        {"stream_id": order, "version": result.version, "type": "sample.order-placed.v1", "actor": "resident:9", "item": "tea"}
    ]
    with store.database.connection() as connection, connection.transaction():
        connection.execute("SET LOCAL enable_seqscan = off")  # of one row: whether the index fits, not whether it pays
        plan = connection.execute(
            "EXPLAIN SELECT 1 FROM stored_events WHERE event_document(state) ->> 'correlationid' = %s", [str(derive("x"))]
        ).fetchall()
    assert "stored_events_correlation_idx" in str(plan)
