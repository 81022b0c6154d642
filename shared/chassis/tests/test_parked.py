"""What a person does about events that wait: each word recorded, each key handled in order (trap T10)."""

import threading
from collections.abc import Callable

import pytest
import warehouse as house
from shop import OrderPackedV2, OrderPaid, OrderPlaced
from warehouse import (
    REACTIONS,
    Warehouse,
    caught_up,
    consumer_of,
    document,
    fact,
    order_id,
    parcel_of,
    publish,
    running,
    until,
)

from shared_chassis.consumer import Invalid
from shared_chassis.parked import NoReasonError, NotParkedError, ParkedEvent, PostgresParking
from shared_events.envelope import Received

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]


@pytest.fixture
def parking(warehouse: Warehouse) -> PostgresParking:
    """Give what a person decides with."""
    return PostgresParking(warehouse.database)


def life(order: str) -> list[tuple[int, str, bytes]]:
    """Spell an order's life: placed, packed, paid."""
    events = [OrderPlaced(item="tea"), OrderPackedV2(by="x", grams=1), OrderPaid()]
    return [(place, order, document(fact(order, place, event))) for place, event in enumerate(events, 1)]


def refusing(refused: threading.Event) -> Callable[[Warehouse, Received], None]:
    """React to a placed order only when nothing is refused."""

    def react(context: Warehouse, received: Received) -> None:
        if refused.is_set():
            raise Invalid("not like this")
        house.when_placed_then_open(context, received)

    return react


def decided(warehouse: Warehouse, order: str) -> list[str]:
    """Read what the warehouse decided about an order."""
    sql = "SELECT type FROM event_log WHERE stream_id = %(id)s ORDER BY position"
    return [row["type"] for row in warehouse.database.query(sql, {"id": parcel_of(order)})]


def waiting(parking: PostgresParking, key: str) -> list[tuple[int, str]]:
    """Read what waits of a key."""
    return [(event.position, event.reason) for event in parking.find(key=key)]


async def test_a_retry_handles_the_whole_key_in_order(
    warehouse: Warehouse, parking: PostgresParking, kafka_bootstrap: str, topic: str
) -> None:
    """Also when another event of the key is named; newer events of the key come after those that waited."""
    order, refused = order_id(), threading.Event()
    refused.set()
    await publish(kafka_bootstrap, topic, life(order)[:1])
    consumer = consumer_of(warehouse, kafka_bootstrap, [topic], {**REACTIONS, OrderPlaced: refusing(refused)})
    async with running(consumer):
        await caught_up(consumer, kafka_bootstrap, topic)
        await publish(kafka_bootstrap, topic, life(order)[1:])
        await caught_up(consumer, kafka_bootstrap, topic)
        assert waiting(parking, order) == [(1, "invalid"), (2, "behind"), (3, "behind")]
        last = parking.find(key=order)[-1]
        parking.retry(last.parked_id, "dispatcher:1")
        await until(lambda: parking.find(key=order)[0].attempts == 1)
        assert waiting(parking, order) == [(1, "invalid"), (2, "behind"), (3, "behind")]
        assert parking.find(key=order)[0].asked is None

        refused.clear()
        newer = fact(order, 4, OrderPackedV2(by="y", grams=2))
        parking.retry(parking.find(key=order)[0].parked_id, "dispatcher:2", "the rule is repaired")
        await publish(kafka_bootstrap, topic, [(9, order, document(newer))])
        await until(lambda: not parking.find(key=order))
        await caught_up(consumer, kafka_bootstrap, topic)
    assert decided(warehouse, order) == ["warehouse.parcel-opened.v1", "warehouse.parcel-sent.v1"]
    folded = warehouse.database.query("SELECT position FROM heard WHERE stream_id = %(id)s ORDER BY place", {"id": order})
    assert [row["position"] for row in folded] == [1, 2, 3, 9]
    (settled,) = [event for event in parking.find(key=order, settled=True) if event.position == 1]
    assert settled.settled_as == "handled"
    assert [(a.action, a.actor, a.reason) for a in parking.actions(settled.parked_id)] == [
        ("retry", "dispatcher:2", "the rule is repaired")
    ]


async def test_a_skip_needs_a_reason_and_releases_what_waited_behind(
    warehouse: Warehouse, parking: PostgresParking, kafka_bootstrap: str, topic: str
) -> None:
    """Who, when and why stay; the skipped event never has its effect, the next ones do."""
    order, refused = order_id(), threading.Event()
    refused.set()
    await publish(kafka_bootstrap, topic, life(order)[:2])
    consumer = consumer_of(warehouse, kafka_bootstrap, [topic], {**REACTIONS, OrderPlaced: refusing(refused)})
    async with running(consumer):
        await caught_up(consumer, kafka_bootstrap, topic)
        head = parking.find(key=order)[0]
        with pytest.raises(NoReasonError):
            parking.skip(head.parked_id, "dispatcher:1", "  ")
        asked = parking.skip(head.parked_id, "dispatcher:1", "entered twice by mistake")
        assert asked.asked == "skip"
        await until(lambda: not parking.find(key=order))
        await publish(kafka_bootstrap, topic, life(order)[2:])
        await caught_up(consumer, kafka_bootstrap, topic)
    assert decided(warehouse, order) == []
    states = warehouse.database.query("SELECT position FROM heard WHERE stream_id = %(id)s ORDER BY place", {"id": order})
    assert [row["position"] for row in states] == [2]
    skipped = parking.find(key=order, settled=True)[0]
    assert (skipped.settled_as, skipped.position) == ("skipped", 1)
    (action,) = parking.actions(skipped.parked_id)
    assert (action.action, action.actor, action.reason) == ("skip", "dispatcher:1", "entered twice by mistake")
    assert action.at >= skipped.parked_at
    assert waiting(parking, order) == [(3, "early")]


async def test_a_skip_of_the_only_event_lets_the_key_go_on(
    warehouse: Warehouse, parking: PostgresParking, kafka_bootstrap: str, topic: str
) -> None:
    """Nothing waits behind: the next event is handled, not parked behind nothing."""
    order, refused = order_id(), threading.Event()
    refused.set()
    await publish(kafka_bootstrap, topic, life(order)[:1])
    consumer = consumer_of(warehouse, kafka_bootstrap, [topic], {**REACTIONS, OrderPlaced: refusing(refused)})
    async with running(consumer):
        await caught_up(consumer, kafka_bootstrap, topic)
        parking.skip(parking.find(key=order)[0].parked_id, "dispatcher:1", "a test")
        await until(lambda: not parking.find(key=order))
        await publish(kafka_bootstrap, topic, life(order)[1:2])
        await caught_up(consumer, kafka_bootstrap, topic)
    assert waiting(parking, order) == []
    assert warehouse.database.query("SELECT 1 FROM heard WHERE stream_id = %(id)s AND position = 2", {"id": order})


async def test_a_skip_further_back_waits_its_turn(
    warehouse: Warehouse, parking: PostgresParking, kafka_bootstrap: str, topic: str
) -> None:
    """The head is not touched by it; when the head is handled, the skipped one is passed over."""
    order, refused = order_id(), threading.Event()
    refused.set()
    await publish(kafka_bootstrap, topic, life(order))
    consumer = consumer_of(warehouse, kafka_bootstrap, [topic], {**REACTIONS, OrderPlaced: refusing(refused)})
    async with running(consumer):
        await caught_up(consumer, kafka_bootstrap, topic)
        events: list[ParkedEvent] = parking.find(key=order)
        parking.skip(events[2].parked_id, "dispatcher:1", "it was not paid after all")
        refused.clear()
        parking.retry(events[0].parked_id, "dispatcher:1")
        await until(lambda: not parking.find(key=order))
    assert decided(warehouse, order) == ["warehouse.parcel-opened.v1"]


async def test_a_wish_is_granted_by_whoever_reads_the_partition_next(
    warehouse: Warehouse, parking: PostgresParking, kafka_bootstrap: str, topic: str
) -> None:
    """Nobody consumes when the person decides: the next consumer does it when it starts, before newer events."""
    order, refused = order_id(), threading.Event()
    refused.set()
    await publish(kafka_bootstrap, topic, life(order))
    broken = consumer_of(warehouse, kafka_bootstrap, [topic], {**REACTIONS, OrderPlaced: refusing(refused)})
    async with running(broken):
        await caught_up(broken, kafka_bootstrap, topic)
    parking.retry(parking.find(key=order)[0].parked_id, "auditor:1")
    repaired = consumer_of(warehouse, kafka_bootstrap, [topic])
    async with running(repaired):
        await until(lambda: not parking.find(key=order))
    assert decided(warehouse, order) == ["warehouse.parcel-opened.v1", "warehouse.parcel-sent.v1"]


def test_what_is_not_parked_cannot_be_decided_about(parking: PostgresParking) -> None:
    """An unknown number, or one that is done with."""
    with pytest.raises(NotParkedError):
        parking.retry(4711, "dispatcher:1")
    with pytest.raises(NotParkedError):
        parking.skip(4711, "dispatcher:1", "why not")
