"""What every route of this service asks for."""

from typing import Annotated

from fastapi import Depends, Query

from request_svc.application import Context
from shared_chassis import http

Wired = Annotated[Context, Depends(http.context)]
"""What use cases work with."""

Filter = Annotated[str | None, Query(max_length=200)]
"""Which of a list; absent: all."""

CityOf = Annotated[str, Query(max_length=200, description="A city's slug.", examples=["kazan"])]
"""Which city's."""
