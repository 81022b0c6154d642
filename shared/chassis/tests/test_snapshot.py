"""Snapshots bound the load of a long stream and can fail no command (traps T17, T18, T24)."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import shop
from prometheus_client import REGISTRY
from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass
from shop import ORDER, Order, OrderPlaced, command, place

from shared_chassis import snapshot
from shared_chassis.postgres import ServiceDatabase
from shared_chassis.snapshot import EVERY, write_state
from shared_chassis.store import Store
from shared_chassis.stream import Stream, UnkeepableError
from shared_events.event import Event

pytestmark = pytest.mark.postgres

LONG = 100_000


@dataclass(frozen=True)
class Counted:
    """An order of which only the number of its items and the last one are kept."""

    items: int = 0
    last: str = ""


@dataclass(frozen=True)
class Weighed:
    """The same, in another shape."""

    items: int = 0
    last: str = ""
    grams: int = 0


FOLDED: list[str] = []


def count(order: Counted, event: Event) -> Counted:
    """Fold a fact, and remember that it was folded."""
    assert isinstance(event, OrderPlaced)
    FOLDED.append(event.item)
    return Counted(order.items + 1, event.item)


def weigh(order: Weighed, event: Event) -> Weighed:
    """Fold a fact into the other shape."""
    assert isinstance(event, OrderPlaced)
    return Weighed(order.items + 1, event.item, order.grams + 5)


KEPT = Stream("order", Counted(), count, keeps=TypeAdapter(Counted))
WHOLE = Stream("order", Counted(), count)


HASTE = snapshot.PATIENCE
PATIENT = "SELECT set_config('lock_timeout', '60s', true), set_config('statement_timeout', '60s', true)"


@pytest.fixture
def reopen(shop_database: ServiceDatabase, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Store]]:
    """Open the shop's store anew, with nothing remembered: a process that has just started, and waits for its snapshots."""
    monkeypatch.setattr(snapshot, "PATIENCE", PATIENT)
    stores: list[Store] = []

    def opened() -> Store:
        FOLDED.clear()
        store = shop.open_store(shop_database, {}, pool_size=4)
        store.snapshots.every = 10
        stores.append(store)
        return store

    yield opened
    for store in stores:
        store.database.close()


def outcome(name: str) -> float:
    """Read how often a snapshot ended so."""
    return REGISTRY.get_sample_value("veche_snapshots_total", {"outcome": name}) or 0.0


def grow(store: Store, count: int, order: str | None = None, stream: Stream[Counted] = KEPT) -> str:
    """Append so many facts to an order, one a command."""
    order = order or f"order-{uuid4()}"
    for number in range(count):
        store.handle(stream, order, lambda _s, _n, number=number: [OrderPlaced(item=f"item {number}")], command())
    return order


def test_a_hundred_thousand_events_load_by_their_snapshot(shop_database: ServiceDatabase, reopen: Callable[[], Store]) -> None:
    """Trap T24: the first load folds all of them, every later one a bounded number, whoever loads."""
    store = reopen()
    store.snapshots.every = EVERY
    order = f"order-{uuid4()}"
    recorded = store._record(OrderPlaced(item="item"), 0, order, 0, store.now(), command())
    with psycopg.connect(shop_database.owner_url) as importer:
        importer.execute(f"SET search_path = {shop_database.service}".encode())
        with importer.cursor().copy("COPY stored_events (originator_id, originator_version, topic, state) FROM STDIN") as copy:
            for number in range(1, LONG + 1):
                event = store.mapper.to_stored_event(replace(recorded, originator_version=number))
                copy.write_row((order, number, event.topic, event.state))
    assert store.load(KEPT, order).state == Counted(LONG, "item")
    assert len(FOLDED) == LONG
    later = reopen()
    assert later.load(KEPT, order).state == Counted(LONG, "item")
    assert len(FOLDED) == 0
    grow(later, EVERY + 7, order)
    last = reopen()
    assert last.load(KEPT, order).version == LONG + EVERY + 7
    assert len(FOLDED) <= EVERY


def test_what_others_append_is_folded_once(reopen: Callable[[], Store]) -> None:
    """A replica that only reads does not fold the same tail again at each load."""
    writer, reader = reopen(), reopen()
    order = grow(writer, 1, stream=WHOLE)
    reader.load(WHOLE, order)
    grow(writer, 40, order, WHOLE)
    FOLDED.clear()
    assert reader.load(WHOLE, order).version == 41
    assert reader.load(WHOLE, order).version == 41
    assert len(FOLDED) == 40


def test_snapshot_and_tail_are_the_full_replay_at_every_length(reopen: Callable[[], Store]) -> None:
    """Trap T17: at each version, by load and by load_at, with a snapshot below, at and above it."""
    writer, order = reopen(), f"order-{uuid4()}"
    for length in range(1, 32):
        grow(writer, 1, order)
        kept, whole = reopen(), reopen()
        assert kept.load(KEPT, order) == whole.load(WHOLE, order)
        for version in (1, length // 2, length):
            assert kept.load_at(KEPT, order, version) == whole.load_at(WHOLE, order, version)
        for each in (kept, whole):
            each.database.close()
    assert writer.database.query("SELECT version FROM snapshot") == [{"version": 30}]


CHILD = """
import hashlib, sys, time
sys.path.insert(0, sys.argv[1])
import test_snapshot as here, shop
from shared_chassis import snapshot
from shared_chassis.postgres import ServiceDatabase
from shared_chassis.snapshot import write_state
_, _, service, url, order = sys.argv
for stream in (here.TIMED, here.TIMED_WHOLE):
    store = shop.open_store(ServiceDatabase(service, url, url), {}, pool_size=2)
    print(write_state(here.TIMED, store.load(stream, order).state).hex(), time.tzname)
    store.database.close()
"""


@dataclass(frozen=True)
class Timed:
    """Moments, texts and numbers, in mappings and tuples: whatever a state may hold."""

    moments: tuple[datetime, ...] = ()
    by_item: dict[str, tuple[int, float]] | None = None


def time_it(order: Timed, event: Event) -> Timed:
    """Fold a fact into all of it."""
    assert isinstance(event, OrderPlaced)
    assert event.pay_until is not None
    by_item = dict(order.by_item or {})
    number, share = by_item.get(event.item, (0, 0.0))
    by_item[event.item] = (number + 1, share + 0.1)
    return Timed((*order.moments, event.pay_until), by_item)


TIMED = Stream("order", Timed(), time_it, keeps=TypeAdapter(Timed))
TIMED_WHOLE = Stream("order", Timed(), time_it)

PLACES = [
    {"TZ": "UTC", "LC_ALL": "C", "PYTHONHASHSEED": "0"},
    {"TZ": "Asia/Kamchatka", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "4711", "LANG": "tr_TR.UTF-8"},
    {"TZ": "America/Los_Angeles", "LC_ALL": "POSIX", "PYTHONHASHSEED": "99", "PYTHONUTF8": "0"},
]


def test_folding_is_the_same_in_every_place(shop_database: ServiceDatabase, reopen: Callable[[], Store]) -> None:
    """Trap T17: other time zone, locale and hash seed, from the first event and from a snapshot: equal bytes."""
    store, order = reopen(), f"order-{uuid4()}"
    for number in range(23):
        item = ("чай", "çay", "İpek", "ß")[number % 4]

        def decide(_state: Timed, now: datetime, item: str = item) -> Sequence[Event]:
            return [OrderPlaced(item=item, pay_until=now)]

        store.handle(TIMED, order, decide, command())
    assert store.database.query("SELECT version FROM snapshot") == [{"version": 20}]
    seen = []
    for environment in PLACES:
        arguments = [str(Path(__file__).parent), shop_database.service, shop_database.app_url, order]
        said = subprocess.run(
            [sys.executable, "-c", CHILD, *arguments],
            check=True,
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"], **environment},
        )
        seen += [line.split(" ", 1) for line in said.stdout.splitlines()]
    assert {state for state, _ in seen} == {write_state(TIMED, store.load(TIMED, order).state).hex()}
    assert (len(seen), len({zone for _, zone in seen})) == (2 * len(PLACES), len(PLACES))


BROKEN = [
    ("corrupt", "UPDATE snapshot SET state = 'x'"),
    ("corrupt", "UPDATE snapshot SET state = state || ' '"),
    ("corrupt", "UPDATE snapshot SET version = version + 1"),
    ("corrupt", "UPDATE snapshot SET version = 900000000"),
    ("corrupt", "UPDATE snapshot SET stream_id = %(other)s"),
    ("corrupt", "UPDATE snapshot SET event_id = gen_random_uuid()"),
    ("corrupt", "UPDATE snapshot SET digest = ''"),
]


@pytest.mark.parametrize(("told", "damage"), BROKEN)
def test_a_damaged_snapshot_is_ignored_counted_and_replaced(reopen: Callable[[], Store], told: str, damage: str) -> None:
    """Trap T18: the state is what the events say, and the next snapshot takes its place."""
    store = reopen()
    order = grow(store, 12)
    other = grow(store, 5)
    store.database.execute(damage.encode().decode(), {"other": other} if "%(" in damage else None)  # type: ignore[arg-type]
    asked = other if "%(" in damage else order
    fresh, before = reopen(), outcome(told)
    whole = fresh.load(KEPT, asked)
    assert whole.state.items == (5 if asked == other else 12)
    assert len(FOLDED) == whole.version
    assert outcome(told) == before + 1
    again = reopen()
    grow(again, 10, asked)
    assert reopen().load(KEPT, asked).version == whole.version + 10
    assert len(FOLDED) < 10
    assert outcome(told) == before + 1


@pytest.mark.parametrize("others", [0, 2])
def test_a_snapshot_of_events_that_are_not_there_is_ignored_and_counted(
    shop_database: ServiceDatabase, reopen: Callable[[], Store], others: int
) -> None:
    """Trap T18: the events were restored from an older copy, the snapshots were not; others may stand in their place."""
    store = reopen()
    order = grow(store, 12)
    with psycopg.connect(shop_database.owner_url, autocommit=True) as owner:
        owner.execute(f"SET search_path = {shop_database.service}".encode())
        owner.execute("ALTER TABLE stored_events DISABLE TRIGGER USER")
        owner.execute("DELETE FROM stored_events WHERE originator_version > 8")
    grow(reopen(), others, order, WHOLE)
    fresh, before = reopen(), outcome("foreign")
    assert fresh.load(KEPT, order) == reopen().load(WHOLE, order)
    assert fresh.load(KEPT, order).version == 8 + others
    assert outcome("foreign") == before + 1
    grow(fresh, 13 - others, order)
    assert reopen().load(KEPT, order).version == 21
    assert len(FOLDED) == 1


@pytest.mark.parametrize(
    "harm",
    [
        "ALTER TABLE snapshot RENAME TO snapshot_no_more",
        "REVOKE ALL ON snapshot FROM {role}",
        "ALTER TABLE snapshot DROP COLUMN state",
        "ALTER TABLE snapshot ADD CHECK (version < 0) NOT VALID",
    ],
)
def test_a_snapshot_store_that_is_away_fails_no_command(
    shop_database: ServiceDatabase, reopen: Callable[[], Store], harm: str
) -> None:
    """Trap T18: commands and loads succeed without it, and it is counted."""
    store = reopen()
    order = grow(store, 12)
    with psycopg.connect(shop_database.owner_url, autocommit=True) as owner:
        owner.execute(f"SET search_path = {shop_database.service}".encode())
        owner.execute(harm.format(role=shop_database.service).encode())
    before = outcome("not_kept")
    grow(store, 10, order)
    fresh = reopen()
    assert fresh.load(KEPT, order).version == 22
    assert outcome("not_kept") > before
    assert store.database.query_one("SELECT count(*) AS n FROM command") == {"n": 22}


def test_a_snapshot_store_that_hangs_fails_no_command(
    shop_database: ServiceDatabase, reopen: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap T18: somebody forgot a lock on the table; loads and commands do without it."""
    store = reopen()
    order = grow(store, 12)
    monkeypatch.setattr(snapshot, "PATIENCE", HASTE)
    with psycopg.connect(shop_database.owner_url) as careless:
        careless.execute(f"SET search_path = {shop_database.service}".encode())
        careless.execute("LOCK TABLE snapshot IN ACCESS EXCLUSIVE MODE")
        away, not_kept = outcome("away"), outcome("not_kept")
        grow(store, 10, order)
        assert reopen().load(KEPT, order).version == 22
    assert (outcome("away"), outcome("not_kept")) >= (away + 1, not_kept + 1)
    assert reopen().load(KEPT, order).version == 22


def test_a_changed_state_or_folding_ignores_the_old_snapshots(reopen: Callable[[], Store]) -> None:
    """A new release with another shape, or another edition of its folding, reads the events, and keeps its own."""
    store = reopen()
    order = grow(store, 12)
    weighed = Stream("order", Weighed(), weigh, keeps=TypeAdapter(Weighed))
    before = outcome("other_shape")
    assert reopen().load(weighed, order).state == Weighed(12, "item 11", 60)
    assert outcome("other_shape") == before + 1
    revised = replace(KEPT, edition=2)
    assert reopen().load(KEPT, order).state.items == 12
    assert len(FOLDED) == 12
    assert reopen().load(revised, order).state.items == 12
    assert len(FOLDED) == 12
    assert outcome("other_shape") > before + 1


def test_a_state_with_a_set_cannot_be_kept() -> None:
    """Its order differs from process to process; said when the stream is declared."""
    with pytest.raises(UnkeepableError):
        Stream("order", frozenset[str](), lambda state, _event: state, keeps=TypeAdapter(frozenset[str]))


def test_a_snapshot_is_not_in_the_appends_transaction(reopen: Callable[[], Store]) -> None:
    """Taken after the commit: a refused command leaves none, and streams that keep nothing have none."""
    store = reopen()
    grow(store, 25, stream=WHOLE)
    order = grow(store, 9)

    def refuse(_state: Counted, _now: datetime) -> Sequence[Event]:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        store.handle(KEPT, order, refuse, command())
    assert store.database.query("SELECT 1 FROM snapshot") == []
    grow(store, 1, order)
    assert store.database.query("SELECT stream_id, version FROM snapshot") == [{"stream_id": order, "version": 10}]
    assert store.handle(ORDER, f"order-{uuid4()}", place(), command()).version == 1
    assert Order() == ORDER.initial
