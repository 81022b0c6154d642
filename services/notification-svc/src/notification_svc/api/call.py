"""What every route of the service asks for."""

from typing import Annotated, cast

from fastapi import Depends
from pydantic import BaseModel, ConfigDict, StringConstraints

from notification_svc.application.context import Context
from shared_chassis import http

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


async def _context(given: Annotated[object, Depends(http.context)]) -> Context:
    return cast("Context", given)  # what `main` gave the API


Wired = Annotated[Context, Depends(_context)]


class Body(BaseModel):
    """What a call says; nothing else is taken."""

    model_config = ConfigDict(frozen=True, extra="forbid")
