"""The register, for everybody to read."""

from dataclasses import asdict
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query

from request_svc.api.answer import RequestExplained, RequestShown, Shown, VoidNumber, explained
from request_svc.api.wiring import CityOf, Filter, Wired
from request_svc.application import MAY, reading
from request_svc.views import register as register_view
from request_svc.views.register import Filters
from shared_chassis.http import Actor, Anybody, Cursor, Limit, Page, Router, Tagged, allow, read_cursor, write_cursor
from shared_events.request import Outcome

router = Router(tags=["register"])


@router.get("/requests/{request}")
def read(request: UUID, actor: Anybody, context: Wired, tagged: Tagged) -> RequestExplained:
    """Show a request and everything that ever happened to it."""
    allow(actor, "read", MAY)
    history = reading.read(context, request, actor)
    opened = None if history.opened is None else sorted(history.opened.items())
    tagged(history.version, history.row["heard"], opened, history.pseudonyms)
    return explained(history)


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
    return Page(items=[RequestShown.of(row) for row in page.items], next=page.next)


@router.get("/register/voids")
def read_voids(
    actor: Anybody,
    context: Wired,
    city: CityOf,
    year: Annotated[int | None, Query(ge=2000, le=9999, description="Absent: the present one.")] = None,
    cursor: Cursor = None,
) -> Page[VoidNumber]:
    """List the numbers that were drawn over an hour ago and never used; a page may be empty and have a next one."""
    allow(actor, "read", MAY)
    found, last = reading.void_numbers(context, city, year, read_cursor(cursor, int) or 0)
    return Page(
        items=[VoidNumber.model_validate(asdict(void)) for void in found], next=None if last is None else write_cursor(last)
    )


def _person(actor: Actor, person: UUID | Literal["me"] | None) -> UUID | None:
    """Let residents choose their own requests only, and staff anybody's."""
    if person is None:
        return None
    own = UUID(actor.id)
    wanted = own if person == "me" else person
    allow(actor, "list_own" if wanted == own else "list_of_anybody", MAY)
    return wanted
