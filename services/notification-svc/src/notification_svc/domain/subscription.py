"""The rules of calling executors' programs: who is called about what, with which secret, and what became of each call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, assert_never, cast
from uuid import UUID

from notification_svc.domain.refusal import NotificationError
from shared_chassis.stream import Stream
from shared_events import dispatch, request
from shared_events.event import Event
from shared_events.notification import SubscriptionChanged, WebhookDelivered, WebhookFailed

WebhookFact = WebhookDelivered | WebhookFailed
WebhookStatus = Literal["untold", "delivered", "failed"]

MOST_SUBSCRIPTIONS: Final = 10
"""Subscriptions an organisation may have at a time."""

OVERLAP: Final = timedelta(hours=24)
"""How long after a rotation calls are signed with the former secret too."""

TOLD: Final[Mapping[str, type[Event]]] = {
    event.TYPE: event
    for event in (
        dispatch.RequestAssigned,
        dispatch.AssignmentAccepted,
        dispatch.AssignmentDeclined,
        dispatch.WorkScheduled,
        dispatch.WorkStarted,
        dispatch.WorkReturned,
        dispatch.WorkReportedDone,
        dispatch.WorkFoundImpossible,
        dispatch.SubTaskOpened,
        dispatch.SubTaskDone,
        dispatch.SubTaskCancelled,
        dispatch.CaseReclassified,
        dispatch.CaseReopened,
        dispatch.CaseClosed,
        dispatch.DeadlineWarned,
        dispatch.DeadlineBreached,
        dispatch.RequestEscalated,
        dispatch.RequestLinkedToIncident,
        dispatch.RequestUnlinkedFromIncident,
        request.InformationRequested,
        request.InformationReceived,
        request.InformationNotReceived,
        request.AttachmentAdded,
        request.CompletionConfirmed,
        request.CompletionDisputed,
        request.CompletionDeemedAccepted,
        request.RequestRated,
    )
}
"""What a program can be told of, by the names of the contract: what happens to the organisation's own cases."""


class SubscriptionUnknownError(NotificationError):
    """Your organisation has no such subscription."""


class SubscriptionEndedError(NotificationError):
    """This subscription has ended; make a new one."""


class OrganisationMissingError(NotificationError):
    """Your account acts for no organisation; only organisations' programs are called."""


class NothingWantedError(NotificationError):
    """Name at least one event the program is to be told of."""


class EventNotToldError(NotificationError):
    """Programs are not told of such an event."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self._names = names

    def __str__(self) -> str:
        """Name what is not told of and what is."""
        return f"Programs are not told of {', '.join(self._names)}. They can be told of: {', '.join(TOLD)}."


class TooManySubscriptionsError(NotificationError):
    """Your organisation has as many subscriptions as it may have; end one first."""


class DeliveryUnknownError(NotificationError):
    """Your organisation's programs were sent nothing of this id."""


class StillUnderWayError(NotificationError):
    """This is being sent already; it can be sent again by hand once that has come to an end."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A program that is called; `secret_version` is 0 as long as there is no subscription."""

    organisation: str = ""
    url: str = ""
    events: tuple[str, ...] = ()
    secret_version: int = 0
    active: bool = False


def evolve_subscription(_: Subscription, fact: Event) -> Subscription:
    """Fold a fact of a subscription: each states all of it."""
    changed = cast("SubscriptionChanged", fact)  # no other fact is ever written to this stream
    return Subscription(changed.organisation, changed.url, changed.events, changed.secret_version, changed.active)


SUBSCRIPTION: Final = Stream("subscription", Subscription(), evolve_subscription)


def subscribe(subscription: Subscription, organisation: str, url: str, events: Sequence[str]) -> list[Event]:
    """Have an organisation's program called about its own cases.

    Raises `NothingWantedError`, `EventNotToldError`.
    """
    if subscription.secret_version:
        return []
    wanted = tuple(dict.fromkeys(events))
    if not wanted:
        raise NothingWantedError
    unknown = [name for name in wanted if name not in TOLD]
    if unknown:
        raise EventNotToldError(unknown)
    return [SubscriptionChanged(organisation=organisation, url=url, events=wanted, secret_version=1, active=True)]


def rotate(subscription: Subscription, organisation: str | None) -> list[Event]:
    """Give a subscription a new secret; calls are signed with the former one too for a day.

    `organisation` is whose the caller is. Raises `SubscriptionUnknownError`, `SubscriptionEndedError`.
    """
    _refuse_others(subscription, organisation)
    if not subscription.active:
        raise SubscriptionEndedError
    return [_changed(subscription, secret_version=subscription.secret_version + 1, active=True)]


def end(subscription: Subscription, organisation: str | None) -> list[Event]:
    """Call the program no more.

    `organisation` is whose the caller is. Raises `SubscriptionUnknownError`.
    """
    _refuse_others(subscription, organisation)
    return [_changed(subscription, secret_version=subscription.secret_version, active=False)] if subscription.active else []


def _refuse_others(subscription: Subscription, organisation: str | None) -> None:
    if not subscription.secret_version or subscription.organisation != organisation:
        raise SubscriptionUnknownError


def _changed(subscription: Subscription, *, secret_version: int, active: bool) -> SubscriptionChanged:
    return SubscriptionChanged(
        organisation=subscription.organisation,
        url=subscription.url,
        events=subscription.events,
        secret_version=secret_version,
        active=active,
    )


@dataclass(frozen=True, slots=True)
class Call:
    """Which program is called, about which event of which case."""

    subscription: UUID
    organisation: str
    cause: UUID
    cause_type: str
    case: UUID


@dataclass(frozen=True, slots=True)
class Webhook:
    """A program's being told of one event."""

    status: WebhookStatus = "untold"


def evolve_webhook(_: Webhook, fact: Event) -> Webhook:
    """Fold a fact of a call."""
    match cast("WebhookFact", fact):  # no other fact is ever written to this stream
        case WebhookDelivered():
            return Webhook("delivered")
        case WebhookFailed():
            return Webhook("failed")
        case _ as never:
            assert_never(never)


WEBHOOK: Final = Stream("message", Webhook(), evolve_webhook)


def deliver(call: Call, attempts: int) -> list[Event]:
    """State that the program took the event, after so many attempts; sent again by hand it is stated again."""
    return [
        WebhookDelivered(
            subscription=call.subscription,
            organisation=call.organisation,
            cause=call.cause,
            cause_type=call.cause_type,
            case=call.case,
            attempts=attempts,
        )
    ]


def fail(call: Call, attempts: int, error: str) -> list[Event]:
    """State that the program did not take the event after so many attempts, and why."""
    return [
        WebhookFailed(
            subscription=call.subscription,
            organisation=call.organisation,
            cause=call.cause,
            cause_type=call.cause_type,
            case=call.case,
            attempts=attempts,
            error=error,
        )
    ]
