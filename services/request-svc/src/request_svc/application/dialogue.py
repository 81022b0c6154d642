"""What the resident is asked and answers, and which requests are the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from eventsourcing.persistence import IntegrityError

from request_svc.application.context import Context, asker_of, city_rules, on_request
from request_svc.domain import request as requests
from request_svc.domain.city import DUPLICATE_WITHIN
from request_svc.domain.refusal import NotYourCaseError, OriginalIsDuplicateError, UnknownRequestError
from request_svc.domain.request import REQUEST, Original, Request, Side
from request_svc.domain.submission import check_service_type
from request_svc.views import case_status
from request_svc.views import register as register_view
from shared_chassis.http import Actor
from shared_chassis.store import Command, Result
from shared_events.event import Event
from shared_events.ids import request_stream


@dataclass(frozen=True, slots=True)
class Sought:
    """Where something is about to be asked, and of which kind: what could be the same is looked for by it."""

    city: str
    service_type: str
    building: str | None
    address: str | None


def similar(context: Context, sought: Sought) -> Sequence[register_view.Similar]:
    """Find the open requests of the last days that may be the same: of one kind, at one building or address."""
    check_service_type(city_rules(context, sought.city), sought.service_type)
    return register_view.similar(
        context.database, sought.city, sought.service_type, sought.building, sought.address, DUPLICATE_WITHIN
    )


def link(context: Context, request: UUID, original: UUID, command: Command) -> Result:
    """Let the city say that a request repeats an earlier one; both are looked at as they now stand.

    Of two requests that are linked to each other at one moment, the read model refuses the second.
    """

    def decide(known: Request, _now: datetime) -> list[Event]:
        other = context.store.load(REQUEST, request_stream(original)).state
        return requests.link(known, request, Original(original, other))

    try:
        return on_request(context, request, decide, command)
    except IntegrityError as error:
        raise OriginalIsDuplicateError(f"That is {request}.") from error


def unlink(context: Context, request: UUID, reason: str, command: Command) -> Result:
    """Let the city say that a request was not the same after all."""
    return on_request(context, request, lambda known, _now: requests.unlink(known, reason), command)


def ask(context: Context, request: UUID, actor: Actor, question: str, command: Command) -> Result:
    """Ask the resident for what is missing: the call centre, a dispatcher, or the organisation that has the request."""
    by = _side(context, request, actor)

    def decide(known: Request, now: datetime) -> list[Event]:
        if known.state == "absent":
            raise UnknownRequestError
        term = city_rules(context, known.city).information_for(known.service_type)
        return requests.ask(known, question, by, now, term)

    return on_request(context, request, decide, command)


def answer(context: Context, request: UUID, actor: Actor, text: str, command: Command) -> Result:
    """Let the resident, or an agent on their behalf, answer what was asked."""
    asker = asker_of(actor)
    return on_request(context, request, lambda known, _now: requests.answer(known, asker, text), command)


def give_up_waiting(context: Context, stream_id: str, number: int, command: Command) -> Result:
    """Let the clocks go on without the answer."""
    return context.store.handle(REQUEST, stream_id, lambda known, now: requests.give_up_waiting(known, number, now), command)


def _side(context: Context, request: UUID, actor: Actor) -> Side:
    """Say for whom an actor asks; an organisation asks about what it has."""
    if "dispatcher" in actor.roles:
        return "dispatcher"
    if "agent" in actor.roles:
        return "call_centre"
    if actor.organisation is None or actor.organisation != case_status.organisation_of(context.database, request):
        raise NotYourCaseError
    return "organisation"
