"""What happens to a case when request-svc speaks, and when a moment it watches for has come."""

from dispatch_svc.application import SERVICE, Context
from dispatch_svc.application import case as application
from dispatch_svc.domain.case import DEADLINE
from dispatch_svc.worker.hearing import case_known, fact, request
from shared_chassis.consumer import Reactions
from shared_chassis.store import Command
from shared_chassis.timer import DueTimer, TimerReactions
from shared_events.envelope import Received
from shared_events.request import CompletionProposed, RequestClosed, RequestRegistered, RequestSubmitted


def when_a_request_is_submitted_open_its_case(context: Context, received: Received) -> None:
    """Open the case; the call centre holds it from the moment of the submission."""
    command = Command.because_of(received, "open-case", SERVICE)
    submitted = fact(received, RequestSubmitted)
    application.open_case(context, request(received), submitted, received.envelope.time, command)


def when_a_request_is_registered_route_it(context: Context, received: Received) -> None:
    """Send it to whom a rule names, or to a dispatcher; the accept clock starts at the registration."""
    command = Command.because_of(received, "route", SERVICE)
    registered = fact(received, RequestRegistered)
    with case_known(received):
        application.route(context, request(received), registered, received.envelope.time, command)


def when_completion_is_proposed_the_resident_holds_the_case(context: Context, received: Received) -> None:
    """Hand the case to the resident; no stage clock runs while the resident thinks."""
    command = Command.because_of(received, "ask-resident", SERVICE)
    with case_known(received):
        application.ask_resident(context, request(received), received.envelope.time, command)


def when_a_request_is_closed_close_its_case(context: Context, received: Received) -> None:
    """Close the case with the request's outcome."""
    command = Command.because_of(received, "close-case", SERVICE)
    closed = fact(received, RequestClosed)
    with case_known(received):
        application.close(context, request(received), closed, received.envelope.time, command)


def when_a_deadline_comes_state_the_breach(context: Context, timer: DueTimer) -> None:
    """State the breach if the stage is not over; however late the timer is, `due` is what it was."""
    application.breach(context, timer.stream_id, timer.payload["clock"], Command.of_timer(timer, SERVICE))


REACTIONS: Reactions[Context] = {
    RequestSubmitted: when_a_request_is_submitted_open_its_case,
    RequestRegistered: when_a_request_is_registered_route_it,
    CompletionProposed: when_completion_is_proposed_the_resident_holds_the_case,
    RequestClosed: when_a_request_is_closed_close_its_case,
}
"""What is heard of request-svc. A rejected or withdrawn request says RequestClosed in the same breath, so that is enough."""

TIMERS: TimerReactions[Context] = {DEADLINE: when_a_deadline_comes_state_the_breach}
"""What happens when a timer is due."""
