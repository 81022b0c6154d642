"""A request from submission to closing: who may, then the use case, then the answer."""

from uuid import UUID

from fastapi import Response

from request_svc.api.answer import Changed, Taken
from request_svc.api.form import (
    Dispute,
    NewRequest,
    Nothing,
    Rating,
    Reclassification,
    Registration,
    Rejection,
    Withdrawal,
    submission,
)
from request_svc.api.wiring import Wired
from request_svc.application import MAY, lifecycle
from shared_chassis.http import ConditionalCommand, IdempotentCommand, Router, SignedIn, Tagged, allow

router = Router(tags=["requests"])


@router.post("/requests", status_code=201)
def submit(body: NewRequest, response: Response, actor: SignedIn, command: IdempotentCommand, context: Wired) -> Taken:
    """Submit a request over any channel; it gets a number at once when its service type is known."""
    allow(actor, "submit", MAY)
    entry = lifecycle.submit(context, submission(body), body.person, body.on_behalf_of, actor, command)
    response.headers["location"] = f"/requests/{entry.id}"
    return Taken.of(entry)


@router.post("/requests/{request}/registration")
def register(
    request: UUID, body: Registration, actor: SignedIn, command: ConditionalCommand, context: Wired, tagged: Tagged
) -> Taken:
    """Register a request whose type was not known."""
    allow(actor, "register", MAY)
    entry = lifecycle.register(context, request, body.service_type, body.given(), command)
    tagged(entry.version)
    return Taken.of(entry)


@router.post("/requests/{request}/reclassification")
def reclassify(
    request: UUID, body: Reclassification, actor: SignedIn, command: ConditionalCommand, context: Wired, tagged: Tagged
) -> Changed:
    """Say that a request is of another service type, and answer that type's questions."""
    allow(actor, "reclassify", MAY)
    result = lifecycle.reclassify(context, request, body.service_type, body.given(), body.reason, command)
    tagged(result.version)
    return Changed.of(request, result)


@router.post("/requests/{request}/confirmation")
def confirm(
    request: UUID,
    actor: SignedIn,
    command: ConditionalCommand,
    context: Wired,
    tagged: Tagged,
    _body: Nothing | None = None,
) -> Changed:
    """Confirm that the work is done: your own request's, or as an agent on a resident's behalf."""
    allow(actor, "confirm", MAY)
    result = lifecycle.confirm(context, request, actor, command)
    tagged(result.version)
    return Changed.of(request, result)


@router.post("/requests/{request}/dispute")
def dispute(
    request: UUID, body: Dispute, actor: SignedIn, command: ConditionalCommand, context: Wired, tagged: Tagged
) -> Changed:
    """Say that the work is not done: your own request's, or as an agent on a resident's behalf; it is worked on again."""
    allow(actor, "dispute", MAY)
    result = lifecycle.dispute(context, request, actor, body.reason, command)
    tagged(result.version)
    return Changed.of(request, result)


@router.post("/requests/{request}/withdrawal")
def withdraw(
    request: UUID, body: Withdrawal, actor: SignedIn, command: ConditionalCommand, context: Wired, tagged: Tagged
) -> Changed:
    """Take a request back: your own, or as an agent on a resident's behalf."""
    allow(actor, "withdraw", MAY)
    result = lifecycle.withdraw(context, request, actor, body.reason, command)
    tagged(result.version)
    return Changed.of(request, result)


@router.post("/requests/{request}/rejection")
def reject(
    request: UUID, body: Rejection, actor: SignedIn, command: ConditionalCommand, context: Wired, tagged: Tagged
) -> Changed:
    """Refuse a request on a ground."""
    allow(actor, "reject", MAY)
    result = lifecycle.reject(context, request, body.ground, body.outcome, command)
    tagged(result.version)
    return Changed.of(request, result)


@router.post("/requests/{request}/rating")
def rate(request: UUID, body: Rating, actor: SignedIn, command: ConditionalCommand, context: Wired, tagged: Tagged) -> Changed:
    """Rate the work on a request that is closed as done: your own, or as an agent on a resident's behalf; once."""
    allow(actor, "rate", MAY)
    result = lifecycle.rate(context, request, actor, body.rating, body.comment, command)
    tagged(result.version)
    return Changed.of(request, result)
