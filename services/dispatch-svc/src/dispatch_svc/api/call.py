"""What every route of dispatch asks for and answers."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, Strict, StringConstraints

from dispatch_svc.application import Context
from shared_chassis import http
from shared_chassis.store import Result

Wired = Annotated[Context, Depends(http.context)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Evidence = Annotated[list[Sha256], Field(max_length=100, description="SHA-256 hashes (hex) of photos and acts.")]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
OrganisationId = Annotated[str, Field(min_length=1, max_length=200, description="An id of the list of organisations.")]
Filter = Annotated[str | None, Query(max_length=200)]

PROOF = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
"""A hash, for examples."""

AN_ORGANISATION = "organisation-kazan-lift-service"
"""An organisation, for examples."""


class Body(BaseModel):
    """What a caller sends: nothing unknown, nothing converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _text(value: object) -> object:
    """Refuse a number for a date, a moment or an id: which one it would mean is anybody's guess."""
    if not isinstance(value, str):
        raise ValueError("must be text")  # noqa: TRY004 - the validator reads a ValueError as a wrong value
    return value


Day = Annotated[date, Strict(strict=False), BeforeValidator(_text)]
"""A day, as 2026-01-31."""

Moment = Annotated[AwareDatetime, Strict(strict=False), BeforeValidator(_text)]
"""A date and time with its offset from UTC, as 2026-01-31T12:00:00Z."""

Id = Annotated[UUID, Strict(strict=False), BeforeValidator(_text)]
"""A UUID, as text."""


class Versioned(BaseModel):
    """A command was done: the stream it was done to and the version that then had; the same when the command is repeated."""

    id: str
    version: int


class Changed(BaseModel):
    """A command was done: the request's id and the version its case then had; the same when the command is repeated."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"id": "5b0ad3c1-3d1f-5a86-9d50-6f2b4c1d7e90", "version": 7}]})

    id: UUID
    version: int


def changed(case: UUID, result: Result) -> Changed:
    """Answer a command with the version the case then had."""
    return Changed(id=case, version=result.version)
