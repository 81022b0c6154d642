"""dispatch over HTTP, a module an aggregate: its routes and what each of its refusals is answered with."""

from collections.abc import Mapping, Sequence

from dispatch_svc.api import case, incident, organisation, override, responsibility, rules, sub_task, work
from shared_chassis.http import Router

ROUTERS: Sequence[Router] = (
    case.router,
    work.router,
    sub_task.router,
    organisation.router,
    responsibility.router,
    override.router,
    incident.router,
    rules.router,
)

ERRORS: Mapping[type[Exception], int] = {
    **case.ERRORS,
    **work.ERRORS,
    **sub_task.ERRORS,
    **organisation.ERRORS,
    **responsibility.ERRORS,
    **override.ERRORS,
    **incident.ERRORS,
}
"""Refusal → HTTP status."""

__all__ = ["ERRORS", "ROUTERS"]
