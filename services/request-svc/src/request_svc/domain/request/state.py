"""A service request as its facts leave it, and the clocks that then run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, assert_never, cast
from uuid import UUID

from shared_chassis.stream import Cancel, Set, Stream
from shared_events.event import Event
from shared_events.request import (
    Answer,
    AttachmentAdded,
    CompletionConfirmed,
    CompletionDeemedAccepted,
    CompletionDisputed,
    CompletionProposed,
    InformationNotReceived,
    InformationReceived,
    InformationRequested,
    Outcome,
    RatingAsked,
    RequestClosed,
    RequestLinkedAsDuplicate,
    RequestRated,
    RequestReclassified,
    RequestRegistered,
    RequestRejected,
    RequestReopened,
    RequestSubmitted,
    RequestUnlinked,
    RequestWithdrawn,
)

State = Literal["absent", "submitted", "registered", "waiting", "completion_proposed", "closed"]
Ending = Literal["confirmed", "deemed_accepted", "rejected", "withdrawn", "linked", "found_impossible"]

SILENT_CONSENT = "silent-consent"
"""The kind of the timer that closes a request whose resident did not answer."""

INFORMATION_CAP = "information-cap"
"""The kind of the timer that ends the waiting for what a resident was asked."""


@dataclass(frozen=True, slots=True)
class Request:
    """A service request as its facts leave it.

    `round` counts how often it was worked on, from 1. `asked` counts what the resident was asked; `asking` is the question that
    is open, until `information_due`. `organisation` is the one whose work was last proposed as done. `rating_asked` names whose
    work of a round was to be rated, `ratings` what was given, by round. `attachments` are SHA-256 (hex) of stored bytes.
    """

    state: State = "absent"
    city: str = ""
    district: str | None = None
    building: str | None = None
    service_type: str | None = None
    answers: Mapping[str, Answer] = field(default_factory=dict)
    person: UUID | None = None
    number: str | None = None
    round: int = 1
    consent_due: datetime | None = None
    organisation: str | None = None
    asked: int = 0
    asking: int | None = None
    information_due: datetime | None = None
    duplicate_of: UUID | None = None
    rating_asked: Mapping[int, str] = field(default_factory=dict)
    ratings: Mapping[int, int] = field(default_factory=dict)
    attachments: tuple[AttachmentAdded, ...] = ()
    ending: Ending | None = None
    outcome: Outcome | None = None


RequestFact = (
    RequestSubmitted
    | RequestRegistered
    | RequestReclassified
    | RequestLinkedAsDuplicate
    | RequestUnlinked
    | InformationRequested
    | InformationReceived
    | InformationNotReceived
    | AttachmentAdded
    | RequestRejected
    | CompletionProposed
    | CompletionConfirmed
    | CompletionDisputed
    | CompletionDeemedAccepted
    | RequestReopened
    | RequestWithdrawn
    | RequestClosed
    | RatingAsked
    | RequestRated
)


def evolve(request: Request, fact: RequestFact) -> Request:  # noqa: C901, PLR0912 - a case is a fact
    """Take the next fact of a request's life; it never refuses."""
    match fact:
        case RequestSubmitted():
            following = Request(
                state="submitted",
                city=fact.city,
                district=fact.location.district,
                building=fact.location.building,
                service_type=fact.service_type,
                answers=fact.answers,
                person=fact.person,
            )
        case RequestRegistered():
            following = replace(
                request, state="registered", number=fact.number, service_type=fact.service_type, answers=fact.answers
            )
        case RequestReclassified():
            following = replace(request, service_type=fact.service_type, answers=fact.answers)
        case RequestLinkedAsDuplicate():
            following = replace(request, duplicate_of=fact.of, ending="linked")
        case RequestUnlinked():
            following = replace(request, duplicate_of=None)
        case InformationRequested():
            following = replace(request, state="waiting", asked=fact.number, asking=fact.number, information_due=fact.until)
        case InformationReceived() | InformationNotReceived():
            following = replace(request, state="registered", asking=None, information_due=None)
        case AttachmentAdded():
            following = replace(request, attachments=(*request.attachments, fact))
        case CompletionProposed():
            following = replace(
                request,
                state="completion_proposed",
                round=fact.round,
                consent_due=fact.consent_due,
                organisation=fact.organisation,
                information_due=None,
            )
        case CompletionConfirmed():
            following = replace(request, ending="confirmed")
        case CompletionDisputed():
            following = request
        case CompletionDeemedAccepted():
            following = replace(request, ending="deemed_accepted")
        case RequestReopened():
            following = replace(
                request, state="registered", round=fact.round, consent_due=None, asking=None, ending=None, outcome=None
            )
        case RequestRejected():
            following = replace(request, ending="rejected")
        case RequestWithdrawn():
            following = replace(request, ending="withdrawn")
        case RequestClosed():
            ending = "found_impossible" if fact.outcome in {"impossible", "planned_works"} else request.ending
            following = replace(request, state="closed", outcome=fact.outcome, ending=ending, information_due=None)
        case RatingAsked():
            following = replace(request, rating_asked={**request.rating_asked, fact.round: fact.organisation})
        case RequestRated():
            following = replace(request, ratings={**request.ratings, fact.round: fact.rating})
        case _:
            assert_never(fact)
    return following


def timers(request: Request, events: Sequence[Event]) -> list[Set | Cancel]:
    """Set the clock of silent consent and of the cap of a pause when the resident is asked; stop them when it is over.

    `request` is the state after the events.
    """
    changes: list[Set | Cancel] = []
    for event in events:
        match event:
            case CompletionProposed():
                changes.append(
                    Set(SILENT_CONSENT, str(event.round), due_at=event.consent_due, payload={"round": str(event.round)})
                )
                changes += _no_longer_asking(request)
            case CompletionDisputed():
                changes.append(Cancel(SILENT_CONSENT, str(event.round)))
            case InformationRequested():
                changes.append(Set(INFORMATION_CAP, str(event.number), due_at=event.until, payload={"number": str(event.number)}))
            case InformationReceived():
                changes.append(Cancel(INFORMATION_CAP, str(event.number)))
            case RequestClosed():
                if request.consent_due is not None and request.ending != "deemed_accepted":
                    changes.append(Cancel(SILENT_CONSENT, str(request.round)))
                changes += _no_longer_asking(request)
            case _:
                pass
    return changes


def _no_longer_asking(request: Request) -> list[Cancel]:
    """Stop the clock of a question that was still open when the request went on without its answer."""
    return [] if request.asking is None else [Cancel(INFORMATION_CAP, str(request.asking))]


REQUEST = Stream(
    "request",
    Request(),
    cast("Callable[[Request, Event], Request]", evolve),  # a request's stream holds these facts alone
    timers,
)
