"""What callers send."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StrictBool,
    StrictInt,
    StringConstraints,
)

from request_svc.domain.question import Answers
from request_svc.domain.request import RefusalOutcome
from request_svc.domain.submission import Whom
from shared_events.request import Channel, Location, Origin, RequestSubmitted, WithdrawalReason


def _absent_if_blank(value: object) -> object:
    """Take a text of nothing but spaces as none: forms and files send such."""
    return None if isinstance(value, str) and not value.strip() else value


def example(**fields: JsonValue) -> ConfigDict:
    """Document a body by an example."""
    return ConfigDict(frozen=True, extra="forbid", json_schema_extra={"examples": [dict(fields)]})


Blank = BeforeValidator(_absent_if_blank)
Name = Annotated[Annotated[str, StringConstraints(max_length=200)] | None, Blank]
Line = Annotated[Annotated[str, StringConstraints(max_length=500)] | None, Blank]
Text = Annotated[Annotated[str, StringConstraints(max_length=10_000)] | None, Blank]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
Degrees = Annotated[Annotated[str, StringConstraints(pattern=r"^-?\d{1,3}(\.\d{1,20})?$")] | None, Blank]
Code = Annotated[str, StringConstraints(min_length=1, max_length=100)]
GivenAnswers = Annotated[
    dict[Code, StrictBool | Annotated[StrictInt, Field(ge=-(2**31), lt=2**31)] | Code],
    Field(max_length=100, description="To the service type's questions, by code: true or false, a number, or a choice's code."),
]


class Body(BaseModel):
    """What a caller sends: nothing unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Place(Body):
    """Where help is needed; the register shows it to everybody. Coordinates are decimal degrees (WGS 84), as text.

    A building of the city's list brings its district.
    """

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


class Answering(Body):
    """Answers to a service type's questions; without a version, to those it asks now."""

    answers: GivenAnswers = Field(default_factory=dict)
    questions_version: Name = None

    def given(self) -> Answers:
        """Say what was answered."""
        return Answers(self.answers, self.questions_version)


class NewRequest(Answering):
    """What is asked of the city. `person` says whom it answers; `service_type` may be left to an agent.

    What stands in description, apartment, phone and email is sealed under the person's own key. `not_duplicate_of` are the
    requests that were offered as being the same (`GET /requests/similar`) and are not.
    """

    model_config = example(
        city="kazan",
        channel="web",
        service_type="no-heating",
        location={"district": "vakhitovsky", "address": "ул. Баумана, 1"},
        description="С утра холодные батареи.",
        apartment="12",
        phone="+7 900 000-00-00",
        language="ru",
        person="self",
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
    not_duplicate_of: Annotated[tuple[UUID, ...], Field(max_length=20)] = ()


class Registration(Answering):
    """Which of the city's service types a request is, and the answers to its questions."""

    model_config = example(service_type="no-heating")

    service_type: Code


class Reclassification(Answering):
    """Which service type a request is after all, with the answers to that type's questions, and why."""

    model_config = example(service_type="weak-heating", reason="The radiators are warm, only not enough.")

    service_type: Code
    reason: Words


class Link(Body):
    """Which request this one repeats."""

    model_config = example(of="1f0c3b0e-52a4-5d3c-8a4b-2f6d1c9e7a34")

    of: UUID


class Unlinking(Body):
    """Why it was not the same after all."""

    model_config = example(reason="Another riser of the same house.")

    reason: Words


class Question(Body):
    """What the resident is asked; sealed under the resident's own key."""

    model_config = example(question="Which entrance, and is there a code at the door?")

    question: Words


class Information(Body):
    """What the resident answers; sealed under their own key."""

    model_config = example(answer="The third one; the code is 17.")

    answer: Words


class Withdrawal(Body):
    """Why the request is taken back."""

    model_config = example(reason="solved_itself")

    reason: WithdrawalReason


class Rejection(Body):
    """Why the city refuses the request, for the resident to read."""

    model_config = example(ground="The yard is private.", outcome="not_responsible")

    ground: Words
    outcome: RefusalOutcome


class Dispute(Body):
    """Why the work is not done, in the resident's words; they need a person to be kept for."""

    model_config = example(reason="The radiator in the kitchen is still cold.")

    reason: Annotated[Annotated[str, StringConstraints(max_length=2000)] | None, Blank] = None


class Rating(Body):
    """How the work was done, from 1 (bad) to 5 (good)."""

    model_config = example(rating=4, comment="Quick, but they left the stairs dirty.")

    rating: Annotated[StrictInt, Field(ge=1, le=5)]
    comment: Annotated[Annotated[str, StringConstraints(max_length=2000)] | None, Blank] = None


class Nothing(Body):
    """Nothing needs to be said beside that it is so."""

    model_config = example()


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
        answers=body.answers,
        questions_version=body.questions_version,
        not_duplicate_of=body.not_duplicate_of,
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
