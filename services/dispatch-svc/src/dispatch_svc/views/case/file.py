"""Everything about one case, read from its own facts: who held it since when, every clock, and the parts of the work."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from itertools import pairwise
from typing import Literal, cast
from uuid import UUID

from dispatch_svc.views.case.clock import ClockSeen, clocks_of
from dispatch_svc.views.case.row import evolve
from shared_chassis.view import Row
from shared_events.dispatch import (
    AssignmentDeclined,
    CaseClosed,
    CaseReopened,
    CommitteeDecided,
    HolderChanged,
    HolderKind,
    RequestAssigned,
    RequestLinkedToIncident,
    RequestRouted,
    RequestUnlinkedFromIncident,
    RoutingFailed,
    RoutingInputs,
    SubTaskCancelled,
    SubTaskDone,
    SubTaskOpened,
    WorkFoundImpossible,
    WorkReportedDone,
    WorkReturned,
)
from shared_events.envelope import Recorded
from shared_events.event import Event


@dataclass(frozen=True, slots=True)
class Routed:
    """Why the request went where it went: the rule in its version, or why none applied, and what was looked at."""

    rule: str | None
    rule_version: int | None
    failure: str | None
    inputs: RoutingInputs


@dataclass(frozen=True, slots=True)
class Told:
    """What was said of a case besides what lists show: its routing, its evidence, whom an organisation proposed, and grounds."""

    routing: Routed | None = None
    evidence: tuple[str, ...] = ()
    proposed: str | None = None
    committee_ground: str | None = None
    impossible_ground: str | None = None
    incidents: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class Holding:
    """Who held the case from when to when; `until` is None while they do."""

    kind: HolderKind
    organisation: str | None
    since: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class SubTaskSeen:
    """A part of the work, whose it is and what became of it."""

    id: UUID
    organisation: str
    title: str
    opened_at: datetime
    state: Literal["open", "done", "cancelled"] = "open"
    evidence: tuple[str, ...] | None = None
    reason: str | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CaseFile:
    """Everything known of a case: its row as lists have it, what was said of it, its holders, clocks and parts, in order."""

    row: Row
    told: Told
    holders: Sequence[Holding]
    clocks: Sequence[ClockSeen]
    sub_tasks: Sequence[SubTaskSeen]

    @property
    def organisation(self) -> str | None:
        """Who is assigned."""
        return cast("str | None", self.row["organisation"])


def file_of(lived: Sequence[Recorded]) -> CaseFile | None:
    """Tell everything about a case from its facts; None when there is none."""
    row: Row | None = None
    found: list[tuple[str, Recorded]] = []
    for each in lived:
        found.append(("unknown" if row is None else str(row["state"]), each))
        row = evolve(row, each)
    if row is None:
        return None
    told = reduce(_told, (each.fact for each in lived), Told())
    return CaseFile(row, told, _holders(lived), clocks_of(found), _sub_tasks(lived))


def _told(told: Told, fact: Event) -> Told:  # noqa: C901, PLR0911 - one branch a fact
    match fact:
        case RequestRouted():
            return replace(told, routing=Routed(fact.rule, fact.rule_version, None, fact.inputs))
        case RoutingFailed():
            return replace(told, routing=Routed(fact.rule, None, fact.reason, fact.inputs))
        case RequestAssigned():
            return replace(told, proposed=None)
        case AssignmentDeclined() | WorkReturned():
            return replace(told, proposed=fact.proposes)
        case CommitteeDecided():
            return replace(told, committee_ground=fact.ground)
        case WorkReportedDone():
            return replace(told, evidence=fact.evidence)
        case WorkFoundImpossible():
            return replace(told, impossible_ground=fact.ground)
        case CaseReopened():
            return replace(told, evidence=(), impossible_ground=None)
        case RequestLinkedToIncident():
            return replace(told, incidents=told.incidents | {fact.incident})
        case RequestUnlinkedFromIncident():
            return replace(told, incidents=told.incidents - {fact.incident})
        case _:
            return told


def _holders(lived: Sequence[Recorded]) -> Sequence[Holding]:
    """Tell who held a case: each until the next one begins, or until the end of the request."""
    holders: list[Holding] = []
    for recorded in lived:
        fact = recorded.fact
        if isinstance(fact, HolderChanged):
            holders.append(Holding(fact.holder.kind, fact.holder.organisation, fact.at))
        elif isinstance(fact, CaseClosed) and holders:
            holders[-1] = replace(holders[-1], until=fact.at)
    handed_over = [replace(held, until=held.until or after.since) for held, after in pairwise(holders)]
    return [*handed_over, *holders[-1:]]


def _sub_tasks(lived: Sequence[Recorded]) -> Sequence[SubTaskSeen]:
    """Tell the parts of the work, in the order they were given out."""
    parts: dict[UUID, SubTaskSeen] = {}
    for recorded in lived:
        time, fact = recorded.envelope.time, recorded.fact
        match fact:
            case SubTaskOpened():
                parts.setdefault(fact.sub_task, SubTaskSeen(fact.sub_task, fact.organisation, fact.title, time))
            case SubTaskDone():
                parts[fact.sub_task] = replace(parts[fact.sub_task], state="done", evidence=fact.evidence, ended_at=time)
            case SubTaskCancelled():
                parts[fact.sub_task] = replace(parts[fact.sub_task], state="cancelled", reason=fact.reason, ended_at=time)
            case _:
                pass
    return list(parts.values())
