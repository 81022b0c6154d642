"""Mass outages over HTTP: declared, prolonged and resolved by dispatchers, seen by everybody."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from dispatch_svc.api.call import Body, Changed, Id, Moment, Sha256, Wired, changed
from dispatch_svc.application import MAY
from dispatch_svc.application import incident as application
from dispatch_svc.application.incident import Declaration
from dispatch_svc.domain.incident import (
    IncidentBeginsLaterError,
    IncidentDeclaredAlreadyError,
    IncidentDismissedAlreadyError,
    IncidentEndsTooEarlyError,
    IncidentIsOverError,
    IncidentNotDeclaredError,
    IncidentNotFoundError,
    IncidentOfAnotherCityError,
    NamesMissingError,
    RequestOfAnotherCityError,
    ResolvedAtAnotherTimeError,
)
from dispatch_svc.domain.refusal import NotLinkedError
from dispatch_svc.views.incident import page
from shared_chassis.http import (
    Anybody,
    ConditionalCommand,
    IdempotentCommand,
    Page,
    Router,
    SignedIn,
    Tagged,
    allow,
    read_cursor,
)
from shared_events.dispatch import IncidentScope

ERRORS: Mapping[type[Exception], int] = {
    IncidentNotFoundError: 404,
    IncidentDeclaredAlreadyError: 409,
    IncidentDismissedAlreadyError: 409,
    IncidentNotDeclaredError: 409,
    IncidentIsOverError: 409,
    IncidentOfAnotherCityError: 409,
    RequestOfAnotherCityError: 409,
    NotLinkedError: 409,
    IncidentBeginsLaterError: 422,
    IncidentEndsTooEarlyError: 422,
    ResolvedAtAnotherTimeError: 422,
    NamesMissingError: 422,
}

router = Router(tags=["incidents"])

Code = Annotated[str, Field(min_length=1, max_length=100)]
State = Literal["suggested", "declared", "dismissed", "resolved"]


class Scope(Body):
    """Which requests an incident explains; an empty list does not restrict."""

    service_types: list[Code] = Field(min_length=1, max_length=100)
    districts: list[Code] = Field(default_factory=list, max_length=100)
    buildings: list[Code] = Field(default_factory=list, max_length=1000)


class DeclarationBody(Body):
    """A mass outage: what it is called (by language), what it covers, who repairs it, since when and until when."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "city": "kazan",
                    "names": {"ru": "Авария на теплотрассе", "en": "A burst heating main"},
                    "scope": {"service_types": ["no-heating", "no-hot-water"], "districts": ["vakhitovsky"]},
                    "organisation": "organisation-kazan-heat-network",
                    "began_at": "2026-01-15T18:00:00+03:00",
                    "expected_end": "2026-01-16T06:00:00+03:00",
                }
            ]
        },
    )

    city: str = Field(min_length=1, max_length=100)
    names: dict[str, Annotated[str, Field(min_length=1, max_length=200)]] = Field(min_length=1, max_length=10)
    scope: Scope
    organisation: str = Field(min_length=1, max_length=200)
    began_at: Moment
    expected_end: Moment | None = None
    suggestion: Id | None = Field(None, description="The suggested incident that this is.")


class Dismissal(Body):
    """Why what was suggested is no incident."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "A school's exercise"}]})

    reason: str = Field(min_length=1, max_length=500)


class Prolongation(Body):
    """When the incident should be over, null when nobody can say, and why."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"expected_end": "2026-01-16T12:00:00+03:00", "reason": "A second burst was found"}]},
    )

    expected_end: Moment | None
    reason: str = Field(min_length=1, max_length=500)


class Resolution(Body):
    """Since when the incident is over (null: now), what was done, and its evidence as hashes (SHA-256, hex)."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "The main is repaired", "evidence": []}]})

    at: Moment | None = None
    note: str = Field(min_length=1, max_length=500)
    evidence: list[Sha256] = Field(default_factory=list, max_length=100)


class Links(Body):
    """Requests to link by their ids, or every open one in the incident's scope registered since a moment."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"since": "2026-01-15T12:00:00+03:00"}]})

    requests: list[Id] | None = Field(None, min_length=1, max_length=500)
    since: Moment | None = None

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        """Refuse neither and both."""
        if (self.requests is None) == (self.since is None):
            raise ValueError("give either 'requests' or 'since'")
        return self


class Unlinking(Body):
    """Why the incident does not explain the request."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "The lift's own fault"}]})

    reason: str = Field(min_length=1, max_length=500)


class NotLinkedShown(BaseModel):
    """A request that was not linked, and why."""

    request: UUID
    reason: str


class Linked(BaseModel):
    """Which of the named requests were not linked. Those in the scope are linked by and by: `linked` of the incident tells."""

    id: UUID
    not_linked: list[NotLinkedShown]


class Surge(BaseModel):
    """What made the city ask: so many requests in a window, against an average."""

    window_start: datetime
    window_end: datetime
    count: int
    average: float


class ScopeShown(BaseModel):
    """Which requests an incident explains; an empty list does not restrict."""

    service_types: list[str]
    districts: list[str]
    buildings: list[str]


class Incident(BaseModel):
    """A mass outage, and how many requests it explains; `linked_open` of them are not closed yet."""

    id: UUID
    version: int
    city: str
    state: State
    names: dict[str, str] | None
    scope: ScopeShown
    organisation: str | None
    began_at: datetime
    expected_end: datetime | None
    ended_at: datetime | None
    reason: str | None
    evidence: list[str]
    surge: Surge | None
    linked: int
    linked_open: int
    known_at: datetime


class IncidentsWanted(BaseModel):
    """Which incidents to list."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    city: str | None = Field(None, max_length=100)
    state: State | None = None
    cursor: str | None = Field(None, max_length=2000, description="`next` of the page before; absent: from the latest.")
    limit: int = Field(100, ge=1, le=1000, description="How many to show at most.")


@router.get("/incidents")
def see_incidents(actor: Anybody, context: Wired, wanted: Annotated[IncidentsWanted, Query()]) -> Page[Incident]:
    """List incidents, the latest first."""
    allow(actor, "see_incidents", MAY)
    place = read_cursor(wanted.cursor, tuple[datetime, UUID])
    rows = page(context.database, wanted.city, wanted.state, place, wanted.limit + 1)
    return Page.cut([_shown(row) for row in rows], wanted.limit, lambda row: (row.known_at, row.id))


@router.get("/incidents/{incident}")
def see_incident(incident: UUID, actor: Anybody, context: Wired, tagged: Tagged) -> Incident:
    """Show an incident, and how many requests it explains."""
    allow(actor, "see_incidents", MAY)
    found = _shown(application.see_incident(context, incident))
    tagged(found.version, found.linked, found.linked_open)
    return found


@router.post("/incidents", status_code=201)
def declare_incident(body: DeclarationBody, actor: SignedIn, command: IdempotentCommand, context: Wired) -> Changed:
    """Declare an incident. Open requests in its scope are linked by and by, new ones as they come."""
    allow(actor, "declare_incident", MAY)
    scope = IncidentScope.model_validate(body.scope.model_dump())
    wanted = Declaration(body.city, body.names, scope, body.organisation, body.began_at, body.expected_end)
    incident, result = application.declare(context, wanted, body.suggestion, command)
    return changed(incident, result)


@router.post("/incidents/{incident}/dismissal")
def dismiss_incident(incident: UUID, body: Dismissal, actor: SignedIn, command: ConditionalCommand, context: Wired) -> Changed:
    """Say that what was suggested is no incident."""
    allow(actor, "dismiss_incident", MAY)
    return changed(incident, application.dismiss(context, incident, body.reason, command))


@router.post("/incidents/{incident}/prolongation")
def prolong_incident(incident: UUID, body: Prolongation, actor: SignedIn, command: ConditionalCommand, context: Wired) -> Changed:
    """Say that an incident lasts longer, or shorter, than was said; its reporters are told."""
    allow(actor, "prolong_incident", MAY)
    return changed(incident, application.prolong(context, incident, body.expected_end, body.reason, command))


@router.post("/incidents/{incident}/resolution")
def resolve_incident(incident: UUID, body: Resolution, actor: SignedIn, command: ConditionalCommand, context: Wired) -> Changed:
    """Say that an incident is over: every linked request's work is reported done, and each closes by its own rules."""
    allow(actor, "resolve_incident", MAY)
    return changed(incident, application.resolve(context, incident, body.at, body.note, body.evidence, command))


@router.post("/incidents/{incident}/requests")
def link_to_incident(incident: UUID, body: Links, actor: SignedIn, command: IdempotentCommand, context: Wired) -> Linked:
    """Link requests to an incident: those named at once, those in its scope since a moment by and by."""
    allow(actor, "link_to_incident", MAY)
    if body.since is not None:
        application.link_since(context, incident, body.since)
        return Linked(id=incident, not_linked=[])
    refused = application.link(context, incident, body.requests or [], command)
    return Linked(id=incident, not_linked=[NotLinkedShown(request=each.request, reason=each.reason) for each in refused])


@router.post("/incidents/{incident}/requests/{request}/unlinking")
def unlink_from_incident(
    incident: UUID, request: UUID, body: Unlinking, actor: SignedIn, command: IdempotentCommand, context: Wired
) -> Changed:
    """Say that an incident does not explain a request after all; the answer has the version of the request's case."""
    allow(actor, "unlink_from_incident", MAY)
    return changed(request, application.unlink(context, incident, request, body.reason, command))


def _shown(row: Mapping[str, object]) -> Incident:
    scope = {"service_types": row["service_types"], "districts": row["districts"], "buildings": row["buildings"]}
    return Incident.model_validate({**row, "scope": scope})
