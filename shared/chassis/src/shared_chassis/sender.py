"""Effects on the world outside (e-mail, SMS, webhooks): rows first, then sent, with retries, and reported back as facts.

A row is unique by cause and channel and stays when it is done, so hearing the same event again sends nothing. What was sent is
marked before it is reported: a crash between the two reports again, it does not send again. A crash while the channel is at work
does send again, so a channel that can should pass on the delivery's id.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, LiteralString, NamedTuple, TypeVar
from uuid import UUID

import structlog
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from shared_chassis.consumer.reaction import TROUBLE
from shared_chassis.log import told
from shared_chassis.metric import SENDER_DELIVERIES
from shared_chassis.postgres import Database
from shared_events.ids import derive

POLL = 1.0
LEASE_SECONDS = 60
THREADS = 4
AT_ONCE = 32
ATTEMPTS = 8
FIRST_REST, LONGEST_REST = 2.0, 600.0
"""Seconds before the second attempt, and at most between two; with 8 attempts it is given up after about four minutes."""

ADD = """
    INSERT INTO delivery (delivery_id, cause, channel, payload) VALUES (%(id)s, %(cause)s, %(channel)s, %(payload)s)
    ON CONFLICT (cause, channel) DO NOTHING
"""
NEXT = """
    SELECT extract(epoch FROM min(next_at) - clock_timestamp())::float8 AS seconds FROM delivery
    WHERE reported_at IS NULL AND channel = ANY (%(channels)s)
      AND (leased_until IS NULL OR leased_until < clock_timestamp())
"""
LEASE: LiteralString = """
    UPDATE delivery SET leased_until = clock_timestamp() + make_interval(secs => %(lease)s)
    WHERE delivery_id IN (
        SELECT delivery_id FROM delivery
        WHERE reported_at IS NULL AND channel = ANY (%(channels)s) AND next_at <= (SELECT clock_timestamp())
          AND (leased_until IS NULL OR leased_until < clock_timestamp())
        ORDER BY next_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
    RETURNING delivery_id, cause, channel, payload, attempts, sent_at, failed_at, error
"""
ENDED: LiteralString = """
    UPDATE delivery d SET attempts = d.attempts + 1, error = e.error,
        sent_at = CASE WHEN e.error IS NULL THEN clock_timestamp() END,
        failed_at = CASE WHEN e.error IS NOT NULL THEN clock_timestamp() END
    FROM unnest(%(ids)s::uuid[], %(errors)s::text[]) AS e (id, error) WHERE d.delivery_id = e.id
    RETURNING d.delivery_id, d.cause, d.channel, d.payload, d.attempts, d.sent_at, d.failed_at, d.error
"""
LATER = """
    UPDATE delivery
    SET attempts = attempts + %(more)s, error = %(error)s, leased_until = NULL,
        next_at = clock_timestamp() + make_interval(secs => %(rest)s)
    WHERE delivery_id = %(id)s
"""
REPORTED = "UPDATE delivery SET reported_at = clock_timestamp(), leased_until = NULL WHERE delivery_id = ANY (%(ids)s)"

C = TypeVar("C")
R = TypeVar("R")
Payload = Mapping[str, object]
log = structlog.get_logger()


class UndeliverableError(Exception):
    """This message can never be delivered over this channel; trying again would not help."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message to one channel because of one event; `payload` holds personal data sealed only."""

    id: UUID
    cause: UUID
    channel: str
    payload: Payload
    attempts: int
    sent_at: datetime | None
    failed_at: datetime | None
    error: str | None


class _Ending(NamedTuple):
    """How a message ended: sent without an error, or given up with one."""

    delivery: Delivery
    error: str | None


Channels = Mapping[str, Callable[[C, Delivery], None]]
"""Channel → how to send over it; raises when it could not, `UndeliverableError` when it never will."""

Report = Callable[[C, Delivery], None]
"""What the service states about a delivery that was sent or given up, by a command id derived from the delivery's."""


def enqueue(database: Database, cause: UUID, channel: str, payload: Payload) -> UUID:
    """Have a message sent because of an event over a channel, once; the delivery's id.

    For reactions of the live consumer and use cases only: a view that is rebuilt must send nothing.
    """
    delivery = derive(cause, channel, "delivery")
    database.execute(ADD, {"id": delivery, "cause": cause, "channel": channel, "payload": Jsonb(dict(payload))})
    return delivery


class Sender(Generic[C]):
    """Sends what is due over the channels it is given, and reports each delivery's end."""

    def __init__(  # noqa: PLR0913 - wiring by arguments
        self,
        database: Database,
        channels: Channels[C],
        context: C,
        *,
        delivered: Report[C],
        failed: Report[C],
        attempts: int = ATTEMPTS,
        first_rest: float = FIRST_REST,
        threads: int = THREADS,
    ) -> None:
        self._database = database
        self._channels = channels
        self._names = list(channels)
        self._context = context
        self._delivered = delivered
        self._failed = failed
        self._attempts = attempts
        self._first_rest = first_rest
        self._threads = threads

    async def run(self, stop: asyncio.Event) -> None:
        """Send what is due until told to stop; what is in hand then is finished."""
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="sender")
        loop = asyncio.get_running_loop()
        try:
            while not stop.is_set():
                try:
                    seconds = await loop.run_in_executor(pool, self._until_due)
                    if seconds <= 0:
                        seconds = 0.0 if await self._deliver(pool) else POLL / 10
                except TROUBLE as error:
                    log.warning("sender.interrupted", error=told(error))
                    seconds = POLL
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await stop.wait()
        finally:
            pool.shutdown(wait=False)

    def _until_due(self) -> float:
        """Tell the seconds until the next delivery is due, a second at most."""
        row = self._database.query_one(NEXT, {"channels": self._names})
        return POLL if row is None or row["seconds"] is None else min(POLL, row["seconds"])

    def _lease(self) -> Sequence[Delivery]:
        params = {"channels": self._names, "lease": LEASE_SECONDS, "limit": AT_ONCE}
        return [_delivery(row) for row in self._database.query(LEASE, params)]

    async def _deliver(self, pool: ThreadPoolExecutor) -> int:
        """Take what is due as far as it goes: send what is not sent, mark it, report it, mark that; how many were due.

        The messages of a batch go out side by side; each mark is one statement for all of them.
        """
        loop = asyncio.get_running_loop()
        due = await loop.run_in_executor(pool, self._lease)
        fresh = [each for each in due if each.sent_at is None and each.failed_at is None]
        endings = await self._share(pool, self._send, fresh)
        ended = [each for each in due if each.sent_at is not None or each.failed_at is not None]
        ended += await loop.run_in_executor(pool, self._mark, [each for each in endings if each is not None])
        reported = await self._share(pool, self._report, ended)
        ids = [each for each in reported if each is not None]
        if ids:
            await loop.run_in_executor(pool, self._database.execute, REPORTED, {"ids": ids})
        return len(due)

    async def _share(self, pool: ThreadPoolExecutor, do: Callable[[Delivery], R], deliveries: Sequence[Delivery]) -> list[R]:
        """Let the threads share a batch, each taking the next one as soon as it is done with its last; what came of each."""
        todo = deque(deliveries)

        def hand() -> list[R]:
            results: list[R] = []
            while True:
                try:
                    delivery = todo.popleft()
                except IndexError:
                    return results
                results.append(do(delivery))

        width = min(self._threads, len(todo))
        loop = asyncio.get_running_loop()
        return [each for part in await asyncio.gather(*(loop.run_in_executor(pool, hand) for _ in range(width))) for each in part]

    def _send(self, delivery: Delivery) -> _Ending | None:
        """Hand a message to its channel once; None when it is to be tried again."""
        try:
            self._channels[delivery.channel](self._context, delivery)
        except UndeliverableError as error:
            return _Ending(delivery, told(error))
        except Exception as error:  # noqa: BLE001 - whatever the world outside raises, the message is tried again
            log.warning("delivery.refused", channel=delivery.channel, delivery=str(delivery.id), error=told(error))
            if delivery.attempts + 1 >= self._attempts:
                return _Ending(delivery, told(error))
            SENDER_DELIVERIES.labels(delivery.channel, "retried").inc()
            with suppress(*TROUBLE):  # the lease ends by itself; the others of the batch must be marked
                self._postpone(delivery, told(error), more=1)
            return None
        return _Ending(delivery, None)

    def _mark(self, endings: Sequence[_Ending]) -> list[Delivery]:
        """Remember how each message ended, before anybody is told."""
        if not endings:
            return []
        for ending in endings:
            SENDER_DELIVERIES.labels(ending.delivery.channel, "sent" if ending.error is None else "failed").inc()
        ids = [ending.delivery.id for ending in endings]
        return [_delivery(row) for row in self._database.query(ENDED, {"ids": ids, "errors": [each.error for each in endings]})]

    def _report(self, delivery: Delivery) -> UUID | None:
        """State how a message ended; its id, or None when that is to be tried again."""
        try:
            (self._delivered if delivery.sent_at is not None else self._failed)(self._context, delivery)
        except Exception as error:  # one delivery's fault is no other's; it is told and tried again
            log.exception("delivery.interrupted", channel=delivery.channel, delivery=str(delivery.id))
            with suppress(*TROUBLE):
                self._postpone(delivery, told(error), more=0)
            return None
        return delivery.id

    def _postpone(self, delivery: Delivery, error: str, *, more: int) -> None:
        rest = min(LONGEST_REST, self._first_rest * 2.0**delivery.attempts) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, no secret
        self._database.execute(LATER, {"id": delivery.id, "error": error, "more": more, "rest": rest})


def _delivery(row: DictRow) -> Delivery:
    return Delivery(
        row["delivery_id"],
        row["cause"],
        row["channel"],
        row["payload"],
        row["attempts"],
        row["sent_at"],
        row["failed_at"],
        row["error"],
    )
