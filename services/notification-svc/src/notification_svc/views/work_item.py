"""The queue: own facts, and what is asked of it: the next item, the list, the wall, and which items a fact completes."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal, LiteralString, NamedTuple, cast
from uuid import UUID

from shared_chassis.postgres import Database
from shared_chassis.view import Projection, Statement
from shared_events.envelope import Recorded
from shared_events.ids import uuid_of
from shared_events.notification import (
    WorkItemClaimed,
    WorkItemCompleted,
    WorkItemDeferred,
    WorkItemKind,
    WorkItemOpened,
    WorkItemReleased,
)

State = Literal["waiting", "claimed", "deferred", "completed"]

OPENED: LiteralString = """
    INSERT INTO work_item (item, kind, cause, cause_type, request, city, district, service_type, language, priority, due,
        opened_at, urgent_from, state, available_at)
    VALUES (%(item)s, %(kind)s, %(cause)s, %(cause_type)s, %(request)s, %(city)s, %(district)s, %(service_type)s, %(language)s,
        %(priority)s, %(due)s, %(at)s, %(urgent_from)s, 'waiting', %(at)s)
    ON CONFLICT (item) DO NOTHING
"""
CLAIMED: LiteralString = """
    UPDATE work_item SET state = 'claimed', agent = %(agent)s, until = %(until)s, available_at = %(until)s WHERE item = %(item)s
"""
RELEASED: LiteralString = """
    UPDATE work_item SET state = 'waiting', agent = NULL, until = NULL, available_at = %(at)s WHERE item = %(item)s
"""
DEFERRED: LiteralString = """
    UPDATE work_item SET state = 'deferred', agent = NULL, until = %(until)s, available_at = %(until)s WHERE item = %(item)s
"""
COMPLETED: LiteralString = """
    UPDATE work_item SET state = 'completed', agent = NULL, until = NULL, available_at = NULL WHERE item = %(item)s
"""


def _opened(recorded: Recorded) -> Statement:
    fact = cast("WorkItemOpened", recorded.fact)
    at = recorded.envelope.time
    return Statement(
        OPENED,
        {
            **fact.model_dump(),
            "item": uuid_of(recorded.stream_id),
            "at": at,
            "urgent_from": at - timedelta(minutes=fact.priority),
        },
    )


def _claimed(recorded: Recorded) -> Statement:
    fact = cast("WorkItemClaimed", recorded.fact)
    return Statement(CLAIMED, {"item": uuid_of(recorded.stream_id), "agent": fact.agent, "until": fact.lease_until})


def _released(recorded: Recorded) -> Statement:
    return Statement(RELEASED, {"item": uuid_of(recorded.stream_id), "at": recorded.envelope.time})


def _deferred(recorded: Recorded) -> Statement:
    fact = cast("WorkItemDeferred", recorded.fact)
    return Statement(DEFERRED, {"item": uuid_of(recorded.stream_id), "until": fact.until})


def _completed(recorded: Recorded) -> Statement:
    return Statement(COMPLETED, {"item": uuid_of(recorded.stream_id)})


PROJECTION: Projection = MappingProxyType(
    {
        WorkItemOpened: _opened,
        WorkItemClaimed: _claimed,
        WorkItemReleased: _released,
        WorkItemDeferred: _deferred,
        WorkItemCompleted: _completed,
    }
)


class Row(NamedTuple):
    """An item as the queue shows it at `now`; `until` ends the lease or the deferral.

    `delivery` is the call to a program that failed and can be made again by hand, where the item is about one.
    """

    item: UUID
    kind: WorkItemKind
    cause: UUID
    cause_type: str
    request: UUID | None
    city: str | None
    district: str | None
    service_type: str | None
    language: str | None
    priority: int
    due: datetime | None
    opened_at: datetime
    urgent_from: datetime
    state: State
    agent: str | None
    until: datetime | None
    delivery: UUID | None
    now: datetime


class Wanted(NamedTuple):
    """Which items fit; None fits all. `districts` and `languages` are codes."""

    kinds: Sequence[WorkItemKind] | None = None
    city: str | None = None
    districts: Sequence[str] | None = None
    languages: Sequence[str] | None = None


class Place(NamedTuple):
    """The last item shown: its place in the order of the queue."""

    urgent_from: datetime
    item: UUID


NEXT: LiteralString = """
    SELECT w.item, w.request
    FROM work_item w LEFT JOIN request_card c ON c.request = w.request
    WHERE w.available_at IS NOT NULL AND w.available_at <= (SELECT rule_now())
      AND (%(kinds)s::text[] IS NULL OR w.kind = ANY (%(kinds)s))
      AND (%(city)s::text IS NULL OR coalesce(w.city, c.city) = %(city)s)
      AND (%(districts)s::text[] IS NULL OR coalesce(w.district, c.district) = ANY (%(districts)s))
      AND (%(languages)s::text[] IS NULL OR coalesce(w.language, c.language) = ANY (%(languages)s))
    ORDER BY w.urgent_from, w.item
    LIMIT %(limit)s
"""

ONE: LiteralString = """
    SELECT w.item, w.kind, w.cause, w.cause_type, w.request, coalesce(w.city, c.city) AS city,
        coalesce(w.district, c.district) AS district, coalesce(w.service_type, c.service_type) AS service_type,
        coalesce(w.language, c.language) AS language, w.priority, w.due, w.opened_at, w.urgent_from, w.state, w.agent, w.until,
        f.delivery, n.now
    FROM (SELECT rule_now() AS now) n, work_item w LEFT JOIN request_card c ON c.request = w.request
        LEFT JOIN webhook f ON f.failure = w.cause
    WHERE w.item = %(item)s
"""

LIST: LiteralString = """
    SELECT w.item, w.kind, w.cause, w.cause_type, w.request, coalesce(w.city, c.city) AS city,
        coalesce(w.district, c.district) AS district, coalesce(w.service_type, c.service_type) AS service_type,
        coalesce(w.language, c.language) AS language, w.priority, w.due, w.opened_at, w.urgent_from, w.state, w.agent, w.until,
        f.delivery, n.now
    FROM (SELECT rule_now() AS now) n, work_item w LEFT JOIN request_card c ON c.request = w.request
        LEFT JOIN webhook f ON f.failure = w.cause
    WHERE (%(states)s::text[] IS NULL OR w.state = ANY (%(states)s))
      AND (%(back)s::boolean IS NULL OR w.state <> 'deferred' OR (w.until <= n.now) = %(back)s)
      AND (%(kind)s::text IS NULL OR w.kind = %(kind)s)
      AND (%(city)s::text IS NULL OR coalesce(w.city, c.city) = %(city)s)
      AND (%(district)s::text IS NULL OR coalesce(w.district, c.district) = %(district)s)
      AND (%(urgent_from)s::timestamptz IS NULL OR (w.urgent_from, w.item) > (%(urgent_from)s, %(item)s::uuid))
    ORDER BY w.urgent_from, w.item
    LIMIT %(limit)s
"""

WALL: LiteralString = """
    SELECT coalesce(w.city, c.city) AS city, w.kind, coalesce(w.district, c.district) AS district,
        count(*) FILTER (WHERE w.state = 'waiting' OR w.state = 'deferred' AND w.until <= n.now) AS waiting,
        count(*) FILTER (WHERE w.state = 'claimed') AS claimed,
        count(*) FILTER (WHERE w.state = 'deferred' AND w.until > n.now) AS deferred,
        min(w.opened_at) FILTER (WHERE w.state = 'waiting' OR w.state = 'deferred' AND w.until <= n.now) AS oldest
    FROM (SELECT rule_now() AS now) n, work_item w LEFT JOIN request_card c ON c.request = w.request
    WHERE w.available_at IS NOT NULL
      AND (%(city)s::text IS NULL OR coalesce(w.city, c.city) = %(city)s)
    GROUP BY 1, 2, 3
    ORDER BY oldest NULLS LAST, 1, 2, 3
"""

CLAIMED_BY: LiteralString = "SELECT stream_id FROM command WHERE command_id = %(command)s"

STORED_AS: Mapping[State, tuple[Sequence[State], bool | None]] = {
    "waiting": (["waiting", "deferred"], True),
    "claimed": (["claimed"], None),
    "deferred": (["deferred"], False),
    "completed": (["completed"], None),
}
"""Which stored states a state is, and whether a deferral must have ended: nothing is stored when one does."""


class Candidate(NamedTuple):
    """An item that may be claimed, and the request it is about, if it is about one."""

    item: UUID
    request: UUID | None


def next_items(database: Database, wanted: Wanted, limit: int) -> Sequence[Candidate]:
    """Name the most urgent items that may be claimed now, without locking any."""
    rows = database.query(
        NEXT,
        {
            "kinds": _listed(wanted.kinds),
            "city": wanted.city,
            "districts": _listed(wanted.districts),
            "languages": _listed(wanted.languages),
            "limit": limit,
        },
    )
    return [Candidate(**row) for row in rows]


def claimed_by(database: Database, command: UUID) -> str | None:
    """Name the stream an earlier call of the same command claimed; None when this is the first."""
    row = database.query_one(CLAIMED_BY, {"command": command})
    return None if row is None else row["stream_id"]


def item(database: Database, wanted: UUID) -> Row | None:
    """Read one item; None when there is none."""
    row = database.query_one(ONE, {"item": wanted})
    return None if row is None else _row(row)


def items(
    database: Database,
    *,
    state: State | None,
    kind: WorkItemKind | None,
    city: str | None,
    district: str | None,
    after: Place | None,
    limit: int,
) -> Sequence[Row]:
    """List items, the most urgent first."""
    states, back = (None, None) if state is None else STORED_AS[state]
    urgent_from, last = after or (None, None)
    rows = database.query(
        LIST,
        {
            "states": _listed(states),
            "back": back,
            "kind": kind,
            "city": city,
            "district": district,
            "urgent_from": urgent_from,
            "item": last,
            "limit": limit,
        },
    )
    return [_row(row) for row in rows]


class Load(NamedTuple):
    """How many items of a kind there are in a district, by state, and since when the oldest waits."""

    city: str | None
    kind: WorkItemKind
    district: str | None
    waiting: int
    claimed: int
    deferred: int
    oldest: datetime | None


def wall(database: Database, city: str | None) -> Sequence[Load]:
    """Sum up what is open, where the longest wait is first."""
    return [Load(**row) for row in database.query(WALL, {"city": city})]


def _row(row: Mapping[str, object]) -> Row:
    """Show a deferral that has ended as what it is by now."""
    shown = Row(**row)  # type: ignore[arg-type]  # the statement selects these columns in these types
    if shown.state == "deferred" and shown.until is not None and shown.until <= shown.now:
        return shown._replace(state="waiting", until=None)
    return shown


def _listed(values: Sequence[str] | None) -> list[str] | None:
    return None if values is None else list(values)
