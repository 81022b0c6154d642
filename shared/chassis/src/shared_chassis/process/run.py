"""One process, one event loop: the parts of a service side by side, watched, and drained in order when it is asked to stop."""

import asyncio
import gc
import os
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event

import structlog
import uvloop

from shared_chassis.metric import COMPONENT_RESTARTS

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before a component that failed is started again: at first, and at most."""

STEADY = 60.0
"""Seconds after which a component counts as running well, and its next pause is the first again."""

THREADS = 64
"""Blocking calls (`asyncio.to_thread`) the components may make at once."""

LAST_WORD = 1.0
"""Seconds a component has to end after it was cancelled for not draining in time."""

_log = structlog.get_logger()


class MisconfiguredError(Exception):
    """What this part needs is not as it must be, and starting it again would not help; the process ends."""


@dataclass(frozen=True, slots=True)
class Component:
    """A part of a process: it runs until `stop` is set, then finishes what it has in hand and returns."""

    label: str
    run: Callable[[asyncio.Event], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a process runs, in the order in which it stops: API, consumer, timers, sender, relay; then what it closes."""

    components: Sequence[Component]
    closing: Sequence[Callable[[], None]] = ()


def once(label: str, work: Callable[[], object], lacking: str) -> tuple[Component, Callable[[], str | None]]:
    """Make a component that does its work once, again if it fails, and a check that says what is `lacking` until it is done."""
    done = Event()

    async def do(stop: asyncio.Event) -> None:
        await asyncio.to_thread(work)
        done.set()
        await stop.wait()

    return Component(label, do), lambda: None if done.is_set() else lacking


def run(parts: Parts, drain_seconds: float = 20.0) -> int:
    """Run the parts until SIGTERM or SIGINT, then drain them one after another within `drain_seconds`; the exit status.

    0 after a drain, 1 after a `MisconfiguredError`. A second signal ends the process at once, and so does a component that
    does not drain in time: what it had in hand was not acknowledged, so it will be done again.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        status = runner.run(_Process(parts, drain_seconds).run())
    gc.unfreeze()  # what was spared is let go in order; extensions report a leak otherwise
    return status


class _Process:
    """The state of one run."""

    def __init__(self, parts: Parts, drain_seconds: float) -> None:
        self._parts = parts
        self._drain_seconds = drain_seconds
        self._stopping = asyncio.Event()
        self._status = 0

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="component"))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)
        running = [
            (part, stop := asyncio.Event(), asyncio.create_task(self._keep(part, stop))) for part in self._parts.components
        ]
        _spare_the_collector()
        _log.info("process.started", components=[part.label for part in self._parts.components])
        await self._stopping.wait()
        await self._drain(running)
        for close in self._parts.closing:
            await asyncio.to_thread(close)
        _log.info("process.ended", status=self._status)
        return self._status

    def _on_signal(self, number: int) -> None:
        if self._stopping.is_set():
            _log.warning("process.ended_at_once", signal=signal.Signals(number).name)
            os._exit(128 + number)
        _log.info("process.draining", signal=signal.Signals(number).name)
        self._stopping.set()

    async def _keep(self, part: Component, stop: asyncio.Event) -> None:
        """Run a component, and again whenever it fails or ends unasked, with growing pauses."""
        pause = FIRST_PAUSE
        while not stop.is_set():
            began = time.monotonic()
            try:
                await part.run(stop)
                if stop.is_set():
                    return
                _log.error("component.ended_unasked", component=part.label, again_in_s=pause)
            except MisconfiguredError as error:
                _log.critical("component.misconfigured", component=part.label, exc_info=error)
                self._status = 1
                self._stopping.set()
                return
            except Exception as error:  # noqa: BLE001 - whatever it was, it is told and the part is started again
                _log.error("component.failed", component=part.label, again_in_s=pause, exc_info=error)
            COMPONENT_RESTARTS.labels(part.label).inc()
            pause = FIRST_PAUSE if time.monotonic() - began > STEADY else pause
            await _first_of(stop, pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _drain(self, running: Sequence[tuple[Component, asyncio.Event, asyncio.Task[None]]]) -> None:
        deadline = time.monotonic() + self._drain_seconds
        late = []
        for part, stop, task in running:
            stop.set()
            done, _ = await asyncio.wait([task], timeout=max(deadline - time.monotonic(), 0.0))
            if done:
                _log.info("component.drained", component=part.label)
            else:
                _log.error("component.not_drained", component=part.label)
                late.append(task)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=LAST_WORD)
            _log.error("process.ended_at_once", reason="not drained in time")
            os._exit(1)


async def _first_of(stop: asyncio.Event, seconds: float) -> None:
    """Wait for the stop or for the time to pass."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


def _spare_the_collector() -> None:
    """Let the collector of cycles look at what the program made since its start, and seldom: a fifth of a call's CPU time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
