"""What is known of a case: how far it is, who holds it, and which clocks run or stand still."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from shared_calendar import Pause
from shared_events.dispatch import EscalationStep, Holder, PauseCause, RoutingInputs, Stage, TermStated

FIRST_ROUND = 1

CALL_CENTRE = Holder(kind="call_centre")
DISPATCHER = Holder(kind="dispatcher")
RESIDENT = Holder(kind="resident")

State = Literal[
    "unknown",
    "opened",
    "unrouted",
    "assigned",
    "declined",
    "returned",
    "reopened",
    "accepted",
    "started",
    "reported",
    "asked",
    "impossible",
    "closed",
]
"""How far a case is.

`unrouted`, `declined`, `returned` and `reopened` wait for a dispatcher to assign somebody. `asked`: the resident is asked whether
the work is done. `impossible`: it will not be done, and request-svc is about to close the request.
"""

TO_ASSIGN: frozenset[State] = frozenset({"unrouted", "declined", "returned", "reopened"})
"""Nobody is assigned: a dispatcher must."""

OF_THE_WORK: frozenset[Stage] = frozenset({"accept", "start", "finish"})
"""Stages of the work itself: each round has its own, by the organisation's own calendar where it has one."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The term of one stage that is not over, with the policy and calendar it is counted by for good.

    While it stands still `paused_by` says why, and the last of `pauses` has no end; `due` and `warn_at` are then what they would
    be had it gone on at once. `closed` is the pause of a closed request that may be reopened. `level` is the last rung stated.
    """

    stage: Stage
    round: int
    starts_at: datetime
    due: datetime
    warn_at: datetime | None
    term: TermStated
    policy_version: str
    calendar: str
    calendar_version: str
    ladder: tuple[EscalationStep, ...] = ()
    pauses: tuple[Pause, ...] = ()
    paused_by: PauseCause | Literal["closed"] | None = None
    warned: bool = False
    breached: bool = False
    level: int = 0

    @property
    def next_moment(self) -> datetime | None:
        """When there is next something to state: a warning, the breach, a rung of the ladder; None while it stands still."""
        if self.paused_by is not None:
            return None
        if not self.breached:
            return self.warn_at if self.warn_at is not None and not self.warned else self.due
        if self.level < len(self.ladder):
            return self.due + timedelta(minutes=self.ladder[self.level].after_minutes)
        return None

    def stopped(self, at: datetime, because: PauseCause | Literal["closed"]) -> "Clock":
        """Give the clock as it stands still since a moment."""
        return replace(self, pauses=(*self.pauses, Pause(start=at)), paused_by=because)

    def pauses_until(self, at: datetime) -> tuple[Pause, ...]:
        """Give the pauses with the one that lasts ended at a moment, never before it began."""
        *past, last = self.pauses
        return (*past, Pause(start=last.start, end=max(last.start, at)))


@dataclass(frozen=True, slots=True)
class SubTask:
    """A part of the work that was given to an organisation."""

    id: UUID
    organisation: str
    title: str
    over: Literal["done", "cancelled"] | None = None
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Between which moments the organisation means to work (UTC)."""

    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Case:
    """A request in the city's hands.

    `facts` counts what has happened to it. `since` is when its holder began, or when it was closed (UTC); time never goes back
    behind it. `inputs` are what the last routing looked at, None before the registration. `waiting`: the resident was asked for
    something, at most until `waiting_until`. `watched` is the moment the timer stands at since the fact number `watched_by`.
    """

    facts: int = 0
    state: State = "unknown"
    city: str = ""
    service_type: str | None = None
    district: str | None = None
    building: str | None = None
    inputs: RoutingInputs | None = None
    organisation: str | None = None
    round: int = FIRST_ROUND
    evidence: tuple[str, ...] = ()
    holder: Holder | None = None
    since: datetime | None = None
    waiting: bool = False
    waiting_until: datetime | None = None
    answered: bool = False
    declines: int = 0
    committee: str | None = None
    plan: Plan | None = None
    ground: str | None = None
    sub_tasks: tuple[SubTask, ...] = ()
    incidents: frozenset[UUID] = frozenset()
    clocks: tuple[Clock, ...] = ()
    watched: datetime | None = None
    watched_by: int = 0

    @property
    def duty(self) -> Holder:
        """Who would hold the case were the resident not asked for anything."""
        if self.state == "opened":
            return CALL_CENTRE
        if self.state in TO_ASSIGN or self.organisation is None:
            return DISPATCHER
        return Holder(kind="organisation", organisation=self.organisation)

    @property
    def next_moment(self) -> datetime | None:
        """When any clock next has something to state; None while none has."""
        moments = [moment for clock in self.clocks if (moment := clock.next_moment) is not None]
        return min(moments, default=None)

    @property
    def open_sub_tasks(self) -> tuple[SubTask, ...]:
        """The parts of the work that are neither done nor cancelled."""
        return tuple(task for task in self.sub_tasks if task.over is None)

    def clock(self, stage: Stage) -> Clock | None:
        """Find the clock of a stage that is not over."""
        return next((clock for clock in self.clocks if clock.stage == stage), None)

    def without(self, *stages: Stage) -> tuple[Clock, ...]:
        """Give the clocks that go on when these stages are over."""
        return tuple(clock for clock in self.clocks if clock.stage not in stages)

    def not_before(self, at: datetime) -> datetime:
        """Give the time of a cause, never before the present holder began."""
        return at if self.since is None else max(self.since, at)
