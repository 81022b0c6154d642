"""What happens here when others speak, and when silence has lasted its term."""

from uuid import UUID

from request_svc.application import SERVICE, Context, dialogue, erasure, lifecycle
from request_svc.domain.person import ERASURE
from request_svc.domain.refusal import RequestError, TermNotOverError
from request_svc.domain.request import INFORMATION_CAP, SILENT_CONSENT
from shared_chassis.consumer import Apart, Invalid, Reactions, Transient
from shared_chassis.store import Command
from shared_chassis.timer import DueTimer, TimerReactions
from shared_events.dispatch import WorkFoundImpossible, WorkReportedDone
from shared_events.envelope import Received
from shared_events.ids import uuid_of


def when_work_is_reported_done_ask_the_resident(context: Context, received: Received) -> None:
    """Propose completion; the term of silence runs from the report's own time.

    Only what this service submitted and registered is ever worked on: a report about anything else needs a person to look.
    """
    command = Command.because_of(received, "propose-completion", SERVICE)
    reported = received.fact
    if not isinstance(reported, WorkReportedDone):
        raise Invalid(f"A report is expected here, not a {type(reported).__name__}.")
    try:
        lifecycle.propose_completion(context, _request(received), reported, received.envelope.time, command)
    except RequestError as error:
        raise Invalid(str(error)) from error


def when_work_is_found_impossible_close_the_request(context: Context, received: Received) -> None:
    """Close the request with the outcome a dispatcher stated; the resident is told, and not asked whether it is so."""
    command = Command.because_of(received, "find-impossible", SERVICE)
    found = received.fact
    if not isinstance(found, WorkFoundImpossible):
        raise Invalid(f"A finding is expected here, not a {type(found).__name__}.")
    try:
        lifecycle.find_impossible(context, _request(received), found, command)
    except RequestError as error:
        raise Invalid(str(error)) from error


def when_silence_has_lasted_its_term_accept_the_work(context: Context, timer: DueTimer) -> None:
    """Close the request by silent consent; a clock that was set back meanwhile lets the resident have the time."""
    command = Command.of_timer(timer, SERVICE)
    try:
        lifecycle.deem_accepted(context, timer.stream_id, int(timer.payload["round"]), command)
    except TermNotOverError as error:
        raise Transient(str(error)) from error


def when_a_question_has_waited_its_term_go_on(context: Context, timer: DueTimer) -> None:
    """State that what was asked was not answered: the clocks go on without it."""
    command = Command.of_timer(timer, SERVICE)
    try:
        dialogue.give_up_waiting(context, timer.stream_id, int(timer.payload["number"]), command)
    except TermNotOverError as error:
        raise Transient(str(error)) from error


def when_a_person_was_erased_destroy_the_key(context: Context, timer: DueTimer) -> None:
    """Destroy the key of a person whose erasure is a fact; a crash in between only makes it a moment later."""
    person = uuid_of(timer.stream_id)
    if person is None:
        raise Invalid(f"{timer.stream_id} is not the stream of a person.")
    erasure.destroy_key(context, person)


REACTIONS: Reactions[Context] = {
    WorkReportedDone: Apart(when_work_is_reported_done_ask_the_resident),
    WorkFoundImpossible: Apart(when_work_is_found_impossible_close_the_request),
}
"""What is heard of dispatch-svc; the rest of its facts only fold into the status of a request, which no decision reads."""

TIMERS: TimerReactions[Context] = {
    SILENT_CONSENT: when_silence_has_lasted_its_term_accept_the_work,
    INFORMATION_CAP: when_a_question_has_waited_its_term_go_on,
    ERASURE: when_a_person_was_erased_destroy_the_key,
}
"""What happens when a timer is due."""


def _request(received: Received) -> UUID:
    """Give the uuid of the request a case is of."""
    request = uuid_of(received.stream_id)
    if request is None:
        raise Invalid(f"{received.stream_id} is not the stream of a case.")
    return request
