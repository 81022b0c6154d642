"""A service request: its state, and what residents, agents and time may do to it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, assert_never, cast
from uuid import UUID

from request_svc.domain.city import SilentConsent
from request_svc.domain.refusal import (
    AlreadyClosedError,
    AlreadyRegisteredError,
    CompletionBeingAskedError,
    CompletionNotProposedError,
    DeemedAcceptedError,
    NobodyToAskError,
    NotRegisteredError,
    NotYourRequestError,
    TermNotOverError,
    UnknownRequestError,
)
from request_svc.domain.submission import Asker
from shared_calendar import due
from shared_chassis.stream import Cancel, Set, Stream
from shared_events.dispatch import WorkReportedDone
from shared_events.event import Event
from shared_events.request import (
    CompletionConfirmed,
    CompletionDeemedAccepted,
    CompletionProposed,
    Outcome,
    RequestClosed,
    RequestRegistered,
    RequestRejected,
    RequestSubmitted,
    RequestWithdrawn,
    WithdrawalReason,
)

State = Literal["absent", "submitted", "registered", "completion_proposed", "closed"]
Ending = Literal["confirmed", "deemed_accepted", "rejected", "withdrawn"]
RefusalOutcome = Literal["refused", "not_responsible"]

SILENT_CONSENT = "silent-consent"
"""The kind of the timer that closes a request whose resident did not answer."""


@dataclass(frozen=True, slots=True)
class Request:
    """A service request as its facts leave it; `round` counts the proposals of completion, from 1."""

    state: State = "absent"
    city: str = ""
    district: str | None = None
    service_type: str | None = None
    person: UUID | None = None
    number: str | None = None
    round: int = 0
    consent_due: datetime | None = None
    ending: Ending | None = None
    outcome: Outcome | None = None


RequestFact = (
    RequestSubmitted
    | RequestRegistered
    | RequestRejected
    | CompletionProposed
    | CompletionConfirmed
    | CompletionDeemedAccepted
    | RequestWithdrawn
    | RequestClosed
)


def evolve(request: Request, fact: RequestFact) -> Request:
    """Take the next fact of a request's life; it never refuses."""
    match fact:
        case RequestSubmitted():
            following = Request(
                state="submitted",
                city=fact.city,
                district=fact.location.district,
                service_type=fact.service_type,
                person=fact.person,
            )
        case RequestRegistered():
            following = replace(request, state="registered", number=fact.number, service_type=fact.service_type)
        case CompletionProposed():
            following = replace(request, state="completion_proposed", round=fact.round, consent_due=fact.consent_due)
        case CompletionConfirmed():
            following = replace(request, ending="confirmed")
        case CompletionDeemedAccepted():
            following = replace(request, ending="deemed_accepted")
        case RequestRejected():
            following = replace(request, ending="rejected")
        case RequestWithdrawn():
            following = replace(request, ending="withdrawn")
        case RequestClosed():
            following = replace(request, state="closed", outcome=fact.outcome)
        case _:
            assert_never(fact)
    return following


def timers(request: Request, events: Sequence[Event]) -> list[Set | Cancel]:
    """Set the clock of silent consent when the resident is asked; stop it when the request closes by another way.

    `request` is the state after the events.
    """
    changes: list[Set | Cancel] = []
    for event in events:
        match event:
            case CompletionProposed():
                changes.append(
                    Set(SILENT_CONSENT, str(event.round), due_at=event.consent_due, payload={"round": str(event.round)})
                )
            case RequestClosed() if request.round and request.ending != "deemed_accepted":
                changes.append(Cancel(SILENT_CONSENT, str(request.round)))
            case _:
                pass
    return changes


REQUEST = Stream(
    "request",
    Request(),
    cast("Callable[[Request, Event], Request]", evolve),  # a request's stream holds these facts alone
    timers,
)


def submit(request: Request, asked: RequestSubmitted, number: str | None) -> list[Event]:
    """Take a request in, and register it at once when its type is known; `number` is drawn for exactly that case."""
    if request.state != "absent":
        return []
    if number is None or asked.service_type is None:
        return [asked]
    registered = RequestRegistered(
        number=number, city=asked.city, service_type=asked.service_type, district=asked.location.district
    )
    return [asked, registered]


def register(request: Request, service_type: str, number: str) -> list[Event]:
    """Give a submitted request its type and number; all clocks start here."""
    match request.state:
        case "absent":
            raise UnknownRequestError
        case "submitted":
            return [RequestRegistered(number=number, city=request.city, service_type=service_type, district=request.district)]
        case "closed" if request.number is None:
            raise AlreadyClosedError(_outcome(request))
        case "registered" | "completion_proposed" | "closed":
            if request.service_type != service_type:
                raise AlreadyRegisteredError(f"It is registered as {request.service_type}.")
            return []
        case _:
            assert_never(request.state)


def propose_completion(request: Request, reported: WorkReportedDone, since: datetime, consent: SilentConsent) -> list[Event]:
    """When the executor reported the work done, ask the resident; the term of silence runs from the report's own time.

    A request that closed meanwhile stays as it is, and a round already asked about is not asked again.
    """
    match request.state:
        case "absent":
            raise UnknownRequestError
        case "submitted":
            raise NotRegisteredError
        case "closed":
            return []
        case "registered" | "completion_proposed":
            if reported.round <= request.round:
                return []
            return [
                CompletionProposed(
                    round=reported.round,
                    organisation=reported.organisation,
                    evidence=reported.evidence,
                    consent_due=due(since, consent.term, consent.calendar),
                    policy_version=consent.policy_version,
                    calendar=consent.calendar.id,
                    calendar_version=consent.calendar.version,
                )
            ]
        case _:
            assert_never(request.state)


def confirm(request: Request, asker: Asker) -> list[Event]:
    """Close the request as done because the resident is satisfied."""
    _check_asker(request, asker)
    if request.ending == "confirmed":
        return []
    if request.ending == "deemed_accepted":
        raise DeemedAcceptedError
    _check_open(request)
    if request.person is None:
        raise NobodyToAskError
    if request.state != "completion_proposed":
        raise CompletionNotProposedError
    return [CompletionConfirmed(round=request.round), RequestClosed(outcome="done")]


def deem_accepted(request: Request, asked_round: int, now: datetime) -> list[Event]:
    """When the term passed without an answer, close the request as accepted by silence."""
    if request.state != "completion_proposed" or request.round != asked_round or request.consent_due is None:
        return []
    if now < request.consent_due:
        raise TermNotOverError
    return [
        CompletionDeemedAccepted(round=request.round, consent_due=request.consent_due),
        RequestClosed(outcome="done"),
    ]


def withdraw(request: Request, asker: Asker, reason: WithdrawalReason) -> list[Event]:
    """Let the resident take the request back; an agent may for a caller, also for one who gave no name."""
    _check_asker(request, asker)
    if request.ending == "withdrawn":
        return []
    _check_open(request)
    return [RequestWithdrawn(reason=reason), RequestClosed(outcome="withdrawn")]


def reject(request: Request, ground: str, outcome: RefusalOutcome) -> list[Event]:
    """Let the city refuse the request, on a ground a resident can read."""
    if request.state == "absent":
        raise UnknownRequestError
    if request.ending == "rejected" and request.outcome == outcome:
        return []
    _check_open(request)
    if request.state == "completion_proposed":
        raise CompletionBeingAskedError
    return [RequestRejected(ground=ground, outcome=outcome), RequestClosed(outcome=outcome)]


def _check_asker(request: Request, asker: Asker) -> None:
    if request.state == "absent":
        raise UnknownRequestError
    if not asker.agent and request.person != asker.id:
        raise NotYourRequestError


def _check_open(request: Request) -> None:
    if request.state == "closed":
        raise AlreadyClosedError(_outcome(request))


def _outcome(request: Request) -> str:
    return f"Its outcome is {request.outcome}."
