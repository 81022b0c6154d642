"""What happens here when others speak: what nobody routed and what is late enters the queue, what settles it leaves it.

What a person is to be told is noted by a fold (`views.request_card`); here it is sent.
"""

from types import MappingProxyType
from typing import Final, cast

from notification_svc import application
from notification_svc.application import SERVICE, Context
from notification_svc.domain import LEASE
from notification_svc.views.case_fact import COMPLETES
from notification_svc.views.request_card import CHANNEL, AddressedNotice, Card
from shared_chassis.consumer import Reactions
from shared_chassis.sender import Channels, Delivery
from shared_chassis.store import Command
from shared_chassis.timer import DueTimer, TimerReactions
from shared_events.dispatch import DeadlineBreached, RoutingFailed
from shared_events.envelope import Received


def when_routing_failed_then_open_an_item(context: Context, received: Received) -> None:
    """When nobody is responsible, a dispatcher is to look."""
    inputs = cast("RoutingFailed", received.fact).inputs
    application.open_item(context, received, None, Card(inputs.city, inputs.district, inputs.service_type))


def when_deadline_breached_then_open_an_item(context: Context, received: Received) -> None:
    """When a term has passed, somebody is to ask why."""
    application.open_item(context, received, cast("DeadlineBreached", received.fact).due)


def when_settled_then_complete_its_items(context: Context, received: Received) -> None:
    """When the request is assigned, its work reported done or its case closed, nothing is left to do."""
    application.complete_items(context, received)


def when_a_lease_ends_then_release_the_item(context: Context, timer: DueTimer) -> None:
    """When nobody has finished in time, others may take it."""
    application.expire_lease(context, timer.stream_id, Command.of_timer(timer, SERVICE))


def send_by_file(context: Context, delivery: Delivery) -> None:
    """Send a message by the outbox directory."""
    application.send(context, _notice(delivery))


def when_sent_then_state_it(context: Context, delivery: Delivery) -> None:
    """When a message has left, that the person was told is a fact."""
    application.state_sent(context, _notice(delivery))


def when_given_up_then_state_it(context: Context, delivery: Delivery) -> None:
    """When a message could not be delivered, that is a fact too."""
    application.state_failed(context, _notice(delivery), delivery.attempts, delivery.error or "")


def _notice(delivery: Delivery) -> AddressedNotice:
    return AddressedNotice.model_validate(delivery.payload)


REACTIONS: Final[Reactions[Context]] = MappingProxyType(
    {
        RoutingFailed: when_routing_failed_then_open_an_item,
        DeadlineBreached: when_deadline_breached_then_open_an_item,
        **dict.fromkeys(COMPLETES, when_settled_then_complete_its_items),
    }
)

TIMERS: Final[TimerReactions[Context]] = MappingProxyType({LEASE: when_a_lease_ends_then_release_the_item})

CHANNELS: Final[Channels[Context]] = MappingProxyType({CHANNEL: send_by_file})
