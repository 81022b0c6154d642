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

PATIENCE = 90.0
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


def end_of(log: Path) -> str:
    """Read the end of what a program said."""
    return log.read_text()[-3000:] if log.exists() else ""


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
