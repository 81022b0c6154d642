"""The addresses of request-svc: who may, then the use case, then the answer."""

from dataclasses import asdict
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Query, Response

from request_svc import application
from request_svc.api.answer import (
    Changed,
    RequestExplained,
    RequestShown,
    ServiceType,
    Shown,
    Taken,
    VoidNumber,
    changed,
    explained,
    taken,
)
from request_svc.api.form import Confirmation, NewRequest, Registration, Rejection, Withdrawal, submission
from request_svc.application import MAY, Context
from request_svc.views import register as register_view
from request_svc.views import service_type as service_type_view
from request_svc.views.register import Filters
from shared_chassis import http
from shared_chassis.http import (
    Anybody,
    Cursor,
    IdempotentCommand,
    Limit,
    Page,
    Router,
    SignedIn,
    allow,
    read_cursor,
    write_cursor,
)
from shared_events.request import Outcome

router = Router(tags=["requests"])

Wired = Annotated[Context, Depends(http.context)]
Filter = Annotated[str | None, Query(max_length=200)]


@router.post("/requests", status_code=201)
def submit(body: NewRequest, response: Response, actor: SignedIn, command: IdempotentCommand, context: Wired) -> Taken:
    """Submit a request over any channel; it gets a number at once when its service type is known."""
    allow(actor, "submit", MAY)
    entry = application.submit(context, submission(body), body.person, body.on_behalf_of, actor, command)
    response.headers["location"] = f"/requests/{entry.id}"
    return taken(entry)


@router.post("/requests/{request}/registration")
def register(request: UUID, body: Registration, actor: SignedIn, command: IdempotentCommand, context: Wired) -> Taken:
    """Register a request whose type was not known."""
    allow(actor, "register", MAY)
    return taken(application.register(context, request, body.service_type, command))


@router.post("/requests/{request}/confirmation")
def confirm(
    request: UUID, actor: SignedIn, command: IdempotentCommand, context: Wired, _body: Confirmation | None = None
) -> Changed:
    """Confirm that the work is done: your own request's, or as an agent on a resident's behalf."""
    allow(actor, "confirm", MAY)
    return changed(request, application.confirm(context, request, actor, command))


@router.post("/requests/{request}/withdrawal")
def withdraw(request: UUID, body: Withdrawal, actor: SignedIn, command: IdempotentCommand, context: Wired) -> Changed:
    """Take a request back: your own, or as an agent on a resident's behalf."""
    allow(actor, "withdraw", MAY)
    return changed(request, application.withdraw(context, request, actor, body.reason, command))


@router.post("/requests/{request}/rejection")
def reject(request: UUID, body: Rejection, actor: SignedIn, command: IdempotentCommand, context: Wired) -> Changed:
    """Refuse a request on a ground."""
    allow(actor, "reject", MAY)
    return changed(request, application.reject(context, request, body.ground, body.outcome, command))


@router.get("/requests/{request}")
def read(request: UUID, actor: Anybody, context: Wired) -> RequestExplained:
    """Show a request and everything that ever happened to it."""
    allow(actor, "read", MAY)
    return explained(application.read(context, request, actor))


@router.get("/requests")
def read_register(  # noqa: PLR0913 - a filter is an argument
    *,
    actor: Anybody,
    context: Wired,
    city: Filter = None,
    district: Filter = None,
    service_type: Filter = None,
    state: Shown | None = None,
    outcome: Outcome | None = None,
    number: Filter = None,
    person: Annotated[UUID | Literal["me"] | None, Query(description="A pseudonym, or `me`; others' for staff only.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[RequestShown]:
    """List the register, the newest request first; nothing of a person's is shown."""
    allow(actor, "read", MAY)
    filters = Filters(city, district, service_type, state, outcome, number, _person(actor, person))
    rows = register_view.page(context.database, filters, read_cursor(cursor, int), limit + 1)
    page = Page.cut(rows, limit, lambda row: row["position"])
    return Page(items=[RequestShown.model_validate(row) for row in page.items], next=page.next)


@router.get("/register/voids")
def read_voids(
    actor: Anybody,
    context: Wired,
    city: Annotated[str, Query(max_length=200)],
    year: Annotated[int | None, Query(ge=2000, le=9999, description="Absent: the present one.")] = None,
    cursor: Cursor = None,
) -> Page[VoidNumber]:
    """List the numbers that were drawn over an hour ago and never used; a page may be empty and have a next one."""
    allow(actor, "read", MAY)
    found, last = application.void_numbers(context, city, year, read_cursor(cursor, int) or 0)
    return Page(
        items=[VoidNumber.model_validate(asdict(void)) for void in found], next=None if last is None else write_cursor(last)
    )


@router.get("/service-types")
def read_service_types(actor: Anybody, context: Wired, city: Annotated[str, Query(max_length=200)]) -> list[ServiceType]:
    """List what residents of a city can ask for."""
    allow(actor, "read", MAY)
    application.city_rules(context, city)
    return [ServiceType.model_validate(row) for row in service_type_view.of_city(context.database, city)]


def _person(actor: http.Actor, person: UUID | Literal["me"] | None) -> UUID | None:
    """Let residents choose their own requests only, and staff anybody's."""
    if person is None:
        return None
    own = UUID(actor.id)
    wanted = own if person == "me" else person
    allow(actor, "list_own" if wanted == own else "list_of_anybody", MAY)
    return wanted
