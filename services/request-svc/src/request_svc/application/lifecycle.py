"""A request from submission to closing: one function a use case. Load, decide, append."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from request_svc.application.context import Context, asker_of, city_rules, on_request
from request_svc.domain import request as requests
from request_svc.domain.city import CityRules, register_number
from request_svc.domain.question import Answers, checked
from request_svc.domain.refusal import UnknownRequestError
from request_svc.domain.request import REQUEST, RefusalOutcome, Request
from request_svc.domain.submission import (
    Whom,
    check_channel,
    check_offered,
    check_service_type,
    check_submission,
    person_of,
)
from shared_chassis.http import Actor
from shared_chassis.register import draw_of_year
from shared_chassis.store import Command, Result
from shared_events.dispatch import WorkFoundImpossible, WorkReportedDone
from shared_events.event import Event
from shared_events.ids import derive, request_stream
from shared_events.request import RequestSubmitted, WithdrawalReason


@dataclass(frozen=True, slots=True)
class Entry:
    """A request in the register: its number, None until its type is known, and the version of its stream."""

    id: UUID
    number: str | None
    version: int


def submit(
    context: Context, asked: RequestSubmitted, whom: Whom, on_behalf_of: UUID | None, actor: Actor, command: Command
) -> Entry:
    """Take a request in over any channel, and register it at once when its type is known.

    `asked` is the submission as it came, with no person yet and the language as given (empty: the city's own). All is checked
    before a number is drawn.
    """
    city = city_rules(context, asked.city)
    asker = asker_of(actor)
    person = person_of(asker, whom, on_behalf_of, derive(command.id, "person"))
    asked = asked.model_copy(update={"person": person, "language": asked.language or city.default_language})
    check_channel(asker, asked)
    asked = check_submission(asked, city)
    number = _draw_for(context, city, asked.service_type, command) if asked.service_type is not None else None
    request = derive(command.id)
    result = context.store.handle(
        REQUEST, request_stream(request), lambda known, _now: requests.submit(known, asked, number), command
    )
    return _entry(context, request, number, result)


def register(context: Context, request: UUID, service_type: str, answers: Answers, command: Command) -> Entry:
    """Give a submitted request its type and number; a number is drawn only where it will be used."""
    known = context.store.load(REQUEST, request_stream(request)).state
    number = known.number
    answered: Answers | None = None
    if known.state == "submitted":
        city = city_rules(context, known.city)
        answered = checked(check_service_type(city, service_type), answers)
        number = _draw_for(context, city, service_type, command)
    result = on_request(
        context,
        request,
        lambda latest, _now: requests.register(latest, service_type, number or "", answered),
        command,
    )
    return _entry(context, request, number, result)


def reclassify(context: Context, request: UUID, service_type: str, answers: Answers, reason: str, command: Command) -> Result:
    """Let the city say that a request is of another service type, whose questions are answered with it."""

    def decide(known: Request, now: datetime) -> list[Event]:
        if known.state == "absent":
            raise UnknownRequestError
        city = city_rules(context, known.city)
        asked = check_service_type(city, service_type)
        if service_type == known.service_type:
            return requests.reclassify(known, service_type, answers, reason)
        check_offered(city, service_type, now)
        return requests.reclassify(known, service_type, checked(asked, answers), reason)

    return on_request(context, request, decide, command)


def propose_completion(context: Context, request: UUID, reported: WorkReportedDone, since: datetime, command: Command) -> Result:
    """Ask the resident whether the work that was reported done at a moment is done; by the city's present term of silence."""

    def decide(known: Request, _now: datetime) -> list[Event]:
        if known.state == "absent":
            raise UnknownRequestError
        consent = city_rules(context, known.city).consent_for(known.service_type)
        return requests.propose_completion(known, reported, since, consent)

    return on_request(context, request, decide, command)


def find_impossible(context: Context, request: UUID, found: WorkFoundImpossible, command: Command) -> Result:
    """Close a request whose work a dispatcher found to be impossible, or to come with planned works."""
    return on_request(context, request, lambda known, _now: requests.find_impossible(known, found), command)


def confirm(context: Context, request: UUID, actor: Actor, command: Command) -> Result:
    """Let the resident, or an agent on their behalf, say that the work is done."""
    asker = asker_of(actor)
    return on_request(context, request, lambda known, _now: requests.confirm(known, asker), command)


def dispute(context: Context, request: UUID, actor: Actor, reason: str | None, command: Command) -> Result:
    """Let the resident, or an agent on their behalf, say that the work is not done."""
    asker = asker_of(actor)
    return on_request(context, request, lambda known, _now: requests.dispute(known, asker, reason), command)


def deem_accepted(context: Context, stream_id: str, asked_round: int, command: Command) -> Result:
    """Accept the work of a round by silence."""
    return context.store.handle(REQUEST, stream_id, lambda known, now: requests.deem_accepted(known, asked_round, now), command)


def withdraw(context: Context, request: UUID, actor: Actor, reason: WithdrawalReason, command: Command) -> Result:
    """Let the resident, or an agent on their behalf, take the request back."""
    asker = asker_of(actor)
    return on_request(context, request, lambda known, _now: requests.withdraw(known, asker, reason), command)


def reject(context: Context, request: UUID, ground: str, outcome: RefusalOutcome, command: Command) -> Result:
    """Let the city refuse the request."""
    return on_request(context, request, lambda known, _now: requests.reject(known, ground, outcome), command)


def rate(context: Context, request: UUID, actor: Actor, rating: int, comment: str | None, command: Command) -> Result:
    """Let the resident, or an agent on their behalf, say how the work was done."""
    asker = asker_of(actor)
    return on_request(context, request, lambda known, _now: requests.rate(known, asker, rating, comment), command)


def _draw_for(context: Context, city: CityRules, service_type: str, command: Command) -> str:
    """Draw a number for a request of a service type that the city offers today; the day is asked for only where it matters."""
    if city.service_types[service_type].dated:
        check_offered(city, service_type, context.store.now())
    return draw_number(context, city, command)


def draw_number(context: Context, city: CityRules, command: Command) -> str:
    """Draw the command's register number; a repeated command gets the number it had, also when a year has turned meanwhile."""
    drawn = draw_of_year(context.database, city.prefix, city.zone.key, command.id)
    return register_number(drawn.series, drawn.number)


def _entry(context: Context, request: UUID, number: str | None, result: Result) -> Entry:
    """Say what a command led to, then as now: a repeated one is told what was so when it was first done."""
    if result.repeated:
        number = context.store.load_at(REQUEST, result.stream_id, result.version).state.number
    return Entry(request, number, result.version)
