"""What can be done with executors' programs: subscribe them, call them, call them again by hand."""

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from notification_svc import views
from notification_svc.application.context import SERVICE, Context
from notification_svc.application.work_item import complete_failed_deliveries, open_failed_delivery
from notification_svc.domain import subscription as rules
from notification_svc.domain.subscription import (
    MOST_SUBSCRIPTIONS,
    OVERLAP,
    SUBSCRIPTION,
    WEBHOOK,
    Call,
    DeliveryUnknownError,
    OrganisationMissingError,
    StillUnderWayError,
    Subscription,
    SubscriptionUnknownError,
    TooManySubscriptionsError,
    Webhook,
)
from notification_svc.domain.target import check_target
from notification_svc.outbound.webhook import Posted
from notification_svc.views.subscription import Row
from notification_svc.views.webhook import Called
from shared_chassis.http import Actor
from shared_chassis.sender import UndeliverableError
from shared_chassis.store import Command, Result
from shared_events.event import Event
from shared_events.ids import derive, subscription_stream, uuid_of

SECRET_PREFIX = "whsec_"  # noqa: S105 - how a secret is recognised (Standard Webhooks), not one
"""How every secret begins when it is shown."""


class WithSecret(NamedTuple):
    """A subscription and its present secret, as the program that checks signatures needs it."""

    row: Row
    secret: str


def subscribe(context: Context, actor: Actor, url: str, events: Sequence[str], command: Command) -> WithSecret:
    """Have an organisation's program called about its own cases.

    Raises `OrganisationMissingError`, `TooManySubscriptionsError` and the refusals of `domain.subscription` and `domain.target`.
    """
    organisation = actor.organisation
    if organisation is None:
        raise OrganisationMissingError

    def decide(subscription: Subscription, _now: datetime) -> Sequence[Event]:
        check_target(url, private_too=context.programs.private_too)
        changed = rules.subscribe(subscription, organisation, url, events)
        if views.subscription.active(context.database, organisation) >= MOST_SUBSCRIPTIONS:
            raise TooManySubscriptionsError
        return changed

    stream_id = subscription_stream(derive(command.id, "subscription"))
    return _with_secret(context, context.store.handle(SUBSCRIPTION, stream_id, decide, command))


def rotate(context: Context, actor: Actor, subscription: UUID, command: Command) -> WithSecret:
    """Give a subscription a new secret. Raises `SubscriptionUnknownError`, `SubscriptionEndedError`."""
    return _with_secret(context, _act(context, subscription, lambda state: rules.rotate(state, actor.organisation), command))


def end(context: Context, actor: Actor, subscription: UUID, command: Command) -> Row:
    """Call the program no more. Raises `SubscriptionUnknownError`."""
    _act(context, subscription, lambda state: rules.end(state, actor.organisation), command)
    return _row(context, subscription)


def _act(context: Context, subscription: UUID, decide: Callable[[Subscription], Sequence[Event]], command: Command) -> Result:
    return context.store.handle(SUBSCRIPTION, subscription_stream(subscription), lambda state, _now: decide(state), command)


def _with_secret(context: Context, result: Result) -> WithSecret:
    """Show what a command made: the secret of the version it led to, also when the command is repeated later."""
    subscription = uuid_of(result.stream_id)
    loaded = context.store.load_at(SUBSCRIPTION, result.stream_id, result.version)
    secret = _secret(context, subscription, loaded.state.secret_version)
    return WithSecret(_row(context, subscription), SECRET_PREFIX + b64encode(secret).decode("ascii"))


def _secret(context: Context, subscription: UUID | None, version: int) -> bytes:
    """Derive the secret of a version of a subscription; it is stored nowhere."""
    return hmac.digest(context.secret, f"webhook|{subscription}|{version}".encode(), hashlib.sha256)


def _row(context: Context, subscription: UUID | None) -> Row:
    row = None if subscription is None else views.subscription.one(context.database, subscription, OVERLAP)
    if row is None:
        raise SubscriptionUnknownError
    return row


def read_subscription(context: Context, actor: Actor, subscription: UUID) -> Row:
    """Show a subscription to its organisation, or to staff. Raises `SubscriptionUnknownError`."""
    row = _row(context, subscription)
    if not _sees(actor, row.organisation):
        raise SubscriptionUnknownError
    return row


def subscriptions(
    context: Context, actor: Actor, organisation: str | None, after: views.subscription.Place | None, limit: int
) -> Sequence[Row]:
    """List subscriptions: an executor its organisation's, staff anybody's. Raises `OrganisationMissingError`."""
    if _is_executor(actor):
        if actor.organisation is None:
            raise OrganisationMissingError
        if organisation not in {None, actor.organisation}:
            return []
        organisation = actor.organisation
    return views.subscription.subscriptions(context.database, organisation, OVERLAP, after, limit)


def calls(
    context: Context,
    actor: Actor,
    subscription: UUID,
    state: views.webhook.State | None,
    after: views.webhook.Place | None,
    limit: int,
) -> Sequence[views.webhook.Row]:
    """List the calls to a program, about the latest events first. Raises `SubscriptionUnknownError`."""
    read_subscription(context, actor, subscription)
    return views.webhook.calls(context.database, subscription, state, after, limit)


def resend(context: Context, actor: Actor, delivery: UUID, command: Command) -> views.webhook.Row:
    """Have a call made again by hand, whether it was taken or not; the same command does it once.

    Raises `DeliveryUnknownError`, `SubscriptionEndedError`, `StillUnderWayError`.
    """
    found = views.webhook.one(context.database, delivery)
    if found is None or not _sees(actor, found.organisation):
        raise DeliveryUnknownError

    def decide(_webhook: Webhook, _now: datetime) -> Sequence[Event]:
        if found.state == "waiting":
            raise StillUnderWayError
        if not _row(context, found.subscription).active:
            raise rules.SubscriptionEndedError
        return []

    context.store.handle(WEBHOOK, _stream(delivery), decide, command)
    views.webhook.send_again(context.database, delivery, command.id)
    return views.webhook.one(context.database, delivery) or found


def _is_executor(actor: Actor) -> bool:
    """Tell whether somebody reads as an executor, and not as staff."""
    return actor.roles.isdisjoint({"agent", "dispatcher", "auditor"})


def _sees(actor: Actor, organisation: str) -> bool:
    return actor.organisation == organisation or not _is_executor(actor)


def call(context: Context, delivery: UUID, called: Called) -> None:
    """Call a program, signed with the present secret and, for a day after a rotation, with the former one too.

    Raises `UndeliverableError` when the subscription has ended, and what `Programs.call` raises.
    """
    row = views.subscription.one(context.database, called.subscription, OVERLAP)
    if row is None or not row.active:
        raise UndeliverableError("The subscription has ended.")
    versions = [row.secret_version, row.secret_version - 1] if row.overlapping else [row.secret_version]
    secrets = [_secret(context, called.subscription, version) for version in versions]
    context.programs.call(row.url, Posted(delivery, json.dumps(_body(context, delivery, called), ensure_ascii=False)), secrets)


def _body(context: Context, delivery: UUID, called: Called) -> Mapping[str, object]:
    """Write what a program is told; the request's number as far as it is known here."""
    number = views.request_card.number_of(context.database, called.case)
    return {
        "id": str(delivery),
        "type": called.type,
        "time": called.time,
        "case": str(called.case),
        **({} if number is None else {"number": number}),
        "data": called.data,
    }


def state_delivered(context: Context, delivery: UUID, called: Called, attempts: int) -> None:
    """State that a program took an event, and complete what lay in the queue because it had not; safe to repeat."""
    result = context.store.handle(
        WEBHOOK,
        _stream(delivery),
        lambda _webhook, _now: rules.deliver(_call(called), attempts),
        _command(delivery, called, "delivered"),
    )
    events = context.store.events(_stream(delivery))
    complete_failed_deliveries(context, _stream(delivery), events[result.first_version - 1])


def state_failed(context: Context, delivery: UUID, called: Called, attempts: int, error: str) -> None:
    """State that a program did not take an event after so many attempts; safe to repeat.

    Somebody is to look, unless the subscription was ended meanwhile: then nobody waits for it.
    """
    result = context.store.handle(
        WEBHOOK,
        _stream(delivery),
        lambda _webhook, _now: rules.fail(_call(called), attempts, error),
        _command(delivery, called, "failed"),
    )
    row = views.subscription.one(context.database, called.subscription, OVERLAP)
    if row is not None and row.active:
        open_failed_delivery(context, context.store.events(_stream(delivery))[result.first_version - 1], called.case)


def _call(called: Called) -> Call:
    return Call(called.subscription, called.organisation, called.cause, called.type, called.case)


def _stream(delivery: UUID) -> str:
    return f"message-{delivery}"


def _command(delivery: UUID, called: Called, word: str) -> Command:
    """Name the command that states what became of a call.

    Reporting it again repeats the command; sending it again by hand does not.
    """
    again = called.replays[-1] if called.replays else "first"
    return Command(derive(delivery, again, word), f"service:{SERVICE}", correlation=called.case, causation=called.cause)
