"""What analytics does when others speak: it folds, and decides nothing. What the stream processor tells is folded beside.

All of it goes through one position store, so facts, tallies and positions are written in the same transactions.
"""

import asyncio
from contextlib import suppress
from types import MappingProxyType
from typing import Final

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import Gauge

from analytics_svc.facts.file import FactFile
from analytics_svc.facts.position import DuckPositions
from analytics_svc.facts.tally import TOPICS, ensure_topics, statements
from analytics_svc.reports.tally import compare
from shared_chassis import kafka
from shared_chassis.consumer import Fenced, Place, Position, Reactions, Step
from shared_chassis.consumer.reaction import TROUBLE
from shared_chassis.log import told

REACTIONS: Final[Reactions[None]] = MappingProxyType({})
"""Nothing follows here from what others state: it is counted (`facts.fold.FOLDS`)."""

TALLY_DIFFERENCE = Gauge(
    "veche_tally_difference_share", "Share of registrations by which the stream processor's tallies differ from the facts."
)

LOOK_EVERY: Final = 60.0
"""Seconds between two looks at the difference."""

AGAIN: Final = 2.0
"""Seconds before reading begins anew after trouble."""

_log = structlog.get_logger()


class Tallies:
    """Hears what the stream processor tells, under a name of its own among the consumers."""

    def __init__(self, name: str, bootstrap: str, positions: DuckPositions) -> None:
        self._name = name
        self._bootstrap = bootstrap
        self._positions = positions

    async def run(self, stop: asyncio.Event) -> None:
        """Read until told to stop, beginning anew after any trouble. Raises `TopicError`."""
        while not stop.is_set():
            try:
                await self._read(stop)
            except kafka.TopicError:
                raise
            except (Fenced, KafkaError, OSError, *TROUBLE) as error:
                _log.warning("tallies.interrupted", error=told(error))
                with suppress(TimeoutError):
                    async with asyncio.timeout(AGAIN):
                        await stop.wait()

    async def _read(self, stop: asyncio.Event) -> None:
        await ensure_topics(self._bootstrap)
        cluster = await kafka.cluster_id(self._bootstrap)
        consumer = kafka.new_consumer(self._bootstrap, self._name)
        places = {TopicPartition(topic, 0): Place(self._name, cluster, topic, 0) for topic in TOPICS}
        standing = {at: await asyncio.to_thread(self._positions.load, place) for at, place in places.items()}
        consumer.assign(list(places))
        await consumer.start()
        try:
            for at, position in standing.items():
                consumer.seek(at, position.next_offset)
            while not stop.is_set():
                batches = await consumer.getmany(timeout_ms=1000)
                for at, records in batches.items():
                    reached = Position(records[-1].offset + 1, 0, standing[at].epoch)
                    step = Step(places[at], standing[at], reached, statements(records))
                    await asyncio.to_thread(self._positions.commit, [step])
                    standing[at] = reached
        finally:
            await consumer.stop()


async def watch_tallies(facts: FactFile, stop: asyncio.Event) -> None:
    """Say aloud when the tallies differ from the facts by more than they may."""
    while not stop.is_set():
        compared = await asyncio.to_thread(compare, facts, None, 0)
        TALLY_DIFFERENCE.set(compared.share)
        if compared.alarm:
            _log.error("tallies.differ", tallies=compared.tallies, facts=compared.facts, share=round(compared.share, 4))
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY):
                await stop.wait()
