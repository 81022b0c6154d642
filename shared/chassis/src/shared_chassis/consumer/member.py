"""One stay of a consumer in its Kafka group: who reads which partition, and what waits for what."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Generic

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from shared_chassis import kafka
from shared_chassis.consumer.breaker import Breaker
from shared_chassis.consumer.lane import Handler
from shared_chassis.consumer.ledger import Ledger
from shared_chassis.consumer.partition import Crew, LogReplacedError, Partition
from shared_chassis.consumer.position import Place, Positions
from shared_chassis.consumer.reaction import TROUBLE, C
from shared_chassis.log import told
from shared_chassis.metric import CONSUMER_LAG

GRACE = 3.0
"""Seconds a partition has to finish its batch when it is taken away or the process stops."""

WATCH = 0.5
"""Seconds between two looks at what waiting keys wait for; nobody looks while none waits."""

GATHER = 0.25
"""Seconds to let events gather between two fetches: under load they come in dozens, not one by one."""

HASTE = 0.02
"""Seconds between two such looks at least; more when looking takes long."""

TELL = 2.0
"""Seconds between two words to Kafka's tools about how far this consumer is."""

SAME_CLUSTER = 5
"""After so many words the cluster is asked whether it is still the same."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Reading(Generic[C]):
    """What a consumer reads and how."""

    bootstrap: str
    topics: Sequence[str]
    partitions: Mapping[str, int]
    handler: Handler[C]
    positions: Positions
    breaker: Breaker
    concurrency: int
    gather: float

    @property
    def consumer(self) -> str:
        """The consumer's name, and the Kafka group's."""
        return self.handler.consumer


class Membership(ConsumerRebalanceListener, Generic[C]):  # type: ignore[misc]  # aiokafka has no types
    """One stay in the group, from joining to the first trouble that needs joining anew."""

    def __init__(self, reading: Reading[C]) -> None:
        self._reading = reading
        self._cluster = ""
        self._kafka = kafka.new_consumer(reading.bootstrap, reading.consumer)
        self._hands = ThreadPoolExecutor(reading.concurrency, thread_name_prefix=f"{reading.consumer}-hand")
        self._desk = ThreadPoolExecutor(2, thread_name_prefix=f"{reading.consumer}-ledger")
        ledger = Ledger(reading.positions, self._desk)
        self._crew = Crew(
            reading.handler, reading.positions, ledger, reading.breaker, self._hands, self._desk, reading.concurrency, self._nudge
        )
        self._partitions: dict[TopicPartition, Partition[C]] = {}
        self._work: dict[TopicPartition, asyncio.Task[None]] = {}
        self._look = asyncio.Event()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def consume(self, stop: asyncio.Event) -> None:
        """Read until told to stop.

        Raises `Fenced`, `Dropped`, `LogReplacedError`, `HistoryForkedError`, `TopicError` or Kafka's errors.
        """
        reading = self._reading
        await kafka.require_topics(reading.bootstrap, reading.topics, reading.partitions)
        self._cluster = await kafka.cluster_id(reading.bootstrap)
        self._kafka.subscribe(topics=list(reading.topics), listener=self)
        stopped = asyncio.create_task(_until(stop))
        tasks = [stopped]
        try:
            await self._kafka.start()
            log.info("consumer.joined", consumer=reading.consumer, topics=list(reading.topics), cluster=self._cluster)
            tasks += [asyncio.create_task(each) for each in (self._poll(), self._watch(), self._tell())]
            ended, _ = await asyncio.wait([self._failed, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for each in ended:
                each.result()
        finally:
            await self._leave(tasks, graceful=stopped.done())

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Finish what is in hand of the partitions that are taken away, or drop it."""
        await self._close(revoked, graceful=True)

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Start on the partitions given: each from where the position store says."""
        if not assigned:
            return
        self._kafka.pause(*assigned)
        try:
            answers = await kafka.cluster_id(self._reading.bootstrap)
        except (KafkaError, OSError, TimeoutError) as error:
            self._fail(error)
            return
        if answers != self._cluster:
            self._fail(LogReplacedError(LogReplacedError.__doc__))
            return
        for place in assigned:
            self._start(place)

    def _start(self, at: TopicPartition) -> None:
        def seek(offset: int) -> None:
            with suppress(IllegalStateError):  # revoked in the meantime: its task is about to be cancelled
                self._kafka.seek(at, offset)
                self._kafka.resume(at)

        def flow(on: bool) -> None:  # noqa: FBT001 - a valve has two positions
            with suppress(IllegalStateError):
                (self._kafka.resume if on else self._kafka.pause)(at)

        place = Place(self._reading.consumer, self._cluster, at.topic, at.partition)
        partition = Partition(self._crew, place, seek, flow)
        self._partitions[at] = partition
        task = asyncio.create_task(partition.work())
        task.add_done_callback(self._worked)
        self._work[at] = task

    def _worked(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)

    async def _close(self, places: Collection[TopicPartition], *, graceful: bool) -> None:
        leaving = [(self._partitions.pop(at), self._work.pop(at)) for at in places if at in self._partitions]
        if graceful and leaving:
            for partition, _ in leaving:
                partition.close()
            await asyncio.wait([task for _, task in leaving], timeout=GRACE)
        for partition, task in leaving:
            partition.dropped = True
            task.cancel()

    async def _leave(self, tasks: "Sequence[asyncio.Task[None]]", *, graceful: bool) -> None:
        for task in tasks:
            task.cancel()
        await self._close(list(self._partitions), graceful=graceful)
        self._failed.cancel()
        with suppress(KafkaError, TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(2 * GRACE):
                await self._kafka.stop()
        for threads in (self._hands, self._desk):
            threads.shutdown(wait=False, cancel_futures=True)
        log.info("consumer.stopped", consumer=self._reading.consumer)

    async def _poll(self) -> None:
        """Fetch for all partitions at once, always: heartbeats and polling go on whatever the handlers do."""
        while True:
            batches = await self._kafka.getmany(timeout_ms=1000)
            for at, records in batches.items():
                partition = self._partitions.get(at)
                if partition is not None and partition.standing:
                    partition.take(records)
            if batches:
                await asyncio.sleep(self._reading.gather)

    def _nudge(self, keys: Iterable[str]) -> None:
        """Release what waits for one of these keys, and look again at what waits for anything else."""
        handled = set(keys)
        for partition in self._partitions.values():
            for key, wait in partition.parked.items():
                self._look.set()
                if wait.awaits in handled:
                    partition.release(key)

    async def _watch(self) -> None:
        """Release waiting keys when what they await has arrived, when a person asks, or when it is time to try again."""
        while True:
            self._look.clear()
            waiting = any(partition.parked for partition in self._partitions.values())
            if waiting:
                begun = monotonic()
                try:
                    await self._release()
                except TROUBLE as error:
                    log.warning("consumer.watch_failed", consumer=self._reading.consumer, error=told(error))
                await asyncio.sleep(max(HASTE, 3 * (monotonic() - begun)))
            with suppress(TimeoutError):
                async with asyncio.timeout(WATCH if waiting else None):
                    await self._look.wait()

    async def _release(self) -> None:
        positions, consumer = self._reading.positions, self._reading.consumer
        awaited = {wait.awaits for partition in self._partitions.values() for wait in partition.parked.values() if wait.awaits}
        asked = set(await self._crew.decide(lambda: positions.asked(consumer)))
        arrived = await self._crew.decide(lambda: positions.arrived(awaited)) if awaited else ()
        for partition in list(self._partitions.values()):
            place = partition.place
            for key, wait in list(partition.parked.items()):
                if (place.topic, place.partition, key) in asked or wait.over(arrived):
                    partition.release(key, arrived=wait.awaits in arrived)

    async def _tell(self) -> None:
        """Tell Kafka's tools and our metrics how far this consumer is; nothing here depends on it."""
        told_before: dict[TopicPartition, int] = {}
        for round_ in range(1, 2**63):
            await asyncio.sleep(TELL)
            assigned = self._kafka.assignment()
            standing = {at: each for at, each in self._partitions.items() if each.standing and at in assigned}
            offsets = {at: each.position.next_offset for at, each in standing.items()}
            for at, offset in offsets.items():
                end = self._kafka.highwater(at)
                if end is not None:
                    CONSUMER_LAG.labels(self._reading.consumer, at.topic, at.partition).set(max(0, end - offset))
            moved = {at: offset for at, offset in offsets.items() if told_before.get(at) != offset}
            if moved:
                with suppress(KafkaError, TimeoutError):
                    async with asyncio.timeout(TELL):
                        await self._kafka.commit(moved)
                told_before.update(moved)
            if round_ % SAME_CLUSTER == 0:
                await self._see_the_same_cluster()

    async def _see_the_same_cluster(self) -> None:
        """Raise `LogReplacedError` when another cluster answers; no answer is no news."""
        try:
            answers = await kafka.cluster_id(self._reading.bootstrap)
        except (KafkaError, OSError, TimeoutError):
            return
        if answers != self._cluster:
            raise LogReplacedError(LogReplacedError.__doc__)


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()
