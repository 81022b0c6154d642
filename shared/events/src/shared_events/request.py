"""Facts of request-svc: a resident's service request from submission to closing, and its reference data."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from shared_events.event import Event, Value
from shared_events.personal import Personal

Channel = Literal["call_centre", "web", "mobile", "open311", "import"]
Outcome = Literal["done", "refused", "duplicate", "not_responsible", "impossible", "planned_works", "withdrawn"]
WithdrawalReason = Literal["solved_itself", "submitted_by_mistake", "other"]


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


class ServiceTypeDefined(RequestEvent):
    """A service type stands as a city pack defines it."""

    city: str
    code: str
    names: dict[str, str]
    group: str
    emergency: bool
    pack_version: str


class RequestSubmitted(RequestEvent):
    """A resident, or an agent for a caller, asks the city for help.

    `person` is whom the city answers and asks for confirmation; None when nobody can be asked. `language` is the person's.
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


class RequestRegistered(RequestEvent):
    """The request has a number and a type: all clocks start here."""

    number: str
    city: str
    service_type: str
    district: str | None


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


EVENTS: tuple[type[Event], ...] = (
    ServiceTypeDefined,
    RequestSubmitted,
    RequestRegistered,
    RequestRejected,
    CompletionProposed,
    CompletionConfirmed,
    CompletionDeemedAccepted,
    RequestWithdrawn,
    RequestClosed,
)
