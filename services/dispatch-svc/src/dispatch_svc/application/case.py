"""What can be done about a case, one function a use case, and who may do it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from dispatch_svc.application.context import Context
from dispatch_svc.domain import case
from dispatch_svc.domain.case import CASE, Case, Plan
from dispatch_svc.domain.refusal import CaseNotFoundError, NotYourCaseError
from dispatch_svc.views.case import CaseFile, Filters, file_of, page
from shared_chassis.http import Actor
from shared_chassis.store import Command, Result
from shared_chassis.timer import DueTimer
from shared_events.dispatch import DeclineReason
from shared_events.event import Event
from shared_events.ids import case_stream, derive
from shared_events.request import (
    CompletionProposed,
    InformationRequested,
    RequestClosed,
    RequestReclassified,
    RequestRegistered,
    RequestReopened,
    RequestSubmitted,
)

MAY: Mapping[str, frozenset[str]] = {
    "accept": frozenset({"executor"}),
    "decline": frozenset({"executor"}),
    "schedule": frozenset({"executor"}),
    "start": frozenset({"executor"}),
    "report_done": frozenset({"executor"}),
    "return_work": frozenset({"executor"}),
    "assign": frozenset({"dispatcher"}),
    "committee_decide": frozenset({"dispatcher"}),
    "find_impossible": frozenset({"dispatcher"}),
    "open_sub_task": frozenset({"executor", "dispatcher"}),
    "finish_sub_task": frozenset({"executor"}),
    "cancel_sub_task": frozenset({"executor", "dispatcher"}),
    "see_cases": frozenset({"agent", "dispatcher", "executor", "analyst", "auditor"}),
}
"""Who may: use case → roles. Which executor may is the case's own question: the one of the assigned organisation."""

SEES_EVERY_CASE = frozenset({"agent", "dispatcher", "analyst", "auditor"})
"""The roles that see cases of every organisation; an executor sees those of its own."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why an organisation does not do the work, and whose it says it is."""

    reason: DeclineReason
    note: str
    proposes: str | None

    def plain(self) -> tuple[DeclineReason, str, str | None]:
        """Give what the rules take."""
        return self.reason, self.note, self.proposes


def open_case(context: Context, request: UUID, submitted: RequestSubmitted, at: datetime, command: Command) -> Result:
    """Open the case of a request that was submitted at a moment."""
    return _handle(context, request, lambda known, _now: case.open_case(known, request, submitted, at), command)


def route(context: Context, request: UUID, registered: RequestRegistered, at: datetime, command: Command) -> Result:
    """Send a request, registered at a moment, to whom the rulebook names, or to a dispatcher."""
    rules = context.rulebooks.latest()
    return _handle(context, request, lambda known, _now: case.route(known, request, registered, at, rules), command)


def reclassify(context: Context, request: UUID, reclassified: RequestReclassified, at: datetime, command: Command) -> Result:
    """Take a request for what it turned out to be at a moment."""
    rules = context.rulebooks.latest()
    return _handle(context, request, lambda known, _now: case.reclassify(known, reclassified, at, rules), command)


def await_information(context: Context, request: UUID, asked: InformationRequested, at: datetime, command: Command) -> Result:
    """Hand a case to the resident, who was asked for something at a moment."""
    rules = context.rulebooks.latest()
    return _handle(context, request, lambda known, _now: case.await_information(known, asked, at, rules), command)


def end_waiting(context: Context, request: UUID, at: datetime, command: Command) -> Result:
    """Hand a case back from the resident, who answered at a moment or has not until then."""
    rules = context.rulebooks.latest()
    return _handle(context, request, lambda known, _now: case.end_waiting(known, at, rules), command)


def ask_resident(context: Context, request: UUID, proposed: CompletionProposed, at: datetime, command: Command) -> Result:
    """Hand a case to the resident, who was asked at a moment whether the work is done."""
    rules = context.rulebooks.latest()
    return _handle(context, request, lambda known, _now: case.ask_resident(known, proposed, at, rules), command)


def reopen(context: Context, request: UUID, reopened: RequestReopened, at: datetime, command: Command) -> Result:
    """Take up the work of a request again that was opened again at a moment."""
    rules = context.rulebooks.latest()
    return _handle(context, request, lambda known, _now: case.reopen(known, reopened, at, rules), command)


def close(context: Context, request: UUID, closed: RequestClosed, at: datetime, command: Command) -> Result:
    """Close the case of a request that was closed at a moment."""
    return _handle(context, request, lambda known, _now: case.close(known, closed, at), command)


def watch(context: Context, timer: DueTimer, command: Command) -> Result:
    """State what the clocks of a case have to state by now; a timer that came due is due, wherever the clock was put since."""
    return context.store.handle(CASE, timer.stream_id, lambda known, now: case.watch(known, max(now, timer.due_at)), command)


def assign(context: Context, request: UUID, organisation: str, command: Command) -> Result:
    """Let a dispatcher assign an organisation."""
    rules = context.rulebooks.latest()
    return _handle(context, request, lambda known, now: case.assign(known, organisation, now, rules), command)


def committee_decide(context: Context, request: UUID, organisation: str, ground: str, command: Command) -> Result:
    """Let a dispatcher record whom the committee has named, and on what ground."""
    rules = context.rulebooks.latest()
    return _handle(context, request, lambda known, now: case.committee_decide(known, organisation, ground, now, rules), command)


def accept(context: Context, request: UUID, actor: Actor, command: Command) -> Result:
    """Let the assigned organisation accept."""
    rules = context.rulebooks.latest()
    return _handle(context, request, lambda known, now: case.accept(known, actor.organisation, now, rules), command)


def decline(context: Context, request: UUID, actor: Actor, refused: Refused, command: Command) -> Result:
    """Let the assigned organisation decline."""
    rules = context.rulebooks.latest()
    said = refused.plain()
    return _handle(context, request, lambda known, now: case.decline(known, actor.organisation, said, now, rules), command)


def schedule(context: Context, request: UUID, actor: Actor, plan: Plan, command: Command) -> Result:
    """Let the organisation that accepted plan the work."""
    return _handle(context, request, lambda known, now: case.schedule(known, actor.organisation, plan, now), command)


def start(context: Context, request: UUID, actor: Actor, command: Command) -> Result:
    """Let the organisation that accepted start the work."""
    return _handle(context, request, lambda known, now: case.start(known, actor.organisation, now), command)


def report_done(context: Context, request: UUID, actor: Actor, evidence: Sequence[str], command: Command) -> Result:
    """Let the organisation at work report it done; evidence as SHA-256 hashes in hex."""
    rules = context.rulebooks.latest()
    proof = tuple(evidence)
    return _handle(context, request, lambda known, now: case.report_done(known, actor.organisation, proof, now, rules), command)


def return_work(context: Context, request: UUID, actor: Actor, refused: Refused, command: Command) -> Result:
    """Let the organisation give back work it had accepted."""
    rules = context.rulebooks.latest()
    said = refused.plain()
    return _handle(context, request, lambda known, now: case.return_work(known, actor.organisation, said, now, rules), command)


def find_impossible(
    context: Context, request: UUID, ground: str, outcome: Literal["impossible", "planned_works"], command: Command
) -> Result:
    """Let a dispatcher state that the work cannot be done, or will be with planned works."""
    return _handle(context, request, lambda known, now: case.find_impossible(known, ground, outcome, now), command)


def open_sub_task(
    context: Context, request: UUID, actor: Actor, organisation: str, title: str, command: Command
) -> tuple[UUID, Result]:
    """Give a part of the work to an organisation; its id."""
    rules = context.rulebooks.latest()
    task, staff = derive(command.id, "sub-task"), _staff(actor)

    def decide(known: Case, _now: datetime) -> Sequence[Event]:
        return case.open_sub_task(known, task, organisation, title, actor.organisation, rules, staff=staff)

    return task, _handle(context, request, decide, command)


def finish_sub_task(
    context: Context, request: UUID, sub_task: UUID, actor: Actor, evidence: Sequence[str], command: Command
) -> Result:
    """Let the organisation that has a part of the work say that it is done."""
    proof = tuple(evidence)
    return _handle(
        context, request, lambda known, _now: case.finish_sub_task(known, sub_task, actor.organisation, proof), command
    )


def cancel_sub_task(context: Context, request: UUID, sub_task: UUID, actor: Actor, reason: str, command: Command) -> Result:
    """Let the assigned organisation or a dispatcher say that a part of the work is not needed."""
    staff = _staff(actor)
    return _handle(
        context,
        request,
        lambda known, _now: case.cancel_sub_task(known, sub_task, reason, actor.organisation, staff=staff),
        command,
    )


def link_incident(
    context: Context,
    request: UUID,
    incident: UUID,
    by: Literal["scope", "dispatcher"],
    expected_end: datetime | None,
    command: Command,
) -> Result:
    """Say that an incident explains a request."""
    return _handle(context, request, lambda known, _now: case.link_incident(known, incident, by, expected_end), command)


def unlink_incident(context: Context, request: UUID, incident: UUID, reason: str, command: Command) -> Result:
    """Say that an incident does not explain a request after all."""
    return _handle(context, request, lambda known, _now: case.unlink_incident(known, incident, reason), command)


def report_done_by_incident(
    context: Context, request: UUID, incident: UUID, organisation: str, evidence: Sequence[str], command: Command
) -> Result:
    """Report the work of a request done because the incident that explains it is over."""
    proof = tuple(evidence)
    return _handle(
        context,
        request,
        lambda known, now: case.report_done_by_incident(known, incident, organisation, proof, now),
        command,
    )


def see_case(context: Context, request: UUID, actor: Actor) -> tuple[CaseFile, datetime]:
    """Show everything known of a case, and the time it is shown at; an executor sees those its organisation works on."""
    found = file_of(context.store.events(case_stream(request)))
    if found is None:
        raise CaseNotFoundError
    if actor.organisation not in {task.organisation for task in found.sub_tasks}:
        _own(actor, found.organisation)
    return found, context.store.now()


def see_cases(
    context: Context, actor: Actor, filters: Filters, after: tuple[datetime, UUID] | None, limit: int
) -> list[dict[str, object]]:
    """List cases; an executor's list holds those of its own organisation, or those it has a part of."""
    if actor.roles.isdisjoint(SEES_EVERY_CASE):
        if filters.sub_tasks_of is not None:
            _own(actor, filters.sub_tasks_of)
        else:
            filters = replace(filters, organisation=filters.organisation or actor.organisation)
            _own(actor, filters.organisation)
    return page(context.database, filters, after, limit)


def _handle(context: Context, request: UUID, decide: Callable[[Case, datetime], Sequence[Event]], command: Command) -> Result:
    return context.store.handle(CASE, case_stream(request), decide, command)


def _staff(actor: Actor) -> bool:
    return "dispatcher" in actor.roles


def _own(actor: Actor, organisation: str | None) -> None:
    """Let an executor see only what its own organisation is assigned to."""
    if actor.roles.isdisjoint(SEES_EVERY_CASE) and (organisation is None or organisation != actor.organisation):
        raise NotYourCaseError
