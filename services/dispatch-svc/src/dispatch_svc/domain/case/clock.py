"""The clocks of a case: how one starts, stands still, goes on, is counted anew, and what is stated when its moments come.

The policy and the calendar are pinned when a clock starts; whatever is adopted later moves no clock. Only a registration, an
assignment, an acceptance, a return, a pause, its end and a re-classification set or move one; nothing else does.
"""

from datetime import datetime
from functools import lru_cache

from dispatch_svc.domain.case.draft import Draft
from dispatch_svc.domain.case.state import OF_THE_WORK, Case, Clock
from dispatch_svc.domain.refusal import CalendarUnknownError
from dispatch_svc.domain.rulebook import Policy, Rulebook
from shared_calendar import Calendar, Pause, Term, due, term_of
from shared_events.dispatch import (
    ClockPaused,
    ClockResumed,
    DeadlineBreached,
    DeadlineWarned,
    PauseCause,
    RequestEscalated,
    Stage,
    StageDeadlineSet,
    TermStated,
)

FROM_REGISTRATION: tuple[Stage, ...] = ("total", "statutory", "answer")
"""Clocks that start with the registration and outlast rounds, assignments and holders."""


@lru_cache(maxsize=1024)
def counted(term: TermStated) -> Term:
    """Read a term as a fact states it as what the calendar counts by."""
    return term_of(term.unit, term.amount, term.opens, term.closes)


def start_clock(draft: Draft, stage: Stage, starts_at: datetime, rulebook: Rulebook) -> None:
    """Start the clock of a stage by the city's policy of this moment; none where the city sets no term.

    One that starts while the resident is asked for something stands still at once.
    """
    fact = _term_for(draft.case, stage, starts_at, (), rulebook)
    if fact is None:
        return
    draft.say(fact)
    if draft.case.waiting and _pauses(draft.case, fact.stage, fact.policy_version, "information_requested", rulebook):
        _pause(draft, fact.stage, starts_at, "information_requested", draft.case.waiting_until)


def start_clocks_of_registration(draft: Draft, at: datetime, rulebook: Rulebook) -> None:
    """Start what counts from the registration on."""
    for stage in FROM_REGISTRATION:
        start_clock(draft, stage, at, rulebook)


def pause_clocks(draft: Draft, at: datetime, because: PauseCause, until: datetime | None, rulebook: Rulebook) -> None:
    """Let every clock stand still that this cause stops."""
    for clock in draft.case.clocks:
        if clock.paused_by is None and _pauses(draft.case, clock.stage, clock.policy_version, because, rulebook):
            _pause(draft, clock.stage, max(at, clock.starts_at), because, until)


def resume_clocks(draft: Draft, at: datetime, rulebook: Rulebook) -> None:
    """Let every clock that stands still go on: what was left of its term is left."""
    for clock in draft.case.clocks:
        if clock.paused_by is None:
            continue
        pauses = clock.pauses_until(at)
        ends = due(clock.starts_at, counted(clock.term), _calendar(draft.case, clock, rulebook), pauses)
        warn_at = None if clock.warn_at is None else clock.warn_at + (ends - clock.due)
        draft.say(ClockResumed(stage=clock.stage, round=clock.round, at=pauses[-1].end or at, due=ends, warn_at=warn_at))


def count_anew(draft: Draft, at: datetime, rulebook: Rulebook) -> None:
    """Count the clocks by the terms of the case's present service type, each from its own start.

    A stage that had no term and has one now is counted from the registration, or, being one of the work, from this moment.
    """
    case = draft.case
    if case.inputs is None:
        return
    stages = [(clock.stage, clock.starts_at) for clock in case.clocks]
    stages += [(stage, case.inputs.at) for stage in FROM_REGISTRATION if case.clock(stage) is None and not _over(case, stage)]
    stages += [(stage, at) for stage in _of_the_work_now(case) if case.clock(stage) is None]
    for stage, starts_at in stages:
        clock = case.clock(stage)
        fact = _term_for(case, stage, starts_at, clock.pauses if clock is not None else (), rulebook)
        if clock is None:
            start_clock(draft, stage, starts_at, rulebook)
        elif fact is not None and (fact.term, fact.calendar, fact.calendar_version) != (
            clock.term,
            clock.calendar,
            clock.calendar_version,
        ):
            draft.say(fact)


def tell(draft: Draft, by: datetime) -> None:
    """State everything whose moment has come by a moment, in order: warnings, breaches, rungs of the ladder.

    Each is stated once, however late anybody looks.
    """
    while (moment := draft.case.next_moment) is not None and moment <= by:
        clock = next(clock for clock in draft.case.clocks if clock.next_moment == moment)
        holder = draft.case.holder or draft.case.duty
        if clock.breached:
            step = clock.ladder[clock.level]
            draft.say(
                RequestEscalated(
                    level=clock.level + 1, to=step.to, stage=clock.stage, round=clock.round, due=clock.due, holder=holder
                )
            )
        elif clock.warn_at is not None and not clock.warned:
            draft.say(DeadlineWarned(stage=clock.stage, round=clock.round, due=clock.due, holder=holder))
        else:
            draft.say(DeadlineBreached(stage=clock.stage, round=clock.round, due=clock.due, holder=holder))


def _term_for(
    case: Case, stage: Stage, starts_at: datetime, pauses: tuple[Pause, ...], rulebook: Rulebook
) -> StageDeadlineSet | None:
    policy = rulebook.policies.get(case.city)
    term = policy.term_for(case.service_type, stage) if policy is not None else None
    if policy is None or term is None:
        return None
    calendar = policy.calendar
    if stage in OF_THE_WORK:
        calendar = rulebook.calendar_of(case.city, case.organisation) or calendar
    ends = due(starts_at, counted(term), calendar, [pause for pause in pauses if pause.end is not None])
    return StageDeadlineSet(
        stage=stage,
        round=case.round if stage in OF_THE_WORK else _round(case, stage),
        starts_at=starts_at,
        due=ends,
        term=term,
        policy_version=policy.version,
        calendar=calendar.id,
        calendar_version=calendar.version,
        warn_at=_warn_at(policy, starts_at, ends),
        ladder=policy.ladder,
    )


def _round(case: Case, stage: Stage) -> int:
    clock = case.clock(stage)
    return clock.round if clock is not None else case.round


def _warn_at(policy: Policy, starts_at: datetime, ends: datetime) -> datetime | None:
    """Say when so much of the time to the due moment is over that a warning is due; in whole seconds."""
    if policy.warn_percent is None:
        return None
    moment = starts_at + (ends - starts_at) * policy.warn_percent / 100
    return max(starts_at, moment.replace(microsecond=0))


def _pause(draft: Draft, stage: Stage, at: datetime, because: PauseCause, until: datetime | None) -> None:
    clock = draft.case.clock(stage)
    if clock is not None:
        draft.say(ClockPaused(stage=stage, round=clock.round, at=at, because=because, until=until))


def _pauses(case: Case, stage: Stage, policy_version: str, because: PauseCause, rulebook: Rulebook) -> bool:
    """Say whether a cause stops the clock of a stage.

    A question to the resident stops every clock but the total one; asking whether the work is done stops that one. The statutory
    clock stops only for what the policy it was started by names.
    """
    if stage == "statutory":
        policy = rulebook.policy(case.city, policy_version)
        return policy is not None and because in policy.statutory_pauses
    return (stage == "total") == (because == "completion_proposed")


def _over(case: Case, stage: Stage) -> bool:
    return stage == "answer" and case.answered


def _of_the_work_now(case: Case) -> tuple[Stage, ...]:
    """Name the stages of the work a case is in."""
    match case.state:
        case "unrouted" | "declined" | "returned" | "reopened" | "assigned":
            return ("accept",)
        case "accepted":
            return ("start", "finish")
        case "started":
            return ("finish",)
        case _:
            return ()


def _calendar(case: Case, clock: Clock, rulebook: Rulebook) -> Calendar:
    found = rulebook.pinned_calendar(case.city, clock.calendar, clock.calendar_version)
    if found is None:
        raise CalendarUnknownError(f"{CalendarUnknownError.__doc__} ({clock.calendar}, {clock.calendar_version})")
    return found
