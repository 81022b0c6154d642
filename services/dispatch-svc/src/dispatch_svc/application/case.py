"""What can be done about a case, one function a use case, and who may do it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from dispatch_svc.application.context import Context
from dispatch_svc.domain import case
from dispatch_svc.domain.case import CASE, Case
from dispatch_svc.domain.refusal import CaseNotFoundError, NotYourCaseError
from dispatch_svc.views.case import CaseFile, Filters, one, page
from shared_chassis.http import Actor
from shared_chassis.store import Command, Result
from shared_events.event import Event
from shared_events.ids import case_stream
from shared_events.request import RequestClosed, RequestRegistered, RequestSubmitted

MAY: Mapping[str, frozenset[str]] = {
    "accept": frozenset({"executor"}),
    "start": frozenset({"executor"}),
    "report_done": frozenset({"executor"}),
    "assign": frozenset({"dispatcher"}),
    "see_cases": frozenset({"agent", "dispatcher", "executor", "analyst", "auditor"}),
}
"""Who may: use case → roles. Which executor may is the case's own question: the one of the assigned organisation."""

SEES_EVERY_CASE = frozenset({"agent", "dispatcher", "analyst", "auditor"})
"""The roles that see cases of every organisation; an executor sees those of its own."""


def open_case(context: Context, request: UUID, submitted: RequestSubmitted, at: datetime, command: Command) -> Result:
    """Open the case of a request that was submitted at a moment."""
    return _handle(context, request, lambda known, _now: case.open_case(known, request, submitted, at), command)


def route(context: Context, request: UUID, registered: RequestRegistered, at: datetime, command: Command) -> Result:
    """Send a request, registered at a moment, to whom the rulebook names, or to a dispatcher."""
    rules = context.rulebooks.latest()
    return _handle(context, request, lambda known, _now: case.route(known, registered, at, rules), command)


def ask_resident(context: Context, request: UUID, at: datetime, command: Command) -> Result:
    """Hand a case to the resident, who was asked at a moment whether the work is done."""
    return _handle(context, request, lambda known, _now: case.ask_resident(known, at), command)


def close(context: Context, request: UUID, closed: RequestClosed, at: datetime, command: Command) -> Result:
    """Close the case of a request that was closed at a moment."""
    return _handle(context, request, lambda known, _now: case.close(known, closed, at), command)


def breach(context: Context, stream_id: str, clock: str, command: Command) -> Result:
    """State that the time of a clock has come while its stage was not over."""
    return context.store.handle(CASE, stream_id, lambda known, _now: case.breach(known, clock), command)


def assign(context: Context, request: UUID, organisation: str, command: Command) -> Result:
    """Let a dispatcher assign an organisation."""
    rules = context.rulebooks.latest()
    return _handle(context, request, lambda known, now: case.assign(known, organisation, now, rules), command)


def accept(context: Context, request: UUID, actor: Actor, command: Command) -> Result:
    """Let the assigned organisation accept."""
    rules = context.rulebooks.latest()
    return _handle(context, request, lambda known, now: case.accept(known, actor.organisation, now, rules), command)


def start(context: Context, request: UUID, actor: Actor, command: Command) -> Result:
    """Let the organisation that accepted start the work."""
    return _handle(context, request, lambda known, _now: case.start(known, actor.organisation), command)


def report_done(context: Context, request: UUID, actor: Actor, evidence: Sequence[str], command: Command) -> Result:
    """Let the organisation at work report it done; evidence as SHA-256 hashes in hex."""
    hashes = tuple(evidence)
    return _handle(context, request, lambda known, now: case.report_done(known, actor.organisation, hashes, now), command)


def see_case(context: Context, request: UUID, actor: Actor) -> CaseFile:
    """Show everything known of a case; an executor sees only what its organisation is assigned to."""
    found = one(context.database, request)
    if found is None:
        raise CaseNotFoundError
    _own(actor, found.case["organisation"])
    return found


def see_cases(
    context: Context, actor: Actor, filters: Filters, after: tuple[datetime, UUID] | None, limit: int
) -> list[dict[str, object]]:
    """List cases; an executor's list holds those of its own organisation."""
    if actor.roles.isdisjoint(SEES_EVERY_CASE):
        filters = replace(filters, organisation=filters.organisation or actor.organisation)
        _own(actor, filters.organisation)
    return page(context.database, filters, after, limit)


def _handle(context: Context, request: UUID, decide: Callable[[Case, datetime], Sequence[Event]], command: Command) -> Result:
    return context.store.handle(CASE, case_stream(request), decide, command)


def _own(actor: Actor, organisation: str | None) -> None:
    """Let an executor see only what its own organisation is assigned to."""
    if actor.roles.isdisjoint(SEES_EVERY_CASE) and (organisation is None or organisation != actor.organisation):
        raise NotYourCaseError
