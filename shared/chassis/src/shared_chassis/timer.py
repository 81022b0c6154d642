"""Clocks that survive a restart: due ones are leased, fired once, and their lateness is measured.

Several processes may do this at once. The lease is one committed statement, so nobody holds a lock while firing; the append that
follows from a firing marks the timer fired in the same commit. A timer whose process dies is leased again.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Generic, LiteralString, TypeVar
from uuid import UUID

import orjson
import structlog
from psycopg.rows import DictRow

from shared_chassis.consumer.reaction import TROUBLE
from shared_chassis.log import told
from shared_chassis.metric import TIMER_LATENESS, TIMERS_FIRED
from shared_chassis.postgres import Database
from shared_chassis.stream import Set, timer_id

POLL = 1.0
"""Seconds between two looks at the most; a timer that is due sooner is looked for when it is due."""

LEASE_SECONDS = 30
RETRY_SECONDS = 5
THREADS = 4
AT_ONCE = 64
UNKNOWN_EVERY = 60.0
"""Seconds between two looks for timers of a kind nobody here knows."""

# `(SELECT rule_now())` is read once a statement, so that the index of open timers stops at it however many clocks run.

NEXT_DUE = """
    SELECT extract(epoch FROM min(due_at) - rule_now())::float8 AS seconds FROM timer
    WHERE fired_at IS NULL AND cancelled_at IS NULL AND kind = ANY (%(kinds)s)
      AND (leased_until IS NULL OR leased_until < clock_timestamp()) AND due_at <= (SELECT rule_now()) + interval '1 second'
"""
LEASE: LiteralString = """
    UPDATE timer SET leased_until = clock_timestamp() + make_interval(secs => %(lease)s)
    WHERE timer_id IN (
        SELECT timer_id FROM timer
        WHERE fired_at IS NULL AND cancelled_at IS NULL AND kind = ANY (%(kinds)s) AND due_at <= (SELECT rule_now())
          AND (leased_until IS NULL OR leased_until < clock_timestamp())
        ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
    RETURNING timer_id, due_at, stream_id, kind, payload, extract(epoch FROM rule_now() - due_at)::float8 AS late
"""
DONE = """
    UPDATE timer SET fired_at = rule_now()
    WHERE timer_id = %(id)s AND due_at = %(due_at)s AND fired_at IS NULL AND cancelled_at IS NULL
"""
POSTPONE = """
    UPDATE timer SET leased_until = clock_timestamp() + make_interval(secs => %(seconds)s)
    WHERE timer_id = %(id)s AND due_at = %(due_at)s AND fired_at IS NULL
"""
ARM: LiteralString = """
    INSERT INTO timer (timer_id, due_at, stream_id, kind, key, payload)
    VALUES (%(id)s, %(due_at)s, %(stream_id)s, %(kind)s, %(key)s, %(payload)s::jsonb)
    ON CONFLICT (timer_id) DO UPDATE SET
        due_at = greatest(excluded.due_at, timer.due_at + interval '1 microsecond'), payload = excluded.payload,
        leased_until = NULL, fired_at = NULL, cancelled_at = NULL
"""
REARM: LiteralString = """
    UPDATE timer
    SET due_at = greatest(%(at)s, due_at + interval '1 microsecond'), payload = %(payload)s::jsonb, leased_until = NULL
    WHERE timer_id = %(id)s AND due_at = %(due_at)s AND fired_at IS NULL AND cancelled_at IS NULL
"""
UNKNOWN = """
    SELECT kind, count(*) AS count FROM timer
    WHERE fired_at IS NULL AND cancelled_at IS NULL AND due_at <= (SELECT rule_now()) AND kind <> ALL (%(kinds)s)
    GROUP BY kind
"""

C = TypeVar("C")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DueTimer:
    """A timer whose moment has come; `due_at` is that moment (UTC), not now."""

    id: UUID
    due_at: datetime
    stream_id: str
    kind: str
    payload: Mapping[str, str]


TimerReactions = Mapping[str, Callable[[C, DueTimer], None]]
"""Timer kind → what the service then does, by `Command.of_timer`; firing one twice is harmless."""


def arm(database: Database, stream_id: str, timer: Set) -> None:
    """Let a timer stand that no fact sets, for work that may be begun again at any time; one that stands begins anew."""
    database.execute(
        ARM,
        {
            "id": timer_id(stream_id, timer.kind, timer.key),
            "due_at": timer.due_at,
            "stream_id": stream_id,
            "kind": timer.kind,
            "key": timer.key,
            "payload": orjson.dumps(dict(timer.payload)).decode(),
        },
    )


def rearm(database: Database, timer: DueTimer, at: datetime, payload: Mapping[str, str]) -> None:
    """Let the timer being fired be due again at a moment, with another payload, instead of having fired.

    For work done in batches: the payload says how far it is. Nothing happens to one that was moved or cancelled meanwhile.
    """
    written = orjson.dumps(dict(payload)).decode()
    database.execute(REARM, {"id": timer.id, "due_at": timer.due_at, "at": at, "payload": written})


class Timers(Generic[C]):
    """Fires the due timers of a service's streams."""

    def __init__(self, database: Database, reactions: TimerReactions[C], context: C, threads: int = THREADS) -> None:
        self._database = database
        self._reactions = reactions
        self._context = context
        self._kinds = list(reactions)
        self._threads = threads
        self._unknown_at = float("-inf")

    async def run(self, stop: asyncio.Event) -> None:
        """Fire what is due until told to stop; what is in hand then is finished."""
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="timer")
        loop = asyncio.get_running_loop()
        try:
            while not stop.is_set():
                try:
                    seconds = await loop.run_in_executor(pool, self._until_due)
                    if seconds <= 0:
                        due = await loop.run_in_executor(pool, self._lease)
                        await asyncio.gather(*(loop.run_in_executor(pool, self._fire, timer) for timer in due))
                        seconds = 0.0 if due else POLL / 10
                except TROUBLE as error:
                    log.warning("timer.interrupted", error=told(error))
                    seconds = POLL
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await stop.wait()
        finally:
            pool.shutdown(wait=False)

    def _until_due(self) -> float:
        """Tell the seconds until the next timer is due, a second at most."""
        if monotonic() - self._unknown_at > UNKNOWN_EVERY:
            self._unknown_at = monotonic()
            for unknown in self._database.query(UNKNOWN, {"kinds": self._kinds}):
                log.error("timer.kind_unknown", kind=unknown["kind"], count=unknown["count"])
        row = self._database.query_one(NEXT_DUE, {"kinds": self._kinds})
        return POLL if row is None or row["seconds"] is None else min(POLL, row["seconds"])

    def _lease(self) -> Sequence[tuple[DueTimer, float]]:
        rows = self._database.query(LEASE, {"kinds": self._kinds, "lease": LEASE_SECONDS, "limit": AT_ONCE})
        return sorted(((_due(row), row["late"]) for row in rows), key=lambda pair: pair[0].due_at)

    def _fire(self, leased: tuple[DueTimer, float]) -> None:
        timer, late = leased
        try:
            self._reactions[timer.kind](self._context, timer)
            self._database.execute(DONE, {"id": timer.id, "due_at": timer.due_at})
        except Exception:  # one timer's fault is no other's; it is told and tried again
            log.exception("timer.failed", kind=timer.kind, stream=timer.stream_id, again_in_s=RETRY_SECONDS)
            with suppress(*TROUBLE):
                self._database.execute(POSTPONE, {"id": timer.id, "due_at": timer.due_at, "seconds": RETRY_SECONDS})
            return
        TIMERS_FIRED.labels(timer.kind).inc()
        TIMER_LATENESS.labels(timer.kind).observe(max(0.0, late))
        log.debug("timer.fired", kind=timer.kind, stream=timer.stream_id, late_s=late)


def _due(row: DictRow) -> DueTimer:
    return DueTimer(row["timer_id"], row["due_at"], row["stream_id"], row["kind"], row["payload"])
