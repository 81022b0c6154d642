"""A consumer of facts: it joins its group, and joins anew after any trouble."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Generic

import structlog
from aiokafka.errors import KafkaError

from shared_chassis.consumer.breaker import Breaker
from shared_chassis.consumer.era import HistoryForkedError
from shared_chassis.consumer.lane import Dropped, Handler
from shared_chassis.consumer.member import GATHER, Membership, Reading
from shared_chassis.consumer.partition import LogReplacedError
from shared_chassis.consumer.position import Fenced, Positions
from shared_chassis.consumer.reaction import TROUBLE, C, Folds, Reactions
from shared_chassis.kafka import MissingTopicError, TopicError
from shared_chassis.log import told
from shared_chassis.mapper import EventMapper

CONCURRENCY = 8
STEADY = 10.0
"""Seconds in the group after which the next trouble is met like a first one."""

REST = 30.0
"""Seconds between two attempts while the breaker is open."""

_TWELVE_EACH: Mapping[str, int] = MappingProxyType({})

log = structlog.get_logger()


class Consumer(Generic[C]):
    """Hears what other services say, and does here what follows from it: each once, in the order of its stream.

    `name` is the distribution's name and the Kafka group. `positions` keeps where it stands; `context` is given to reactions,
    of which `concurrency` run at a time; `gather` is the seconds between two fetches under load. `partitions` names the topics
    that have another number of partitions than 12.
    """

    def __init__(  # noqa: PLR0913 - wiring by arguments
        self,
        name: str,
        topics: Sequence[str],
        mapper: EventMapper,
        reactions: Reactions[C],
        folds: Folds,
        positions: Positions,
        context: C,
        *,
        bootstrap: str,
        concurrency: int = CONCURRENCY,
        partitions: Mapping[str, int] = _TWELVE_EACH,
        rest: float = REST,
        gather: float = GATHER,
    ) -> None:
        self.name = name
        self.positions = positions
        self._breaker = Breaker()
        handler = Handler(name, mapper, reactions, folds, context)
        self._reading = Reading(bootstrap, tuple(topics), partitions, handler, positions, self._breaker, concurrency, gather)
        self._rest = rest
        self._left: str | None = "The consumer has not joined its group yet."

    def trouble(self) -> str | None:
        """Say in a sentence why this consumer does not go on, for `/readyz`; None when it does."""
        return self._breaker.why or self._left

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until told to stop, joining the group anew after any trouble.

        Raises `TopicError` when a topic is not as the contract says; one that does not exist yet is waited for.
        """
        attempt = 0
        while not stop.is_set():
            started = asyncio.get_running_loop().time()
            try:
                self._left = None
                await Membership(self._reading).consume(stop)
            except MissingTopicError as error:
                await self._wait(stop, 1.0, error)
            except TopicError:
                raise
            except Dropped as error:
                await self._wait(stop, self._rest if self._breaker.tripped else 0.0, error)
                self._breaker.try_again()
            except HistoryForkedError as error:
                log.critical("consumer.history_forked", consumer=self.name, error=told(error))
                await self._wait(stop, self._rest, error)
            except (Fenced, LogReplacedError, KafkaError, OSError, *TROUBLE) as error:
                stayed = asyncio.get_running_loop().time() - started
                attempt = 0 if stayed > STEADY else attempt + 1
                await self._wait(stop, min(5.0, 0.1 * 2.0**attempt), error)

    async def _wait(self, stop: asyncio.Event, seconds: float, error: Exception) -> None:
        self._left = told(error)
        log.warning("consumer.left", consumer=self.name, error=self._breaker.why or self._left, seconds=seconds)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await stop.wait()
