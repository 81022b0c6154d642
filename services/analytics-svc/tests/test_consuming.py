"""Hearing on a real Kafka, with positions, parked events and facts in one file."""

import asyncio
import sys
from pathlib import Path
from uuid import uuid4

import fold_until_killed
import pytest
from broadcast import broadcast, launch, read_to_the_end, running, until
from newsroom import Newsroom, everything, heard, named, numbered

from analytics_svc.facts.file import IN_MEMORY, FactFile
from analytics_svc.facts.parked import DuckParking
from shared_chassis import kafka
from shared_events.envelope import Received

pytestmark = pytest.mark.kafka
PROGRAM = Path(fold_until_killed.__file__)


@pytest.fixture
def topic() -> str:
    """Name a topic of this test's own."""
    return f"heard-{uuid4().hex[:8]}"


def journeys(count: int) -> list[Received]:
    """Tell of so many requests."""
    room = Newsroom()
    for place in range(count):
        room.journey(named(f"request {place}"))
    return sorted(room.said, key=lambda each: each.position)


def expected(events: list[Received]) -> object:
    """Give the facts of events heard once, in order."""
    file = FactFile(IN_MEMORY, threads=1)
    heard(file, events)
    facts = everything(file)
    file.close()
    return facts


def count(path_or_file: FactFile) -> int:
    """Count the events folded."""
    return int(str(path_or_file.query("SELECT count(*) AS n FROM event")[0]["n"]))


async def test_a_killed_process_has_folded_each_event_once_or_not_at_all(
    kafka_bootstrap: str, tmp_path: Path, topic: str
) -> None:
    """Kill -9 in mid-flight; another process goes on from the file: nothing lost, nothing twice."""
    events = numbered(journeys(300), 0)
    third = len(events) // 3
    path = tmp_path / "facts.duckdb"
    await kafka.ensure_topic(kafka_bootstrap, topic)
    command = [sys.executable, str(PROGRAM), kafka_bootstrap, topic, str(path)]
    killed = launch(command)
    try:
        await broadcast(kafka_bootstrap, events[:third], topic)
        await until(lambda: asyncio.run(read_to_the_end(kafka_bootstrap, f"{fold_until_killed.NAME}-{topic}", [topic])))
        written = _written(path)
        await broadcast(kafka_bootstrap, events[third : 2 * third], topic)
        await until(lambda: _written(path) != written)
    finally:
        killed.kill()
        killed.wait()
    await broadcast(kafka_bootstrap, events[2 * third :], topic)
    file = FactFile(path)
    before = count(file)
    assert third <= before < len(events)
    async with running(fold_until_killed.consumer(kafka_bootstrap, topic, file).run):
        await until(lambda: count(file) == len(events))
    assert everything(file) == expected(events)
    file.close()


async def test_a_bad_event_waits_alone_and_is_skipped_by_a_persons_word(
    kafka_bootstrap: str, facts: FactFile, topic: str
) -> None:
    """Its key waits behind it, the others go on; skipped, the rest of its key is folded."""
    room = Newsroom()
    room.journey(named("good"))
    bad = room.submit(named("bad"))
    room.register(named("bad"))
    events = numbered(room.said, 0)
    await kafka.ensure_topic(kafka_bootstrap, topic)
    producer = kafka.new_producer(kafka_bootstrap)
    await producer.start()
    position = next(each.position for each in events if each.envelope.id == bad.envelope.id)
    headers = [("type", bad.envelope.type.encode()), ("position", str(position).encode())]
    await producer.send_and_wait(topic, key=bad.stream_id.encode(), value=b"{}", headers=headers)
    await producer.stop()
    await broadcast(kafka_bootstrap, [each for each in events if each.position != position], topic)
    parking = DuckParking(facts)
    async with running(fold_until_killed.consumer(kafka_bootstrap, topic, facts).run):
        await until(lambda: len(parking.find()) == 2 and count(facts) == len(events) - 2)
        assert [(each.key, each.reason) for each in parking.find()] == [
            (bad.stream_id, "invalid"),
            (bad.stream_id, "behind"),
        ]
        parking.skip(parking.find()[0].parked_id, "dispatcher:1", "It is no event.")
        await until(lambda: parking.find() == [] and count(facts) == len(events) - 1)


async def test_what_comes_again_is_not_folded_again(kafka_bootstrap: str, facts: FactFile, topic: str) -> None:
    """A relay that took over repeats; positions tell."""
    events = numbered(journeys(20), 0)
    await broadcast(kafka_bootstrap, events, topic)
    await broadcast(kafka_bootstrap, events[5:], topic)
    async with running(fold_until_killed.consumer(kafka_bootstrap, topic, facts).run):
        await until(lambda: count(facts) == len(events))
        await broadcast(kafka_bootstrap, events, topic)
        end = sum(offset for offset in (await kafka.end_offsets(kafka_bootstrap, [topic]))[topic].values())
        await until(lambda: _read(facts) == end)
    assert everything(facts) == expected(events)


def _written(path: Path) -> int:
    """Count the bytes of the log in which the file's newest transactions stand."""
    log = path.with_suffix(".duckdb.wal")
    return log.stat().st_size if log.exists() else 0


def _read(file: FactFile) -> int:
    """Count the offsets read."""
    return int(str(file.query("SELECT coalesce(sum(next_offset), 0)::BIGINT AS n FROM consumer_position")[0]["n"]))
