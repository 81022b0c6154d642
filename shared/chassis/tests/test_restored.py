"""Stores, brokers and keyrings that come back older or empty: noticed, and nothing skipped in silence (traps T22, T35, T38)."""

import asyncio
from collections.abc import Container, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from uuid import uuid4

import psycopg
import pytest
import shop
from broker import Broker
from outbox import published, relay_of, stored, write
from psycopg.conninfo import make_conninfo
from warehouse import (
    Warehouse,
    at_end,
    caught_up,
    consumer_of,
    heard,
    open_parked,
    order_in,
    parcel_of,
    parcels,
    read_topic,
    running,
    until,
)

from shared_chassis import kafka
from shared_chassis.consumer import Consumer, Era, HistoryForkedError, Status
from shared_chassis.consumer.era import Eras
from shared_chassis.keyring import Keyring, PersonErasedError
from shared_chassis.postgres import KEYRING, ServiceDatabase
from shared_chassis.store import Store

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]


@dataclass
class Shop:
    """A shop whose database can be copied and put back."""

    admin_url: str
    database: ServiceDatabase
    store: Store

    @property
    def topic(self) -> str:
        """Its topic."""
        return f"{self.database.service}.events"

    def back_up(self) -> None:
        """Copy the database as it is now; nobody may be connected."""
        self.store.database.close()
        self._administer(f"CREATE DATABASE {self.database.service}_copy TEMPLATE {self.database.service}")
        self.store = shop.open_store(self.database)

    def restore(self) -> None:
        """Put the copy in the database's place."""
        self.store.database.close()
        name = self.database.service
        self._administer(f"DROP DATABASE {name} WITH (FORCE)")
        self._administer(f"ALTER DATABASE {name}_copy RENAME TO {name}")
        self.store = shop.open_store(self.database)

    def _administer(self, statement: str) -> None:
        def done() -> bool:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [self.database.service]
            )
            with suppress(psycopg.errors.ObjectInUse):  # by a session that takes its time to end
                connection.execute(statement.encode())
                return True
            return False

        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            shop.wait_until(done)


@pytest.fixture(name="shop_")
def _shop(postgres_admin_url: str, shop_database: ServiceDatabase) -> Iterator[Shop]:
    """Open the shop."""
    opened = Shop(postgres_admin_url, shop_database, shop.open_store(shop_database))
    yield opened
    opened.store.database.close()
    with psycopg.connect(postgres_admin_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {shop_database.service}_copy WITH (FORCE)".encode())


def assert_every_effect_once(store: Store, warehouse: Warehouse) -> None:
    """See that what the store holds was heard once, in order, and opened as many parcels' items."""
    expected: dict[str, list[int]] = {}
    for position, (order, _) in stored(store).items():
        expected.setdefault(order, []).append(position)
    assert heard(warehouse) == expected
    assert parcels(warehouse) == {parcel_of(order): ["opened"] * len(positions) for order, positions in expected.items()}
    assert open_parked(warehouse) == []


async def _publish_all(shop_: Shop, bootstrap: str) -> None:
    """Let a relay publish what is stored, and end."""
    async with running(relay_of(shop_.database, bootstrap)):
        await published(shop_.store)


def _write(shop_: Shop, orders: int) -> None:
    """Write of so many orders, each in the next partition: a dozen of them are heard of in every one."""
    for number in range(orders):
        write(shop_.store, 2, order_in(number % 12))


def _refuses(consumer: Consumer[Warehouse]) -> bool:
    return "restored from an older copy" in (consumer.trouble() or "")


async def test_a_consumer_refuses_what_a_restored_store_says_anew(
    shop_: Shop, warehouse: Warehouse, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap T22: the same positions with other events in them are not taken for repetitions: the consumer stops and says why.

    A person who accepts the loss tells it from where on the new history counts, and it goes on by itself.
    """
    _write(shop_, 30)
    await _publish_all(shop_, kafka_bootstrap)
    await asyncio.to_thread(shop_.back_up)
    _write(shop_, 60)
    await _publish_all(shop_, kafka_bootstrap)
    consumer = consumer_of(warehouse, kafka_bootstrap, [shop_.topic])
    async with running(consumer):
        await caught_up(consumer, kafka_bootstrap, shop_.topic)
    assert_every_effect_once(shop_.store, warehouse)
    before, known = consumer.positions.status(), heard(warehouse)
    await asyncio.to_thread(shop_.restore)
    _write(shop_, 30)
    await _publish_all(shop_, kafka_bootstrap)
    again = consumer_of(warehouse, kafka_bootstrap, [shop_.topic], rest=0.5)
    told: list[Exception] = []
    wait = again._wait

    async def heard_and_wait(stop: asyncio.Event, seconds: float, error: Exception) -> None:
        told.append(error)
        await wait(stop, seconds, error)

    monkeypatch.setattr(again, "_wait", heard_and_wait)
    async with running(again) as tasks:
        await until(lambda: _refuses(again))
        await until(lambda: sum(isinstance(error, HistoryForkedError) for error in told) > 1)
        assert not tasks[0].done()
    _assert_nothing_passed_over(
        shop_, again, before, known, (await kafka.end_offsets(kafka_bootstrap, [shop_.topic]))[shop_.topic]
    )
    warehouse.database.execute("UPDATE consumer_position SET last_position = least(last_position, 60)")
    accepting = consumer_of(warehouse, kafka_bootstrap, [shop_.topic])
    async with running(accepting):
        await caught_up(accepting, kafka_bootstrap, shop_.topic)
    told_anew = {order: positions for order, positions in heard(warehouse).items() if order not in known}
    assert sorted(position for positions in told_anew.values() for position in positions) == list(range(61, 121))


def _assert_nothing_passed_over(
    shop_: Shop, consumer: Consumer[Warehouse], before: Status, known: Container[str], ends: Mapping[int, int]
) -> None:
    """See that the partitions with unread events stand where they stood, though their positions look like repetitions."""
    applied, after = before[consumer.name][shop_.topic], consumer.positions.status()[consumer.name][shop_.topic]
    skipped = [
        position
        for position, (order, _) in stored(shop_.store).items()
        if order not in known and position <= max(place["last_position"] for place in applied.values())
    ]
    assert len(skipped) > 30
    unread = [number for number, end in ends.items() if after[number]["next_offset"] < end]
    assert unread
    assert all(after[number] == applied[number] for number in unread)


async def test_a_restored_store_is_noticed_on_an_empty_cluster_too(shop_: Shop, warehouse: Warehouse, broker: Broker) -> None:
    """Traps T22 and T35 at once: everything is lost but the consumers, and they do not skip what is new."""
    _write(shop_, 10)
    await _publish_all(shop_, broker.bootstrap)
    await asyncio.to_thread(shop_.back_up)
    _write(shop_, 40)
    await _publish_all(shop_, broker.bootstrap)
    consumer = consumer_of(warehouse, broker.bootstrap, [shop_.topic], rest=1.0)
    async with running(consumer):
        await caught_up(consumer, broker.bootstrap, shop_.topic)
        await asyncio.to_thread(broker.kill)
        broker.forget()
        await asyncio.to_thread(shop_.restore)
        await asyncio.to_thread(broker.start)
        _write(shop_, 20)
        await _publish_all(shop_, broker.bootstrap)
        await until(lambda: _refuses(consumer))
    first = {order for order, _ in stored(shop_.store).values()} & set(heard(warehouse))
    assert len(first) == 10


async def test_the_broker_is_replaced_by_an_empty_one(shop_: Shop, warehouse: Warehouse, broker: Broker) -> None:
    """Trap T35: all is published again from the first event, and every effect happens once, without a restart of ours.

    Before and after, relays and lives of the database's server follow one another: that is no other history.
    """
    relay, consumer = (
        relay_of(shop_.database, broker.bootstrap),
        consumer_of(warehouse, broker.bootstrap, [shop_.topic], rest=1.0),
    )
    for life in ("first", "second", "third"):
        _write(shop_, 5)
        await _publish_all(shop_, broker.bootstrap)
        shop_.store.database.execute("UPDATE log_era SET life = %(life)s", {"life": life})
    async with running(relay, consumer) as tasks:
        await published(shop_.store)
        await caught_up(consumer, broker.bootstrap, shop_.topic)
        await asyncio.to_thread(broker.kill)
        broker.forget()
        await asyncio.to_thread(broker.start)
        await asyncio.to_thread(_write, shop_, 10)
        clusters = "SELECT count(*) AS n FROM relay_checkpoint WHERE position >= (SELECT max(notification_id) FROM stored_events)"
        await until(lambda: shop_.store.database.query_one(clusters) == {"n": 1})
        ends = await kafka.end_offsets(broker.bootstrap, [shop_.topic])
        await until(lambda: at_end(consumer, ends))
        assert not any(task.done() for task in tasks)
        await until(lambda: consumer.trouble() is None)
    assert len(await read_topic(broker.bootstrap, shop_.topic)) >= 50
    assert_every_effect_once(shop_.store, warehouse)
    await _publish_all(shop_, broker.bootstrap)
    _write(shop_, 5)
    await _publish_all(shop_, broker.bootstrap)
    later = consumer_of(warehouse, broker.bootstrap, [shop_.topic])
    async with running(later):
        await caught_up(later, broker.bootstrap, shop_.topic)
    assert_every_effect_once(shop_.store, warehouse)


async def test_events_keep_their_era_when_they_are_published_again(shop_: Shop, kafka_bootstrap: str) -> None:
    """Each life of the server begins one at the log's end, by its first append; a change of leader begins none."""
    for life in ("first", "second", "third"):
        await asyncio.to_thread(_write, shop_, 2)
        await _publish_all(shop_, kafka_bootstrap)
        shop_.store.database.execute("UPDATE log_era SET life = %(life)s", {"life": life})
    shop_.store.database.execute("UPDATE relay_checkpoint SET position = 0")
    await _publish_all(shop_, kafka_bootstrap)
    eras: dict[int, set[Era | None]] = {}
    for record in await read_topic(kafka_bootstrap, shop_.topic):
        headers = dict(record.headers)
        eras.setdefault(int(headers["position"]), set()).add(Era.read(headers["era"]))
    assert [len(each) for each in eras.values()] == [1] * 12
    assert [era.after for _, (era,) in sorted(eras.items()) if era is not None] == [0] * 4 + [4] * 4 + [8] * 4
    assert len({era for (era,) in eras.values()}) == 3


def test_an_importer_begins_an_era_too(shop_: Shop) -> None:
    """Whoever writes past the application, from wherever it looks, meets the same trigger."""
    _write(shop_, 1)
    shop_.store.database.execute("UPDATE log_era SET life = 'another'")
    with psycopg.connect(shop_.database.owner_url) as importer:
        copy_ = f"COPY {shop_.database.service}.stored_events (originator_id, originator_version, topic, state) FROM STDIN"
        with importer.cursor().copy(copy_.encode()) as copy:
            copy.write_row(("order-imported", 1, "sample.order-paid.v1", b"{}"))
    assert shop_.store.database.query("SELECT after FROM log_era ORDER BY 1") == [{"after": 0}, {"after": 2}]


def test_an_era_met_late_is_another_history() -> None:
    """One that begins where this partition stands, or later, follows; one met before is a repetition; none is no statement."""
    eras = Eras(["first"])
    eras.meet(Era(0, "first"), 500, "shop/1")
    eras.meet(None, 500, "shop/1")
    eras.meet(Era(500, "second"), 500, "shop/1")
    eras.meet(Era(700, "third"), 600, "shop/1")
    assert eras.fresh == ["second", "third"]
    with pytest.raises(HistoryForkedError, match="applied up to position 900, it goes on after 800"):
        eras.meet(Era(800, "other"), 900, "shop/1")
    assert eras.fresh == ["second", "third"]
    assert Era.read(Era(800, "x").header()) == (800, "x")
    assert [Era.read(header) for header in (b"", b"8", b":x", b"x:y", "٣:x".encode())] == [None] * 5


def test_the_erased_stay_erased_when_yesterdays_keyring_is_restored(keyring: Keyring, postgres_admin_url: str) -> None:
    """Trap T38: the erasures are applied again: keys that came back are destroyed, and none is made anew."""
    before, after, kept = uuid4(), uuid4(), uuid4()
    tokens = {person: keyring.seal(person, uuid4(), "note", "secret").token for person in (before, kept)}
    with psycopg.connect(make_conninfo(postgres_admin_url, dbname=KEYRING), autocommit=True) as backup:
        rows = backup.execute("SELECT * FROM keyring.person_key").fetchall()
        tokens[after] = keyring.seal(after, uuid4(), "note", "secret").token
        for person in (before, after):
            keyring.destroy(person)
        backup.execute("TRUNCATE keyring.person_key")
        for row in rows:
            backup.execute("INSERT INTO keyring.person_key VALUES (%s, %s, %s, %s)", row)
    keyring._keys.clear()
    assert keyring.open([tokens[before]]) == {tokens[before]: "secret"}
    keyring.destroy_all([before, after])
    assert keyring.open(tokens.values()) == {tokens[before]: None, tokens[after]: None, tokens[kept]: "secret"}
    for person in (before, after):
        with pytest.raises(PersonErasedError):
            keyring.seal(person, uuid4(), "note", "again")
