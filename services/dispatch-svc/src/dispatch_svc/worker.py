"""What dispatch does when request-svc speaks, and when a term is over."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar
from uuid import UUID

from dispatch_svc import application
from dispatch_svc.application import SERVICE, Context
from dispatch_svc.domain.case import DEADLINE
from dispatch_svc.domain.refusal import CaseNotFoundError
from shared_chassis.consumer import Early, Invalid, Reactions
from shared_chassis.store import Command
from shared_chassis.timer import DueTimer, TimerReactions
from shared_events.envelope import Received
from shared_events.event import Event
from shared_events.ids import case_stream, uuid_of
from shared_events.request import CompletionProposed, RequestClosed, RequestRegistered, RequestSubmitted

E = TypeVar("E", bound=Event)


def when_a_request_is_submitted_open_its_case(context: Context, received: Received) -> None:
    """Open the case; the call centre holds it from the moment of the submission."""
    command = Command.because_of(received, "open-case", SERVICE)
    submitted = _fact(received, RequestSubmitted)
    application.open_case(context, _request(received), submitted, received.envelope.time, command)


def when_a_request_is_registered_route_it(context: Context, received: Received) -> None:
    """Send it to whom a rule names, or to a dispatcher; the accept clock starts at the registration."""
    command = Command.because_of(received, "route", SERVICE)
    registered = _fact(received, RequestRegistered)
    with _case_known(received):
        application.route(context, _request(received), registered, received.envelope.time, command)


def when_completion_is_proposed_the_resident_holds_the_case(context: Context, received: Received) -> None:
    """Hand the case to the resident; no stage clock runs while the resident thinks."""
    command = Command.because_of(received, "ask-resident", SERVICE)
    with _case_known(received):
        application.ask_resident(context, _request(received), received.envelope.time, command)


def when_a_request_is_closed_close_its_case(context: Context, received: Received) -> None:
    """Close the case with the request's outcome."""
    command = Command.because_of(received, "close-case", SERVICE)
    closed = _fact(received, RequestClosed)
    with _case_known(received):
        application.close(context, _request(received), closed, received.envelope.time, command)


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


def _fact(received: Received, kind: type[E]) -> E:
    """Give the fact as what the table of reactions says it is."""
    if not isinstance(received.fact, kind):
        raise Invalid(f"A {kind.__name__} is expected here, not a {type(received.fact).__name__}.")
    return received.fact


def _request(received: Received) -> UUID:
    """Give the uuid of the request an event is about: its case has the same."""
    request = uuid_of(received.stream_id)
    if request is None:
        raise Invalid(f"{received.stream_id} is not the stream of a request.")
    return request


@contextmanager
def _case_known(received: Received) -> Iterator[None]:
    """Let an event about a case not opened here yet wait for the case."""
    try:
        yield
    except CaseNotFoundError as error:
        raise Early(case_stream(_request(received))) from error
