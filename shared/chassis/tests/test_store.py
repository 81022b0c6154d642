"""A command on real PostgreSQL: handled once, on what is so now, or refused and nothing stored (traps T23, T32)."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import shop
from shop import ORDER, Order, OrderPacked, OrderPackedV2, OrderPaid, command, order_id, place

from shared_chassis.postgres import ServiceDatabase
from shared_chassis.recorder import Conflict
from shared_chassis.store import EXISTING, Command, KeyReusedError, PreconditionFailed, Store
from shared_chassis.stream import Stream
from shared_events.event import Event

pytestmark = pytest.mark.postgres


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
    assert len(times) >= 2
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
