"""Cases over HTTP, for reading: who holds what since when, why it is where it is, and how every clock counts."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from itertools import pairwise
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from psycopg.rows import DictRow
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from dispatch_svc.api.call import Wired
from dispatch_svc.application import MAY
from dispatch_svc.application import case as application
from dispatch_svc.domain.case import State
from dispatch_svc.domain.case.clock import counted
from dispatch_svc.domain.rulebook import Rulebook
from dispatch_svc.views.case import CaseFile, ClockSeen, Filters
from shared_calendar import explain
from shared_chassis.http import Page, Router, SignedIn, Tagged, allow, needs_scope, read_cursor
from shared_events.dispatch import AssignedBy, EscalationTarget, HolderKind, RoutingInputs, Stage, TermStated
from shared_events.request import Outcome

ERRORS: Mapping[type[Exception], int] = {}

router = Router(tags=["cases"])


class CasesWanted(BaseModel):
    """Which cases to list; a filter nobody knows is refused, not ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    city: str | None = Field(None, max_length=200)
    organisation: str | None = Field(None, max_length=200, description="The assigned organisation's id.")
    state: State | None = None
    stage: Stage | None = Field(None, description="The stage of the work whose clock is due first.")
    due_before: AwareDatetime | None = Field(None, description="Its clock is due before this moment.")
    holder: HolderKind | None = Field(None, description="Who is to act now.")
    sub_tasks_of: str | None = Field(None, max_length=200, description="An organisation with an open part of the work.")
    district: str | None = Field(None, max_length=200)
    cursor: str | None = Field(None, max_length=2000, description="`next` of the page before; absent: from the start.")
    limit: int = Field(100, ge=1, le=1000, description="How many to show at most.")

    def filters(self) -> Filters:
        """Give what the list is chosen by."""
        return Filters(
            city=self.city,
            organisation=self.organisation,
            state=self.state,
            stage=self.stage,
            district=self.district,
            holder=self.holder,
            due_before=self.due_before,
            sub_tasks_of=self.sub_tasks_of,
        )


class HolderNow(BaseModel):
    """Who is to act, and since when."""

    kind: HolderKind
    organisation: str | None
    since: datetime


class Planned(BaseModel):
    """Between which moments the organisation means to work."""

    begins: datetime
    ends: datetime


class CaseSummary(BaseModel):
    """A case in a list.

    `stage` and `due` are those of the work's own clock that is due first; `organisation` is who is assigned. `waiting`: the
    resident was asked for something, and the clocks of the work stand still.
    """

    id: UUID
    version: int
    city: str
    service_type: str | None
    district: str | None
    building: str | None
    state: State
    round: int
    organisation: str | None
    assigned_by: AssignedBy | None
    holder: HolderNow | None
    waiting: bool
    stage: Stage | None
    due: datetime | None
    declines: int
    plan: Planned | None
    opened_at: datetime
    closed_at: datetime | None
    outcome: Outcome | None


class Routing(BaseModel):
    """Why the request went where it went: the rule in its version, or why none applied, and what was looked at."""

    rule: str | None
    rule_version: int | None
    failure: str | None
    inputs: RoutingInputs


class Held(BaseModel):
    """Who held the case from when to when (None: still), in minutes."""

    kind: HolderKind
    organisation: str | None
    since: datetime
    until: datetime | None
    minutes: float


class ClockShown(BaseModel):
    """The term of one stage, and how it counts, step by step in words.

    `state` is `running`, `paused` or `over`; `recounted`: the stage went on by the terms of another service type, in a later
    clock. `remaining_minutes` until it is due is negative once it is overdue; None when the stage is over or it stands still.
    """

    stage: Stage
    round: int
    state: Literal["running", "paused", "over"]
    starts_at: datetime
    due: datetime
    warn_at: datetime | None
    term: TermStated
    policy_version: str
    calendar: str
    calendar_version: str
    remaining_minutes: float | None
    paused_at: datetime | None
    paused_by: Literal["information_requested", "completion_proposed"] | None
    paused_until: datetime | None
    warned_at: datetime | None
    breached_at: datetime | None
    level: int
    escalated_to: EscalationTarget | None
    ended_at: datetime | None
    recounted: bool
    steps: list[str]


class SubTaskShown(BaseModel):
    """A part of the work, whose it is and what became of it."""

    id: UUID
    organisation: str
    title: str
    state: Literal["open", "done", "cancelled"]
    evidence: list[str] | None
    reason: str | None
    opened_at: datetime
    ended_at: datetime | None


class CaseExplained(CaseSummary):
    """A case with why it is where it is: the rule, every holder, every clock and every part of the work."""

    routing: Routing | None
    evidence: list[str]
    evidence_required: int
    proposed: str | None
    committee_ground: str | None
    impossible_ground: str | None
    incidents: list[UUID]
    holders: list[Held]
    total_minutes: float
    clocks: list[ClockShown]
    sub_tasks: list[SubTaskShown]


@router.get("/cases/{case}")
def see_case(case: UUID, actor: SignedIn, context: Wired, tagged: Tagged) -> CaseExplained:
    """Show a case: which rule sent it where, who holds it since when, how every clock counts and what is left of it."""
    allow(actor, "see_cases", MAY)
    needs_scope(actor, "read")
    found, now = application.see_case(context, case, actor)
    tagged(found.row["version"], now)
    return _explained(found, now, context.rulebooks.latest())


@router.get("/cases")
def see_cases(actor: SignedIn, context: Wired, wanted: Annotated[CasesWanted, Query()]) -> Page[CaseSummary]:
    """List cases, the longest open first; an executor sees those of its own organisation, or those it has a part of."""
    allow(actor, "see_cases", MAY)
    needs_scope(actor, "read")
    after = read_cursor(wanted.cursor, tuple[datetime, UUID])
    rows = application.see_cases(context, actor, wanted.filters(), after, wanted.limit + 1)
    cases = [CaseSummary.model_validate(_summary(row)) for row in rows]
    return Page.cut(cases, wanted.limit, lambda row: (row.opened_at, row.id))


def _summary(row: DictRow) -> DictRow:
    holder = {"kind": row["holder"], "organisation": row["holder_organisation"], "since": row["held_since"]}
    plan = row["plan_begins"] and {"begins": row["plan_begins"], "ends": row["plan_ends"]}
    return {**row, "id": row["case_id"], "holder": None if row["state"] == "closed" else holder, "plan": plan}


def _explained(found: CaseFile, now: datetime, rules: Rulebook) -> CaseExplained:
    row: DictRow = found.row
    told = found.told
    until: datetime = max(now, row["held_since"])
    return CaseExplained.model_validate(
        {
            **_summary(row),
            "routing": told.routing and asdict(told.routing),
            "evidence": told.evidence,
            "evidence_required": rules.evidence_required(row["city"], row["service_type"]),
            "proposed": told.proposed,
            "committee_ground": told.committee_ground,
            "impossible_ground": told.impossible_ground,
            "incidents": sorted(told.incidents),
            "holders": [{**asdict(held), "minutes": _minutes(held.since, held.until or until)} for held in found.holders],
            "total_minutes": _total(found, until),
            "clocks": [_clock(clock, row["city"], now, rules) for clock in found.clocks],
            "sub_tasks": [asdict(task) for task in found.sub_tasks],
        }
    )


def _total(found: CaseFile, now: datetime) -> float:
    """Tell how long the request was open: from its opening to its end, less the time between an end and a reopening."""
    row: DictRow = found.row
    closed = sum(_minutes(before.until or now, after.since) for before, after in pairwise(found.holders))
    return _minutes(row["opened_at"], row["closed_at"] or now) - closed


def _clock(clock: ClockSeen, city: str, now: datetime, rules: Rulebook) -> DictRow:
    term = clock.set_by
    calendar = rules.pinned_calendar(city, term.calendar, term.calendar_version)
    state = "over" if clock.ended_at else "paused" if clock.paused_at else "running"
    return {
        **dict(term),
        **asdict(clock),
        "state": state,
        "remaining_minutes": _minutes(now, clock.due) if state == "running" else None,
        "steps": [] if calendar is None else explain(term.starts_at, counted(term.term), calendar, clock.pauses),
    }


def _minutes(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds() / 60
