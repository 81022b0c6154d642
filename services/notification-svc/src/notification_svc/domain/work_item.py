"""The rules of the queue: work items with a lease and an explained priority.

Pure: events in, events out, and `now` is given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, assert_never, cast
from uuid import UUID

from notification_svc.domain.refusal import NotificationError
from shared_chassis.stream import Cancel, Set, Stream
from shared_events.event import Event
from shared_events.notification import (
    WorkItemClaimed,
    WorkItemCompleted,
    WorkItemDeferred,
    WorkItemKind,
    WorkItemOpened,
    WorkItemReleased,
)

WorkItemFact = WorkItemOpened | WorkItemClaimed | WorkItemReleased | WorkItemDeferred | WorkItemCompleted
WorkItemStatus = Literal["absent", "waiting", "claimed", "deferred", "completed"]

LEASE: Final = "lease"
"""The kind and key of the timer that gives a claimed item back."""


class WorkItemUnknownError(NotificationError):
    """There is no such work item."""


class AlreadyClaimedError(NotificationError):
    """Somebody is working on this item already."""


class StillDeferredError(NotificationError):
    """This item was put off and is not back yet."""


class AlreadyCompletedError(NotificationError):
    """Nothing is left to do: this item is completed."""


class NotHeldError(NotificationError):
    """You do not hold this item, or no longer do: claim it first."""


class DeferralInThePastError(NotificationError):
    """An item can only be put off to a moment that is still to come."""


class NoteMissingError(NotificationError):
    """Say in a few words why nothing is left to do."""


KIND_POINTS: Final[Mapping[WorkItemKind, int]] = {
    "incident": 180,
    "escalation": 150,
    "unrouted_request": 120,
    "decline": 120,
    "unregistered_request": 90,
    "dispute": 90,
    "deadline_breach": 60,
    "failed_delivery": 30,
}
"""How far ahead of a plain item a kind stands when it opens, in points, which are minutes of waiting.

First what many people wait for at once, then what somebody higher was told of, then requests nobody works on, then people who are
dissatisfied or not yet in the register, then what is late but in hand, and last what can be sent again.
"""
EMERGENCY_POINTS: Final = 240
OVERDUE_POINTS: Final = 60

Because = Literal["kind", "emergency", "overdue", "waiting"]


@dataclass(frozen=True, slots=True)
class Reason:
    """A part of a priority, in points, and why."""

    because: Because
    points: int


def priority(kind: WorkItemKind, *, emergency: bool, due: datetime | None, now: datetime) -> int:
    """Say how urgent an item is when it opens; a higher number comes first.

    A point is worth a minute of waiting, so an item rises by one a minute and none starves: a request nobody is responsible for
    stands two hours ahead, an emergency four more, and what is overdue one.
    """
    overdue = due is not None and due <= now
    return KIND_POINTS[kind] + EMERGENCY_POINTS * emergency + OVERDUE_POINTS * overdue


def explain(
    kind: WorkItemKind, opening_priority: int, due: datetime | None, opened_at: datetime, now: datetime
) -> tuple[Reason, ...]:
    """Take a priority apart again: the points sum to the item's priority at `now`, its waiting included."""
    base = Reason("kind", KIND_POINTS[kind])
    overdue = Reason("overdue", OVERDUE_POINTS if due is not None and due <= opened_at else 0)
    emergency = Reason("emergency", opening_priority - base.points - overdue.points)
    waiting = Reason("waiting", max(0, int((now - opened_at) / timedelta(minutes=1))))
    return tuple(reason for reason in (base, emergency, overdue, waiting) if reason.points)


@dataclass(frozen=True, slots=True)
class WorkItem:
    """Something a member of the staff is to look at, about a request or, for an incident, about none.

    `agent` holds it until `until` while it is claimed, and `held` is true of one that was just then completed; a deferred item is
    back at `until`. `agent` is `kind:id`.
    """

    status: WorkItemStatus = "absent"
    request: UUID | None = None
    agent: str | None = None
    until: datetime | None = None
    held: bool = False


def evolve_item(item: WorkItem, fact: Event) -> WorkItem:
    """Fold a fact of a work item."""
    match cast("WorkItemFact", fact):  # no other fact is ever written to this stream
        case WorkItemOpened() as opened:
            return WorkItem("waiting", opened.request)
        case WorkItemReleased():
            return WorkItem("waiting", item.request)
        case WorkItemClaimed() as claimed:
            return WorkItem("claimed", item.request, claimed.agent, claimed.lease_until)
        case WorkItemDeferred() as deferred:
            return WorkItem("deferred", item.request, until=deferred.until)
        case WorkItemCompleted():
            return WorkItem("completed", item.request, held=item.status == "claimed")
        case _ as never:
            assert_never(never)


def item_timers(item: WorkItem, events: Sequence[Event]) -> Sequence[Set | Cancel]:
    """Keep one timer while an item is claimed: the end of its lease; what nobody held has none to cancel."""
    if item.status == "claimed" and item.until is not None:
        return [Set(LEASE, LEASE, item.until)]
    if item.held or any(isinstance(event, WorkItemReleased | WorkItemDeferred) for event in events):
        return [Cancel(LEASE, LEASE)]
    return []


WORK_ITEM: Final = Stream("work-item", WorkItem(), evolve_item, item_timers)


def open_item(item: WorkItem, opening: WorkItemOpened) -> list[Event]:
    """Put an item into the queue, because of a fact; one fact opens one item."""
    return [opening] if item.status == "absent" else []


def claim(item: WorkItem, agent: str, lease: timedelta, now: datetime) -> list[Event]:
    """Give the item to an agent alone, for a while; who holds an item asks for another one, and does not get the same.

    A lease that has run out is taken back first, whether or not its timer has fired.
    Raises `AlreadyClaimedError`, `StillDeferredError`, `AlreadyCompletedError`, `WorkItemUnknownError`.
    """
    _refuse_over(item)
    if item.status == "claimed" and not _is_past(item, now):
        raise AlreadyClaimedError
    if item.status == "deferred" and not _is_past(item, now):
        raise StillDeferredError
    return [*expire(item, now), WorkItemClaimed(agent=agent, lease_until=now + lease)]


def expire(item: WorkItem, now: datetime) -> list[Event]:
    """Put an item back whose lease has run out."""
    if item.status != "claimed" or item.agent is None or not _is_past(item, now):
        return []
    return [WorkItemReleased(agent=item.agent, reason="lease_expired")]


def release(item: WorkItem, agent: str) -> list[Event]:
    """Give an item back undone.

    Raises `NotHeldError`, `AlreadyCompletedError`, `WorkItemUnknownError`.
    """
    _refuse_unheld(item, agent)
    return [WorkItemReleased(agent=agent, reason="given_back")]


def defer(item: WorkItem, agent: str, until: datetime, reason: str, now: datetime) -> list[Event]:
    """Put an item off to a later moment; then it is in the queue again, for anybody.

    Raises `DeferralInThePastError`, `NotHeldError`, `AlreadyCompletedError`, `WorkItemUnknownError`.
    """
    _refuse_unheld(item, agent)
    if until <= now:
        raise DeferralInThePastError
    return [WorkItemDeferred(agent=agent, until=until, reason=reason)]


def complete(item: WorkItem, agent: str, note: str, now: datetime) -> list[Event]:
    """Take a person's word that nothing is left to do; only while nobody else is working on it.

    Raises `NoteMissingError`, `AlreadyClaimedError`, `WorkItemUnknownError`.
    """
    if item.status == "absent":
        raise WorkItemUnknownError
    if item.status == "completed":
        return []
    if not note.strip():
        raise NoteMissingError
    if item.status == "claimed" and item.agent != agent and not _is_past(item, now):
        raise AlreadyClaimedError
    return [WorkItemCompleted(cause=None, cause_type=None, note=note.strip())]


def complete_because(item: WorkItem, cause: UUID, cause_type: str) -> list[Event]:
    """Complete an item because a fact arrived that leaves nothing to do, whoever holds it."""
    if item.status in ("absent", "completed"):
        return []
    return [WorkItemCompleted(cause=cause, cause_type=cause_type, note=None)]


def _is_past(item: WorkItem, now: datetime) -> bool:
    """Tell whether the moment has come up to which an item is held or put off."""
    return item.until is not None and item.until <= now


def _refuse_over(item: WorkItem) -> None:
    if item.status == "absent":
        raise WorkItemUnknownError
    if item.status == "completed":
        raise AlreadyCompletedError


def _refuse_unheld(item: WorkItem, agent: str) -> None:
    _refuse_over(item)
    if item.status != "claimed" or item.agent != agent:
        raise NotHeldError
