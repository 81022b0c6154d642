"""The work: who is to do it, whether they take it, and what becomes of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from dispatch_svc.domain.case.clock import start_clock, tell
from dispatch_svc.domain.case.draft import Draft
from dispatch_svc.domain.case.holder import hand_over
from dispatch_svc.domain.case.state import TO_ASSIGN, Case, Plan
from dispatch_svc.domain.case.transition import permit, permit_assigned
from dispatch_svc.domain.refusal import (
    AlreadyReportedError,
    CommitteeHasDecidedError,
    CommitteeMustDecideError,
    CommitteeNotNeededError,
    EvidenceMissingError,
    PlanBackwardsError,
    PlanInThePastError,
    ProposesItselfError,
    SubTasksOpenError,
    UnknownOrganisationError,
)
from dispatch_svc.domain.rulebook import Rulebook
from shared_events.dispatch import (
    AssignedBy,
    AssignmentAccepted,
    AssignmentDeclined,
    CommitteeDecided,
    DeclineReason,
    RequestAssigned,
    WorkFoundImpossible,
    WorkReportedDone,
    WorkReturned,
    WorkScheduled,
    WorkStarted,
)
from shared_events.event import Event


def assign(case: Case, organisation: str, now: datetime, rulebook: Rulebook) -> Sequence[Event]:
    """Let a dispatcher say who is to act: where no rule could, or before the present organisation has accepted.

    After too many refusals the committee must decide instead.
    """
    permit(case, "assign")
    _known(case, organisation, rulebook)
    if case.organisation == organisation and case.state == "assigned":
        return []
    if case.committee is None and case.declines >= rulebook.most_declines(case.city):
        raise CommitteeMustDecideError
    draft = Draft(case)
    tell(draft, now)
    give_to(draft, organisation, "dispatcher", now, rulebook)
    return draft.facts


def committee_decide(case: Case, organisation: str, ground: str, now: datetime, rulebook: Rulebook) -> Sequence[Event]:
    """Let a dispatcher record whom the committee has named after too many refusals; nobody may decline any more."""
    permit(case, "committee_decide")
    _known(case, organisation, rulebook)
    if case.declines < rulebook.most_declines(case.city):
        raise CommitteeNotNeededError
    if (case.committee, case.organisation) == (organisation, organisation):
        return []
    draft = Draft(case)
    tell(draft, now)
    draft.say(CommitteeDecided(organisation=organisation, round=case.round, ground=ground))
    give_to(draft, organisation, "committee", now, rulebook)
    return draft.facts


def accept(case: Case, organisation: str | None, now: datetime, rulebook: Rulebook) -> Sequence[Event]:
    """Let the assigned organisation take the work: the accept clock ends, those of start and finish begin."""
    if not permit_assigned(case, "accept", organisation):
        return []
    draft = Draft(case)
    tell(draft, now)
    draft.say(AssignmentAccepted(organisation=_assigned(case), round=case.round))
    start_clock(draft, "start", now, rulebook)
    start_clock(draft, "finish", now, rulebook)
    return draft.facts


def decline(
    case: Case,
    organisation: str | None,
    refused: tuple[DeclineReason, str, str | None],
    now: datetime,
    rulebook: Rulebook,
) -> Sequence[Event]:
    """Let the assigned organisation say that the work is not its own; `refused` is the reason, a note, and whom it proposes.

    A dispatcher then holds the case and assigns somebody, until too many have declined.
    """
    permit_assigned(case, "decline", organisation)
    if case.committee is not None:
        raise CommitteeHasDecidedError
    if case.declines >= rulebook.most_declines(case.city):
        raise CommitteeMustDecideError
    reason, note, proposes = refused
    _proposed(case, proposes, rulebook)
    draft = Draft(case)
    tell(draft, now)
    draft.say(
        AssignmentDeclined(
            organisation=_assigned(case),
            round=case.round,
            number=case.declines + 1,
            reason=reason,
            note=note,
            proposes=proposes,
        )
    )
    hand_over(draft, now)
    start_clock(draft, "accept", now, rulebook)
    return draft.facts


def schedule(case: Case, organisation: str | None, plan: Plan, now: datetime) -> Sequence[Event]:
    """Let the organisation that accepted plan the work."""
    permit_assigned(case, "schedule", organisation)
    if plan.ends <= plan.begins:
        raise PlanBackwardsError
    if plan.ends <= now:
        raise PlanInThePastError
    if case.plan == plan:
        return []
    return [WorkScheduled(organisation=_assigned(case), round=case.round, begins=plan.begins, ends=plan.ends)]


def start(case: Case, organisation: str | None, now: datetime) -> Sequence[Event]:
    """Let the organisation that accepted begin the work: the start clock ends."""
    if not permit_assigned(case, "start", organisation):
        return []
    draft = Draft(case)
    tell(draft, now)
    draft.say(WorkStarted(organisation=_assigned(case), round=case.round))
    return draft.facts


def report_done(
    case: Case, organisation: str | None, evidence: tuple[str, ...], now: datetime, rulebook: Rulebook
) -> Sequence[Event]:
    """Let the assigned organisation say the work is done, with the evidence its service type asks for: every stage of it ends.

    Who reports what it had not accepted or begun accepts and begins it in the same breath: small repairs are told of once, and
    no clock starts that would end at once. Refused while a part of the work that was given to somebody is not done.
    """
    if not permit_assigned(case, "report_done", organisation):
        if evidence != case.evidence:
            raise AlreadyReportedError
        return []
    if case.open_sub_tasks:
        raise SubTasksOpenError([task.title for task in case.open_sub_tasks])
    required = rulebook.evidence_required(case.city, case.service_type)
    if len(set(evidence)) < required:
        raise EvidenceMissingError(required, len(set(evidence)))
    draft = Draft(case)
    tell(draft, now)
    if case.state == "assigned":
        draft.say(AssignmentAccepted(organisation=_assigned(case), round=case.round))
    if case.state in {"assigned", "accepted"}:
        draft.say(WorkStarted(organisation=_assigned(case), round=case.round))
    draft.say(WorkReportedDone(organisation=_assigned(case), round=case.round, evidence=evidence))
    return draft.facts


def report_done_by_incident(
    case: Case, incident: UUID, organisation: str, evidence: tuple[str, ...], now: datetime
) -> Sequence[Event]:
    """Report the work done because an incident that explains the request is over; `organisation` is whose incident it was.

    Nothing where the request is not linked to it any more, the work is over, or parts of it are still being done.
    """
    at_work = case.state in TO_ASSIGN or case.state in {"assigned", "accepted", "started"}
    if incident not in case.incidents or not at_work or case.open_sub_tasks:
        return []
    draft = Draft(case)
    tell(draft, now)
    draft.say(
        WorkReportedDone(organisation=case.organisation or organisation, round=case.round, evidence=evidence, incident=incident)
    )
    return draft.facts


def return_work(
    case: Case,
    organisation: str | None,
    refused: tuple[DeclineReason, str, str | None],
    now: datetime,
    rulebook: Rulebook,
) -> Sequence[Event]:
    """Let the organisation give back work it had accepted: a dispatcher holds the case and assigns somebody.

    What the committee has decided is not given back.
    """
    permit_assigned(case, "return_work", organisation)
    if case.committee is not None:
        raise CommitteeHasDecidedError
    reason, note, proposes = refused
    _proposed(case, proposes, rulebook)
    draft = Draft(case)
    tell(draft, now)
    draft.say(WorkReturned(organisation=_assigned(case), round=case.round, reason=reason, note=note, proposes=proposes))
    hand_over(draft, now)
    start_clock(draft, "accept", now, rulebook)
    return draft.facts


def find_impossible(case: Case, ground: str, outcome: Literal["impossible", "planned_works"], now: datetime) -> Sequence[Event]:
    """Let a dispatcher state that the work cannot be done, or will be with planned works: every stage of the work ends."""
    permit(case, "find_impossible")
    draft = Draft(case)
    tell(draft, now)
    draft.say(WorkFoundImpossible(organisation=case.organisation, round=case.round, ground=ground, outcome=outcome))
    return draft.facts


def give_to(draft: Draft, organisation: str, by: AssignedBy, at: datetime, rulebook: Rulebook) -> None:
    """Assign an organisation: it holds the case from now, and its accept clock starts; no other clock is touched."""
    draft.say(RequestAssigned(organisation=organisation, round=draft.case.round, by=by))
    hand_over(draft, at)
    start_clock(draft, "accept", at, rulebook)


def _known(case: Case, organisation: str, rulebook: Rulebook) -> None:
    if rulebook.organisation(case.city, organisation) is None:
        raise UnknownOrganisationError


def _proposed(case: Case, proposes: str | None, rulebook: Rulebook) -> None:
    """Let only another organisation of the city be proposed."""
    if proposes is None:
        return
    _known(case, proposes, rulebook)
    if proposes == case.organisation:
        raise ProposesItselfError


def _assigned(case: Case) -> str:
    """Give the organisation that passed as the assigned one."""
    assert case.organisation is not None  # noqa: S101 - `permit_assigned` let nobody else pass
    return case.organisation
