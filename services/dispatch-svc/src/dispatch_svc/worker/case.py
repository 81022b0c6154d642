"""What happens to a case when request-svc speaks, and when a moment it watches for has come."""

from dispatch_svc.application import SERVICE, Context
from dispatch_svc.application import case as application
from dispatch_svc.domain.case import WATCH
from dispatch_svc.worker.hearing import case_known, fact, request
from shared_chassis.consumer import Only, Reactions
from shared_chassis.store import Command
from shared_chassis.timer import DueTimer, TimerReactions
from shared_events.envelope import Received
from shared_events.request import (
    CompletionProposed,
    InformationNotReceived,
    InformationReceived,
    InformationRequested,
    RequestClosed,
    RequestReclassified,
    RequestRegistered,
    RequestReopened,
    RequestSubmitted,
)


def when_a_request_is_submitted_open_its_case(context: Context, received: Received) -> None:
    """Open the case of a request whose type nobody knows; the call centre holds it from the moment of the submission.

    Any other is registered in the same breath, and its case is opened by that.
    """
    command = Command.because_of(received, "open-case", SERVICE)
    submitted = fact(received, RequestSubmitted)
    application.open_case(context, request(received), submitted, received.envelope.time, command)


def when_a_request_is_registered_route_it(context: Context, received: Received) -> None:
    """Send it to whom a rule names, or to a dispatcher; the clocks start at the registration."""
    command = Command.because_of(received, "route", SERVICE)
    registered = fact(received, RequestRegistered)
    application.route(context, request(received), registered, received.envelope.time, command)


def when_a_request_is_reclassified_count_and_route_it_anew(context: Context, received: Received) -> None:
    """Count its clocks by the new type's terms; until somebody has accepted, it is routed again."""
    command = Command.because_of(received, "reclassify", SERVICE)
    reclassified = fact(received, RequestReclassified)
    with case_known(received):
        application.reclassify(context, request(received), reclassified, received.envelope.time, command)


def when_information_is_requested_the_resident_holds_the_case(context: Context, received: Received) -> None:
    """Hand the case to the resident; the stages' clocks stand still."""
    command = Command.because_of(received, "await-information", SERVICE)
    asked = fact(received, InformationRequested)
    with case_known(received):
        application.await_information(context, request(received), asked, received.envelope.time, command)


def when_information_came_or_its_time_is_over_go_on(context: Context, received: Received) -> None:
    """Hand the case back to who held it; the clocks go on."""
    command = Command.because_of(received, "go-on", SERVICE)
    with case_known(received):
        application.end_waiting(context, request(received), received.envelope.time, command)


def when_completion_is_proposed_the_resident_holds_the_case(context: Context, received: Received) -> None:
    """Hand the case to the resident; no stage clock runs while the resident thinks."""
    command = Command.because_of(received, "ask-resident", SERVICE)
    proposed = fact(received, CompletionProposed)
    with case_known(received):
        application.ask_resident(context, request(received), proposed, received.envelope.time, command)


def when_a_request_is_reopened_take_up_its_work(context: Context, received: Received) -> None:
    """Give it to the same organisation in a new round, or to a dispatcher; the total clock goes on."""
    command = Command.because_of(received, "reopen", SERVICE)
    reopened = fact(received, RequestReopened)
    with case_known(received):
        application.reopen(context, request(received), reopened, received.envelope.time, command)


def when_a_request_is_closed_close_its_case(context: Context, received: Received) -> None:
    """Close the case with the request's outcome."""
    command = Command.because_of(received, "close-case", SERVICE)
    closed = fact(received, RequestClosed)
    with case_known(received):
        application.close(context, request(received), closed, received.envelope.time, command)


def _without_a_type(received: Received) -> bool:
    return fact(received, RequestSubmitted).service_type is None


def when_a_watched_moment_comes_state_what_is_due(context: Context, timer: DueTimer) -> None:
    """State warnings, breaches and escalations whose moment has come; however late the timer is, `due` is what it was."""
    application.watch(context, timer, Command.of_timer(timer, SERVICE))


REACTIONS: Reactions[Context] = {
    RequestSubmitted: Only(_without_a_type, when_a_request_is_submitted_open_its_case),
    RequestRegistered: when_a_request_is_registered_route_it,
    RequestReclassified: when_a_request_is_reclassified_count_and_route_it_anew,
    InformationRequested: when_information_is_requested_the_resident_holds_the_case,
    InformationReceived: when_information_came_or_its_time_is_over_go_on,
    InformationNotReceived: when_information_came_or_its_time_is_over_go_on,
    CompletionProposed: when_completion_is_proposed_the_resident_holds_the_case,
    RequestReopened: when_a_request_is_reopened_take_up_its_work,
    RequestClosed: when_a_request_is_closed_close_its_case,
}
"""What is heard of request-svc. A rejected or withdrawn request says RequestClosed in the same breath, so that is enough."""

TIMERS: TimerReactions[Context] = {WATCH: when_a_watched_moment_comes_state_what_is_due}
"""What happens when a timer is due."""
