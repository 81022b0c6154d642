"""What callers are shown, and what of it they may see."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue

from request_svc.application.attachment import Kept
from request_svc.application.lifecycle import Entry
from request_svc.application.reading import History
from request_svc.domain.request import Ending
from request_svc.views.case_status import STAGES
from shared_chassis.store import Result
from shared_events.envelope import Recorded
from shared_events.personal import Sealed, personal_fields
from shared_events.request import Channel, MediaType, Outcome, Question

Shown = Literal["submitted", "registered", "waiting", "completion_proposed", "closed"]

_REQUEST = "1f0c3b0e-52a4-5d3c-8a4b-2f6d1c9e7a34"
_STATUS: dict[str, JsonValue] = {
    "organisation": "organisation-kazan-heat-network",
    "progress": "accepted",
    "holder": "organisation",
    "holder_organisation": "organisation-kazan-heat-network",
    "held_since": "2026-01-12T06:04:11Z",
    "stage": "finish",
    "stage_due": "2026-01-15T06:04:11Z",
    "clocks": {"finish": "2026-01-15T06:04:11Z", "total": "2026-01-19T06:00:02Z"},
    "breaches": 0,
    "escalation": 0,
    "planned_from": None,
    "planned_until": None,
    "incident": None,
    "incident_until": None,
    "impossible_ground": None,
}
_ROW: dict[str, JsonValue] = _STATUS | {
    "id": _REQUEST,
    "number": "KZN-2026-0001234",
    "version": 2,
    "city": "kazan",
    "channel": "web",
    "service_type": "no-heating",
    "district": "vakhitovsky",
    "building": None,
    "address": "ул. Баумана, 1",
    "latitude": None,
    "longitude": None,
    "state": "registered",
    "round": 1,
    "ending": None,
    "outcome": None,
    "duplicate_of": None,
    "rating": None,
    "submitted_at": "2026-01-12T06:00:02Z",
    "registered_at": "2026-01-12T06:00:02Z",
    "information_due": None,
    "consent_due": None,
    "closed_at": None,
}
_EVENT: dict[str, JsonValue] = {
    "id": "8c1b0d1e-74a5-5f0c-9d10-3e8f6a4b7c21",
    "version": 1,
    "type": "request.request-submitted.v1",
    "time": "2026-01-12T06:00:02Z",
    "recorded_time": "2026-01-12T06:00:02Z",
    "actor": "resident",
    "correlation": _REQUEST,
    "causation": "8c1b0d1e-74a5-5f0c-9d10-3e8f6a4b7c20",
    "data": {"city": "kazan", "channel": "web", "service_type": "no-heating", "person": None, "description": None},
}


def example(**fields: JsonValue) -> ConfigDict:
    """Document an answer by an example."""
    return ConfigDict(json_schema_extra={"examples": [dict(fields)]})


class Taken(BaseModel):
    """The request is in the register, under a number once its type is known; the same when the command is repeated."""

    model_config = example(id=_REQUEST, number="KZN-2026-0001234", version=2)

    id: UUID
    number: str | None
    version: int

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """Say what became of a submission or a registration."""
        return cls(id=entry.id, number=entry.number, version=entry.version)


class Changed(BaseModel):
    """The command was done, and the version the request then had; the same when the command is repeated."""

    model_config = example(id=_REQUEST, version=5)

    id: UUID
    version: int

    @classmethod
    def of(cls, request: UUID, result: Result) -> Self:
        """Say what became of a command."""
        return cls(id=request, version=result.version)


class Attached(BaseModel):
    """The attachment is kept, under the SHA-256 (hex) of its encrypted bytes; `size` is in bytes, before encryption."""

    model_config = example(id=_REQUEST, version=3, sha256="ab" * 32, media_type="image/jpeg", size=184_320, place_stripped=True)

    id: UUID
    version: int
    sha256: str
    media_type: MediaType
    size: int
    place_stripped: bool

    @classmethod
    def of(cls, request: UUID, kept: Kept) -> Self:
        """Say what became of an attachment."""
        return cls(id=request, version=kept.version, **kept.added.model_dump(exclude={"person"}))


class Erased(BaseModel):
    """The person's key is being destroyed: what was sealed under it is unreadable for ever, everywhere, within seconds."""

    model_config = example(person="7a1d0c62-5f3b-8e21-9c04-1d2e3f4a5b6c", version=1)

    person: UUID
    version: int


class StatusShown(BaseModel):
    """What dispatch-svc last said: whose turn it is since when, how far the work is, and which clocks run.

    `stage` is the stage of the work that is due first. `clocks` gives the moment by which each running clock is due; null while
    it stands still. `breaches` counts how often one ran out, `escalation` how high that was told.
    """

    organisation: str | None
    progress: Literal["assigned", "declined", "accepted", "returned", "started", "reported_done", "impossible"] | None
    holder: str | None
    holder_organisation: str | None
    held_since: datetime | None
    stage: str | None
    stage_due: datetime | None
    clocks: dict[str, datetime | None]
    breaches: int
    escalation: int
    planned_from: datetime | None
    planned_until: datetime | None
    incident: UUID | None
    incident_until: datetime | None
    impossible_ground: str | None


class RequestShown(StatusShown):
    """A request as the public register shows it, with nothing of a person's; `ending` says how it came to be closed."""

    model_config = example(**_ROW)

    id: UUID
    number: str | None
    version: int
    city: str
    channel: Channel
    service_type: str | None
    district: str | None
    building: str | None
    address: str | None
    latitude: str | None
    longitude: str | None
    state: Shown
    round: int
    ending: Ending | None
    outcome: Outcome | None
    duplicate_of: UUID | None
    rating: int | None
    submitted_at: datetime
    registered_at: datetime | None
    information_due: datetime | None
    consent_due: datetime | None
    closed_at: datetime | None

    @classmethod
    def of(cls, row: Mapping[str, object]) -> Self:
        """Show a row of the register."""
        return cls.model_validate({**row, **_stage(row)})


class EventShown(BaseModel):
    """One thing that happened: who said it, when it happened and became known, and what it follows from.

    Personal data stands in `data` as text for those who may see it, and as null for everybody else and once it was erased.
    """

    model_config = example(**_EVENT)

    id: UUID
    version: int
    type: str
    time: datetime
    recorded_time: datetime
    actor: str
    correlation: UUID
    causation: UUID
    data: dict[str, object]


class RequestExplained(RequestShown):
    """A request with everything that ever happened to it, in order."""

    model_config = example(**_ROW, personal_data="hidden", history=[_EVENT])

    personal_data: Literal["shown", "hidden"]
    history: list[EventShown]


class SimilarRequest(BaseModel):
    """An open request of the same kind at the same place: perhaps the same; `incident` is the outage that explains it."""

    model_config = example(
        id=_REQUEST,
        number="KZN-2026-0001234",
        state="registered",
        district="vakhitovsky",
        building=None,
        address="ул. Баумана, 1",
        submitted_at="2026-01-12T06:00:02Z",
        incident=None,
    )

    id: UUID
    number: str | None
    state: Shown
    district: str | None
    building: str | None
    address: str | None
    submitted_at: datetime
    incident: UUID | None


class ServiceType(BaseModel):
    """A kind of help a city offers, the kind it belongs to, and what it asks beside; offered up to, not including, `valid_to`."""

    model_config = example(
        city="kazan",
        code="no-heating",
        names={"ru": "Нет отопления", "en": "No heating"},
        group="heating",
        emergency=True,
        pack_version="1+0f1e2d3c4b5a",
        parent="heating",
        questions=[
            {
                "code": "whole_riser",
                "kind": "yes_no",
                "names": {"ru": "Холоден весь стояк?", "en": "Is the whole riser cold?"},
                "required": True,
                "least": None,
                "most": None,
                "choices": {},
            }
        ],
        questions_version="1",
        evidence_required=1,
        valid_from=None,
        valid_to=None,
    )

    city: str
    code: str
    names: dict[str, str]
    group: str
    emergency: bool
    pack_version: str
    parent: str | None
    questions: list[Question]
    questions_version: str | None
    evidence_required: int
    valid_from: date | None
    valid_to: date | None


class Building(BaseModel):
    """A building of a city: its address, and the suburb and district it is in."""

    model_config = example(city="kazan", code="baumana-1", address="ул. Баумана, 1", suburb="Центр", district="vakhitovsky")

    city: str
    code: str
    address: str
    suburb: str | None
    district: str | None


class VoidNumber(BaseModel):
    """A register number that was drawn and never used: a hole in the register, explained."""

    model_config = example(number="KZN-2026-0001235", drawn_at="2026-01-12T06:00:03Z")

    number: str
    drawn_at: datetime


class CellShown(BaseModel):
    """What a command does to a request in a state: the state that follows, or the refusal; neither where nothing happens."""

    model_config = example(then="closed", refusal=None)

    then: str | None
    refusal: str | None


class RefusalShown(BaseModel):
    """A refusal: the status it is answered with, and its words."""

    model_config = example(status=409, words="The request is closed and does not change any more.")

    status: int
    words: str


class RulesShown(BaseModel):
    """Who may do what (`may`: use case → roles), what may happen in which state (`transitions`: command → state), and why not.

    Refusals are named as the `type` of the problem they are answered with.
    """

    model_config = example(
        may={"confirm": ["agent", "resident"]},
        transitions={
            "confirm": {
                "completion_proposed": {"then": "closed", "refusal": None},
                "closed": {"then": None, "refusal": "already-closed-error"},
            }
        },
        refusals={"already-closed-error": {"status": 409, "words": "The request is closed and does not change any more."}},
    )

    may: dict[str, list[str]]
    transitions: dict[str, dict[str, CellShown]]
    refusals: dict[str, RefusalShown]


def explained(history: History) -> RequestExplained:
    """Show a request with its history, as far as its reader may see it."""
    return RequestExplained.model_validate(
        {
            **history.row,
            **_stage(history.row),
            "version": history.version,
            "personal_data": "hidden" if history.opened is None else "shown",
            "history": [_event(recorded, history) for recorded in history.events],
        }
    )


def _stage(row: Mapping[str, object]) -> dict[str, object]:
    """Name the clock of the work that is due first."""
    clocks = row["clocks"]
    running = clocks if isinstance(clocks, dict) else {}
    due = min(((moment, stage) for stage in STAGES if (moment := running.get(stage)) is not None), default=(None, None))
    return {"stage": due[1], "stage_due": due[0]}


def _event(recorded: Recorded, history: History) -> EventShown:
    envelope, fact = recorded.envelope, recorded.fact
    sealed = personal_fields(type(fact))
    data = fact.model_dump(mode="json", exclude=set(sealed))
    data |= {name: _text(getattr(fact, name), history.opened) for name in sorted(sealed)}
    if "person" in data and not history.pseudonyms:
        data["person"] = None
    return EventShown(
        id=envelope.id,
        version=recorded.version,
        type=envelope.type,
        time=envelope.time,
        recorded_time=envelope.recorded_time,
        actor=envelope.actor if history.pseudonyms else envelope.actor.partition(":")[0],
        correlation=envelope.correlation,
        causation=envelope.causation,
        data=data,
    )


def _text(value: str | Sealed | None, opened: Mapping[str, str | None] | None) -> str | None:
    return opened.get(value.token) if opened is not None and isinstance(value, Sealed) else None
