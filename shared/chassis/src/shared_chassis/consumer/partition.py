"""One partition of a topic: its events in order, its keys side by side, its position moved with what they led to."""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic
from typing import Generic, TypeVar

import structlog
from aiokafka import ConsumerRecord

from shared_chassis.consumer.breaker import Breaker
from shared_chassis.consumer.era import Era, Eras
from shared_chassis.consumer.lane import Dropped, Handler, Item, Lane
from shared_chassis.consumer.ledger import Ledger
from shared_chassis.consumer.position import Fenced, Place, Position, Positions, Step, Waiting
from shared_chassis.consumer.reaction import TROUBLE, C
from shared_chassis.log import told
from shared_chassis.metric import CONSUMER_SKIPPED, CONSUMER_UNKNOWN
from shared_chassis.view import Writing

BATCH = 200
"""The most events of a partition between two moves of its position."""

FULL, ROOM = 1000, 300
"""Fetching a partition pauses above so many events in hand, and resumes below."""

UNHURRIED = 0.5
"""Seconds for which a move past events nobody here handles may wait for company."""

PROBATION = 1.0
"""Seconds a bad event waits before it is parked: long enough to learn whether everything is bad."""

GLANCE = 0.05
"""Seconds between two looks, meanwhile, whether everything is."""

PATIENCE = 60.0
"""Seconds between two tries of an early event whose arrival nobody announced."""

log = structlog.get_logger()
T = TypeVar("T")


class LogReplacedError(RuntimeError):
    """The topic starts again below the position reached: another cluster answers, or its log was lost."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Why a key waits: the stream its first event awaits (None: a person), and when it is tried again in any case.

    `known` says that the stream had arrived already when it was last tried: its arrival is no news then.
    """

    awaits: str | None
    attempts: int
    next_try: float
    known: bool = False

    @classmethod
    def of(cls, awaits: str | None, attempts: int, *, known: bool = False) -> "Wait":
        """Let an early event rest longer with each attempt; whatever else waits, waits for a person."""
        if awaits is None:
            return cls(None, attempts, float("inf"))
        return cls(awaits, attempts, monotonic() + min(PATIENCE, 0.25 * 2.0**attempts), known)

    def over(self, arrived: Collection[str]) -> bool:
        """Say whether to try again, given which awaited streams are known by now."""
        return monotonic() >= self.next_try or (not self.known and self.awaits in arrived)


@dataclass(frozen=True)
class Crew(Generic[C]):
    """What the partitions of a consumer share."""

    handler: Handler[C]
    positions: Positions
    ledger: Ledger
    breaker: Breaker
    hands: Executor
    desk: Executor
    width: int
    nudge: Callable[[Iterable[str]], None]
    """Tells which keys have just been handled, for those that wait for them."""

    async def handle(self, work: Callable[[], T]) -> T:
        """Run reactions, on threads of which there are as many as may react at a time."""
        return await asyncio.get_running_loop().run_in_executor(self.hands, work)

    async def decide(self, work: Callable[[], T]) -> T:
        """Ask or tell the position store, on threads that no reaction can hold up."""
        return await asyncio.get_running_loop().run_in_executor(self.desk, work)


class Partition(Generic[C]):
    """Reads one partition from where the position store says, until it is revoked."""

    def __init__(self, crew: Crew[C], place: Place, seek: Callable[[int], None], flow: Callable[[bool], None]) -> None:
        self.place = place
        self.position = Position(0, 0)
        self.parked: dict[str, Wait] = {}
        self._eras = Eras()
        self.standing = False
        self.closing = False
        self._crew = crew
        self._seek = seek
        self._flow = flow
        self._reached = self.position
        self._buffer: deque[ConsumerRecord[bytes, bytes]] = deque()
        self._releases: dict[str, None] = {}
        self._unknown: set[str] = set()
        self._paused = False
        self._committed_at = 0.0
        self._wake = asyncio.Event()
        self.dropped = False

    def take(self, records: Sequence["ConsumerRecord[bytes, bytes]"]) -> None:
        """Take fetched records to work on."""
        self._buffer.extend(records)
        if len(self._buffer) > FULL and not self._paused:
            self._paused = True
            self._flow(False)
        self._wake.set()

    def release(self, key: str, *, arrived: bool = False) -> None:
        """Have a waiting key handled again, before newer events of it; `arrived` when what it awaits is known here by now."""
        if key in self.parked:
            self.parked[key] = replace(self.parked[key], known=arrived)
            self._releases[key] = None
            self._wake.set()

    def close(self) -> None:
        """Finish the batch in hand and then stop."""
        self.closing = True
        self._wake.set()

    async def work(self) -> None:
        """Handle events until closed. Raises `Fenced`, `Dropped`, `LogReplacedError` or `HistoryForkedError`."""
        await self._stand()
        while not self.closing:
            if self._releases:
                await self._release(next(iter(self._releases)))
            elif self._buffer:
                await self._batch()
            else:
                await self._idle()
        await self._catch_up()

    async def _stand(self) -> None:
        """Learn where the partition stands and which keys wait, and fetch from there."""
        self.position = await self._patiently(lambda: self._crew.decide(lambda: self._crew.positions.load(self.place)))
        heads = await self._patiently(lambda: self._crew.decide(lambda: self._crew.positions.heads(self.place)))
        self.parked = {head.event.key: _wait(head) for head in heads}
        self._eras = Eras(await self._patiently(lambda: self._crew.decide(lambda: self._crew.positions.eras(self.place))))
        self._reached = self.position
        self._seek(self.position.next_offset)
        self.standing = True
        self._crew.nudge(())

    async def _idle(self) -> None:
        self._wake.clear()
        pending = self._reached != self.position
        try:
            async with asyncio.timeout(UNHURRIED if pending else None):
                await self._wake.wait()
        except TimeoutError:
            await self._catch_up()

    async def _catch_up(self) -> None:
        """Move the position past events nobody here handles."""
        if self._reached != self.position:
            await self._commit(())

    async def _batch(self) -> None:
        reached = self._reached
        lanes: dict[str, Lane[C]] = {}
        for _ in range(min(BATCH, len(self._buffer))):
            record = self._buffer.popleft()
            if record.offset < reached.next_offset:
                raise LogReplacedError(f"{LogReplacedError.__doc__} ({self.place.topic}/{self.place.partition})")
            item = self._sift(record, reached.last_position)
            position = reached.last_position
            if item is not None:
                position = item.position
                if self._crew.handler.wants(item.type):
                    self._lane(lanes, item.key).todo.append(item)
            reached = Position(record.offset + 1, position, reached.epoch)
        if self._paused and len(self._buffer) < ROOM:
            self._paused = False
            self._flow(True)
        self._reached = reached
        await self._keep_eras()
        if lanes:
            await self._run(list(lanes.values()))
            await self._settle(list(lanes.values()))
        elif monotonic() - self._committed_at > UNHURRIED:
            await self._commit(())

    async def _keep_eras(self) -> None:
        """Keep which eras were met, before anything of them is applied."""
        if fresh := tuple(self._eras.fresh):
            await self._patiently(lambda: self._crew.decide(lambda: self._crew.positions.meet(self.place, fresh)))
            self._eras.kept()

    def _sift(self, record: "ConsumerRecord[bytes, bytes]", last: int) -> Item | None:
        """Read a record's headers; None when it is a repetition, or not an event of ours.

        Raises `HistoryForkedError` when what looks like a repetition, or like news, belongs to another history.
        """
        headers = dict(record.headers)
        place, kind = headers.get("position", b""), headers.get("type", b"")
        if not place.isdigit() or not kind:
            log.error("event.foreign", topic=record.topic, partition=record.partition, offset=record.offset)
            CONSUMER_UNKNOWN.labels(self.place.consumer).inc()
            return None
        position, type_ = int(place), kind.decode()
        self._eras.meet(Era.read(headers.get("era", b"")), last, f"{self.place.topic}/{self.place.partition}")
        if position <= last:
            CONSUMER_SKIPPED.labels(self.place.consumer, record.topic).inc()
            return None
        handler = self._crew.handler
        if not handler.wants(type_) and not handler.knows(type_):
            if type_ not in self._unknown:
                self._unknown.add(type_)
                log.warning("event.unknown_type", topic=record.topic, type=type_)
            CONSUMER_UNKNOWN.labels(self.place.consumer).inc()
        return Item(position, (record.key or b"").decode(), type_, record.value or b"")

    def _lane(self, lanes: dict[str, Lane[C]], key: str) -> Lane[C]:
        if key not in lanes:
            lanes[key] = self._new_lane(key, blocked=key in self.parked)
        return lanes[key]

    def _new_lane(self, key: str, *, blocked: bool) -> Lane[C]:
        crew, standing = self._crew, self.position

        def flush(folds: Sequence[Writing]) -> None:
            crew.positions.commit([Step(self.place, standing, standing, folds)])

        def dropped() -> bool:
            return self.dropped or crew.breaker.tripped

        return Lane(crew.handler, crew.breaker, key, flush, dropped, blocked=blocked)

    async def _run(self, lanes: Sequence[Lane[C]]) -> None:
        """Handle keys side by side; one that meets trouble is tried again alone, for as long as it takes."""
        todo = deque(lanes)

        def hand() -> list[tuple[Lane[C], Exception]]:
            troubled: list[tuple[Lane[C], Exception]] = []
            while True:
                try:
                    lane = todo.popleft()
                except IndexError:
                    return troubled
                if (error := lane.run()) is not None:
                    troubled.append((lane, error))

        width = min(self._crew.width, sum(lane.reacts for lane in lanes)) or 1
        troubled = await asyncio.gather(*(self._crew.handle(hand) for _ in range(width)))
        await asyncio.gather(*(self._persist(lane, error) for part in troubled for lane, error in part))

    async def _persist(self, lane: Lane[C], error: Exception | None) -> None:
        attempt = 0
        while error is not None:
            await self._pause(attempt, error)
            error = await self._crew.handle(lane.run)
            attempt += 1

    async def _settle(self, lanes: Sequence[Lane[C]]) -> None:
        """Commit what came of a batch; bad events are parked only when not everything is bad."""
        await self._probation(lanes)
        await self._commit(lanes)
        for lane in lanes:
            if lane.aside and lane.key not in self.parked:
                self.parked[lane.key] = Wait.of(lane.aside[0].awaits, 0)
        self._crew.nudge(lane.key for lane in lanes)

    async def _probation(self, lanes: Sequence[Lane[C]]) -> None:
        """Let bad events wait for the others' outcomes. Raises `Dropped` as soon as nearly everything turns out to be bad."""
        if any(lane.needs_a_person for lane in lanes):
            breaker, deadline = self._crew.breaker, monotonic() + PROBATION
            while not breaker.tripped and (left := deadline - monotonic()) > 0:  # noqa: ASYNC110 - threads trip it, and set no event
                await asyncio.sleep(min(left, GLANCE))
            if not breaker.may_park():
                raise Dropped(Dropped.__doc__)

    async def _release(self, key: str) -> None:
        """Handle a waiting key again, in order and before newer events of it."""
        del self._releases[key]
        rows = await self._patiently(lambda: self._crew.decide(lambda: self._crew.positions.waiting(self.place, key)))
        lane = self._new_lane(key, blocked=False)
        lane.todo.extend(_item(row) for row in rows)
        await self._run([lane])
        await self._commit([lane])
        if lane.aside:
            first = lane.aside[0]
            before = next((row.attempts for row in rows if row.parked_id == first.item.parked_id), 0)
            known = self.parked[key].known and self.parked[key].awaits == first.awaits
            self.parked[key] = Wait.of(first.awaits, before + 1, known=known)
        else:
            self.parked.pop(key, None)
        self._crew.nudge([key])

    async def _commit(self, lanes: Sequence[Lane[C]]) -> None:
        """Commit folds in order, what is set aside or done with, and the move to where reading has come."""
        attempt = 0
        while True:
            try:
                await self._crew.ledger.commit(self._step(lanes))
            except TROUBLE as error:
                await self._pause(attempt, error)
                attempt += 1
            except Fenced:
                raise
            except Exception:
                if not any(lane.folds() for lane in lanes):
                    raise
                for lane in lanes:
                    await self._patiently(partial(self._crew.decide, lane.isolate))
                await self._probation([lane for lane in lanes if lane.key not in self.parked])
            else:
                break
        self.position = self._reached
        self._committed_at = monotonic()

    def _step(self, lanes: Sequence[Lane[C]]) -> Step:
        return Step(
            self.place,
            self.position,
            self._reached,
            [fold for _, fold in sorted((each for lane in lanes for each in lane.folds()), key=lambda pair: pair[0])],
            sorted((row for lane in lanes for row in lane.parked()), key=lambda row: row.position),
            [row for lane in lanes for row in lane.settled()],
            [row for lane in lanes for row in lane.again()],
        )

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask again for as long as the database is in trouble."""
        attempt = 0
        while True:
            try:
                return await ask()
            except TROUBLE as error:
                await self._pause(attempt, error)
                attempt += 1

    async def _pause(self, attempt: int, error: Exception) -> None:
        """Wait a little longer each time, up to five seconds; others go on meanwhile."""
        if self.dropped:
            raise Dropped(Dropped.__doc__)
        place = {"consumer": self.place.consumer, "topic": self.place.topic, "partition": self.place.partition}
        log.warning("event.retried", **place, attempt=attempt, error=told(error))
        await asyncio.sleep(min(5.0, 0.1 * 2.0 ** min(attempt, 6)) * random.uniform(0.7, 1.0))  # noqa: S311 - jitter, no secret


def _wait(head: Waiting) -> Wait:
    return Wait.of(head.event.awaits if head.event.reason == "early" else None, head.attempts)


def _item(row: Waiting) -> Item:
    event = row.event
    return Item(event.position, event.key, event.type, event.state, row.parked_id, row.asked)
