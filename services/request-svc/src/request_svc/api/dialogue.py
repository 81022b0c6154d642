"""What residents are asked and answer, and which requests are the same."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from request_svc.api.answer import Changed, SimilarRequest
from request_svc.api.form import Information, Link, Question, Unlinking
from request_svc.api.wiring import CityOf, Wired
from request_svc.application import MAY, dialogue
from request_svc.application.dialogue import Sought
from shared_chassis.http import Anybody, ConditionalCommand, Router, SignedIn, Tagged, allow, needs_scope

router = Router(tags=["requests"])


@router.get("/requests/similar")
def find_similar(
    actor: Anybody,
    context: Wired,
    city: CityOf,
    service_type: Annotated[str, Query(max_length=200)],
    building: Annotated[str | None, Query(max_length=200)] = None,
    address: Annotated[str | None, Query(max_length=500)] = None,
) -> list[SimilarRequest]:
    """Look, before submitting, for open requests of the last three days of one type at one building or address."""
    allow(actor, "read", MAY)
    found = dialogue.similar(context, Sought(city, service_type, building, address))
    return [SimilarRequest.model_validate(each, from_attributes=True) for each in found]


@router.post("/requests/{request}/duplicate")
def link(request: UUID, body: Link, actor: SignedIn, command: ConditionalCommand, context: Wired, tagged: Tagged) -> Changed:
    """Say that a request repeats an earlier one of the same city; it closes, and both reporters are told."""
    allow(actor, "link", MAY)
    result = dialogue.link(context, request, body.of, command)
    tagged(result.version)
    return Changed.of(request, result)


@router.post("/requests/{request}/unlinking")
def unlink(
    request: UUID, body: Unlinking, actor: SignedIn, command: ConditionalCommand, context: Wired, tagged: Tagged
) -> Changed:
    """Say that a request was not the same after all; it is worked on again."""
    allow(actor, "unlink", MAY)
    result = dialogue.unlink(context, request, body.reason, command)
    tagged(result.version)
    return Changed.of(request, result)


@router.post("/requests/{request}/information-requests")
def ask(request: UUID, body: Question, actor: SignedIn, command: ConditionalCommand, context: Wired, tagged: Tagged) -> Changed:
    """Ask the resident for what is missing; an organisation asks about what it has, its programs with the scope `ask`."""
    allow(actor, "ask", MAY)
    needs_scope(actor, "ask")
    result = dialogue.ask(context, request, actor, body.question, command)
    tagged(result.version)
    return Changed.of(request, result)


@router.post("/requests/{request}/information")
def answer(
    request: UUID, body: Information, actor: SignedIn, command: ConditionalCommand, context: Wired, tagged: Tagged
) -> Changed:
    """Answer what was asked: about your own request, or as an agent on a resident's behalf."""
    allow(actor, "answer", MAY)
    result = dialogue.answer(context, request, actor, body.answer, command)
    tagged(result.version)
    return Changed.of(request, result)
