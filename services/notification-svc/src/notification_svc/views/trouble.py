"""Which facts opened an item and which leave nothing to do, so that their order of arrival does not matter.

Both stand in the same stream: a request's, its case's or an incident's. A reaction sees what the facts before it left here, and
its own fact is noted after it: of the two, the later to arrive completes the item.
"""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final, LiteralString, NamedTuple
from uuid import UUID

from notification_svc.views.webhook import CALLED, called
from shared_chassis.consumer import Folds
from shared_chassis.postgres import Database
from shared_chassis.view import Statement
from shared_events.dispatch import (
    AssignmentDeclined,
    CaseClosed,
    DeadlineBreached,
    IncidentDeclared,
    IncidentDismissed,
    IncidentSuggested,
    RequestAssigned,
    RequestEscalated,
    RoutingFailed,
    WorkReportedDone,
    WorkReturned,
)
from shared_events.envelope import Received
from shared_events.event import Event
from shared_events.ids import uuid_of
from shared_events.notification import WorkItemKind
from shared_events.request import CompletionDisputed, RequestClosed, RequestRegistered, RequestSubmitted

OPENS: Final = MappingProxyType[type[Event], WorkItemKind](
    {
        RequestSubmitted: "unregistered_request",
        RoutingFailed: "unrouted_request",
        AssignmentDeclined: "decline",
        WorkReturned: "decline",
        DeadlineBreached: "deadline_breach",
        RequestEscalated: "escalation",
        IncidentSuggested: "incident",
        CompletionDisputed: "dispute",
    }
)
"""The kind of item a fact opens; a submission only where its type is not known."""

COMPLETES: Final = MappingProxyType[type[Event], tuple[WorkItemKind, ...]](
    {
        RequestRegistered: ("unregistered_request",),
        RequestClosed: ("unregistered_request",),
        RequestAssigned: ("unrouted_request", "decline"),
        WorkReportedDone: ("deadline_breach", "escalation"),
        CaseClosed: ("unrouted_request", "decline", "deadline_breach", "escalation"),
        IncidentDeclared: ("incident",),
        IncidentDismissed: ("incident",),
    }
)
"""The kinds of items of a request or an incident that a fact leaves nothing to do for."""

BY_HAND: Final[frozenset[WorkItemKind]] = frozenset({"dispute", "failed_delivery"})
"""The kinds of items that no fact of others completes: a supervisor looks, or it is sent again."""

TROUBLE: LiteralString = """
    INSERT INTO trouble (cause, subject, kind, version)
    VALUES (%(cause)s, %(subject)s, %(kind)s, %(version)s)
    ON CONFLICT (cause) DO NOTHING
"""
SETTLED: LiteralString = """
    INSERT INTO settled (subject, kind, version, cause, cause_type)
    SELECT %(subject)s, k.kind, %(version)s, %(cause)s, %(cause_type)s FROM unnest(%(kinds)s::text[]) AS k (kind)
    ON CONFLICT (subject, kind, version) DO NOTHING
"""
TROUBLE_AND_CALLED: LiteralString = "WITH " + CALLED + TROUBLE
SETTLED_AND_CALLED: LiteralString = "WITH " + CALLED + SETTLED
_ENDED_TROUBLE_AND_CALLED: LiteralString = """,
    ended AS (
        INSERT INTO case_card (request, organisation) VALUES (%(request)s, NULL)
        ON CONFLICT (request) DO UPDATE SET organisation = NULL
    )
"""
ENDED_TROUBLE_AND_CALLED: LiteralString = "WITH " + CALLED + _ENDED_TROUBLE_AND_CALLED + TROUBLE
_ASSIGNED_AND_CALLED: LiteralString = """,
    assigned AS (
        INSERT INTO case_card (request, organisation) VALUES (%(request)s, %(named)s)
        ON CONFLICT (request) DO UPDATE SET organisation = excluded.organisation
    )
"""
ASSIGNED_AND_CALLED: LiteralString = "WITH " + CALLED + _ASSIGNED_AND_CALLED + SETTLED


def _trouble(received: Received) -> Statement:
    return Statement(TROUBLE, opening(received))


def _trouble_and_called(received: Received) -> Statement:
    return Statement(TROUBLE_AND_CALLED, {**opening(received), **called(received)})


def _ended_trouble_and_called(received: Received) -> Statement:
    """The assignment is over: its organisation is told of this still, and of nothing after it."""
    return Statement(ENDED_TROUBLE_AND_CALLED, {**opening(received), **called(received)})


def _settled(received: Received) -> Statement:
    return Statement(SETTLED, settling(received))


def _settled_and_called(received: Received) -> Statement:
    return Statement(SETTLED_AND_CALLED, {**settling(received), **called(received)})


def _assigned_and_called(received: Received) -> Statement:
    """The case is another organisation's: it and the one before are told of this, and only it of what follows."""
    return Statement(ASSIGNED_AND_CALLED, {**settling(received), **called(received)})


def opening(received: Received) -> dict[str, object]:
    """Give what notes a fact that opens an item."""
    return {**_place(received), "kind": OPENS[type(received.fact)]}


def settling(received: Received) -> dict[str, object]:
    """Give what notes a fact that leaves nothing to do."""
    return {**_place(received), "cause_type": received.fact.TYPE, "kinds": list(COMPLETES[type(received.fact)])}


def _place(received: Received) -> dict[str, object]:
    """Say which fact of which stream it is."""
    recorded = received.recorded
    return {"cause": recorded.envelope.id, "subject": uuid_of(recorded.stream_id), "version": recorded.version}


FOLDS: Folds = MappingProxyType(
    {
        RoutingFailed: _trouble,
        IncidentSuggested: _trouble,
        DeadlineBreached: _trouble_and_called,
        RequestEscalated: _trouble_and_called,
        AssignmentDeclined: _ended_trouble_and_called,
        WorkReturned: _ended_trouble_and_called,
        IncidentDismissed: _settled,
        WorkReportedDone: _settled_and_called,
        CaseClosed: _settled_and_called,
        RequestAssigned: _assigned_and_called,
    }
)
"""The facts noted here alone; those of a request and an incident's declaration are noted with what else they say."""


EARLIER_TROUBLES: LiteralString = """
    SELECT cause FROM trouble WHERE subject = %(subject)s AND kind = ANY (%(kinds)s) AND version < %(version)s
    ORDER BY version
"""


class Settling(NamedTuple):
    """A fact that leaves nothing to do for an item."""

    cause: UUID
    cause_type: str


def troubles_before(database: Database, subject: UUID, kinds: Sequence[WorkItemKind], version: int) -> Sequence[UUID]:
    """Name the facts before a place in a stream that opened such items."""
    rows = database.query(EARLIER_TROUBLES, {"subject": subject, "kinds": list(kinds), "version": version})
    return [row["cause"] for row in rows]
