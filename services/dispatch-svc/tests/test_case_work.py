"""Who does the work: declined, proposed, decided by the committee, planned, given back, found impossible, in parts."""

from uuid import UUID

import pytest
from case_file import (
    ACCEPTED,
    DECLINED,
    LIFTS,
    OPENED,
    PIPES,
    PROOF,
    REASON,
    REPORTED,
    ROOFS,
    ROUTED,
    RULEBOOK,
    STARTED,
    UNROUTED,
    at,
    deadline,
    given,
    held_by,
    names,
    policy,
    rulebook,
    then,
)

from dispatch_svc.domain import case
from dispatch_svc.domain.case import Case, Plan
from dispatch_svc.domain.refusal import (
    CommitteeHasDecidedError,
    CommitteeMustDecideError,
    CommitteeNotNeededError,
    EvidenceMissingError,
    NotLinkedError,
    NotYourCaseError,
    NotYourSubTaskError,
    PlanBackwardsError,
    PlanInThePastError,
    ProposesItselfError,
    SubTaskIsCancelledError,
    SubTaskIsDoneError,
    SubTaskNotFoundError,
    SubTasksOpenError,
    UnknownOrganisationError,
)
from shared_events.dispatch import (
    AssignmentDeclined,
    CommitteeDecided,
    HolderChanged,
    RequestAssigned,
    RequestLinkedToIncident,
    SubTaskCancelled,
    SubTaskDone,
    SubTaskOpened,
    WorkFoundImpossible,
    WorkReportedDone,
    WorkReturned,
    WorkScheduled,
)

TASK, INCIDENT = UUID(int=11), UUID(int=12)
TWICE = rulebook(policy(most_declines=2))
ASSIGNED = given(OPENED, ROUTED)
AT_WORK = given(OPENED, ROUTED, ACCEPTED, STARTED)


def test_a_declined_request_is_a_dispatchers_until_somebody_is_assigned() -> None:
    """The reason, a note and who it is said to be; the accept clock starts again, for the dispatcher."""
    facts = case.decline(ASSIGNED, LIFTS, ("not_our_work", "The pipe is the supplier's.", PIPES), at(4), RULEBOOK)
    assert facts == [DECLINED[0].model_copy(update={"proposes": PIPES}), *DECLINED[1:]]
    declined = then(ASSIGNED, facts)
    assert (declined.state, declined.organisation) == ("declined", None)
    assert case.assign(declined, PIPES, at(6), RULEBOOK) == [
        RequestAssigned(organisation=PIPES, round=1, by="dispatcher"),
        HolderChanged(holder=held_by(PIPES), at=at(6)),
        deadline("accept", 6, 30),
    ]


@pytest.mark.parametrize(("proposes", "refusal"), [(LIFTS, ProposesItselfError), ("nobody", UnknownOrganisationError)])
def test_only_another_organisation_of_the_city_is_proposed(proposes: str, refusal: type[Exception]) -> None:
    """Neither the one that declines, nor one nobody knows; in a return the same."""
    with pytest.raises(refusal):
        case.decline(ASSIGNED, LIFTS, ("other", "no", proposes), at(4), RULEBOOK)
    with pytest.raises(refusal):
        case.return_work(AT_WORK, LIFTS, ("other", "no", proposes), at(9), RULEBOOK)


def bounced() -> Case:
    """Let a request be declined as often as the city allows."""
    declined = then(ASSIGNED, case.decline(ASSIGNED, LIFTS, REASON, at(2), TWICE))
    assigned = then(declined, case.assign(declined, PIPES, at(3), TWICE))
    return then(assigned, case.decline(assigned, PIPES, REASON, at(4), TWICE))


def test_after_too_many_refusals_the_committee_decides_and_nobody_may_decline_any_more() -> None:
    """Neither is a dispatcher's own assignment taken then; before, the committee is not asked."""
    twice = bounced()
    assert twice.declines == 2
    with pytest.raises(CommitteeMustDecideError):
        case.assign(twice, LIFTS, at(5), TWICE)
    facts = case.committee_decide(twice, LIFTS, "It keeps the lift.", at(5), TWICE)
    assert facts == [
        CommitteeDecided(organisation=LIFTS, round=1, ground="It keeps the lift."),
        RequestAssigned(organisation=LIFTS, round=1, by="committee"),
        HolderChanged(holder=held_by(LIFTS), at=at(5)),
        deadline("accept", 5, 30),
    ]
    decided = then(twice, facts)
    with pytest.raises(CommitteeHasDecidedError):
        case.decline(decided, LIFTS, REASON, at(6), TWICE)
    accepted = then(decided, case.accept(decided, LIFTS, at(6), TWICE))
    with pytest.raises(CommitteeHasDecidedError):
        case.return_work(accepted, LIFTS, REASON, at(7), TWICE)
    assert case.committee_decide(decided, LIFTS, "again", at(7), TWICE) == []
    with pytest.raises(CommitteeNotNeededError):
        case.committee_decide(given(OPENED, ROUTED, DECLINED), LIFTS, "too soon", at(5), TWICE)
    with pytest.raises(UnknownOrganisationError):
        case.committee_decide(twice, "nobody", "who?", at(5), TWICE)


def test_an_assigned_organisation_may_not_decline_once_the_committee_must_decide() -> None:
    """The city has lowered the number meanwhile."""
    once = rulebook(policy(most_declines=1))
    reassigned = given(OPENED, ROUTED, DECLINED)
    reassigned = then(reassigned, case.assign(reassigned, PIPES, at(5), TWICE))
    with pytest.raises(CommitteeMustDecideError):
        case.decline(reassigned, PIPES, REASON, at(6), once)


def test_work_is_planned_forward_and_in_order() -> None:
    """The same plan twice is nothing; another one replaces it; the past and the upside down are refused."""
    accepted = given(OPENED, ROUTED, ACCEPTED)
    plan = Plan(at(60), at(90))
    planned = WorkScheduled(organisation=LIFTS, round=1, begins=at(60), ends=at(90))
    assert case.schedule(accepted, LIFTS, plan, at(6)) == [planned]
    assert case.schedule(then(accepted, [planned]), LIFTS, plan, at(7)) == []
    assert names(case.schedule(then(accepted, [planned]), LIFTS, Plan(at(70), at(90)), at(7))) == ["WorkScheduled"]
    with pytest.raises(PlanBackwardsError):
        case.schedule(accepted, LIFTS, Plan(at(90), at(90)), at(6))
    with pytest.raises(PlanInThePastError):
        case.schedule(accepted, LIFTS, Plan(at(2), at(6)), at(6))


def test_work_that_is_given_back_is_a_dispatchers_and_only_its_stage_clocks_end() -> None:
    """The clocks of start and finish are over, the accept clock starts; nobody is assigned."""
    facts = case.return_work(AT_WORK, LIFTS, ("not_equipped", "No crane.", PIPES), at(9), RULEBOOK)
    assert facts == [
        WorkReturned(organisation=LIFTS, round=1, reason="not_equipped", note="No crane.", proposes=PIPES),
        HolderChanged(holder=case.DISPATCHER, at=at(9)),
        deadline("accept", 9, 30),
    ]
    returned = then(AT_WORK, facts)
    assert [clock.stage for clock in returned.clocks] == ["accept"]
    assert names(case.assign(returned, LIFTS, at(12), RULEBOOK))[0] == "RequestAssigned"


@pytest.mark.parametrize("before", [UNROUTED, ROUTED, (*ROUTED, *ACCEPTED), (*ROUTED, *DECLINED)])
def test_a_dispatcher_states_that_work_is_impossible_and_every_stage_of_it_ends(before: tuple[object, ...]) -> None:
    """Whoever is assigned, or nobody."""
    known = given(OPENED, before)  # type: ignore[arg-type]  # facts
    facts = case.find_impossible(known, "The house is taken down.", "impossible", at(9))
    assert facts[-1] == WorkFoundImpossible(
        organisation=known.organisation, round=1, ground="The house is taken down.", outcome="impossible"
    )
    assert then(known, facts).clocks == ()


def test_a_report_needs_the_evidence_its_service_type_asks_for() -> None:
    """Two different photos where two are asked for: the same one twice is one."""
    strict = rulebook(evidence={("kazan", "lift"): 2})
    for few in ((), PROOF, (*PROOF, *PROOF)):
        with pytest.raises(EvidenceMissingError, match=f"needs 2 photos or acts; there are {len(set(few))}"):
            case.report_done(AT_WORK, LIFTS, few, at(9), strict)
    assert names(case.report_done(AT_WORK, LIFTS, (*PROOF, "cd" * 32), at(9), strict)) == ["WorkReportedDone"]


def opened_task(whose: str = PIPES) -> SubTaskOpened:
    """Give a part of the work."""
    return SubTaskOpened(sub_task=TASK, round=1, organisation=whose, title="Switch off the riser")


def test_the_whole_is_not_done_before_each_part_is_and_the_holder_stays() -> None:
    """Its organisation says it is done; the report names what is still open."""
    assert case.open_sub_task(AT_WORK, TASK, PIPES, "Switch off the riser", LIFTS, RULEBOOK, staff=False) == [opened_task()]
    divided = then(AT_WORK, [opened_task()])
    with pytest.raises(SubTasksOpenError, match="Switch off the riser"):
        case.report_done(divided, LIFTS, (), at(9), RULEBOOK)
    with pytest.raises(NotYourSubTaskError):
        case.finish_sub_task(divided, TASK, LIFTS, ())
    done = case.finish_sub_task(divided, TASK, PIPES, PROOF)
    assert done == [SubTaskDone(sub_task=TASK, round=1, evidence=PROOF)]
    finished = then(divided, done)
    assert finished.holder == held_by(LIFTS)
    assert case.finish_sub_task(finished, TASK, PIPES, PROOF) == []
    assert names(case.report_done(finished, LIFTS, (), at(9), RULEBOOK)) == ["WorkReportedDone"]
    with pytest.raises(SubTaskIsDoneError):
        case.cancel_sub_task(finished, TASK, "not needed", LIFTS, staff=False)


def test_a_part_that_is_not_needed_is_cancelled_by_whom_the_whole_belongs_to() -> None:
    """By the assigned organisation or a dispatcher; not by the one that has the part."""
    divided = then(AT_WORK, [opened_task()])
    with pytest.raises(NotYourCaseError):
        case.cancel_sub_task(divided, TASK, "no", PIPES, staff=False)
    facts = case.cancel_sub_task(divided, TASK, "It was off.", LIFTS, staff=False)
    assert facts == [SubTaskCancelled(sub_task=TASK, round=1, reason="It was off.")]
    assert case.cancel_sub_task(divided, TASK, "It was off.", None, staff=True) == facts
    cancelled = then(divided, facts)
    assert case.cancel_sub_task(cancelled, TASK, "It was off.", LIFTS, staff=False) == []
    with pytest.raises(SubTaskIsCancelledError):
        case.finish_sub_task(cancelled, TASK, PIPES, ())
    with pytest.raises(SubTaskNotFoundError):
        case.finish_sub_task(divided, INCIDENT, PIPES, ())
    assert names(case.report_done(cancelled, LIFTS, (), at(9), RULEBOOK)) == ["WorkReportedDone"]


def test_a_part_is_given_to_an_organisation_of_the_city_by_whom_the_whole_belongs_to() -> None:
    """A dispatcher may too; another organisation may not."""
    with pytest.raises(NotYourCaseError):
        case.open_sub_task(AT_WORK, TASK, ROOFS, "x", PIPES, RULEBOOK, staff=False)
    with pytest.raises(UnknownOrganisationError):
        case.open_sub_task(AT_WORK, TASK, "nobody", "x", LIFTS, RULEBOOK, staff=False)
    assert case.open_sub_task(AT_WORK, TASK, ROOFS, "x", None, RULEBOOK, staff=True) != []


def test_an_incident_explains_a_request_once_and_its_end_reports_the_work_done() -> None:
    """Whoever was assigned, or nobody; not where the link was taken back, the work is over or parts of it are open."""
    link = RequestLinkedToIncident(incident=INCIDENT, by="dispatcher", expected_end=at(60))
    assert case.link_incident(ASSIGNED, INCIDENT, "dispatcher", at(60)) == [link]
    for before, whose in ((ROUTED, LIFTS), (UNROUTED, PIPES), ((*ROUTED, *ACCEPTED), LIFTS)):
        linked = given(OPENED, before, (link,))
        assert case.link_incident(linked, INCIDENT, "scope", None) == []
        assert case.report_done_by_incident(linked, INCIDENT, PIPES, PROOF, at(9))[-1] == WorkReportedDone(
            organisation=whose, round=1, evidence=PROOF, incident=INCIDENT
        )
    unlinked = given(OPENED, ROUTED, (link,))
    unlinked = then(unlinked, case.unlink_incident(unlinked, INCIDENT, "another house"))
    for known in (
        ASSIGNED,
        unlinked,
        given(OPENED, ROUTED, ACCEPTED, STARTED, (link,), REPORTED),
        given(OPENED, ROUTED, ACCEPTED, STARTED, (link, opened_task())),
    ):
        assert case.report_done_by_incident(known, INCIDENT, PIPES, PROOF, at(9)) == []
    with pytest.raises(NotLinkedError):
        case.unlink_incident(ASSIGNED, INCIDENT, "never was")


def test_refusals_are_counted_over_the_whole_case() -> None:
    """By number, from 1."""
    facts = [fact for fact in (*DECLINED,) if isinstance(fact, AssignmentDeclined)]
    assert [fact.number for fact in facts] == [1]
    assert bounced().declines == 2
