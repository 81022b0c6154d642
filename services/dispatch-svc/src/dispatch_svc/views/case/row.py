"""A case as lists show it: one row, and what each fact makes of it.

`stage` and `due` are those of the work's own clock that is due first; `clocks` holds when each of these is due that is not over.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import LiteralString, cast

from dispatch_svc.domain.case.state import FIRST_ROUND, OF_THE_WORK
from shared_chassis.view import Row, Rows
from shared_events.dispatch import (
    AssignmentAccepted,
    AssignmentDeclined,
    CaseClosed,
    CaseOpened,
    CaseReclassified,
    CaseReopened,
    ClockResumed,
    HolderChanged,
    RequestAssigned,
    RequestRouted,
    RoutingFailed,
    RoutingInputs,
    Stage,
    StageDeadlineSet,
    WorkFoundImpossible,
    WorkReportedDone,
    WorkReturned,
    WorkScheduled,
    WorkStarted,
)
from shared_events.envelope import Recorded
from shared_events.event import Event
from shared_events.ids import uuid_of

COLUMNS: Mapping[LiteralString, LiteralString] = {
    "case_id": "uuid",
    "version": "bigint",
    "city": "text",
    "service_type": "text",
    "district": "text",
    "building": "text",
    "state": "text",
    "round": "integer",
    "organisation": "text",
    "assigned_by": "text",
    "holder": "text",
    "holder_organisation": "text",
    "held_since": "timestamptz",
    "waiting": "boolean",
    "stage": "text",
    "due": "timestamptz",
    "clocks": "jsonb",
    "declines": "integer",
    "plan_begins": "timestamptz",
    "plan_ends": "timestamptz",
    "routing_inputs": "jsonb",
    "opened_at": "timestamptz",
    "closed_at": "timestamptz",
    "outcome": "text",
}
ROWS = Rows("cases", COLUMNS)

ENDS: Mapping[type[Event], frozenset[Stage]] = {
    RoutingFailed: frozenset({"accept"}),
    RequestAssigned: frozenset({"accept"}),
    AssignmentAccepted: frozenset({"accept"}),
    AssignmentDeclined: frozenset({"accept"}),
    WorkStarted: frozenset({"start"}),
    WorkReturned: frozenset({"start", "finish"}),
    WorkReportedDone: OF_THE_WORK,
    WorkFoundImpossible: OF_THE_WORK,
}
"""Which stages of the work are over with which facts."""

NOBODY: Row = {"organisation": None, "assigned_by": None}
NO_PLAN: Row = {"plan_begins": None, "plan_ends": None}


def evolve(row: Row | None, recorded: Recorded) -> Row | None:
    """Say what a fact makes of a case's row; one that the row knows already changes nothing."""
    fact = recorded.fact
    if row is None:
        return _opened(recorded, fact) if isinstance(fact, CaseOpened) else None
    if recorded.version <= cast("int", row["version"]):
        return row
    over = ENDS.get(type(fact))
    ended = {} if over is None else _clocks({stage: due for stage, due in _due_by(row).items() if stage not in over})
    return {**row, **ended, **_changed(row, fact), "version": recorded.version}


def _due_by(row: Row) -> Mapping[str, str]:
    """Tell when each of the work's clocks that is not over is due."""
    return cast("Mapping[str, str]", row["clocks"])


def _opened(recorded: Recorded, fact: CaseOpened) -> Row:
    return {
        **dict.fromkeys(COLUMNS),
        "case_id": uuid_of(recorded.stream_id),
        "version": recorded.version,
        "city": fact.city,
        "service_type": fact.service_type,
        "district": fact.district,
        "building": fact.building,
        "state": "opened",
        "round": FIRST_ROUND,
        "waiting": False,
        "clocks": {},
        "declines": 0,
    }


def _changed(row: Row, fact: Event) -> Row:  # noqa: C901, PLR0911, PLR0912 - one branch a fact
    """Give the columns a fact changes, beside those of the clocks it ends; most facts change none."""
    match fact:
        case RequestRouted():
            return _looked_at(fact.inputs)
        case RoutingFailed():
            return {"state": "unrouted", **NOBODY, **_looked_at(fact.inputs)}
        case RequestAssigned():
            return {"state": "assigned", "organisation": fact.organisation, "round": fact.round, "assigned_by": fact.by}
        case AssignmentAccepted():
            return {"state": "accepted", **NO_PLAN}
        case AssignmentDeclined():
            return {"state": "declined", **NOBODY, "declines": fact.number}
        case WorkScheduled():
            return {"plan_begins": fact.begins.astimezone(UTC), "plan_ends": fact.ends.astimezone(UTC)}
        case WorkStarted():
            return {"state": "started"}
        case WorkReturned():
            return {"state": "returned", **NOBODY, **NO_PLAN}
        case WorkReportedDone():
            return {"state": "reported"}
        case WorkFoundImpossible():
            return {"state": "impossible"}
        case CaseReclassified():
            return {"service_type": fact.service_type}
        case CaseReopened():
            state = "opened" if row["routing_inputs"] is None else "reopened"
            return {"state": state, "round": fact.round, "waiting": False, "outcome": None, "closed_at": None, **NO_PLAN}
        case HolderChanged():
            return _held(row, fact)
        case StageDeadlineSet() | ClockResumed() if fact.stage in OF_THE_WORK:
            return _clocks({**_due_by(row), fact.stage: fact.due.astimezone(UTC).isoformat(timespec="microseconds")})
        case CaseClosed():
            return {"state": "closed", "waiting": False, "outcome": fact.outcome, "closed_at": fact.at, **_clocks({})}
        case _:
            return {}


def _looked_at(inputs: RoutingInputs) -> Row:
    return {
        "routing_inputs": inputs.model_dump(mode="json"),
        "service_type": inputs.service_type,
        "district": inputs.district,
        "building": inputs.building,
    }


def _held(row: Row, fact: HolderChanged) -> Row:
    """Give the case to its new holder; a resident who holds it after the report is asked about the whole of it."""
    by_resident = fact.holder.kind == "resident"
    return {
        "holder": fact.holder.kind,
        "holder_organisation": fact.holder.organisation,
        "held_since": fact.at,
        "opened_at": row["opened_at"] or fact.at,
        "waiting": by_resident and row["state"] not in {"reported", "asked"},
        "state": "asked" if by_resident and row["state"] == "reported" else row["state"],
    }


def _clocks(due_at: Mapping[str, str]) -> Row:
    """Give the columns of the work's clocks: when each is due, as text in UTC, which sorts as time does, and which is first."""
    due, stage = min(((due, stage) for stage, due in due_at.items()), default=(None, None))
    return {"clocks": dict(due_at), "stage": stage, "due": None if due is None else datetime.fromisoformat(due)}
