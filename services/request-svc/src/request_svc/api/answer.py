"""What callers are shown, and what of it they may see."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from request_svc.application import Entry, History
from request_svc.domain.request import Ending
from request_svc.domain.submission import PERSONAL
from shared_chassis.store import Result
from shared_events.envelope import Recorded
from shared_events.personal import Sealed
from shared_events.request import Channel, Outcome, RequestSubmitted

Shown = Literal["submitted", "registered", "completion_proposed", "closed"]


class Taken(BaseModel):
    """The request is in the register, under a number once its type is known; the same when the command is repeated."""

    id: UUID
    number: str | None
    version: int


class Changed(BaseModel):
    """The command was done, and the version the request then had; the same when the command is repeated."""

    id: UUID
    version: int


class StatusShown(BaseModel):
    """What dispatch-svc last said: whose turn it is since when, which clock runs until when, how often one ran out."""

    organisation: str | None
    progress: Literal["assigned", "accepted", "started", "reported_done"] | None
    holder: str | None
    holder_organisation: str | None
    held_since: datetime | None
    stage: str | None
    stage_due: datetime | None
    breaches: int


class RequestShown(StatusShown):
    """A request as the public register shows it, with nothing of a person's; `ending` says how it came to be closed."""

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
    ending: Ending | None
    outcome: Outcome | None
    submitted_at: datetime
    registered_at: datetime | None
    consent_due: datetime | None
    closed_at: datetime | None


class EventShown(BaseModel):
    """One thing that happened: who said it, when it happened and became known, and what it follows from.

    Personal data stands in `data` as text for those who may see it, and as null for everybody else and once it was erased.
    """

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

    personal_data: Literal["shown", "hidden"]
    history: list[EventShown]


class ServiceType(BaseModel):
    """A kind of help a city offers."""

    city: str
    code: str
    names: dict[str, str]
    group: str
    emergency: bool
    pack_version: str


class VoidNumber(BaseModel):
    """A register number that was drawn and never used: a hole in the register, explained."""

    number: str
    drawn_at: datetime


def taken(entry: Entry) -> Taken:
    """Say what became of a submission or a registration."""
    return Taken(id=entry.id, number=entry.number, version=entry.version)


def changed(request: UUID, result: Result) -> Changed:
    """Say what became of a command."""
    return Changed(id=request, version=result.version)


def explained(history: History) -> RequestExplained:
    """Show a request with its history, as far as its reader may see it."""
    return RequestExplained.model_validate(
        {
            **history.row,
            "personal_data": "hidden" if history.opened is None else "shown",
            "history": [_event(recorded, history) for recorded in history.events],
        }
    )


def _event(recorded: Recorded, history: History) -> EventShown:
    envelope, fact = recorded.envelope, recorded.fact
    data = fact.model_dump(mode="json", exclude=set(PERSONAL))
    if isinstance(fact, RequestSubmitted):
        data |= {name: _text(getattr(fact, name), history.opened) for name in PERSONAL}
        if not history.pseudonyms:
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
