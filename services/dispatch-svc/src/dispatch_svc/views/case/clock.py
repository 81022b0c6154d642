"""The clocks of a case as people see them: every one that was ever set, when it stood still and when it ended."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from dispatch_svc.views.case.row import ENDS
from shared_calendar import Pause
from shared_events.dispatch import (
    CaseClosed,
    ClockPaused,
    ClockResumed,
    DeadlineBreached,
    DeadlineWarned,
    EscalationTarget,
    HolderChanged,
    PauseCause,
    RequestEscalated,
    Stage,
    StageDeadlineSet,
)
from shared_events.envelope import Recorded


@dataclass(frozen=True, slots=True)
class ClockSeen:
    """The term of one stage as it was set, and what became of it; `ended_at` is None while it is not over.

    `due` and `warn_at` are later than they were set when it stood still meanwhile. `recounted`: the stage went on in a later
    clock; what was stated of a stage stays stated of the clock it goes on in.
    """

    set_by: StageDeadlineSet
    due: datetime
    warn_at: datetime | None
    ended_at: datetime | None = None
    paused_at: datetime | None = None
    paused_by: PauseCause | None = None
    paused_until: datetime | None = None
    warned_at: datetime | None = None
    breached_at: datetime | None = None
    level: int = 0
    escalated_to: EscalationTarget | None = None
    recounted: bool = False
    pauses: tuple[Pause, ...] = ()

    @property
    def stage(self) -> Stage:
        """What it measures."""
        return self.set_by.stage


@dataclass(frozen=True, slots=True)
class _Standstill:
    """A stretch in which the clocks of a stage stood still; one that lasts has no end."""

    stage: Stage
    since: datetime
    until: datetime | None = None


def clocks_of(lived: Iterable[tuple[str, Recorded]]) -> Sequence[ClockSeen]:
    """Tell every clock of a case in the order they were set, from its facts, each with the state it found the case in."""
    clocks: list[ClockSeen] = []
    stood: list[_Standstill] = []
    for state, recorded in lived:
        _follow(clocks, state, recorded)
        _stand_still(stood, clocks, recorded)
        if isinstance(recorded.fact, ClockResumed):
            _go_on(clocks, recorded.fact)
    return [replace(clock, pauses=_pauses(clock, stood)) for clock in clocks]


def _follow(clocks: list[ClockSeen], state: str, recorded: Recorded) -> None:
    """Let a fact set, end or mark clocks."""
    time, fact = recorded.envelope.time, recorded.fact
    if type(fact) in ENDS:
        _change(clocks, ENDS[type(fact)], lambda clock: replace(clock, ended_at=time))
    match fact:
        case StageDeadlineSet():
            _set(clocks, fact, time)
        case HolderChanged() if fact.holder.kind == "resident" and state == "reported":
            _change(clocks, {"answer"}, lambda clock: replace(clock, ended_at=time))
        case ClockPaused():
            _change(
                clocks,
                {fact.stage},
                lambda clock: replace(clock, paused_at=fact.at, paused_by=fact.because, paused_until=fact.until),
            )
        case DeadlineWarned():
            _change(clocks, {fact.stage}, lambda clock: replace(clock, warned_at=time))
        case DeadlineBreached():
            _change(clocks, {fact.stage}, lambda clock: replace(clock, breached_at=time))
        case RequestEscalated():
            _change(clocks, {fact.stage}, lambda clock: replace(clock, level=fact.level, escalated_to=fact.to))
        case CaseClosed():
            _change(clocks, {clock.stage for clock in clocks}, lambda clock: replace(clock, ended_at=fact.at))
        case _:
            pass


def _change(clocks: list[ClockSeen], stages: Iterable[Stage], change: Callable[[ClockSeen], ClockSeen]) -> None:
    """Change the clocks of some stages that are not over."""
    clocks[:] = [change(clock) if clock.ended_at is None and clock.stage in stages else clock for clock in clocks]


def _set(clocks: list[ClockSeen], fact: StageDeadlineSet, time: datetime) -> None:
    """Let a clock run; where the stage was not over it goes on in this clock, and what was stated of it with it."""
    clock = ClockSeen(fact, fact.due, fact.warn_at)
    former = next((each for each in clocks if each.stage == fact.stage and each.ended_at is None), None)
    if former is not None:
        _change(clocks, {fact.stage}, lambda each: replace(each, ended_at=time, recounted=True))
        clock = replace(
            clock,
            paused_at=former.paused_at,
            paused_by=former.paused_by,
            paused_until=former.paused_until,
            warned_at=former.warned_at,
            breached_at=former.breached_at,
            level=former.level,
            escalated_to=former.escalated_to,
        )
    clocks.append(clock)


def _latest(clocks: Sequence[ClockSeen], stage: Stage) -> int | None:
    return next((place for place in reversed(range(len(clocks))) if clocks[place].stage == stage), None)


def _go_on(clocks: list[ClockSeen], fact: ClockResumed) -> None:
    """Let the latest clock of a stage go on, also one that ended with the request and is opened again with it."""
    place = _latest(clocks, fact.stage)
    if place is not None:
        clocks[place] = replace(
            clocks[place],
            ended_at=None,
            paused_at=None,
            paused_by=None,
            paused_until=None,
            due=fact.due,
            warn_at=fact.warn_at,
        )


def _stand_still(stood: list[_Standstill], clocks: Sequence[ClockSeen], recorded: Recorded) -> None:
    """Note when the clocks of a stage stand still: while the resident is asked, and while the request is closed."""
    fact = recorded.fact
    if isinstance(fact, ClockPaused):
        stood.append(_Standstill(fact.stage, fact.at))
    elif isinstance(fact, ClockResumed):
        stood[:] = [replace(each, until=fact.at) if each.stage == fact.stage and each.until is None else each for each in stood]
        place = _latest(clocks, fact.stage)
        ended_at = None if place is None else clocks[place].ended_at
        if ended_at is not None:
            stood.append(_Standstill(fact.stage, min(ended_at, fact.at), fact.at))


def _pauses(clock: ClockSeen, stood: Sequence[_Standstill]) -> tuple[Pause, ...]:
    """Give the stretches in which a clock stood still: those of its stage between its start and its end."""
    return tuple(
        Pause(start=each.since, end=each.until)
        for each in stood
        if each.stage == clock.stage
        and each.since >= clock.set_by.starts_at
        and (clock.ended_at is None or each.since <= clock.ended_at)
    )
