"""Organisations over HTTP."""

from collections.abc import Mapping

from pydantic import BaseModel

from dispatch_svc.api.call import Filter, Wired
from dispatch_svc.application import MAY
from dispatch_svc.views import rulebook
from shared_chassis.http import Anybody, Cursor, Limit, Page, Router, allow, read_cursor
from shared_events.dispatch import OrganisationKind

ERRORS: Mapping[type[Exception], int] = {}

router = Router(tags=["organisations"])


class Organisation(BaseModel):
    """An organisation that can be assigned."""

    id: str
    city: str
    slug: str
    name: str
    kind: OrganisationKind


@router.get("/organisations")
def see_organisations(
    actor: Anybody, context: Wired, city: Filter = None, cursor: Cursor = None, limit: Limit = 100
) -> Page[Organisation]:
    """List organisations."""
    allow(actor, "see_rulebook", MAY)
    rows = rulebook.organisations(context.database, city, read_cursor(cursor, str), limit + 1)
    return Page.cut([Organisation.model_validate(row) for row in rows], limit, lambda row: row.id)
