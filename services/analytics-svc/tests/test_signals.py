"""Surges on a real Kafka: told once a window, also across a restart, in the form every consumer of facts reads."""

import asyncio
import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import LiteralString
from uuid import uuid4

import pytest
import tally_until_killed
from broadcast import broadcast, launch, running, until
from newsroom import Newsroom, later, named, numbered
from tally_until_killed import CALM

from analytics_svc.domain import surge
from analytics_svc.facts.file import FactFile
from analytics_svc.facts.position import DuckPositions
from analytics_svc.facts.tally import Window, ensure_topics
from analytics_svc.streams.processor import Streams
from analytics_svc.streams.signal import signal, spoken
from analytics_svc.worker import Tallies
from shared_chassis import kafka
from shared_chassis.consumer import Consumer, Reactions
from shared_chassis.kafka import SIGNALS_PARTITIONS
from shared_chassis.mapper import EventMapper
from shared_events.analytics import SurgeDetected
from shared_events.catalogue import CATALOGUE
from shared_events.envelope import Received
from shared_events.ids import SIGNALS_TOPIC

pytestmark = pytest.mark.kafka
PROGRAM = Path(tally_until_killed.__file__)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def city() -> str:
    """Name a city of this test's own: others' registrations are told apart from its."""
    return f"city-{uuid4().hex[:8]}"


@pytest.fixture
def begin() -> datetime:
    """Begin five and a half hours ago, with a minute."""
    return datetime.now(tz=UTC).replace(second=0, microsecond=0) - timedelta(minutes=330)


def registrations(city: str, moments: Iterable[datetime], kind: str = "no-heat") -> list[Received]:
    """Register a request at each moment, in one district."""
    room = Newsroom()
    for place, at in enumerate(moments):
        room.register(named(f"{city} {kind} {place} {at}"), at=at, city=city, service_type=kind, district="d-1")
    return numbered(room.said, later())


def steady(begin: datetime, minutes: int, every: int = 1) -> list[datetime]:
    """Name a moment every so many minutes."""
    return [begin + minute * MINUTE for minute in range(0, minutes, every)]


async def hear(bootstrap: str, city: str, heard: list[Received], stop: asyncio.Event) -> None:
    """Consume signals as dispatch-svc does: the chassis' consumer, with positions kept elsewhere."""
    reactions: Reactions[None] = {
        SurgeDetected: lambda _context, received: (
            heard.append(received) if isinstance(received.fact, SurgeDetected) and received.fact.city == city else None
        )
    }
    file = FactFile(":memory:", threads=1)
    consumer = Consumer(
        f"dispatch-{uuid4().hex[:8]}",
        [SIGNALS_TOPIC],
        EventMapper(CATALOGUE, "/tests/dispatch-svc"),
        reactions,
        {},
        DuckPositions(file),
        None,
        bootstrap=bootstrap,
        partitions={SIGNALS_TOPIC: SIGNALS_PARTITIONS},
    )
    await consumer.run(stop)
    file.close()


@pytest.fixture
def hearing(facts: FactFile, kafka_bootstrap: str) -> Tallies:
    """Give what hears the tallies: they tell how much the processor has counted."""
    return Tallies(f"tallies-{uuid4().hex[:8]}", kafka_bootstrap, DuckPositions(facts))


async def tallied(facts: FactFile, city: str, count: int) -> None:
    """Wait until so many registrations of a city are counted."""
    await until(lambda: _count(facts, "SELECT coalesce(sum(count), 0)::INT AS n FROM tally WHERE city = $about", city) == count)


async def a_while() -> None:
    """Let what should not be told have the time to be told: signals are heard within the second."""
    await asyncio.sleep(1.5)


async def test_a_burst_after_a_quiet_history_is_told_once_and_steady_traffic_is_not(
    facts: FactFile, hearing: Tallies, kafka_bootstrap: str, city: str, begin: datetime
) -> None:
    """Of one type one request every ten minutes, then forty at once; of another the same each minute all the time."""
    burst = [begin + 320 * MINUTE + second * timedelta(seconds=1) for second in range(40)]
    heard: list[Received] = []
    async with running(Streams(kafka_bootstrap, CALM).run, hearing.run, lambda stop: hear(kafka_bootstrap, city, heard, stop)):
        await broadcast(kafka_bootstrap, registrations(city, steady(begin, 320, 10)))
        await broadcast(kafka_bootstrap, registrations(city, steady(begin, 325, 1), "bulky-items"))
        await tallied(facts, city, 32 + 325)
        await a_while()
        assert heard == []
        await broadcast(kafka_bootstrap, registrations(city, burst))
        await until(lambda: heard != [])
        await tallied(facts, city, 32 + 325 + 40)
        await a_while()
    (received,) = heard
    fact = received.fact
    assert isinstance(fact, SurgeDetected)
    assert (fact.city, fact.service_type, fact.district, fact.count) == (city, "no-heat", "d-1", 20)
    assert (fact.window_start, fact.window_end) == (begin + 291 * MINUTE, begin + 321 * MINUTE)
    assert 2.0 < fact.average < 4.0
    assert received.stream_id.startswith("surge-")
    assert received.envelope.actor == "service:analytics-svc"
    said = await spoken(kafka_bootstrap)
    assert said.until[f"no-heat|d-1|{city}"] == int(fact.window_end.timestamp()) // 60
    assert said.next_position() > received.position


async def test_a_restart_in_the_middle_of_a_burst_tells_nothing_twice_and_forgets_nothing(
    facts: FactFile, hearing: Tallies, kafka_bootstrap: str, city: str, begin: datetime
) -> None:
    """Kill -9 after the history and again after the first signal; the burst goes on, and over a window later it is told again."""
    heard: list[Received] = []
    burst = [begin + minute * MINUTE + second * timedelta(seconds=6) for minute in range(270, 320) for second in range(10)]
    half = [at for at in burst if at < begin + 285 * MINUTE]
    async with running(hearing.run, lambda stop: hear(kafka_bootstrap, city, heard, stop)):
        killed = launch([sys.executable, str(PROGRAM), kafka_bootstrap])
        try:
            await broadcast(kafka_bootstrap, registrations(city, steady(begin, 270, 10)))
            await tallied(facts, city, 27)
        finally:
            killed.kill()
            killed.wait()
        killed = launch([sys.executable, str(PROGRAM), kafka_bootstrap])
        try:
            await broadcast(kafka_bootstrap, registrations(city, half))
            await until(lambda: heard != [])
        finally:
            killed.kill()
            killed.wait()
        async with running(Streams(kafka_bootstrap, CALM).run):
            await tallied(facts, city, 27 + len(half))
            await a_while()
            assert len({each.envelope.id for each in heard}) == 1
            await broadcast(kafka_bootstrap, registrations(city, [at for at in burst if at not in half]))
            await tallied(facts, city, 27 + len(burst))
            await until(lambda: len(heard) > 1)
            await a_while()
    assert len({each.envelope.id for each in heard}) == len(heard) == 2
    first, second = _windows(heard)
    assert second[0] >= first[1]


async def test_what_goes_wrong_with_a_surge_is_parked_and_costs_no_tally(
    facts: FactFile, hearing: Tallies, kafka_bootstrap: str, city: str, begin: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T8: the registration is tallied, the reason is on the list, and the next ones go on."""
    counted = surge.counted
    fails = (3, 14, 15)

    def sometimes(
        before: surge.History, minute: int, partition: int, position: int, by: surge.Sensitivity
    ) -> surge.History | None:
        if minute - int(begin.timestamp()) // 60 in fails:
            raise RuntimeError("this one never")
        return counted(before, minute, partition, position, by)

    monkeypatch.setattr(surge, "counted", sometimes)
    key = f"no-heat|d-1|{city}"
    async with running(Streams(kafka_bootstrap, CALM).run, hearing.run):
        await broadcast(kafka_bootstrap, registrations(city, steady(begin, 30)))
        await tallied(facts, city, 30)
        await until(lambda: _count(facts, "SELECT count(*) AS n FROM stream_parked WHERE key = $about", key) == 3)
    errors = {str(row["error"]) for row in facts.query("SELECT error FROM stream_parked WHERE key = $key", {"key": key})}
    assert errors == {"RuntimeError: this one never"}


async def test_the_topic_is_made_with_one_partition_and_asserted(kafka_bootstrap: str) -> None:
    """T26: dispatch-svc finds it as the contract says; another number of partitions is refused."""
    await ensure_topics(kafka_bootstrap)
    await kafka.require_topics(kafka_bootstrap, [SIGNALS_TOPIC], {SIGNALS_TOPIC: SIGNALS_PARTITIONS})
    with pytest.raises(kafka.TopicError, match="has 1 partitions and must have 12"):
        await kafka.ensure_topic(kafka_bootstrap, SIGNALS_TOPIC)


def test_a_signal_has_the_form_of_every_fact() -> None:
    """One document under the stream's name, with the headers a consumer sifts by; the same window is the same event."""
    window = Window(datetime(2026, 3, 1, 12, tzinfo=UTC), "kazan", "", "no-heat")
    found = surge.Surge(29_539_400, 29_539_430, 40, 2.5)
    said, again = signal(window, found, 1_000_001), signal(window, found, 2_000_002)
    headers = dict(said.headers)
    assert (headers["type"], headers["position"]) == (b"analytics.surge-detected.v1", b"1000001")
    assert headers["content-type"] == b"application/cloudevents+json"
    document = json.loads(said.value)
    assert said.key.decode() == document["subject"] == f"surge-{document['correlationid']}"
    assert (document["source"], document["data"]["district"]) == ("/veche/analytics-svc", None)
    recorded = EventMapper(CATALOGUE, "/tests").from_document(said.value)
    assert recorded.envelope.id == EventMapper(CATALOGUE, "/tests").from_document(again.value).envelope.id


def _count(facts: FactFile, sql: LiteralString, about: str) -> object:
    return facts.query(sql, {"about": about})[0]["n"]


def _windows(heard: list[Received]) -> list[tuple[datetime, datetime]]:
    facts = [each.fact for each in heard if isinstance(each.fact, SurgeDetected)]
    return sorted((fact.window_start, fact.window_end) for fact in facts)
