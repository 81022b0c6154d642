"""The service's events in order, for those who may read them: `GET /feed`, as stored, byte for byte.

**A page never skips a position that commits later.** Positions are drawn under the append lock, which every writer holds until
its commit (`recorder`, and the trigger of the events table for whoever writes past it). So whatever has a position below one
that can be seen is committed or rolled back for good: position order is commit order, and gaps stay gaps.

The stored document is put into the answer unparsed: what a reader hashes is what the log seals. Personal data in it stays sealed.
A reader may wait for news (`wait`): the waiting costs one query every 200 ms a process, however many wait.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Annotated, LiteralString, Protocol
from uuid import UUID

import structlog
from fastapi import Depends, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from shared_chassis.http.actor import Rules, allow
from shared_chassis.http.api import Router, in_thread
from shared_chassis.http.command import SignedIn, Wiring, find_wiring
from shared_chassis.http.health import Health

READERS = frozenset({"auditor", "analyst", "dispatcher"})
"""The roles that may read a feed."""

LOOK_AGAIN = 0.2
"""Seconds between two looks for news while somebody waits."""

LONGEST_WAIT = 20.0
"""Seconds a reader may wait for news."""

END = "SELECT coalesce(max(notification_id), 0) AS position FROM stored_events"
ALL = """
    SELECT notification_id AS position, state FROM stored_events
    WHERE notification_id > %(after)s AND notification_id <= %(end)s
    ORDER BY notification_id LIMIT %(limit)s
"""
OF_SUBJECTS = """
    SELECT notification_id AS position, state FROM stored_events
    WHERE originator_id = ANY(%(subjects)s) AND notification_id > %(after)s AND notification_id <= %(end)s
    ORDER BY notification_id LIMIT %(limit)s
"""
OF_JOURNEY = """
    SELECT notification_id AS position, state FROM stored_events
    WHERE event_document(state) ->> 'correlationid' = %(journey)s AND notification_id > %(after)s AND notification_id <= %(end)s
      AND (%(subjects)s = '{}'::text[] OR originator_id = ANY(%(subjects)s))
    ORDER BY notification_id LIMIT %(limit)s
"""

_log = structlog.get_logger()


class Log(Protocol):
    """Where the events are: the service's database."""

    def query(self, sql: LiteralString, params: Mapping[str, object] | None = None) -> list[dict[str, object]]:
        """Read rows."""
        ...


class FeedEvent(BaseModel):
    """An event at its position; `event` is the stored CloudEvents 1.0 document."""

    position: int
    event: dict[str, object]


class FeedPage(BaseModel):
    """Events in order, and the position to ask from next."""

    model_config = ConfigDict(json_schema_extra={"description": "Events in order; `next` is `after` of the next call."})

    events: list[FeedEvent]
    next: int


class Watcher:
    """Looks for news while anybody waits, once for all of them."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._news = asyncio.Condition()
        self._end = 0
        self._waiting = 0
        self._looking: asyncio.Task[None] | None = None

    async def wait(self, after: int, seconds: float, health: Health) -> None:
        """Wait until the log reaches past a position, the time is over or the process drains."""
        self._waiting += 1
        try:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look())
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(lambda: self._end > after or health.draining.is_set())
        except TimeoutError:
            return
        finally:
            self._waiting -= 1

    async def _look(self) -> None:
        while self._waiting:
            try:
                self._end = await in_thread(read_end)(self._log)
            except Exception as error:  # noqa: BLE001 - the readers ask the store themselves once their wait is over
                _log.warning("feed.cannot_look", exc_info=error)
            async with self._news:
                self._news.notify_all()
            await asyncio.sleep(LOOK_AGAIN)


def read_end(log: Log) -> int:
    """Read the position of the last stored event; 0 when there is none."""
    return _position(log.query(END)[0])


def read_page(
    log: Log, after: int, subjects: list[str], limit: int, journey: UUID | None = None
) -> tuple[list[tuple[int, bytes]], int]:
    """Read events after a position with their stored bytes, and the position everything up to which was looked at.

    `journey` is the correlation of a request's or discussion's events: its own uuid.

    The end is read first and bounds the page: a page that is not full has therefore seen everything up to it, and a reader
    of few subjects advances past the events of all others.
    """
    end = read_end(log)
    params = {"after": after, "end": end, "limit": limit, "subjects": subjects, "journey": str(journey)}
    chosen: LiteralString = ALL if not subjects else OF_SUBJECTS
    rows = log.query(chosen if journey is None else OF_JOURNEY, params) if end > after else []
    events = [(_position(row), _bytes(row["state"])) for row in rows]
    return events, events[-1][0] if len(events) == limit else max(after, end)


def feed_router(log: Log, roles: frozenset[str] = READERS) -> Router:
    """Give `GET /feed`: this service's events in order, to those with one of the roles."""
    router = Router(tags=["feed"])
    watcher = Watcher(log)
    rules: Rules = {"read_feed": roles}

    @router.get("/feed", response_model=None, responses={200: {"model": FeedPage}})
    async def read_feed(
        actor: SignedIn,
        wired: Annotated[Wiring, Depends(find_wiring)],
        after: Annotated[int, Query(ge=0, le=2**63 - 1, description="`next` of the page before.")] = 0,
        subject: Annotated[list[str] | None, Query(max_length=200, description="Stream ids; absent: all.")] = None,
        correlation: Annotated[UUID | None, Query(description="A request's or discussion's uuid: its journey's events.")] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        wait: Annotated[float, Query(ge=0, le=LONGEST_WAIT, description="Seconds to wait for news.")] = 0,
    ) -> Response:
        """Read this service's events in order, as they are stored."""
        allow(actor, "read_feed", rules)
        subjects = subject or []
        until = time.monotonic() + wait
        events, place = await in_thread(read_page)(log, after, subjects, limit, correlation)
        while not events and (left := until - time.monotonic()) > 0 and not wired.health.draining.is_set():
            await watcher.wait(place, left, wired.health)
            events, place = await in_thread(read_page)(log, place, subjects, limit, correlation)
        return Response(_document(events, place), media_type="application/json")

    return router


def _document(events: list[tuple[int, bytes]], place: int) -> bytes:
    items = b",".join(b'{"position":%d,"event":%b}' % event for event in events)
    return b'{"events":[%b],"next":%d}' % (items, place)


def _position(row: Mapping[str, object]) -> int:
    position = row["position"]
    if not isinstance(position, int):
        raise TypeError("a position is an integer")
    return position


def _bytes(state: object) -> bytes:
    if not isinstance(state, bytes):
        raise TypeError("a stored event is bytes")
    return state
