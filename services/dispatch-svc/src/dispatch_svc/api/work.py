"""Work on cases over HTTP: executors take it, plan it, do it or give it back; dispatchers and the committee say whose it is."""

from collections.abc import Mapping
from typing import Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from dispatch_svc.api.call import AN_ORGANISATION, PROOF, Body, Changed, Evidence, Moment, OrganisationId, Wired, Words, changed
from dispatch_svc.application import MAY
from dispatch_svc.application import case as application
from dispatch_svc.application.case import Refused
from dispatch_svc.domain.case import Plan
from dispatch_svc.domain.refusal import (
    AcceptFirstError,
    AlreadyAcceptedError,
    AlreadyReportedError,
    CalendarUnknownError,
    CaseIsClosedError,
    CaseNotFoundError,
    CommitteeHasDecidedError,
    CommitteeMustDecideError,
    CommitteeNotNeededError,
    DeclineInsteadError,
    EvidenceMissingError,
    FoundImpossibleError,
    NotAcceptedYetError,
    NotRegisteredYetError,
    NotYourCaseError,
    PlanBackwardsError,
    PlanInThePastError,
    ProposesItselfError,
    ReturnInsteadError,
    SubTasksOpenError,
    UnknownOrganisationError,
    WorkIsReportedError,
)
from shared_chassis.http import ConditionalCommand, Router, SignedIn, Tagged, allow, needs_scope
from shared_chassis.store import Result
from shared_events.dispatch import DeclineReason

ERRORS: Mapping[type[Exception], int] = {
    CaseNotFoundError: 404,
    NotYourCaseError: 403,
    CaseIsClosedError: 409,
    NotRegisteredYetError: 409,
    NotAcceptedYetError: 409,
    AcceptFirstError: 409,
    AlreadyAcceptedError: 409,
    AlreadyReportedError: 409,
    WorkIsReportedError: 409,
    FoundImpossibleError: 409,
    ReturnInsteadError: 409,
    DeclineInsteadError: 409,
    CommitteeMustDecideError: 409,
    CommitteeHasDecidedError: 409,
    CommitteeNotNeededError: 409,
    SubTasksOpenError: 409,
    UnknownOrganisationError: 422,
    ProposesItselfError: 422,
    PlanBackwardsError: 422,
    PlanInThePastError: 422,
    EvidenceMissingError: 422,
    CalendarUnknownError: 503,
}

router = Router(tags=["work"])


class Refusal(Body):
    """Why the work is not your organisation's, and whose it is if you know."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"reason": "not_our_work", "note": "The pipe is the supplier's.", "proposes": AN_ORGANISATION}]
        }
    )

    reason: DeclineReason
    note: Words
    proposes: OrganisationId | None = None

    def said(self) -> Refused:
        """Give what was said."""
        return Refused(self.reason, self.note, self.proposes)


class Schedule(Body):
    """Between which moments the work is planned."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"begins": "2026-03-02T09:00:00+03:00", "ends": "2026-03-02T12:00:00+03:00"}]}
    )

    begins: Moment
    ends: Moment


class Report(Body):
    """The work is done; `evidence` are hashes (SHA-256, hex) of photos and acts."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"evidence": [PROOF]}]})

    evidence: Evidence = Field(default_factory=list)


class Assignment(Body):
    """Who is to act: an organisation's id, as the list of organisations has it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"organisation": AN_ORGANISATION}]})

    organisation: OrganisationId


class CommitteeDecision(Body):
    """Whom the committee has named, and on what ground."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"organisation": AN_ORGANISATION, "ground": "The lift stands on its balance sheet."}]}
    )

    organisation: OrganisationId
    ground: Words


class Impossibility(Body):
    """Why the work cannot be done, or that it will be with planned works."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"ground": "The house is being taken down.", "outcome": "impossible"}]}
    )

    ground: Words
    outcome: Literal["impossible", "planned_works"]


@router.post("/cases/{case}/acceptance")
def accept(case: UUID, actor: SignedIn, command: ConditionalCommand, context: Wired, tagged: Tagged) -> Changed:
    """Accept a request your organisation is assigned to."""
    allow(actor, "accept", MAY)
    needs_scope(actor, "work")
    return _answer(case, application.accept(context, case, actor, command), tagged)


@router.post("/cases/{case}/decline")
def decline(
    case: UUID, refusal: Refusal, actor: SignedIn, command: ConditionalCommand, context: Wired, tagged: Tagged
) -> Changed:
    """Decline a request: it is not your organisation's work. After too many refusals the committee decides."""
    allow(actor, "decline", MAY)
    needs_scope(actor, "work")
    return _answer(case, application.decline(context, case, actor, refusal.said(), command), tagged)


@router.post("/cases/{case}/schedule")
def schedule(case: UUID, plan: Schedule, actor: SignedIn, command: ConditionalCommand, context: Wired, tagged: Tagged) -> Changed:
    """Plan the work on a request you accepted."""
    allow(actor, "schedule", MAY)
    needs_scope(actor, "work")
    return _answer(case, application.schedule(context, case, actor, Plan(plan.begins, plan.ends), command), tagged)


@router.post("/cases/{case}/start")
def start(case: UUID, actor: SignedIn, command: ConditionalCommand, context: Wired, tagged: Tagged) -> Changed:
    """Start the work on a request you accepted."""
    allow(actor, "start", MAY)
    needs_scope(actor, "work")
    return _answer(case, application.start(context, case, actor, command), tagged)


@router.post("/cases/{case}/report")
def report_done(
    case: UUID, report: Report, actor: SignedIn, command: ConditionalCommand, context: Wired, tagged: Tagged
) -> Changed:
    """Report the work done, with the evidence its service type asks for."""
    allow(actor, "report_done", MAY)
    needs_scope(actor, "work")
    return _answer(case, application.report_done(context, case, actor, report.evidence, command), tagged)


@router.post("/cases/{case}/return")
def return_work(
    case: UUID, refusal: Refusal, actor: SignedIn, command: ConditionalCommand, context: Wired, tagged: Tagged
) -> Changed:
    """Give back work you had accepted: a dispatcher assigns somebody else."""
    allow(actor, "return_work", MAY)
    needs_scope(actor, "work")
    return _answer(case, application.return_work(context, case, actor, refusal.said(), command), tagged)


@router.post("/cases/{case}/assignment")
def assign(
    case: UUID, assignment: Assignment, actor: SignedIn, command: ConditionalCommand, context: Wired, tagged: Tagged
) -> Changed:
    """Assign an organisation: where no rule could, or before the present one has accepted."""
    allow(actor, "assign", MAY)
    return _answer(case, application.assign(context, case, assignment.organisation, command), tagged)


@router.post("/cases/{case}/committee-decision")
def committee_decide(
    case: UUID, decision: CommitteeDecision, actor: SignedIn, command: ConditionalCommand, context: Wired, tagged: Tagged
) -> Changed:
    """Record whom the committee has named after too many refusals; nobody may decline any more."""
    allow(actor, "committee_decide", MAY)
    result = application.committee_decide(context, case, decision.organisation, decision.ground, command)
    return _answer(case, result, tagged)


@router.post("/cases/{case}/impossibility")
def find_impossible(
    case: UUID, found: Impossibility, actor: SignedIn, command: ConditionalCommand, context: Wired, tagged: Tagged
) -> Changed:
    """State that the work cannot be done, or will be with planned works: the request closes with that outcome."""
    allow(actor, "find_impossible", MAY)
    return _answer(case, application.find_impossible(context, case, found.ground, found.outcome, command), tagged)


def _answer(case: UUID, result: Result, tagged: Tagged) -> Changed:
    tagged(result.version)
    return changed(case, result)
