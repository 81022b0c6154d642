"""Effects on the world outside (e-mail, SMS, webhooks): rows first, then sent, with retries, and reported back as facts.

A row is unique by cause and channel and stays when it is done, so hearing the same event again sends nothing. What was sent is
marked before it is reported: a crash between the two reports again, it does not send again. A crash while the channel is at work
does send again, so a channel that can should pass on the delivery's id.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Literal, LiteralString, TypeVar
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
SENT: LiteralString = """
    UPDATE delivery SET sent_at = clock_timestamp(), attempts = attempts + 1, error = NULL WHERE delivery_id = %(id)s
    RETURNING delivery_id, cause, channel, payload, attempts, sent_at, failed_at, error
"""
FAILED: LiteralString = """
    UPDATE delivery SET failed_at = clock_timestamp(), attempts = attempts + 1, error = %(error)s WHERE delivery_id = %(id)s
    RETURNING delivery_id, cause, channel, payload, attempts, sent_at, failed_at, error
"""
LATER = """
    UPDATE delivery
    SET attempts = attempts + %(more)s, error = %(error)s, leased_until = NULL,
        next_at = clock_timestamp() + make_interval(secs => %(rest)s)
    WHERE delivery_id = %(id)s
"""
REPORTED = "UPDATE delivery SET reported_at = clock_timestamp(), leased_until = NULL WHERE delivery_id = %(id)s"

C = TypeVar("C")
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
                        due = await loop.run_in_executor(pool, self._lease)
                        await asyncio.gather(*(loop.run_in_executor(pool, self._deliver, each) for each in due))
                        seconds = 0.0 if due else POLL / 10
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

    def _deliver(self, delivery: Delivery) -> None:
        """Take one delivery as far as it goes: send it if it is not sent, then report."""
        try:
            if delivery.sent_at is None and delivery.failed_at is None:
                ended = self._send(delivery)
                if ended is None:
                    return
                delivery = ended
            (self._delivered if delivery.sent_at is not None else self._failed)(self._context, delivery)
            self._database.execute(REPORTED, {"id": delivery.id})
        except Exception as error:  # one delivery's fault is no other's; it is told and tried again
            log.exception("delivery.interrupted", channel=delivery.channel, delivery=str(delivery.id))
            with suppress(*TROUBLE):
                self._postpone(delivery, told(error), more=0)

    def _send(self, delivery: Delivery) -> Delivery | None:
        """Hand a message to its channel once; None when it is to be tried again."""
        try:
            self._channels[delivery.channel](self._context, delivery)
        except UndeliverableError as error:
            return self._end(delivery, "failed", told(error))
        except Exception as error:  # noqa: BLE001 - whatever the world outside raises, the message is tried again
            log.warning("delivery.refused", channel=delivery.channel, delivery=str(delivery.id), error=told(error))
            if delivery.attempts + 1 >= self._attempts:
                return self._end(delivery, "failed", told(error))
            SENDER_DELIVERIES.labels(delivery.channel, "retried").inc()
            self._postpone(delivery, told(error), more=1)
            return None
        return self._end(delivery, "sent", None)

    def _end(self, delivery: Delivery, how: Literal["sent", "failed"], error: str | None) -> Delivery:
        SENDER_DELIVERIES.labels(delivery.channel, how).inc()
        row = self._database.query_one(SENT if how == "sent" else FAILED, {"id": delivery.id, "error": error})
        if row is None:
            raise LookupError(delivery.id)
        return _delivery(row)

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
