"""What callers send."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, StringConstraints

from request_svc.domain.request import RefusalOutcome
from request_svc.domain.submission import Whom
from shared_events.request import Channel, Location, Origin, RequestSubmitted, WithdrawalReason


def _absent_if_blank(value: object) -> object:
    """Take a text of nothing but spaces as none: forms and files send such."""
    return None if isinstance(value, str) and not value.strip() else value


Blank = BeforeValidator(_absent_if_blank)
Name = Annotated[Annotated[str, StringConstraints(max_length=200)] | None, Blank]
Line = Annotated[Annotated[str, StringConstraints(max_length=500)] | None, Blank]
Text = Annotated[Annotated[str, StringConstraints(max_length=10_000)] | None, Blank]
Degrees = Annotated[Annotated[str, StringConstraints(pattern=r"^-?\d{1,3}(\.\d{1,20})?$")] | None, Blank]
Code = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class Body(BaseModel):
    """What a caller sends: nothing unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Place(Body):
    """Where help is needed; the register shows it to everybody. Coordinates are decimal degrees (WGS 84), as text."""

    district: Name = None
    building: Name = None
    address: Line = None
    latitude: Degrees = None
    longitude: Degrees = None


class Source(Body):
    """Where an imported request came from, with the dates its source states."""

    system: Code
    id: Code
    created: AwareDatetime | None = None
    serviced: AwareDatetime | None = None
    closed: AwareDatetime | None = None


class NewRequest(Body):
    """What is asked of the city. `person` says whom it answers; `service_type` may be left to an agent.

    What stands in description, apartment, phone and email is sealed under the person's own key.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "city": "kazan",
                    "channel": "web",
                    "service_type": "no-heating",
                    "location": {"district": "vakhitovsky", "address": "ул. Баумана, 1"},
                    "description": "С утра холодные батареи.",
                    "apartment": "12",
                    "phone": "+7 900 000-00-00",
                    "language": "ru",
                    "person": "self",
                }
            ]
        }
    )

    city: Code
    channel: Channel
    service_type: Name = None
    location: Place = Place()
    description: Text = None
    apartment: Name = None
    phone: Name = None
    email: Name = None
    language: Name = None
    on_behalf_of: UUID | None = None
    person: Whom = "self"
    origin: Source | None = None


class Registration(Body):
    """Which of the city's service types a request is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"service_type": "no-heating"}]})

    service_type: Code


class Withdrawal(Body):
    """Why the request is taken back."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "solved_itself"}]})

    reason: WithdrawalReason


class Rejection(Body):
    """Why the city refuses the request, for the resident to read."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ground": "The yard is private.", "outcome": "not_responsible"}]})

    ground: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
    outcome: RefusalOutcome


class Confirmation(Body):
    """Nothing needs to be said beside that it is so."""


def submission(body: NewRequest) -> RequestSubmitted:
    """Spell what came over the wire as the fact it may become; who it is for is decided later."""
    return RequestSubmitted(
        city=body.city,
        channel=body.channel,
        service_type=body.service_type,
        location=Location(**dict(body.location)),
        person=None,
        language=body.language or "",
        description=body.description,
        apartment=body.apartment,
        phone=body.phone,
        email=body.email,
        origin=None if body.origin is None else _origin(body.origin),
    )


def _origin(source: Source) -> Origin:
    def utc(moment: datetime | None) -> datetime | None:
        return None if moment is None else moment.astimezone(UTC)

    return Origin(
        system=source.system,
        id=source.id,
        created=utc(source.created),
        serviced=utc(source.serviced),
        closed=utc(source.closed),
    )
