"""What each fact makes of a case, and the one timer that watches all its clocks."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias, assert_never, cast

from dispatch_svc.domain.case.state import Case, Clock, Plan, SubTask
from shared_chassis.stream import Cancel, Set, Stream
from shared_events.dispatch import (
    AssignmentAccepted,
    AssignmentDeclined,
    CaseClosed,
    CaseOpened,
    CaseReclassified,
    CaseReopened,
    ClockPaused,
    ClockResumed,
    CommitteeDecided,
    DeadlineBreached,
    DeadlineWarned,
    HolderChanged,
    RequestAssigned,
    RequestEscalated,
    RequestLinkedToIncident,
    RequestRouted,
    RequestUnlinkedFromIncident,
    RoutingFailed,
    RoutingInputs,
    Stage,
    StageDeadlineSet,
    SubTaskCancelled,
    SubTaskDone,
    SubTaskOpened,
    WorkFoundImpossible,
    WorkReportedDone,
    WorkReturned,
    WorkScheduled,
    WorkStarted,
)
from shared_events.event import Event

WATCH = "watch"
"""The kind of the timer that watches a case: one a case, for whichever of its clocks has something to state first."""

NEXT = "next"
"""The key of that timer."""

CaseFact: TypeAlias = (
    CaseOpened
    | RequestRouted
    | RoutingFailed
    | RequestAssigned
    | AssignmentAccepted
    | AssignmentDeclined
    | CommitteeDecided
    | WorkScheduled
    | WorkStarted
    | WorkReturned
    | WorkReportedDone
    | WorkFoundImpossible
    | SubTaskOpened
    | SubTaskDone
    | SubTaskCancelled
    | CaseReclassified
    | CaseReopened
    | HolderChanged
    | StageDeadlineSet
    | ClockPaused
    | ClockResumed
    | DeadlineWarned
    | DeadlineBreached
    | RequestEscalated
    | RequestLinkedToIncident
    | RequestUnlinkedFromIncident
    | CaseClosed
)


def evolve(case: Case, fact: CaseFact) -> Case:
    """Say what a fact makes of a case, and at which moment there is next something to state."""
    after = _after(replace(case, facts=case.facts + 1), fact)
    moment = after.next_moment
    return after if moment == after.watched else replace(after, watched=moment, watched_by=after.facts)


def timers(case: Case, events: Sequence[Event]) -> list[Set | Cancel]:
    """Say how the latest facts move the case's timer."""
    if case.watched_by <= case.facts - len(events):
        return []
    return [Cancel(WATCH, NEXT) if case.watched is None else Set(WATCH, NEXT, case.watched)]


def _after(case: Case, fact: CaseFact) -> Case:  # noqa: C901, PLR0911, PLR0912 - one branch a fact
    match fact:
        case CaseOpened():
            return replace(
                case,
                state="opened",
                city=fact.city,
                service_type=fact.service_type,
                district=fact.district,
                building=fact.building,
            )
        case RequestRouted():
            return _looked_at(case, fact.inputs)
        case RoutingFailed():
            case = replace(case, state="unrouted", organisation=None, clocks=case.without("accept"))
            return _looked_at(case, fact.inputs)
        case RequestAssigned():
            return replace(
                case, state="assigned", organisation=fact.organisation, round=fact.round, clocks=case.without("accept")
            )
        case AssignmentAccepted():
            return replace(case, state="accepted", plan=None, clocks=case.without("accept"))
        case AssignmentDeclined():
            return replace(case, state="declined", organisation=None, declines=fact.number, clocks=case.without("accept"))
        case CommitteeDecided():
            return replace(case, committee=fact.organisation)
        case WorkScheduled():
            return replace(case, plan=Plan(fact.begins, fact.ends))
        case WorkStarted():
            return replace(case, state="started", clocks=case.without("start"))
        case WorkReturned():
            return replace(case, state="returned", organisation=None, plan=None, clocks=case.without("start", "finish"))
        case WorkReportedDone():
            return replace(case, state="reported", evidence=fact.evidence, clocks=case.without("accept", "start", "finish"))
        case WorkFoundImpossible():
            return replace(case, state="impossible", ground=fact.ground, clocks=case.without("accept", "start", "finish"))
        case SubTaskOpened():
            return replace(case, sub_tasks=(*case.sub_tasks, SubTask(fact.sub_task, fact.organisation, fact.title)))
        case SubTaskDone():
            return _sub_task_over(case, fact)
        case SubTaskCancelled():
            return _sub_task_over(case, fact)
        case CaseReclassified():
            inputs = case.inputs and case.inputs.model_copy(update={"service_type": fact.service_type, "answers": fact.answers})
            return replace(case, service_type=fact.service_type, inputs=inputs)
        case CaseReopened():
            return replace(
                case,
                state="opened" if case.inputs is None else "reopened",
                round=fact.round,
                evidence=(),
                plan=None,
                waiting=False,
                waiting_until=None,
            )
        case HolderChanged():
            return _held(case, fact)
        case StageDeadlineSet():
            return _set(case, fact)
        case ClockPaused():
            if fact.because == "information_requested":
                case = replace(case, waiting_until=fact.until)
            return _changed(case, fact.stage, lambda clock: clock.stopped(fact.at, fact.because))
        case ClockResumed():
            return _changed(
                case,
                fact.stage,
                lambda clock: replace(
                    clock, pauses=clock.pauses_until(fact.at), paused_by=None, due=fact.due, warn_at=fact.warn_at
                ),
            )
        case DeadlineWarned():
            return _changed(case, fact.stage, lambda clock: replace(clock, warned=True))
        case DeadlineBreached():
            return _changed(case, fact.stage, lambda clock: replace(clock, breached=True))
        case RequestEscalated():
            return _changed(case, fact.stage, lambda clock: replace(clock, level=fact.level))
        case RequestLinkedToIncident():
            return replace(case, incidents=case.incidents | {fact.incident})
        case RequestUnlinkedFromIncident():
            return replace(case, incidents=case.incidents - {fact.incident})
        case CaseClosed():
            return replace(
                case,
                state="closed",
                holder=None,
                since=fact.at,
                waiting=False,
                waiting_until=None,
                answered=True,
                clocks=_closed(case, fact),
            )
        case _:
            assert_never(fact)


def _looked_at(case: Case, inputs: RoutingInputs) -> Case:
    return replace(case, service_type=inputs.service_type, district=inputs.district, building=inputs.building, inputs=inputs)


def _sub_task_over(case: Case, fact: SubTaskDone | SubTaskCancelled) -> Case:
    def over(task: SubTask) -> SubTask:
        if task.id != fact.sub_task:
            return task
        if isinstance(fact, SubTaskDone):
            return replace(task, over="done", evidence=fact.evidence)
        return replace(task, over="cancelled")

    return replace(case, sub_tasks=tuple(over(task) for task in case.sub_tasks))


def _held(case: Case, fact: HolderChanged) -> Case:
    """Give the case to its new holder; a resident who holds it after the report is asked about the whole of it."""
    case = replace(case, holder=fact.holder, since=fact.at)
    if fact.holder.kind != "resident":
        return replace(case, waiting=False, waiting_until=None)
    if case.state == "reported":
        return replace(case, state="asked", waiting=False, waiting_until=None, answered=True, clocks=case.without("answer"))
    return replace(case, waiting=True)


def _set(case: Case, fact: StageDeadlineSet) -> Case:
    """Let a clock run; one that ran since the same moment is counted anew, and what was stated of it stays stated."""
    clock = Clock(
        stage=fact.stage,
        round=fact.round,
        starts_at=fact.starts_at,
        due=fact.due,
        warn_at=fact.warn_at,
        term=fact.term,
        policy_version=fact.policy_version,
        calendar=fact.calendar,
        calendar_version=fact.calendar_version,
        ladder=fact.ladder,
    )
    former = case.clock(fact.stage)
    if former is not None and former.starts_at == fact.starts_at:
        clock = replace(
            clock,
            pauses=former.pauses,
            paused_by=former.paused_by,
            warned=former.warned,
            breached=former.breached,
            level=former.level,
        )
    return replace(case, clocks=(*case.without(fact.stage), clock))


def _changed(case: Case, stage: Stage, change: Callable[[Clock], Clock]) -> Case:
    return replace(case, clocks=tuple(change(clock) if clock.stage == stage else clock for clock in case.clocks))


def _closed(case: Case, fact: CaseClosed) -> tuple[Clock, ...]:
    """Keep what goes on should the request be opened again: the whole and the law's own term; both stand still meanwhile."""
    going_on = (clock for clock in case.clocks if clock.stage in {"total", "statutory"})
    return tuple(
        clock.stopped(fact.at, "closed") if clock.paused_by is None else replace(clock, paused_by="closed") for clock in going_on
    )


def _stored(case: Case, fact: Event) -> Case:
    return evolve(case, cast("CaseFact", fact))  # the stream holds nothing else


CASE = Stream("case", Case(), _stored, timers)
"""The case of a request, under the request's own uuid."""
