"""Signals on real Kafka: a topic of one partition, kept for a week, heard by a consumer of its own."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from control_room import adopted, pack

from dispatch_svc.worker import SIGNALS
from shared_chassis import kafka
from shared_chassis.consumer import Consumer, PostgresPositions
from shared_chassis.mapper import EventMapper, to_document
from shared_chassis.postgres import ServiceDatabase
from shared_events.analytics import SurgeDetected
from shared_events.catalogue import CATALOGUE
from shared_events.envelope import Envelope, Recorded
from shared_events.ids import SIGNALS_TOPIC

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]
WINDOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
MADE = 0
"""Kafka's word that there was no error."""


def document(district: str, number: int) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    """Write a signal as analytics does: key, document, headers; its position is the microsecond of its emission."""
    fact = SurgeDetected(
        city="kazan",
        service_type="lift",
        district=district,
        window_start=WINDOW,
        window_end=WINDOW + timedelta(minutes=30),
        count=42,
        average=3.5,
    )
    signal = uuid4()
    at = WINDOW + timedelta(seconds=number)
    envelope = Envelope(signal, "/veche/analytics-svc", fact.TYPE, at, at, "service:analytics-svc", signal, signal)
    recorded = Recorded(f"surge-{signal}", 1, envelope, fact)
    position = int(at.timestamp() * 1_000_000)
    headers = [("position", str(position).encode()), ("type", fact.TYPE.encode())]
    return recorded.stream_id.encode(), to_document(recorded), headers


async def test_signals_are_heard_though_their_topic_is_another_kind_than_facts(
    empty_database: ServiceDatabase, kafka_bootstrap: str
) -> None:
    """One partition and a week of retention are no error; each signal is heard once, also when it is sent again."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    if SIGNALS_TOPIC in await admin.list_topics():
        await admin.delete_topics([SIGNALS_TOPIC])
    wanted = NewTopic(SIGNALS_TOPIC, kafka.SIGNALS_PARTITIONS, 1, topic_configs={"retention.ms": str(7 * 24 * 3600 * 1000)})
    async with asyncio.timeout(60):
        while True:  # a topic of the same name is gone a while after it was deleted
            if (await admin.create_topics([wanted])).topic_errors[0][1] == MADE:
                break
            await asyncio.sleep(0.1)
    await admin.close()
    context = adopted(empty_database, pack())
    consumer = Consumer(
        "dispatch-svc-signals",
        [SIGNALS_TOPIC],
        EventMapper(CATALOGUE, "/tests/dispatch-svc"),
        SIGNALS,
        {},
        PostgresPositions(context.database),
        context,
        bootstrap=kafka_bootstrap,
        partitions={SIGNALS_TOPIC: kafka.SIGNALS_PARTITIONS},
    )
    stop = asyncio.Event()
    running = asyncio.create_task(consumer.run(stop))
    producer = kafka.new_producer(kafka_bootstrap)
    await producer.start()
    try:
        for number, district in enumerate(("kirov", "volga", "kirov", "kirov")):
            key, value, headers = document(district, number)
            await producer.send_and_wait(SIGNALS_TOPIC, value, key=key, headers=headers)
        async with asyncio.timeout(60):
            while await asyncio.to_thread(count, context.database, "consumer_position WHERE next_offset = 4") == 0:
                assert not running.done(), running
                await asyncio.sleep(0.1)
        found = context.database.query("SELECT districts, state FROM incident ORDER BY districts")
        assert [(row["districts"], row["state"]) for row in found] == [(["kirov"], "suggested"), (["volga"], "suggested")]
    finally:
        stop.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(10):
                await running
        await producer.stop()
        context.database.close()


def count(database: object, what: str) -> int:
    """Count rows."""
    row = database.query_one(f"SELECT count(*) AS n FROM {what}")  # type: ignore[attr-defined]  # the tests' database
    return int(row["n"])
