"""Messages to the world outside: rows first, each sent once, retried, given up, and never sent by a replay (trap T15)."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Event, Lock
from time import monotonic
from uuid import UUID, uuid4

import psycopg
import pytest
from shop import OrderPlaced
from warehouse import PATIENCE, Warehouse, caught_up, consumer_of, document, fact, order_id, publish, running, until

from shared_chassis import kafka
from shared_chassis.consumer import Reactions
from shared_chassis.postgres import Database
from shared_chassis.sender import Delivery, Sender, UndeliverableError, enqueue
from shared_events.envelope import Received

pytestmark = pytest.mark.postgres


@dataclass
class Outside:
    """A world outside that counts, and refuses so often as it is told."""

    refusals: int = 0
    never: bool = False
    sent: list[tuple[str, Mapping[str, object], float]] = field(default_factory=list)
    tried: list[float] = field(default_factory=list)
    delivered: Counter[UUID] = field(default_factory=Counter)
    failed: list[Delivery] = field(default_factory=list)
    mutex: Lock = field(default_factory=Lock)

    def send(self, delivery: Delivery) -> None:
        """Take a message, or do not; one at a time, so that no refusal is missed."""
        with self.mutex:
            self.tried.append(monotonic())
            refused = len(self.tried) <= self.refusals
        if self.never:
            raise UndeliverableError("no such address")
        if refused:
            raise ConnectionRefusedError("busy")
        self.sent.append((delivery.channel, delivery.payload, monotonic()))


def sender_of(database: Database, outside: Outside, attempts: int = 8) -> Sender[Outside]:
    """Wire a sender over two channels."""
    return Sender(
        database,
        {"email": lambda world, delivery: world.send(delivery), "sms": lambda world, delivery: world.send(delivery)},
        outside,
        delivered=lambda world, delivery: world.delivered.update([delivery.id]),
        failed=lambda world, delivery: world.failed.append(delivery),
        attempts=attempts,
        first_rest=0.2,
    )


def open_rows(database: Database) -> int:
    """Count the deliveries not yet at their end."""
    return len(database.query("SELECT 1 FROM delivery WHERE reported_at IS NULL"))


async def test_a_message_is_sent_once_for_each_cause_and_channel(warehouse: Warehouse) -> None:
    """The row is the truth: said twice, sent once; two channels are two messages; two senders do not double it."""
    cause, outside = uuid4(), Outside()
    first = enqueue(warehouse.database, cause, "email", {"text": "hello"})
    assert enqueue(warehouse.database, cause, "email", {"text": "hello again"}) == first
    enqueue(warehouse.database, cause, "sms", {"text": "hello"})
    for _ in range(50):
        enqueue(warehouse.database, uuid4(), "sms", {})
    async with running(sender_of(warehouse.database, outside), sender_of(warehouse.database, outside)):
        await until(lambda: not open_rows(warehouse.database))
    assert len(outside.sent) == 52
    assert [payload for channel, payload, _ in outside.sent if channel == "email"] == [{"text": "hello"}]
    assert set(outside.delivered.values()) == {1}
    assert len(outside.delivered) == 52


async def test_a_refused_message_is_tried_again_after_a_growing_rest(warehouse: Warehouse) -> None:
    """Exponential, with jitter; in the end it is sent and reported once."""
    outside = Outside(refusals=3)
    enqueue(warehouse.database, uuid4(), "email", {})
    async with running(sender_of(warehouse.database, outside)):
        await until(lambda: outside.delivered)
    rests = [later - sooner for sooner, later in zip(outside.tried, outside.tried[1:], strict=False)]
    assert len(outside.tried) == 4
    assert rests[0] >= 0.15
    assert rests[2] >= 0.6
    row = warehouse.database.query_one("SELECT attempts, error, sent_at IS NOT NULL AS sent FROM delivery")
    assert row == {"attempts": 4, "error": None, "sent": True}


async def test_a_message_is_given_up_after_so_many_attempts(warehouse: Warehouse) -> None:
    """The failure is reported, once, with what was said last."""
    outside = Outside(refusals=100)
    enqueue(warehouse.database, uuid4(), "email", {})
    async with running(sender_of(warehouse.database, outside, attempts=3)):
        await until(lambda: outside.failed)
        await until(lambda: not open_rows(warehouse.database))
        await asyncio.sleep(0.5)
    assert len(outside.tried) == 3
    assert [(each.attempts, each.error) for each in outside.failed] == [(3, "ConnectionRefusedError: busy")]
    assert open_rows(warehouse.database) == 0


async def test_a_message_that_never_can_be_delivered_is_given_up_at_once(warehouse: Warehouse) -> None:
    """Trying again would not help."""
    outside = Outside(never=True)
    enqueue(warehouse.database, uuid4(), "email", {})
    async with running(sender_of(warehouse.database, outside)):
        await until(lambda: outside.failed)
    assert len(outside.tried) == 1


async def test_what_was_sent_and_not_reported_is_reported_and_not_sent_again(warehouse: Warehouse) -> None:
    """A crash between the two: the row says it was sent."""
    outside = Outside()
    enqueue(warehouse.database, uuid4(), "email", {})

    def crash(_world: Outside, _delivery: Delivery) -> None:
        raise RuntimeError("the process dies here")

    dying = Sender(warehouse.database, {"email": lambda w, d: w.send(d)}, outside, delivered=crash, failed=crash, first_rest=0.2)
    async with running(dying):
        await until(lambda: outside.sent)
        await asyncio.sleep(0.3)
    assert open_rows(warehouse.database) == 1
    async with running(sender_of(warehouse.database, outside)):
        await until(lambda: not open_rows(warehouse.database))
    assert len(outside.sent) == 1
    assert set(outside.delivered.values()) == {1}


async def test_what_went_out_is_marked_though_a_neighbour_could_not_be_postponed(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database blinks while one message of a batch is put off: the others went out and do not go out again."""
    outside = Outside(refusals=1)

    def blink(_sender: object, _delivery: Delivery, _error: str, *, more: int) -> None:
        raise psycopg.OperationalError("gone")

    monkeypatch.setattr(Sender, "_postpone", blink)
    for _ in range(4):
        enqueue(warehouse.database, uuid4(), "email", {})
    async with running(sender_of(warehouse.database, outside)):
        await until(lambda: len(outside.sent) == 3)
        await until(lambda: open_rows(warehouse.database) == 1)
        warehouse.database.execute("UPDATE delivery SET leased_until = clock_timestamp() - interval '1 second'")
        await until(lambda: not open_rows(warehouse.database))
    assert len(outside.sent) == 4
    assert set(outside.delivered.values()) == {1}


async def test_a_slow_message_holds_up_one_thread_alone(warehouse: Warehouse) -> None:
    """The others take what is left of the batch: no more at a time than there are threads, and none waits behind the slow one."""
    outside, present, most = Outside(), 0, 0
    begun: list[UUID] = []
    release, mutex = Event(), Lock()

    def send(world: Outside, delivery: Delivery) -> None:
        nonlocal present, most
        with mutex:
            begun.append(delivery.id)
            present += 1
            most = max(most, present)
        assert delivery.id != begun[0] or release.wait(PATIENCE)
        world.send(delivery)
        with mutex:
            present -= 1

    for _ in range(12):
        enqueue(warehouse.database, uuid4(), "email", {})

    def report(world: Outside, delivery: Delivery) -> None:
        world.delivered.update([delivery.id])

    async with running(Sender(warehouse.database, {"email": send}, outside, delivered=report, failed=report, threads=3)):
        await until(lambda: len(outside.sent) == 11)
        assert not outside.delivered
        release.set()
        await until(lambda: not open_rows(warehouse.database))
    assert 2 <= most <= 3
    assert set(outside.delivered.values()) == {1}
    assert len(outside.delivered) == 12


async def test_a_channel_this_process_does_not_have_is_left_alone(warehouse: Warehouse) -> None:
    """Another process sends over it."""
    outside = Outside()
    enqueue(warehouse.database, uuid4(), "pigeon", {})
    enqueue(warehouse.database, uuid4(), "sms", {})
    async with running(sender_of(warehouse.database, outside)):
        await until(lambda: outside.delivered)
    assert open_rows(warehouse.database) == 1


@pytest.mark.kafka
async def test_a_replay_sends_nothing(warehouse: Warehouse, kafka_bootstrap: str) -> None:
    """Trap T15: the consumer forgets where it stood and hears everything again from zero: the senders count no message more."""
    topic = f"sample-{uuid4().hex[:8]}.events"
    await kafka.ensure_topic(kafka_bootstrap, topic)
    orders = [order_id() for _ in range(40)]
    await publish(
        kafka_bootstrap, topic, [(n, key, document(fact(key, 1, OrderPlaced(item="tea")))) for n, key in enumerate(orders, 1)]
    )

    def thank(context: Warehouse, received: Received) -> None:
        enqueue(context.database, received.envelope.id, "email", {"order": received.stream_id})

    def checksum() -> object:
        return warehouse.database.query("SELECT stream_id, state FROM order_state ORDER BY 1")

    outside = Outside()
    reactions: Reactions[Warehouse] = {OrderPlaced: thank}
    consumer = consumer_of(warehouse, kafka_bootstrap, [topic], reactions)
    async with running(consumer, sender_of(warehouse.database, outside)):
        await caught_up(consumer, kafka_bootstrap, topic)
        await until(lambda: len(outside.delivered) == 40)
    live = checksum()

    for sql in ("DELETE FROM consumer_position", "DELETE FROM heard", "DELETE FROM order_state"):
        warehouse.database.execute(sql)
    replayed = consumer_of(warehouse, kafka_bootstrap, [topic], reactions)
    async with running(replayed, sender_of(warehouse.database, outside)):
        await caught_up(replayed, kafka_bootstrap, topic)
        await until(lambda: not open_rows(warehouse.database))
    assert len(outside.sent) == 40
    assert set(outside.delivered.values()) == {1}
    assert checksum() == live
