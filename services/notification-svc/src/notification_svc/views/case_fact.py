"""Which facts of a case opened an item and which leave nothing to do, so that their order of arrival does not matter.

A reaction sees what the facts before it left here, and its own fact is noted after it: of the two, the later to arrive completes
the item.
"""

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Final, LiteralString, NamedTuple
from uuid import UUID

from shared_chassis.consumer import Folds
from shared_chassis.postgres import Database
from shared_chassis.view import Statement
from shared_events.dispatch import CaseClosed, DeadlineBreached, RequestAssigned, RoutingFailed, WorkReportedDone
from shared_events.envelope import Received
from shared_events.event import Event
from shared_events.ids import uuid_of
from shared_events.notification import WorkItemKind

OPENS: Final = MappingProxyType[type[Event], WorkItemKind](
    {RoutingFailed: "unrouted_request", DeadlineBreached: "deadline_breach"}
)
"""The kind of item a fact opens."""

COMPLETES: Final = MappingProxyType[type[Event], tuple[WorkItemKind, ...]](
    {
        RequestAssigned: ("unrouted_request",),
        WorkReportedDone: ("deadline_breach",),
        CaseClosed: ("unrouted_request", "deadline_breach"),
    }
)
"""The kinds of items of the request that a fact leaves nothing to do for."""

TROUBLE: LiteralString = """
    INSERT INTO case_trouble (cause, request, kind, version)
    VALUES (%(cause)s, %(request)s, %(kind)s, %(version)s)
    ON CONFLICT (cause) DO NOTHING
"""
SETTLED: LiteralString = """
    INSERT INTO case_settled (request, kind, version, cause, cause_type)
    SELECT %(request)s, k.kind, %(version)s, %(cause)s, %(cause_type)s FROM unnest(%(kinds)s::text[]) AS k (kind)
    ON CONFLICT (request, kind, version) DO NOTHING
"""


def _trouble(received: Received) -> Statement:
    return Statement(TROUBLE, {**_place(received), "kind": OPENS[type(received.fact)]})


def _settled(received: Received) -> Statement:
    kinds = list(COMPLETES[type(received.fact)])
    return Statement(SETTLED, {**_place(received), "cause_type": received.fact.TYPE, "kinds": kinds})


def _place(received: Received) -> dict[str, object]:
    """Say which fact of which case it is; a case has its request's uuid."""
    recorded = received.recorded
    return {"cause": recorded.envelope.id, "request": uuid_of(recorded.stream_id), "version": recorded.version}


def _each(events: Sequence[type[Event]], fold: Callable[[Received], Statement]) -> Folds:
    return dict.fromkeys(events, fold)


FOLDS: Folds = MappingProxyType({**_each(tuple(OPENS), _trouble), **_each(tuple(COMPLETES), _settled)})

FIRST_SETTLING: LiteralString = """
    SELECT cause, cause_type FROM case_settled
    WHERE request = %(request)s AND kind = %(kind)s AND version > %(version)s
    ORDER BY version
    LIMIT 1
"""
EARLIER_TROUBLES: LiteralString = """
    SELECT cause FROM case_trouble WHERE request = %(request)s AND kind = ANY (%(kinds)s) AND version < %(version)s
    ORDER BY version
"""


class Settling(NamedTuple):
    """A fact that leaves nothing to do for an item."""

    cause: UUID
    cause_type: str


def settled_since(database: Database, request: UUID, kind: WorkItemKind, version: int) -> Settling | None:
    """Find the first fact after a place in the case's stream that leaves nothing to do for such an item; None so far."""
    row = database.query_one(FIRST_SETTLING, {"request": request, "kind": kind, "version": version})
    return None if row is None else Settling(**row)


def troubles_before(database: Database, request: UUID, kinds: Sequence[WorkItemKind], version: int) -> Sequence[UUID]:
    """Name the facts before a place in the case's stream that opened such items."""
    rows = database.query(EARLIER_TROUBLES, {"request": request, "kinds": list(kinds), "version": version})
    return [row["cause"] for row in rows]
