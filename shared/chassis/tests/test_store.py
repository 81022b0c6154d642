"""The append on real PostgreSQL: once, in order, whole, and by nobody else's word (traps T1, T2, T4, T23, T29, T31-T34, T40)."""

import contextlib
import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
import shop
from eventsourcing.persistence import OperationalError
from eventsourcing.postgres import PostgresApplicationRecorder
from psycopg.conninfo import conninfo_to_dict
from shop import ORDER, Order, OrderPacked, OrderPackedV2, OrderPaid, OrderPlaced, place

from shared_chassis.postgres import Database, ServiceDatabase
from shared_chassis.recorder import Conflict, DbFunctionsError, Recorder
from shared_chassis.store import EXISTING, Command, KeyReusedError, PreconditionFailed, Store
from shared_chassis.stream import Stream
from shared_chassis.view import Statement
from shared_events.event import Event
from shared_events.ids import derive

pytestmark = pytest.mark.postgres


def command(key: UUID | None = None, actor: str = "resident:1") -> Command:
    """Somebody wants something."""
    return Command(key or uuid4(), actor)


def order_id() -> str:
    """Name a new order."""
    return f"order-{uuid4()}"


def stored(store: Store) -> list[tuple[int, str, int]]:
    """Read (position, stream, version) of everything stored, by position."""
    rows = store.database.query("SELECT notification_id, originator_id, originator_version FROM stored_events ORDER BY 1")
    return [(row["notification_id"], row["originator_id"], row["originator_version"]) for row in rows]


def test_a_command_stores_its_events_view_and_timer_together(store: Store) -> None:
    """One commit: two events, the view row, the timer; the state folds from what was stored."""
    order = order_id()
    result = store.handle(
        ORDER, order, lambda _s, now: [*place(after=timedelta(hours=1))(Order(), now), OrderPackedV2(by="x", grams=5)], command()
    )
    assert (result.first_version, result.count, result.version, result.repeated) == (1, 2, 2, False)
    assert store.load(ORDER, order).state == Order(items=("tea",), packed=True)
    assert store.database.query("SELECT item FROM order_view WHERE stream_id = %(id)s", {"id": order}) == [{"item": "tea"}]
    timers = store.database.query(
        "SELECT kind, payload, fired_at, cancelled_at FROM timer WHERE stream_id = %(id)s", {"id": order}
    )
    assert timers == [{"kind": "expire", "payload": {"why": "unpaid"}, "fired_at": None, "cancelled_at": None}]
    store.handle(ORDER, order, lambda _s, _n: [OrderPaid()], command())
    cancelled = store.database.query_one("SELECT cancelled_at FROM timer WHERE stream_id = %(id)s", {"id": order})
    assert cancelled is not None
    assert cancelled["cancelled_at"] is not None


def test_a_repeated_command_gives_the_first_result_though_the_state_moved_on(store: Store) -> None:
    """Trap T32: no refusal, no second event, also when the rule would refuse by now."""
    order, key = order_id(), uuid4()
    first = store.handle(ORDER, order, place(), command(key))
    store.handle(ORDER, order, lambda _s, _n: [OrderPaid()], command())

    def refuse(_order: Order, _now: datetime) -> Sequence[Event]:
        raise AssertionError("a repeated command is not decided again")

    again = store.handle(ORDER, order, refuse, command(key))
    assert again.repeated
    assert (again.stream_id, again.first_version, again.count) == (first.stream_id, first.first_version, first.count)


def test_a_command_without_events_is_remembered_too(store: Store) -> None:
    """Deciding nothing is a result: it stays the result."""
    order, key = order_id(), uuid4()
    assert store.handle(ORDER, order, lambda _s, _n: [], command(key)).count == 0
    assert store.handle(ORDER, order, place(), command(key)).repeated
    assert store.load(ORDER, order).version == 0


def test_a_key_of_another_actor_or_body_is_refused(store: Store) -> None:
    """An Idempotency-Key names one wish of one person."""
    order, key = order_id(), uuid4()
    store.handle(ORDER, order, place(), Command(key, "resident:1", body_hash=b"a" * 32))
    assert store.handle(ORDER, order, place(), Command(key, "resident:1", body_hash=b"a" * 32)).repeated
    for other in (Command(key, "resident:2", body_hash=b"a" * 32), Command(key, "resident:1", body_hash=b"b" * 32)):
        with pytest.raises(KeyReusedError):
            store.handle(ORDER, order, place(), other)


def test_a_command_decided_on_another_version_is_refused(store: Store) -> None:
    """Nothing is stored, the words name the present version, and the same key may be tried again."""
    order, key = order_id(), uuid4()
    store.handle(ORDER, order, place(), command())
    for expected in (0, 2, 7):
        with pytest.raises(PreconditionFailed, match=f"at version 1 now, not at {expected}") as caught:
            store.handle(ORDER, order, place(), Command(key, "resident:1", expected=expected))
        assert caught.value.present == 1
    assert store.handle(ORDER, order, place(), Command(key, "resident:1", expected=1)).version == 2
    assert store.handle(ORDER, order, place(), Command(uuid4(), "resident:1", expected=EXISTING)).version == 3
    with pytest.raises(PreconditionFailed, match="does not exist"):
        store.handle(ORDER, order_id(), place(), Command(uuid4(), "resident:1", expected=EXISTING))


def test_a_repeated_command_gets_its_first_result_though_its_version_is_gone(store: Store) -> None:
    """The answer was lost, the caller repeats: what it expected was true the first time."""
    order, key = order_id(), uuid4()
    store.handle(ORDER, order, place(), command())
    first = store.handle(ORDER, order, place(), Command(key, "resident:1", expected=1))
    store.handle(ORDER, order, place(), command())
    again = store.handle(ORDER, order, place(), Command(key, "resident:1", expected=1))
    assert (again.repeated, again.first_version, again.count) == (True, first.first_version, first.count)


def test_of_two_replicas_with_one_expectation_one_wins(shop_database: ServiceDatabase) -> None:
    """The loser does not decide again on what it never read: it is told."""
    replicas = [shop.open_store(shop_database), shop.open_store(shop_database)]
    order = order_id()
    replicas[0].handle(ORDER, order, place(), command())

    def act(number: int) -> str:
        try:
            replicas[number % 2].handle(ORDER, order, place(), Command(uuid4(), "resident:1", expected=1))
        except PreconditionFailed:
            return "told"
        return "won"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(act, range(16)))
    assert sorted(outcomes) == ["told"] * 15 + ["won"]
    for replica in replicas:
        replica.database.close()


def test_a_refused_command_stores_nothing(store: Store) -> None:
    """What the rule raises comes through; the same key may be tried again."""
    order, key = order_id(), uuid4()

    def refuse(_order: Order, _now: datetime) -> Sequence[Event]:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        store.handle(ORDER, order, refuse, command(key))
    assert store.handle(ORDER, order, place(), command(key)).repeated is False


def test_sixty_four_writers_on_one_stream_all_finish(store: Store) -> None:
    """Trap T23: attempts are bounded because one process writes a stream one at a time."""
    order = order_id()
    with ThreadPoolExecutor(64) as pool:
        results = list(pool.map(lambda n: store.handle(ORDER, order, place(str(n)), command()), range(64)))
    assert sorted(result.first_version for result in results) == list(range(1, 65))
    assert len(store.load(ORDER, order).state.items) == 64


def test_two_replicas_on_one_stream_lose_nothing(shop_database: ServiceDatabase) -> None:
    """The expected version decides between replicas; the loser decides again."""
    replicas = [shop.open_store(shop_database), shop.open_store(shop_database)]
    order = order_id()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: _insist(replicas[n % 2], order, str(n)), range(40)))
    items = replicas[0].load(ORDER, order).state.items
    assert sorted(map(int, items)) == list(range(40))
    for replica in replicas:
        replica.database.close()


def _insist(store: Store, order: str, item: str) -> None:
    """Repeat a command until the store takes it, as an honest client does after a 409."""
    key = command()
    while True:
        try:
            store.handle(ORDER, order, place(item), key)
        except Conflict:
            continue
        return


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
    for thread in threads:
        thread.start()
        time.sleep(0.15)
    assert len(recorder._queue) == 2
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
        time.sleep(0.5)
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
    store = shop.open_store(shop_database)
    order = order_id()
    careless = psycopg.connect(shop_database.owner_url)
    careless.execute(f"SET search_path = {shop_database.service}".encode())
    careless.execute("LOCK TABLE order_view IN EXCLUSIVE MODE")
    patience = threading.Timer(15, careless.rollback)  # an append that waited this long would get through, and be wrong
    patience.start()
    with pytest.raises(OperationalError):
        store.handle(ORDER, order, place(), command())
    patience.cancel()
    careless.rollback()
    careless.close()
    assert store.handle(ORDER, order, place(), command()).count == 1
    store.database.close()


def test_a_decision_on_an_old_clock_is_made_again(store: Store) -> None:
    """More than five seconds between decision and commit: decided again by the present clock."""
    times: list[datetime] = []
    look_up = store._look_up

    def slow(stream: Stream[Order], stream_id: str, key: UUID) -> object:
        now, known, loaded = look_up(stream, stream_id, key)
        return (now - timedelta(seconds=6) if not times else now), known, loaded

    store._look_up = slow  # type: ignore[method-assign,assignment]  # the clock of the first look is set back

    def decide(_order: Order, now: datetime) -> Sequence[Event]:
        times.append(now)
        return [OrderPaid()]

    store.handle(ORDER, order_id(), decide, command())
    assert len(times) == 2
    assert times[1] - times[0] > timedelta(seconds=5)


def test_an_old_version_loads_in_the_new_shape(store: Store) -> None:
    """Upcasting: what was stored as version 1 reads as version 2, and the stored bytes stay."""
    order = order_id()
    recorded = store._record(OrderPacked(by="ann"), 0, order, 0, datetime.now(UTC), command())
    event = store.mapper.to_stored_event(recorded)
    store.database.execute(
        "INSERT INTO stored_events (originator_id, originator_version, topic, state) VALUES (%(i)s, 1, %(t)s, %(s)s)",
        {"i": order, "t": event.topic, "s": event.state},
    )
    assert [each.fact for each in store.events(order)] == [OrderPackedV2(by="ann", grams=None)]
    assert store.load(ORDER, order).state.packed
    assert b"order-packed.v1" in event.state


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
    plan = store.database.query(
        "EXPLAIN SELECT 1 FROM stored_events WHERE event_document(state) ->> 'correlationid' = %(id)s", {"id": str(derive("x"))}
    )
    assert "stored_events_correlation_idx" in str(plan)
