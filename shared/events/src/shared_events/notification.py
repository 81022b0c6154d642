"""Facts of notification-svc: the agents' queue and the messages people were sent."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from shared_events.event import Event

WorkItemKind = Literal[
    "unregistered_request",
    "unrouted_request",
    "decline",
    "deadline_breach",
    "escalation",
    "dispute",
    "failed_delivery",
    "incident",
]
Template = Literal[
    "request_registered",
    "information_requested",
    "completion_proposed",
    "request_reopened",
    "request_closed",
    "duplicate_linked",
    "duplicate_unlinked",
    "incident_linked",
    "incident_prolonged",
]
MessageChannel = Literal["file"]


class NotificationEvent(Event, service="notification"):
    """A fact of notification-svc."""


class WorkItemOpened(NotificationEvent):
    """Somebody of the staff is to look, because of an event (`cause`).

    A higher priority comes first; `due` is what presses (UTC).
    """

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


class WorkItemClaimed(NotificationEvent):
    """An agent works on it, alone, until the lease ends."""

    agent: str
    lease_until: datetime


class WorkItemReleased(NotificationEvent):
    """It is back in the queue: given back, or its lease expired."""

    agent: str
    reason: Literal["given_back", "lease_expired"]


class WorkItemDeferred(NotificationEvent):
    """It comes back later."""

    agent: str
    until: datetime
    reason: str


class WorkItemCompleted(NotificationEvent):
    """Nothing is left to do: because of an event (`cause`), or by a person's word (`cause` is None)."""

    cause: UUID | None
    cause_type: str | None
    note: str | None


class MessageSent(NotificationEvent):
    """A person was told, because of an event (`cause`), over a channel, in a language."""

    person: UUID
    request: UUID
    city: str
    number: str | None
    template: Template
    language: str
    channel: MessageChannel
    cause: UUID
    cause_type: str


class MessageFailed(NotificationEvent):
    """A message could not be delivered after all attempts; it stands in the queue for a person to look at."""

    person: UUID
    request: UUID
    city: str
    template: Template
    channel: MessageChannel
    cause: UUID
    attempts: int
    error: str


class SubscriptionChanged(NotificationEvent):
    """An organisation's program is called at `url` with the events named; its signing secret is derived, never stored.

    A new `secret_version` is a new secret. An inactive subscription is called no more.
    """

    organisation: str
    url: str
    events: tuple[str, ...]
    secret_version: int
    active: bool


class WebhookDelivered(NotificationEvent):
    """An organisation's program took an event (`cause`), after so many attempts."""

    subscription: UUID
    organisation: str
    cause: UUID
    cause_type: str
    case: UUID
    attempts: int


class WebhookFailed(NotificationEvent):
    """An organisation's program did not take an event after all attempts; it stands in the queue and can be sent again."""

    subscription: UUID
    organisation: str
    cause: UUID
    cause_type: str
    case: UUID
    attempts: int
    error: str


EVENTS: tuple[type[Event], ...] = (
    WorkItemOpened,
    WorkItemClaimed,
    WorkItemReleased,
    WorkItemDeferred,
    WorkItemCompleted,
    MessageSent,
    MessageFailed,
    SubscriptionChanged,
    WebhookDelivered,
    WebhookFailed,
)
