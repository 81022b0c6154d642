"""What every route of dispatch asks for and answers."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict, StringConstraints

from dispatch_svc.application import Context
from shared_chassis import http
from shared_chassis.store import Result

Wired = Annotated[Context, Depends(http.context)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Filter = Annotated[str | None, Query(max_length=200)]


class Body(BaseModel):
    """What a caller sends: nothing unknown, nothing converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Changed(BaseModel):
    """A command was done: the request's id and the version its case then had; the same when the command is repeated."""

    id: UUID
    version: int


def changed(case: UUID, result: Result) -> Changed:
    """Answer a command with the version the case then had."""
    return Changed(id=case, version=result.version)
