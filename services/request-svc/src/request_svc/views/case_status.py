"""What dispatch-svc says of a request: who holds it, which clocks run, how far the work is. Folded from its facts."""

from collections.abc import Callable, Mapping
from typing import LiteralString, cast
from uuid import UUID

from shared_chassis.consumer.reaction import Folds
from shared_chassis.postgres import Database
from shared_chassis.view import Fold, Row, Rows
from shared_events.dispatch import (
    AssignmentAccepted,
    AssignmentDeclined,
    CaseClosed,
    CaseReopened,
    ClockPaused,
    ClockResumed,
    DeadlineBreached,
    HolderChanged,
    RequestAssigned,
    RequestEscalated,
    RequestLinkedToIncident,
    RequestUnlinkedFromIncident,
    StageDeadlineSet,
    WorkFoundImpossible,
    WorkReportedDone,
    WorkReturned,
    WorkScheduled,
    WorkStarted,
)
from shared_events.envelope import Received
from shared_events.event import Event
from shared_events.ids import uuid_of

STAGES = ("accept", "start", "finish")
"""The clocks of the work's own stages, in order: the first that is due is the one a reader is shown."""

ROWS = Rows(
    "case_status",
    {
        "request_id": "uuid",
        "position": "bigint",
        "organisation": "text",
        "progress": "text",
        "holder": "text",
        "holder_organisation": "text",
        "held_since": "timestamptz",
        "clocks": "jsonb",
        "breaches": "integer",
        "escalation": "integer",
        "planned_from": "timestamptz",
        "planned_until": "timestamptz",
        "incident": "uuid",
        "incident_until": "timestamptz",
        "impossible_ground": "text",
    },
)
"""`position` is the last fact heard, so that hearing one twice changes nothing; `clocks` when each running clock is due."""

NOTHING: Row = dict.fromkeys(("organisation", "progress", "holder", "holder_organisation", "held_since"), None) | {
    "position": 0,
    "clocks": {},
    "breaches": 0,
    "escalation": 0,
    "planned_from": None,
    "planned_until": None,
    "incident": None,
    "incident_until": None,
    "impossible_ground": None,
}
UNPLANNED: Row = {"planned_from": None, "planned_until": None}


def _clocks(row: Row) -> Mapping[str, object]:
    return cast("Mapping[str, object]", row["clocks"])


def _without(row: Row, *ended: str) -> Row:
    return {"clocks": {stage: due for stage, due in _clocks(row).items() if stage not in ended}}


def _progress(progress: str, *ended: str) -> Callable[[Row, Event], Row]:
    """Say how far the work is, and which clocks end with that."""
    return lambda row, _fact: {"progress": progress, **_without(row, *ended)}


def _give_back(progress: str) -> Callable[[Row, Event], Row]:
    """Say that nobody has the work any more."""
    return lambda row, _fact: {"organisation": None, "progress": progress, **UNPLANNED, **_without(row, *STAGES)}


def _assign(row: Row, fact: Event) -> Row:
    organisation = cast("RequestAssigned", fact).organisation
    return {"organisation": organisation, "progress": "assigned", **UNPLANNED, **_without(row, *STAGES)}


def _plan(_row: Row, fact: Event) -> Row:
    plan = cast("WorkScheduled", fact)
    return {"planned_from": plan.begins, "planned_until": plan.ends}


def _hold(_row: Row, fact: Event) -> Row:
    changed = cast("HolderChanged", fact)
    return {"holder": changed.holder.kind, "holder_organisation": changed.holder.organisation, "held_since": changed.at}


def _run_clock(row: Row, fact: Event) -> Row:
    clock = cast("StageDeadlineSet | ClockResumed", fact)
    return {"clocks": {**_clocks(row), clock.stage: clock.due.isoformat()}}


def _pause_clock(row: Row, fact: Event) -> Row:
    return {"clocks": {**_clocks(row), cast("ClockPaused", fact).stage: None}}


def _breach(row: Row, _fact: Event) -> Row:
    return {"breaches": cast("int", row["breaches"]) + 1}


def _escalate(row: Row, fact: Event) -> Row:
    return {"escalation": max(cast("int", row["escalation"]), cast("RequestEscalated", fact).level)}


def _link(_row: Row, fact: Event) -> Row:
    linked = cast("RequestLinkedToIncident", fact)
    return {"incident": linked.incident, "incident_until": linked.expected_end}


def _unlink(_row: Row, _fact: Event) -> Row:
    return {"incident": None, "incident_until": None}


def _find_impossible(row: Row, fact: Event) -> Row:
    ground = cast("WorkFoundImpossible", fact).ground
    return {"progress": "impossible", "impossible_ground": ground, **_without(row, *STAGES, "answer")}


def _reopen(_row: Row, _fact: Event) -> Row:
    return {"progress": None, **UNPLANNED}


def _close(_row: Row, _fact: Event) -> Row:
    return {"holder": None, "holder_organisation": None, "held_since": None, "clocks": {}}


CHANGES: Mapping[type[Event], Callable[[Row, Event], Row]] = {
    RequestAssigned: _assign,
    AssignmentAccepted: _progress("accepted", "accept"),
    AssignmentDeclined: _give_back("declined"),
    WorkReturned: _give_back("returned"),
    WorkScheduled: _plan,
    WorkStarted: _progress("started", "start"),
    WorkReportedDone: _progress("reported_done", *STAGES, "answer"),
    WorkFoundImpossible: _find_impossible,
    HolderChanged: _hold,
    StageDeadlineSet: _run_clock,
    ClockPaused: _pause_clock,
    ClockResumed: _run_clock,
    DeadlineBreached: _breach,
    RequestEscalated: _escalate,
    RequestLinkedToIncident: _link,
    RequestUnlinkedFromIncident: _unlink,
    CaseReopened: _reopen,
    CaseClosed: _close,
}
"""What dispatch-svc's facts change; a clock ends with the stage it measures, and a paused one is shown without a moment."""


def evolve(row: Row | None, received: Received) -> Row:
    """Give a request's row after a fact of its case; one that was heard before changes nothing."""
    known = row or {"request_id": uuid_of(received.stream_id), **NOTHING}
    if cast("int", known["position"]) >= received.position:
        return known
    return {**known, **CHANGES[type(received.fact)](known, received.fact), "position": received.position}


FOLDS: Folds = dict.fromkeys(CHANGES, Fold(ROWS, evolve))

ORGANISATION: LiteralString = "SELECT organisation FROM case_status WHERE request_id = %(request)s"


def organisation_of(database: Database, request: UUID) -> str | None:
    """Say which organisation has a request; None while none has."""
    row = database.query_one(ORGANISATION, {"request": request})
    return None if row is None else row["organisation"]
