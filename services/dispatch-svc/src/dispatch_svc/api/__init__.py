"""dispatch over HTTP, a module an aggregate: its routes and what each of its refusals is answered with."""

from collections.abc import Mapping, Sequence

from dispatch_svc.api import case, organisation, responsibility
from shared_chassis.http import Router

ROUTERS: Sequence[Router] = (case.router, organisation.router, responsibility.router)

ERRORS: Mapping[type[Exception], int] = {**case.ERRORS, **organisation.ERRORS, **responsibility.ERRORS}
"""Refusal → HTTP status."""

__all__ = ["ERRORS", "ROUTERS"]
