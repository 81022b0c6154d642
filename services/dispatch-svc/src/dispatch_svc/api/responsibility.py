"""Responsibilities over HTTP: who answers for what, since when and until when."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

from dispatch_svc.api.call import Body, Day, Versioned, Wired
from dispatch_svc.application import MAY, responsibility
from dispatch_svc.application.responsibility import Wanted
from dispatch_svc.domain.refusal import UnknownCityError, UnknownNameError, UnknownOrganisationError
from dispatch_svc.domain.responsibility import (
    EndsInThePastError,
    NothingToEndError,
    PeriodIsEmptyError,
    ResponsibilityNotFoundError,
    ResponsibilityOverlapsError,
)
from dispatch_svc.views.responsibility import Filters, page
from shared_chassis.http import Anybody, ConditionalCommand, IdempotentCommand, Page, Router, SignedIn, allow, read_cursor

ERRORS: Mapping[type[Exception], int] = {
    ResponsibilityNotFoundError: 404,
    ResponsibilityOverlapsError: 409,
    NothingToEndError: 409,
    EndsInThePastError: 422,
    PeriodIsEmptyError: 422,
    UnknownCityError: 422,
    UnknownNameError: 422,
    UnknownOrganisationError: 422,
}

router = Router(tags=["responsibilities"])

ResponsibilityId = Annotated[str, Path(max_length=100, examples=["responsibility-5a0c5f9d-2f5b-5c2b-9d0b-0d8f6f6c8a11"])]


class Responsibility(BaseModel):
    """A grant as it was stated; a later version of the same id with the same first day replaces it.

    The territory is a building, or a district, or the whole city when both are null. `valid_to` is the first day on which the
    organisation no longer answers; `stated_by` is the city pack's version, or `by hand`.
    """

    id: str
    version: int
    city: str
    service_type: str
    district: str | None
    building: str | None
    organisation: str
    valid_from: date
    valid_to: date | None
    stated_by: str


class Granted(Body):
    """Who is to answer for a service type, where and when; no district and no building is the whole city."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "city": "kazan",
                    "service_type": "weak-heating",
                    "district": "vakhitovsky",
                    "organisation": "organisation-kazan-heat-network",
                    "valid_from": "2026-12-01",
                }
            ]
        },
    )

    city: str = Field(min_length=1, max_length=100)
    service_type: str = Field(min_length=1, max_length=100)
    district: str | None = Field(None, max_length=100)
    building: str | None = Field(None, max_length=100, description="A building's code; its district then plays no part.")
    organisation: str = Field(min_length=1, max_length=200)
    valid_from: Day
    valid_to: Day | None = Field(None, description="The first day that is no longer one of its days.")


class Ended(Body):
    """From which day on the organisation no longer answers: today or later."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"valid_to": "2027-01-01"}]})

    valid_to: Day


class ResponsibilitiesWanted(BaseModel):
    """Which grants to list; a filter nobody knows is refused, not ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    city: str | None = Field(None, max_length=100)
    service_type: str | None = Field(None, max_length=100)
    district: str | None = Field(None, max_length=100)
    building: str | None = Field(None, max_length=100)
    organisation: str | None = Field(None, max_length=200)
    cursor: str | None = Field(None, max_length=2000, description="`next` of the page before; absent: from the start.")
    limit: int = Field(100, ge=1, le=1000, description="How many to show at most.")


@router.get("/responsibilities")
def see_responsibilities(
    actor: Anybody, context: Wired, wanted: Annotated[ResponsibilitiesWanted, Query()]
) -> Page[Responsibility]:
    """List who is responsible for what: every grant ever stated, with the ids and versions that routed requests name."""
    allow(actor, "see_rulebook", MAY)
    filters = Filters(wanted.city, wanted.service_type, wanted.district, wanted.building, wanted.organisation)
    rows = page(context.database, filters, read_cursor(wanted.cursor, tuple[str, int]), wanted.limit + 1)
    return Page.cut([Responsibility.model_validate(row) for row in rows], wanted.limit, lambda row: (row.id, row.version))


@router.post("/responsibilities", status_code=201)
def grant_responsibility(granted: Granted, actor: SignedIn, command: IdempotentCommand, context: Wired) -> Versioned:
    """Make an organisation responsible for a service type in a territory, where and when nobody is."""
    allow(actor, "grant_responsibility", MAY)
    result = responsibility.grant(context, Wanted(**granted.model_dump()), command)
    return Versioned(id=result.stream_id, version=result.version)


@router.post("/responsibilities/{responsibility_id}/end")
def end_responsibility(
    responsibility_id: ResponsibilityId, ended: Ended, actor: SignedIn, command: ConditionalCommand, context: Wired
) -> Versioned:
    """End a responsibility; what was decided by it stays as it is."""
    allow(actor, "end_responsibility", MAY)
    result = responsibility.end(context, responsibility_id, ended.valid_to, command)
    return Versioned(id=result.stream_id, version=result.version)
