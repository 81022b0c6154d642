"""Saying things on a real Kafka, and waiting until they have been heard."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import Popen
from time import monotonic

from newsroom import as_messages

from shared_chassis import kafka
from shared_events.envelope import Received

PATIENCE = 180.0
"""Seconds after which what was waited for is taken for lost."""


async def broadcast(bootstrap: str, events: Iterable[Received], topic: str | None = None) -> None:
    """Publish events as the relay does, all on one topic where one is named."""
    messages = as_messages(events)
    for each in {topic or own for own, _ in messages}:
        await kafka.ensure_topic(bootstrap, each)
    producer = kafka.new_producer(bootstrap)
    await producer.start()
    try:
        for own, message in messages:
            await producer.send(topic or own, key=message.key, value=message.value, headers=list(message.headers))
        await producer.flush()
    finally:
        await producer.stop()


async def read_to_the_end(bootstrap: str, group: str, topics: Sequence[str]) -> bool:
    """Say whether a group has committed everything there is on some topics: whatever it did about that is done."""
    ends = await kafka.end_offsets(bootstrap, topics)
    async with kafka.administration(bootstrap) as client:
        committed = await client.list_consumer_group_offsets(group)
    stands = {(place.topic, place.partition): told.offset for place, told in committed.items()}
    return all(
        stands.get((topic, partition), 0) >= end for topic, partitions in ends.items() for partition, end in partitions.items()
    )


async def until(happened: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Wait until something is so. Raises `TimeoutError`."""
    deadline = monotonic() + patience
    while not await asyncio.to_thread(happened):
        if monotonic() > deadline:
            raise TimeoutError("It has not happened.")
        await asyncio.sleep(0.1)


def launch(command: Sequence[str], environment: Mapping[str, str] | None = None, log: Path | None = None) -> "Popen[bytes]":
    """Start a program of this test's, its output into a file."""
    if log is None:
        return Popen(command, env=environment)
    with log.open("ab") as lines:
        return Popen(command, env=environment, stdout=lines, stderr=lines)


def said_in(log: Path) -> str:
    """Read what a program said."""
    return log.read_text() if log.exists() else ""


def end_of(log: Path) -> str:
    """Read the end of what a program said."""
    return said_in(log)[-3000:]


def names(directory: Path) -> list[str]:
    """Name what is in a directory."""
    return sorted(path.name for path in directory.iterdir())


@asynccontextmanager
async def running(*components: Callable[[asyncio.Event], object]) -> AsyncIterator[None]:
    """Run parts of a process beside the test, and stop them in an orderly way; what one of them died of comes through."""
    stop = asyncio.Event()
    tasks = [asyncio.ensure_future(component(stop)) for component in components]  # type: ignore[arg-type]  # coroutines all
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)
