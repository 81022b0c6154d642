"""Facts of request-svc: a resident's service request from submission to closing, and its reference data."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from shared_events.event import Event, Value
from shared_events.personal import Personal

Channel = Literal["call_centre", "web", "mobile", "open311", "import"]
Outcome = Literal["done", "refused", "duplicate", "not_responsible", "impossible", "planned_works", "withdrawn"]
WithdrawalReason = Literal["solved_itself", "submitted_by_mistake", "other"]
Answer = bool | int | str
"""What was answered to an extra question: yes or no, a number, or the code of a choice. Never free text, so never personal."""
MediaType = Literal["image/jpeg", "image/png", "application/pdf"]


class RequestEvent(Event, service="request"):
    """A fact of request-svc."""


class Location(Value):
    """Where help is needed: public, as the register shows it.

    Coordinates are decimal degrees (WGS 84) as text, exact as given.
    """

    district: str | None = None
    building: str | None = None
    address: str | None = None
    latitude: str | None = None
    longitude: str | None = None


class Origin(Value):
    """Where an imported or replayed request came from, with the dates its source states (UTC)."""

    system: str
    id: str
    created: datetime | None = None
    serviced: datetime | None = None
    closed: datetime | None = None


class Question(Value):
    """An extra question a service type asks. A number has bounds (both included), a choice its codes with their names."""

    code: str
    kind: Literal["yes_no", "number", "choice"]
    names: dict[str, str]
    required: bool = True
    least: int | None = None
    most: int | None = None
    choices: dict[str, dict[str, str]] = Field(default_factory=dict)


class ServiceTypeDefined(RequestEvent):
    """A service type stands as a city pack defines it.

    `parent` is the code of the type it is a kind of, to any depth. Answers are given to a version of its questions. A report of
    done work needs at least `evidence_required` hashes of photos or acts.
    """

    city: str
    code: str
    names: dict[str, str]
    group: str
    emergency: bool
    pack_version: str
    parent: str | None = None
    questions: tuple[Question, ...] = ()
    questions_version: str | None = None
    evidence_required: int = 0
    valid_from: date | None = None
    valid_to: date | None = None


class BuildingRegistered(RequestEvent):
    """A building stands as a city pack has it: its address and the suburb and district it is in."""

    city: str
    code: str
    address: str
    suburb: str | None
    district: str | None
    pack_version: str


class RequestSubmitted(RequestEvent):
    """A resident, or an agent for a caller, asks the city for help.

    `person` is whom the city answers and asks for confirmation; None when nobody can be asked. `language` is the person's.
    `answers` are to the service type's extra questions in `questions_version`. `not_duplicate_of` are the requests that were
    offered as being the same and were not.
    """

    city: str
    channel: Channel
    service_type: str | None
    location: Location
    person: UUID | None
    language: str
    description: Personal[str] = None
    apartment: Personal[str] = None
    phone: Personal[str] = None
    email: Personal[str] = None
    origin: Origin | None = None
    answers: dict[str, Answer] = Field(default_factory=dict)
    questions_version: str | None = None
    not_duplicate_of: tuple[UUID, ...] = ()


class RequestRegistered(RequestEvent):
    """The request has a number and a type: all clocks start here."""

    number: str
    city: str
    service_type: str
    district: str | None
    building: str | None = None
    answers: dict[str, Answer] = Field(default_factory=dict)


class RequestReclassified(RequestEvent):
    """The request is of another service type than was thought; that type's questions were answered anew. No clock starts over."""

    previous: str
    service_type: str
    answers: dict[str, Answer]
    questions_version: str | None
    reason: str


class RequestLinkedAsDuplicate(RequestEvent):
    """The same was asked before, in the request `of`; this one closes, and both reporters are told."""

    of: UUID


class RequestUnlinked(RequestEvent):
    """It was not the same after all: the request goes on by itself."""

    of: UUID
    reason: str


class InformationRequested(RequestEvent):
    """The resident is asked for what is missing (`number`, from 1, counts the times); clocks pause, at most until `until`."""

    number: int
    person: UUID
    question: Personal[str]
    by: Literal["call_centre", "dispatcher", "organisation"]
    until: datetime
    policy_version: str
    calendar: str
    calendar_version: str


class InformationReceived(RequestEvent):
    """The resident answered what was asked."""

    number: int
    person: UUID
    answer: Personal[str]


class InformationNotReceived(RequestEvent):
    """The cap of the pause was reached without an answer: clocks go on."""

    number: int
    until: datetime


class AttachmentAdded(RequestEvent):
    """A photo or act belongs to the request, encrypted under the reporter's key.

    `sha256` (hex) is of the stored bytes, by which they are found; `size` is in bytes, before encryption; `place_stripped` says
    that the picture had told where it was taken.
    """

    person: UUID
    sha256: str
    media_type: MediaType
    size: int
    place_stripped: bool


class RequestRejected(RequestEvent):
    """The city refuses the request, on a ground a resident can read. A refusal is an outcome, not a repair."""

    ground: str
    outcome: Literal["refused", "not_responsible"]


class CompletionProposed(RequestEvent):
    """The executor reported the work done; the resident is asked. Without an answer until `consent_due` it counts as accepted."""

    round: int
    organisation: str
    evidence: tuple[str, ...]
    consent_due: datetime
    policy_version: str
    calendar: str
    calendar_version: str


class CompletionConfirmed(RequestEvent):
    """The resident is satisfied."""

    round: int


class CompletionDisputed(RequestEvent):
    """The resident says that the work is not done, and why."""

    round: int
    person: UUID | None
    reason: Personal[str] = None


class RequestReopened(RequestEvent):
    """The request is worked on again, in a round with stage clocks of its own; the total clock never stopped for good."""

    round: int
    because: Literal["disputed", "unlinked"]


class CompletionDeemedAccepted(RequestEvent):
    """The resident did not answer within the term: silent consent, never counted as confirmation."""

    round: int
    consent_due: datetime


class RequestWithdrawn(RequestEvent):
    """The resident takes the request back."""

    reason: WithdrawalReason


class RequestClosed(RequestEvent):
    """The request is over, with an outcome that is not its state."""

    outcome: Outcome


class RatingAsked(RequestEvent):
    """The resident is asked how the work of a round was done; who was asked and said nothing is counted as that."""

    round: int
    person: UUID
    organisation: str


class RequestRated(RequestEvent):
    """The resident rated the work of a round, from 1 (bad) to 5 (good)."""

    round: int
    person: UUID
    organisation: str
    rating: Annotated[int, Field(ge=1, le=5)]
    comment: Personal[str] = None


class PersonalDataErased(RequestEvent):
    """A person's key is destroyed: everything sealed under it is unreadable for ever, everywhere; the rest stays valid."""

    person: UUID
    asked_by: Literal["person", "agent"]


EVENTS: tuple[type[Event], ...] = (
    ServiceTypeDefined,
    BuildingRegistered,
    RequestSubmitted,
    RequestRegistered,
    RequestReclassified,
    RequestLinkedAsDuplicate,
    RequestUnlinked,
    InformationRequested,
    InformationReceived,
    InformationNotReceived,
    AttachmentAdded,
    RequestRejected,
    CompletionProposed,
    CompletionConfirmed,
    CompletionDisputed,
    RequestReopened,
    CompletionDeemedAccepted,
    RequestWithdrawn,
    RequestClosed,
    RatingAsked,
    RequestRated,
    PersonalDataErased,
)
