"""The stream processor on a real Kafka: what it tallies equals the facts, also after a kill; what it cannot count is parked."""

import asyncio
import math
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from uuid import uuid4

import orjson
import pytest
import tally_until_killed
from broadcast import PATIENCE, broadcast, launch, read_to_the_end, running, until
from newsroom import Newsroom, heard, later, named, numbered

from analytics_svc.facts.file import FactFile
from analytics_svc.facts.position import DuckPositions
from analytics_svc.reports.tally import Comparison, compare
from analytics_svc.streams import processor as streams
from analytics_svc.streams.processor import Registration, Streams
from analytics_svc.worker import Tallies
from shared_chassis import kafka
from shared_events.envelope import Received

PROGRAM = Path(tally_until_killed.__file__)

CALM = tally_until_killed.CALM

MOST_ROUNDS = 250.0
"""How often a second a processor that has nothing to do may wake; it does seventy times, and thousands of times when it spins."""


@pytest.fixture
def city() -> str:
    """Name a city of this test's own: others' registrations are told apart from its."""
    return f"city-{uuid4().hex[:8]}"


@pytest.fixture
def hearing(facts: FactFile, kafka_bootstrap: str) -> Tallies:
    """Give what hears the processor, for the facts of one test."""
    return Tallies(f"tallies-{uuid4().hex[:8]}", kafka_bootstrap, DuckPositions(facts))


def registrations(city: str, count: int) -> list[Received]:
    """Register requests in three minutes that are over, of two districts and two types; each is submitted before."""
    room = Newsroom()
    begin = datetime.now(tz=UTC) - timedelta(minutes=8)
    for place in range(count):
        request, at = named(f"{city} {place}"), begin + timedelta(milliseconds=place * 160_000 // count)
        told = {"city": city, "district": f"d-{place % 2}", "service_type": f"t-{place % 3 % 2}"}
        room.submit(request, at=at, **told)
        room.register(request, at=at, **told)
    return numbered(room.said, later())


def compared(facts: FactFile, city: str) -> Comparison:
    """Compare this city's tallies with its facts."""
    return compare(facts, city)


def equal(facts: FactFile, city: str) -> bool:
    """Say whether tallies and facts agree, and are there."""
    found = compared(facts, city)
    return found.facts > 0 and found.difference == 0


def all_counted(bootstrap: str) -> bool:
    """Say whether the processor has acknowledged whatever there is to count."""
    return asyncio.run(read_to_the_end(bootstrap, streams.APP, [streams.SOURCE, streams.REGISTRATIONS]))


@pytest.mark.kafka
async def test_the_tallies_equal_the_facts(facts: FactFile, hearing: Tallies, kafka_bootstrap: str, city: str) -> None:
    """Minute by minute, for each type and district."""
    said = registrations(city, 600)
    heard(facts, said)
    await broadcast(kafka_bootstrap, said)
    async with running(Streams(kafka_bootstrap, CALM).run, hearing.run):
        await until(lambda: equal(facts, city))
    found = compared(facts, city)
    assert (found.tallies, found.facts, found.alarm) == (600, 600, False)
    assert {(row["district"], row["category"]) for row in found.windows} == {
        (f"d-{district}", f"t-{kind}") for district in (0, 1) for kind in (0, 1)
    }
    assert len({row["minute"] for row in found.windows}) >= 3


@pytest.mark.kafka
async def test_after_a_kill_the_tallies_catch_up(facts: FactFile, hearing: Tallies, kafka_bootstrap: str, city: str) -> None:
    """Kill -9 in mid-flight: what was counted is remembered, what is repeated is known by its position."""
    said = registrations(city, 1000)
    heard(facts, said)
    half = len(said) // 2
    killed = launch([sys.executable, str(PROGRAM), kafka_bootstrap, city, "750"])
    async with running(hearing.run):
        try:
            await broadcast(kafka_bootstrap, said[:half])
            await until(lambda: compared(facts, city).tallies == half // 2)
            await broadcast(kafka_bootstrap, said[half:])
            await until(lambda: killed.poll() is not None)
        finally:
            killed.kill()
            killed.wait()
        assert 250 <= compared(facts, city).difference <= 500
        async with running(Streams(kafka_bootstrap, CALM).run):
            await until(lambda: equal(facts, city))
            await until(lambda: all_counted(kafka_bootstrap))
            await asyncio.sleep(1.5 * streams.TELL_EVERY)
    found = compared(facts, city)
    assert (found.tallies, found.difference) == (1000, 0)


@pytest.mark.kafka
async def test_what_was_counted_and_not_told_before_a_stop_is_told_after_it(
    facts: FactFile, hearing: Tallies, kafka_bootstrap: str, city: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted and committed, so it never comes again: only the table remembers it."""
    said = registrations(city, 20)
    heard(facts, said)
    counted: list[Registration] = []
    count = streams._counted

    def counting(before: streams.Tally, found: Registration) -> streams.Tally | None:
        counted.extend([found] if found.window.city == city else [])
        return count(before, found)

    await broadcast(kafka_bootstrap, said)
    with monkeypatch.context() as silence:
        silence.setattr(streams, "TELL_EVERY", 1000.0)
        silence.setattr(streams, "_counted", counting)
        async with running(Streams(kafka_bootstrap, CALM).run):
            await until(lambda: len(counted) == 20)
            await until(lambda: all_counted(kafka_bootstrap))
    counted.clear()
    monkeypatch.setattr(streams, "_counted", counting)
    async with running(Streams(kafka_bootstrap, CALM).run, hearing.run):
        await until(lambda: equal(facts, city))
    assert counted == []


@pytest.mark.kafka
async def test_an_event_whose_agent_raised_is_parked_with_the_reason_and_later_ones_go_on(
    facts: FactFile, hearing: Tallies, kafka_bootstrap: str, city: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T8: Faust acknowledges event k although its agent raised; it is on the list, and all others are tallied."""
    said = registrations(city, 40)
    bad = said[21]
    assert bad.envelope.type == "request.request-registered.v1"

    def reading(partition: int, headers: Mapping[str, bytes], document: bytes) -> Registration:
        if headers["position"] == str(bad.position).encode() and city.encode() in document:
            raise RuntimeError("this one never")
        return registration(partition, headers, document)

    registration = streams.registration
    monkeypatch.setattr(streams, "registration", reading)
    heard(facts, said)
    await broadcast(kafka_bootstrap, said)
    async with running(Streams(kafka_bootstrap, CALM).run, hearing.run):
        await until(lambda: compared(facts, city).tallies == 39)
        await until(lambda: _parked(facts, bad) != [])
    assert _parked(facts, bad) == [("request.events", bad.envelope.type, "RuntimeError: this one never")]
    assert compared(facts, city).difference == 1
    assert compared(facts, city).alarm


@pytest.mark.kafka
async def test_a_document_that_cannot_be_read_is_parked_by_either_agent(
    facts: FactFile, hearing: Tallies, kafka_bootstrap: str, city: str
) -> None:
    """Nothing that comes stops an agent: a broken event of the source, and a broken message between the two agents."""
    said = registrations(city, 10)
    heard(facts, said)
    key = f"request-{named(city)}"
    async with running(Streams(kafka_bootstrap, CALM).run, hearing.run):
        await broadcast(kafka_bootstrap, said[:10])
        producer = kafka.new_producer(kafka_bootstrap)
        await producer.start()
        headers = [("type", b"request.request-registered.v1"), ("position", b"1")]
        await producer.send_and_wait("request.events", key=key.encode(), value=b"{", headers=headers)
        await until(lambda: _exists(kafka_bootstrap, streams.REGISTRATIONS))
        await producer.send_and_wait(streams.REGISTRATIONS, key=city.encode(), value=b"[1]")
        await producer.stop()
        await broadcast(kafka_bootstrap, said[10:])
        await until(lambda: equal(facts, city))
        await until(lambda: {key, city} <= {str(row["key"]) for row in facts.query("SELECT key FROM stream_parked")})


@pytest.mark.kafka
async def test_an_idle_processor_costs_next_to_nothing(kafka_bootstrap: str, city: str) -> None:
    """Once it has caught up it wakes a few dozen times a second and not thousands of times, however fast the machine is."""
    await broadcast(kafka_bootstrap, registrations(city, 1))
    rounds = counted_rounds(asyncio.get_running_loop())
    async with running(Streams(kafka_bootstrap, CALM).run), asyncio.timeout(PATIENCE):
        await until(lambda: all_counted(kafka_bootstrap))
        per_second = math.inf
        while per_second > MOST_ROUNDS:
            before, began = next(rounds), monotonic()
            await asyncio.sleep(2)
            per_second = (next(rounds) - before) / (monotonic() - began)


def counted_rounds(loop: asyncio.AbstractEventLoop) -> Iterator[int]:
    """Count the rounds a loop makes, in which whatever is done is done; each look tells how many there were."""
    count, once = 0, loop._run_once  # type: ignore[attr-defined]  # no other word of it is given

    def counted_once() -> None:
        nonlocal count
        count += 1
        once()

    loop._run_once = counted_once  # type: ignore[attr-defined]  # as above
    return iter(lambda: count, -1)


def test_a_registration_is_read_back_as_it_was_sent() -> None:
    """Also one without a district."""
    room = Newsroom()
    said = room.register(named("one"), district="")
    document = orjson.dumps(
        {"recordedtime": "2026-03-01T12:00:59.999999Z", "data": {**said.fact.model_dump(mode="json"), "district": None}}
    )
    found = streams.registration(3, {"position": b"17"}, document)
    assert found.window.minute == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert (found.window.district, found.partition, found.position) == ("", 3, 17)
    assert Registration.parse(found.key, found.value) == found


def test_positions_of_a_partition_are_counted_once() -> None:
    """The same or an earlier position of a partition was counted before; another partition's was not."""
    room = Newsroom()
    document = orjson.dumps(
        {"recordedtime": "2026-03-01T12:00:00Z", "data": room.register(named("one")).fact.model_dump(mode="json")}
    )

    def at(partition: int, position: int) -> Registration:
        return streams.registration(partition, {"position": str(position).encode()}, document)

    tally: streams.Tally = {}
    for found, counts in ((at(1, 5), True), (at(1, 5), False), (at(1, 4), False), (at(2, 4), True), (at(1, 6), True)):
        after = streams._counted(tally, found)
        assert (after is not None) is counts
        tally = after or tally
    assert streams._total(tally) == 3


def _parked(facts: FactFile, event: Received) -> list[tuple[object, ...]]:
    rows = facts.query("SELECT topic, type, error FROM stream_parked WHERE key = $key", {"key": event.stream_id})
    return [tuple(row.values()) for row in rows]


def _exists(bootstrap: str, topic: str) -> bool:
    return bool(asyncio.run(kafka.end_offsets(bootstrap, [topic]))[topic])
