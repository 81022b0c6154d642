"""Executors' programs over HTTP: subscribing them, what they were sent, and sending it again by hand."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict

from notification_svc import views
from notification_svc.api.call import Body, Wired
from notification_svc.application import subscription as application
from notification_svc.application.context import MAY
from notification_svc.domain.subscription import TOLD
from notification_svc.domain.target import LONGEST
from notification_svc.views.subscription import Row
from notification_svc.views.webhook import State
from shared_chassis import http
from shared_chassis.http import (
    ConditionalCommand,
    Cursor,
    IdempotentCommand,
    Limit,
    Page,
    SignedIn,
    Tagged,
    allow,
    needs_scope,
    read_cursor,
)
from shared_events.ids import subscription_stream

router = http.Router(tags=["webhooks"])

EXAMPLE: Final[JsonDict] = {
    "id": "2f1d3c5e-6b7a-5c8d-9e0f-1a2b3c4d5e6f",
    "organisation": "organisation-kazan-yard-works",
    "url": "https://roads.example/hooks/veche",
    "events": ["dispatch.request-assigned.v1", "dispatch.deadline-warned.v1"],
    "secret_version": 1,
    "active": True,
    "since": "2026-03-02T12:00:00Z",
    "rotated_at": None,
}
DELIVERY_EXAMPLE: Final[JsonDict] = {
    "id": "5d0c1e2f-3a4b-8c5d-8e6f-7a8b9c0d1e2f",
    "subscription": "2f1d3c5e-6b7a-5c8d-9e0f-1a2b3c4d5e6f",
    "state": "failed",
    "type": "dispatch.request-assigned.v1",
    "event": "9e0f1a2b-3c4d-5e6f-8a9b-0c1d2e3f4a5b",
    "time": "2026-03-02T12:00:00Z",
    "case": "6f0a4d0e-3a0d-5c57-9a57-0a3f1f8c2b10",
    "attempts": 12,
    "error": "The program answered 503.",
    "next_at": None,
    "ended_at": "2026-03-02T12:51:10Z",
}


class NewSubscription(Body):
    """Where a program is called, and what about."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"url": EXAMPLE["url"], "events": EXAMPLE["events"]}]},
    )

    url: Annotated[str, StringConstraints(max_length=LONGEST)] = Field(description="An https address on the public internet.")
    events: Annotated[list[str], Field(max_length=100)] = Field(description=f"Of {', '.join(TOLD)}.")


class Subscription(BaseModel):
    """A program that is called about its organisation's own cases; after a rotation the former secret signs too for a day."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    id: UUID
    organisation: str
    url: str
    events: list[str]
    secret_version: int
    active: bool
    since: datetime
    rotated_at: datetime | None


class SubscriptionWithSecret(Subscription):
    """A subscription and the secret its calls are signed with; it is shown in this answer alone."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**EXAMPLE, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="}]}
    )

    secret: str


class Delivery(BaseModel):
    """A call to a program because of an event; `id` is its `webhook-id`, the same however often it is sent.

    While it is `waiting` it is tried at `next_at`, and `error` is what the attempt before ended in.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [DELIVERY_EXAMPLE]})

    id: UUID
    subscription: UUID
    state: State
    type: str
    event: UUID
    time: datetime
    case: UUID
    attempts: int
    error: str | None
    next_at: datetime | None
    ended_at: datetime | None


@router.post("/subscriptions", status_code=201)
def subscribe(body: NewSubscription, actor: SignedIn, command: IdempotentCommand, context: Wired) -> SubscriptionWithSecret:
    """Have a program of your organisation called when something happens to its cases."""
    _may_manage(actor)
    return _with_secret(application.subscribe(context, actor, body.url, body.events, command))


@router.post("/subscriptions/{subscription}/rotation")
def rotate(subscription: UUID, actor: SignedIn, command: ConditionalCommand, context: Wired) -> SubscriptionWithSecret:
    """Give a subscription a new secret; for a day its calls carry signatures by both."""
    _may_manage(actor)
    return _with_secret(application.rotate(context, actor, subscription, command))


@router.post("/subscriptions/{subscription}/ending")
def end(subscription: UUID, actor: SignedIn, command: ConditionalCommand, context: Wired) -> Subscription:
    """Have the program called no more."""
    _may_manage(actor)
    return _shown(application.end(context, actor, subscription, command))


@router.get("/subscriptions")
def list_subscriptions(
    actor: SignedIn,
    context: Wired,
    organisation: Annotated[str | None, Query(max_length=200, description="Whose; executors see their own only.")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[Subscription]:
    """List subscriptions, the oldest first."""
    _may_read(actor)
    after = read_cursor(cursor, views.subscription.Place)
    rows = application.subscriptions(context, actor, organisation, after, limit + 1)
    page = Page[Row].cut(rows, limit, lambda row: views.subscription.Place(row.since, row.subscription))
    return Page[Subscription](items=[_shown(row) for row in page.items], next=page.next)


@router.get("/subscriptions/{subscription}")
def read_subscription(subscription: UUID, actor: SignedIn, context: Wired, tagged: Tagged) -> Subscription:
    """See a subscription."""
    _may_read(actor)
    row = application.read_subscription(context, actor, subscription)
    tagged(context.store.events(subscription_stream(subscription))[-1].version)
    return _shown(row)


@router.get("/subscriptions/{subscription}/deliveries")
def list_deliveries(
    subscription: UUID, actor: SignedIn, context: Wired, state: State | None = None, cursor: Cursor = None, limit: Limit = 100
) -> Page[Delivery]:
    """List what a program was sent or is to be sent, about the latest events first."""
    _may_read(actor)
    after = read_cursor(cursor, views.webhook.Place)
    rows = application.calls(context, actor, subscription, state, after, limit + 1)
    page = Page[views.webhook.Row].cut(rows, limit, views.webhook.place_of)
    return Page[Delivery](items=[_delivery(row) for row in page.items], next=page.next)


@router.post("/webhooks/{delivery}/resend", status_code=202)
def resend(delivery: UUID, actor: SignedIn, command: IdempotentCommand, context: Wired) -> Delivery:
    """Send something to a program again, whether it took it or not; it carries the same `webhook-id`."""
    allow(actor, "resend_webhook", MAY)
    needs_scope(actor, "work")
    return _delivery(application.resend(context, actor, delivery, command))


def _may_manage(actor: SignedIn) -> None:
    allow(actor, "manage_subscriptions", MAY)
    needs_scope(actor, "work")


def _may_read(actor: SignedIn) -> None:
    allow(actor, "read_subscriptions", MAY)
    needs_scope(actor, "read")


def _shown(row: Row) -> Subscription:
    return Subscription(
        id=row.subscription,
        organisation=row.organisation,
        url=row.url,
        events=row.events,
        secret_version=row.secret_version,
        active=row.active,
        since=row.since,
        rotated_at=row.rotated_at,
    )


def _with_secret(made: application.WithSecret) -> SubscriptionWithSecret:
    return SubscriptionWithSecret(**_shown(made.row).model_dump(), secret=made.secret)


def _delivery(row: views.webhook.Row) -> Delivery:
    return Delivery(
        id=row.delivery,
        subscription=row.subscription,
        state=row.state,
        type=row.type,
        event=row.cause,
        time=row.time,
        case=row.case,
        attempts=row.attempts,
        error=row.error,
        next_at=row.next_at,
        ended_at=row.ended_at,
    )
