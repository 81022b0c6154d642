"""What happens here when others speak: what somebody must look at enters the queue, what settles it leaves it.

What a person is to be told and which programs are to be called is noted by folds (`views.request_card`, `views.incident`,
`views.webhook`); here it is sent. A fact about a request that is not known here yet waits until it is.
"""

from types import MappingProxyType
from typing import Final, cast
from uuid import UUID

from notification_svc import views
from notification_svc.application import message, subscription, work_item
from notification_svc.application.context import SERVICE, Context
from notification_svc.domain.work_item import LEASE
from notification_svc.views import webhook
from notification_svc.views.incident import TELL_LINKED
from notification_svc.views.request_card import CHANNEL, AddressedNotice, Card, registered_apart
from notification_svc.views.trouble import COMPLETES
from notification_svc.views.webhook import Called
from shared_chassis.consumer import Early, Only, Reactions
from shared_chassis.sender import Channels, Delivery
from shared_chassis.store import Command
from shared_chassis.timer import DueTimer, TimerReactions
from shared_events.dispatch import (
    AssignmentDeclined,
    DeadlineBreached,
    IncidentSuggested,
    RequestEscalated,
    RequestLinkedToIncident,
    RoutingFailed,
    WorkReturned,
)
from shared_events.envelope import Received
from shared_events.ids import request_stream, uuid_of
from shared_events.request import (
    CompletionDisputed,
    RequestLinkedAsDuplicate,
    RequestRegistered,
    RequestSubmitted,
    RequestUnlinked,
)


def when_submitted_without_a_type_then_open_an_item(context: Context, received: Received) -> None:
    """When nobody knows of what type a request is, an agent is to register it."""
    fact = cast("RequestSubmitted", received.fact)
    work_item.open_item(context, received, None, Card(fact.city, fact.location.district, None, fact.language))


def when_routing_failed_then_open_an_item(context: Context, received: Received) -> None:
    """When nobody is responsible, a dispatcher is to look."""
    inputs = cast("RoutingFailed", received.fact).inputs
    work_item.open_item(context, received, None, Card(inputs.city, inputs.district, inputs.service_type))


def when_given_back_then_open_an_item(context: Context, received: Received) -> None:
    """When an organisation declines an assignment or returns the work, a dispatcher is to look."""
    work_item.open_item(context, received, None)


def when_deadline_breached_then_open_an_item(context: Context, received: Received) -> None:
    """When a term has passed, somebody is to ask why."""
    work_item.open_item(context, received, cast("DeadlineBreached", received.fact).due)


def when_escalated_then_open_an_item(context: Context, received: Received) -> None:
    """When a breach still stands, somebody higher is to act."""
    work_item.open_item(context, received, cast("RequestEscalated", received.fact).due)


def when_disputed_then_open_an_item(context: Context, received: Received) -> None:
    """When a resident says that the work is not done, a supervisor is to look."""
    work_item.open_item(context, received, None)


def when_an_incident_is_suggested_then_open_an_item(context: Context, received: Received) -> None:
    """When far more requests come than usual, a dispatcher is to say whether that is an incident."""
    fact = cast("IncidentSuggested", received.fact)
    work_item.open_item(context, received, None, Card(fact.city, fact.district, fact.service_type))


def when_registered_then_complete_its_item(context: Context, received: Received) -> None:
    """When the request has a type, nothing is left to do."""
    work_item.complete_items(context, received)


def when_settled_then_complete_its_items(context: Context, received: Received) -> None:
    """When a request is assigned, its work done, it or its case closed, or an incident decided, nothing is left to do."""
    work_item.complete_items(context, received)


def when_linked_to_an_incident_then_wait_for_the_request(context: Context, received: Received) -> None:
    """When an incident explains a request that is not known here yet, its reporter can be told once it is."""
    _wait_for(context, uuid_of(received.stream_id))


def when_linked_or_unlinked_then_wait_for_the_original(context: Context, received: Received) -> None:
    """When a request is linked to or unlinked from one that is not known here yet, that one's reporter can be told once it is."""
    _wait_for(context, cast("RequestLinkedAsDuplicate | RequestUnlinked", received.fact).of)


def _wait_for(context: Context, request: UUID | None) -> None:
    """Have the event wait for a request's arrival. Raises `Early`."""
    if request is not None and not views.request_card.is_known(context.database, request):
        raise Early(request_stream(request))


def when_a_lease_ends_then_release_the_item(context: Context, timer: DueTimer) -> None:
    """When nobody has finished in time, others may take it."""
    work_item.expire_lease(context, timer.stream_id, Command.of_timer(timer, SERVICE))


def send_by_file(context: Context, delivery: Delivery) -> None:
    """Send a message by the outbox directory."""
    message.send(context, _notice(delivery))


def tell_whom_an_incident_concerns(context: Context, delivery: Delivery) -> None:
    """Have everybody told whose request an incident explains."""
    views.incident.tell_linked(context.database, delivery.cause)


def call_a_program(context: Context, delivery: Delivery) -> None:
    """Call an executor's program."""
    subscription.call(context, delivery.id, _called(delivery))


def when_sent_then_state_it(context: Context, delivery: Delivery) -> None:
    """When a message has left or a program has taken a call, that is a fact."""
    if delivery.channel == webhook.CHANNEL:
        subscription.state_delivered(context, delivery.id, _called(delivery), delivery.attempts)
    elif delivery.channel == CHANNEL:
        message.state_sent(context, _notice(delivery))


def when_given_up_then_state_it(context: Context, delivery: Delivery) -> None:
    """When a message could not be delivered or a program did not take a call, that is a fact too."""
    if delivery.channel == webhook.CHANNEL:
        subscription.state_failed(context, delivery.id, _called(delivery), delivery.attempts, delivery.error or "")
    elif delivery.channel == CHANNEL:
        message.state_failed(context, _notice(delivery), delivery.attempts, delivery.error or "")


def _without_a_type(received: Received) -> bool:
    return cast("RequestSubmitted", received.fact).service_type is None


def _notice(delivery: Delivery) -> AddressedNotice:
    return AddressedNotice.model_validate(delivery.payload)


def _called(delivery: Delivery) -> Called:
    return Called.model_validate(delivery.payload)


REACTIONS: Final[Reactions[Context]] = MappingProxyType(
    {
        **dict.fromkeys(COMPLETES, when_settled_then_complete_its_items),
        RequestSubmitted: Only(_without_a_type, when_submitted_without_a_type_then_open_an_item),
        RequestRegistered: Only(registered_apart, when_registered_then_complete_its_item),
        RequestLinkedAsDuplicate: when_linked_or_unlinked_then_wait_for_the_original,
        RequestUnlinked: when_linked_or_unlinked_then_wait_for_the_original,
        CompletionDisputed: when_disputed_then_open_an_item,
        RoutingFailed: when_routing_failed_then_open_an_item,
        AssignmentDeclined: when_given_back_then_open_an_item,
        WorkReturned: when_given_back_then_open_an_item,
        DeadlineBreached: when_deadline_breached_then_open_an_item,
        RequestEscalated: when_escalated_then_open_an_item,
        IncidentSuggested: when_an_incident_is_suggested_then_open_an_item,
        RequestLinkedToIncident: when_linked_to_an_incident_then_wait_for_the_request,
    }
)

TIMERS: Final[TimerReactions[Context]] = MappingProxyType({LEASE: when_a_lease_ends_then_release_the_item})

CHANNELS: Final[Channels[Context]] = MappingProxyType({CHANNEL: send_by_file, TELL_LINKED: tell_whom_an_incident_concerns})
"""What is sent by our own means, in moments."""

PROGRAMS: Final[Channels[Context]] = MappingProxyType({webhook.CHANNEL: call_a_program})
"""What is sent to others' programs, which may let us wait: by a sender of its own, so that no letter waits for them."""
