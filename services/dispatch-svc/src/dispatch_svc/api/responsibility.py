"""Responsibilities over HTTP: who answers for what, since when."""

from collections.abc import Mapping
from datetime import date

from pydantic import BaseModel

from dispatch_svc.api.call import Filter, Wired
from dispatch_svc.application import MAY
from dispatch_svc.views import rulebook
from shared_chassis.http import Anybody, Cursor, Limit, Page, Router, allow, read_cursor

ERRORS: Mapping[type[Exception], int] = {}

router = Router(tags=["responsibilities"])


class Responsibility(BaseModel):
    """A grant as it was stated; a later version of the same id with the same first day replaces it."""

    id: str
    version: int
    city: str
    service_type: str
    district: str | None
    organisation: str
    valid_from: date
    valid_to: date | None


@router.get("/responsibilities")
def see_responsibilities(
    actor: Anybody, context: Wired, city: Filter = None, cursor: Cursor = None, limit: Limit = 100
) -> Page[Responsibility]:
    """List who is responsible for what: every grant ever stated, with the ids and versions that routed requests name."""
    allow(actor, "see_rulebook", MAY)
    rows = rulebook.responsibilities(context.database, city, read_cursor(cursor, tuple[str, int]), limit + 1)
    return Page.cut([Responsibility.model_validate(row) for row in rows], limit, lambda row: (row.id, row.version))
