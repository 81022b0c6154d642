"""A request from submission to closing: what residents, agents, dispatch-svc and time may do to it."""

from datetime import datetime
from typing import Literal

from request_svc.domain.city import PinnedTerm
from request_svc.domain.question import Answers
from request_svc.domain.refusal import (
    DeemedAcceptedError,
    NobodyToAskError,
    NotYourRequestError,
    PersonalDataOfNobodyError,
    RoundNotBegunError,
    TermNotOverError,
)
from request_svc.domain.request.state import Request
from request_svc.domain.request.transition import goes_on
from request_svc.domain.submission import Asker
from shared_calendar import due
from shared_events.dispatch import WorkFoundImpossible, WorkReportedDone
from shared_events.event import Event
from shared_events.request import (
    CompletionConfirmed,
    CompletionDeemedAccepted,
    CompletionDisputed,
    CompletionProposed,
    RatingAsked,
    RequestClosed,
    RequestReclassified,
    RequestRegistered,
    RequestRejected,
    RequestReopened,
    RequestSubmitted,
    RequestWithdrawn,
    WithdrawalReason,
)

RefusalOutcome = Literal["refused", "not_responsible"]


def submit(request: Request, asked: RequestSubmitted, number: str | None) -> list[Event]:
    """Take a request in, and register it at once when its type is known; `number` is drawn for exactly that case."""
    if request.state != "absent":
        return []
    if number is None or asked.service_type is None:
        return [asked]
    registered = RequestRegistered(
        number=number,
        city=asked.city,
        service_type=asked.service_type,
        district=asked.location.district,
        building=asked.location.building,
        answers=asked.answers,
    )
    return [asked, registered]


def register(request: Request, service_type: str, number: str, answered: Answers | None = None) -> list[Event]:
    """Give a submitted request its type and number; all clocks start here."""
    if request.number is not None and request.service_type == service_type:
        return []
    goes_on(request, "register")
    return [
        RequestRegistered(
            number=number,
            city=request.city,
            service_type=service_type,
            district=request.district,
            building=request.building,
            answers=dict(answered.by_code) if answered is not None else {},
        )
    ]


def reclassify(request: Request, service_type: str, answered: Answers, reason: str) -> list[Event]:
    """Say that the request is of another service type, whose questions were answered anew; no clock starts over."""
    if goes_on(request, "reclassify") and request.service_type is not None and request.service_type != service_type:
        return [
            RequestReclassified(
                previous=request.service_type,
                service_type=service_type,
                answers=dict(answered.by_code),
                questions_version=answered.version,
                reason=reason,
            )
        ]
    return []


def propose_completion(request: Request, reported: WorkReportedDone, since: datetime, consent: PinnedTerm) -> list[Event]:
    """When the executor reported the work done, ask the resident; the term of silence runs from the report's own time.

    A request that closed meanwhile stays as it is, a round already asked about is not asked again, and one that was reopened
    since is not closed by its earlier round. What the resident is still being asked is no longer waited for.
    """
    if not goes_on(request, "propose_completion") or reported.round < request.round:
        return []
    if reported.round > request.round:
        raise RoundNotBegunError(f"The request is in round {request.round}.")
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


def find_impossible(request: Request, found: WorkFoundImpossible) -> list[Event]:
    """When a dispatcher states that the work cannot be done, close the request; nobody is asked whether that is so."""
    if not goes_on(request, "find_impossible") or found.round < request.round:
        return []
    return [RequestClosed(outcome=found.outcome)]


def confirm(request: Request, asker: Asker) -> list[Event]:
    """Close the request as done because the resident is satisfied, who is then asked for a rating."""
    check_asker(request, asker)
    if request.ending == "confirmed":
        return []
    if request.ending == "deemed_accepted":
        raise DeemedAcceptedError
    goes_on(request, "confirm")
    if request.person is None:
        raise NobodyToAskError
    return [CompletionConfirmed(round=request.round), *_done(request)]


def dispute(request: Request, asker: Asker, reason: str | None) -> list[Event]:
    """Open the next round because the resident says that the work is not done.

    An agent may also say so where nobody can be asked; the resident's words need a person to be kept for.
    """
    check_asker(request, asker)
    if request.ending == "deemed_accepted":
        raise DeemedAcceptedError
    goes_on(request, "dispute")
    if request.person is None and reason is not None:
        raise PersonalDataOfNobodyError("Given: reason.")
    return [
        CompletionDisputed(round=request.round, person=request.person, reason=reason),
        RequestReopened(round=request.round + 1, because="disputed"),
    ]


def deem_accepted(request: Request, asked_round: int, now: datetime) -> list[Event]:
    """When the term passed without an answer, close the request as accepted by silence."""
    if not goes_on(request, "deem_accepted") or request.round != asked_round or request.consent_due is None:
        return []
    if now < request.consent_due:
        raise TermNotOverError
    return [CompletionDeemedAccepted(round=request.round, consent_due=request.consent_due), *_done(request)]


def withdraw(request: Request, asker: Asker, reason: WithdrawalReason) -> list[Event]:
    """Let the resident take the request back; an agent may for a caller, also for one who gave no name."""
    check_asker(request, asker)
    if request.ending == "withdrawn":
        return []
    goes_on(request, "withdraw")
    return [RequestWithdrawn(reason=reason), RequestClosed(outcome="withdrawn")]


def reject(request: Request, ground: str, outcome: RefusalOutcome) -> list[Event]:
    """Let the city refuse the request, on a ground a resident can read."""
    if request.ending == "rejected" and request.outcome == outcome:
        return []
    goes_on(request, "reject")
    return [RequestRejected(ground=ground, outcome=outcome), RequestClosed(outcome=outcome)]


def check_asker(request: Request, asker: Asker) -> None:
    """Refuse everybody but the resident who asked and the city's agents; a request nobody made is nobody's."""
    if request.state != "absent" and not asker.agent and request.person != asker.id:
        raise NotYourRequestError


def _done(request: Request) -> list[Event]:
    """Close the request as done; whoever is then asked for a rating is recorded with it."""
    closed = RequestClosed(outcome="done")
    if request.person is None or request.organisation is None:
        return [closed]
    return [RatingAsked(round=request.round, person=request.person, organisation=request.organisation), closed]
