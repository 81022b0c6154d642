"""What can be done with the queue: one function a use case. Load, decide, append."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from notification_svc import views
from notification_svc.application.context import SERVICE, Context, item_stream
from notification_svc.domain import work_item as rules
from notification_svc.domain.refusal import NotificationError
from notification_svc.domain.work_item import WORK_ITEM, WorkItem
from notification_svc.views.request_card import NOTHING_SAID, Card
from notification_svc.views.trouble import COMPLETES, OPENS, Settling
from notification_svc.views.work_item import Row, Wanted
from shared_chassis.consumer import Invalid
from shared_chassis.store import Command, Result
from shared_events.dispatch import IncidentSuggested
from shared_events.envelope import Received, Recorded
from shared_events.event import Event
from shared_events.ids import uuid_of, work_item_stream
from shared_events.notification import MessageFailed, WebhookFailed, WorkItemKind, WorkItemOpened

CANDIDATES: Final = 32
"""Items one look at the queue offers a claim."""

LOOKS: Final = 20
"""How often a claim looks at the queue anew, when all it was offered was taken by others meanwhile."""


class QueueBusyError(NotificationError):
    """So many are taking items at this moment that none could be got; try again."""


def claim_next(context: Context, wanted: Wanted, command: Command) -> Row | None:
    """Give the caller the most urgent item that fits, with a lease; None when nothing waits.

    Items are chosen without a lock and claimed one after another until one was free, so two callers never get the same. The same
    command gets the same item again. Raises `QueueBusyError`.
    """
    earlier = views.work_item.claimed_by(context.database, command.id)
    if earlier is not None:
        return _row(context, context.store.handle(WORK_ITEM, earlier, lambda _item, _now: [], command))
    for _ in range(LOOKS):
        candidates = views.work_item.next_items(context.database, wanted, CANDIDATES)
        if not candidates:
            return None
        for candidate in candidates:
            claimed = _claim(context, candidate, command)
            if claimed is not None:
                return _row(context, claimed)
    raise QueueBusyError


def _claim(context: Context, candidate: views.work_item.Candidate, command: Command) -> Result | None:
    """Claim an item; None when it is no longer free."""

    def decide(item: WorkItem, now: datetime) -> Sequence[Event]:
        return rules.claim(item, command.actor, context.lease, now)

    try:
        return context.store.handle(
            WORK_ITEM, item_stream(candidate.item), decide, replace(command, correlation=candidate.request)
        )
    except (rules.AlreadyClaimedError, rules.AlreadyCompletedError, rules.StillDeferredError):
        return None


def release(context: Context, item: UUID, command: Command) -> Row:
    """Give an item back undone."""
    return _act(context, item, lambda state, _now: rules.release(state, command.actor), command)


def defer(context: Context, item: UUID, until: datetime, reason: str, command: Command) -> Row:
    """Put an item off to a later moment."""
    return _act(context, item, lambda state, now: rules.defer(state, command.actor, until, reason, now), command)


def complete(context: Context, item: UUID, note: str, command: Command) -> Row:
    """Take a person's word that nothing is left to do."""
    return _act(context, item, lambda state, now: rules.complete(state, command.actor, note, now), command)


def expire_lease(context: Context, stream_id: str, command: Command) -> None:
    """Put an item back whose lease has run out."""
    request = context.store.load(WORK_ITEM, stream_id).state.request
    context.store.handle(WORK_ITEM, stream_id, rules.expire, replace(command, correlation=request))


def open_item(context: Context, received: Received, due: datetime | None, said: Card = NOTHING_SAID) -> None:
    """Put an item into the queue because of a fact of a request, a case or an incident; completed at once, if it is settled.

    What the fact itself has not `said` of its request is taken from the request's card, as far as it is known by now.
    """
    cause, kind, subject = received.envelope, OPENS[type(received.fact)], _subject_of(received)
    request = None if isinstance(received.fact, IncidentSuggested) else subject
    known, settling = views.request_card.card_and_settling(context.database, received, subject, request)
    card = Card(*(own or carded for own, carded in zip(said, known, strict=True)))
    opening = _opening(context, kind, Cause(cause.id, cause.type), request, card, due)

    def decide(item: WorkItem, now: datetime) -> Sequence[Event]:
        opened = opening(item, now)
        if not opened or settling is None:
            return opened
        return [*opened, *rules.complete_because(WORK_ITEM.evolve(item, opened[0]), settling.cause, settling.cause_type)]

    command = Command.because_of(received, "open-work-item", SERVICE)
    context.store.handle(WORK_ITEM, work_item_stream(cause.id), decide, command)


def open_failed_delivery(context: Context, failure: Recorded, request: UUID, city: str | None = None) -> None:
    """Put an item into the queue because something could not be sent, after all attempts; `failure` is our own fact of it."""
    known = views.request_card.card_of(context.database, request)
    card = known._replace(city=city or known.city)
    cause = Cause(failure.envelope.id, failure.envelope.type)
    opening = _opening(context, "failed_delivery", cause, request, card, None)
    command = Command.because_of(failure, "open-work-item", SERVICE)
    context.store.handle(WORK_ITEM, work_item_stream(failure.envelope.id), opening, command)


def complete_failed_deliveries(context: Context, stream_id: str, sent: Recorded) -> None:
    """Complete the items of what could not be sent before and now is: of `stream_id`; `sent` is our own fact of it."""
    for failure in context.store.events(stream_id):
        if isinstance(failure.fact, MessageFailed | WebhookFailed):
            _complete(context, failure.envelope.id, Settling(sent.envelope.id, sent.envelope.type), sent)


def complete_items(context: Context, received: Received) -> None:
    """Complete the items of a request or an incident for which a fact of its stream leaves nothing to do."""
    settling = Settling(received.envelope.id, received.envelope.type)
    kinds, version = COMPLETES[type(received.fact)], received.recorded.version
    for trouble in views.trouble.troubles_before(context.database, _subject_of(received), kinds, version):
        _complete(context, trouble, settling, received)


def _complete(context: Context, trouble: UUID, settling: Settling, because: Received | Recorded) -> None:
    stream_id = work_item_stream(trouble)
    command = Command.because_of(because, f"complete-{stream_id}", SERVICE)
    context.store.handle(WORK_ITEM, stream_id, lambda item, _now: rules.complete_because(item, *settling), command)


class Cause(NamedTuple):
    """The event an item is opened because of."""

    id: UUID
    type: str


def _opening(
    context: Context, kind: WorkItemKind, cause: Cause, request: UUID | None, card: Card, due: datetime | None
) -> Callable[[WorkItem, datetime], Sequence[Event]]:
    """Decide to open an item, as urgent as it is at the moment it opens."""
    emergency = _is_emergency(context, card.city, card.service_type)

    def decide(item: WorkItem, now: datetime) -> Sequence[Event]:
        opening = WorkItemOpened(
            kind=kind,
            cause=cause.id,
            cause_type=cause.type,
            request=request,
            city=card.city,
            district=card.district,
            service_type=card.service_type,
            language=card.language,
            priority=rules.priority(kind, emergency=emergency, due=due, now=now),
            due=due,
        )
        return rules.open_item(item, opening)

    return decide


def _act(context: Context, item: UUID, decide: Callable[[WorkItem, datetime], Sequence[Event]], command: Command) -> Row:
    """Decide on one item, in its request's journey."""
    request = context.store.load(WORK_ITEM, item_stream(item)).state.request
    return _row(context, context.store.handle(WORK_ITEM, item_stream(item), decide, replace(command, correlation=request)))


def _row(context: Context, result: Result) -> Row:
    """Show the item a command was about, as it is now."""
    return read_item(context, uuid_of(result.stream_id))


def read_item(context: Context, item: UUID | None) -> Row:
    """Show an item. Raises `WorkItemUnknownError`."""
    row = None if item is None else views.work_item.item(context.database, item)
    if row is None:
        raise rules.WorkItemUnknownError
    return row


def _is_emergency(context: Context, city: str | None, service_type: str | None) -> bool:
    found = context.service_types.get((city or "", service_type or ""))
    return found is not None and found.emergency


def _subject_of(received: Received) -> UUID:
    """Name the request or the incident a fact is about: its case has the request's uuid."""
    subject = uuid_of(received.stream_id)
    if subject is None:
        raise Invalid(f"{received.stream_id} is the stream of no request and no incident.")
    return subject
