"""Persons, whose data can be erased."""

from typing import Literal
from uuid import UUID

from request_svc.api.answer import Erased
from request_svc.api.form import Nothing
from request_svc.api.wiring import Wired
from request_svc.application import MAY, erasure
from shared_chassis.http import IdempotentCommand, Router, SignedIn, allow

router = Router(tags=["persons"])


@router.post("/persons/{person}/erasure", status_code=202)
def erase(
    person: UUID | Literal["me"], actor: SignedIn, command: IdempotentCommand, context: Wired, _body: Nothing | None = None
) -> Erased:
    """Erase your own data (`me`), or as an agent a resident's; the requests stay, what they tell of the person is gone."""
    allow(actor, "erase", MAY)
    whose = UUID(actor.id) if person == "me" else person
    result = erasure.erase(context, whose, actor, command)
    return Erased(person=whose, version=result.version)
