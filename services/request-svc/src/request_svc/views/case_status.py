"""What dispatch-svc says of a request: who holds it, which clocks run, how far the work is. Folded from its facts."""

from collections.abc import Callable
from typing import LiteralString
from uuid import UUID

from psycopg.types.json import Jsonb

from shared_chassis.consumer.reaction import Folds
from shared_chassis.postgres import Database
from shared_chassis.view import Statement
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
from shared_events.ids import uuid_of

STAGES = ("accept", "start", "finish")
"""The clocks of the work's own stages, in order: the first that is due is the one a reader is shown."""

ASSIGN: LiteralString = """
    INSERT INTO case_status AS s (request_id, position, organisation, progress)
    VALUES (%(request)s, %(position)s, %(organisation)s, 'assigned')
    ON CONFLICT (request_id) DO UPDATE SET position = excluded.position, organisation = excluded.organisation,
        progress = excluded.progress, planned_from = NULL, planned_until = NULL, clocks = s.clocks - %(ended)s::text[]
    WHERE s.position < excluded.position
"""
GIVE_BACK: LiteralString = """
    INSERT INTO case_status AS s (request_id, position, progress) VALUES (%(request)s, %(position)s, %(progress)s)
    ON CONFLICT (request_id) DO UPDATE SET position = excluded.position, organisation = NULL, progress = excluded.progress,
        planned_from = NULL, planned_until = NULL, clocks = s.clocks - %(ended)s::text[]
    WHERE s.position < excluded.position
"""
PROGRESS: LiteralString = """
    INSERT INTO case_status AS s (request_id, position, progress) VALUES (%(request)s, %(position)s, %(progress)s)
    ON CONFLICT (request_id) DO UPDATE SET position = excluded.position, progress = excluded.progress,
        clocks = s.clocks - %(ended)s::text[]
    WHERE s.position < excluded.position
"""
PLAN: LiteralString = """
    INSERT INTO case_status AS s (request_id, position, planned_from, planned_until)
    VALUES (%(request)s, %(position)s, %(begins)s, %(ends)s)
    ON CONFLICT (request_id) DO UPDATE SET position = excluded.position, planned_from = excluded.planned_from,
        planned_until = excluded.planned_until
    WHERE s.position < excluded.position
"""
HOLD: LiteralString = """
    INSERT INTO case_status AS s (request_id, position, holder, holder_organisation, held_since)
    VALUES (%(request)s, %(position)s, %(holder)s, %(holder_organisation)s, %(at)s)
    ON CONFLICT (request_id) DO UPDATE SET position = excluded.position, holder = excluded.holder,
        holder_organisation = excluded.holder_organisation, held_since = excluded.held_since
    WHERE s.position < excluded.position
"""
RUN_CLOCK: LiteralString = """
    INSERT INTO case_status AS s (request_id, position, clocks) VALUES (%(request)s, %(position)s, %(clock)s)
    ON CONFLICT (request_id) DO UPDATE SET position = excluded.position, clocks = s.clocks || excluded.clocks
    WHERE s.position < excluded.position
"""
BREACH: LiteralString = """
    INSERT INTO case_status AS s (request_id, position, breaches) VALUES (%(request)s, %(position)s, 1)
    ON CONFLICT (request_id) DO UPDATE SET position = excluded.position, breaches = s.breaches + 1
    WHERE s.position < excluded.position
"""
ESCALATE: LiteralString = """
    INSERT INTO case_status AS s (request_id, position, escalation) VALUES (%(request)s, %(position)s, %(level)s)
    ON CONFLICT (request_id) DO UPDATE SET position = excluded.position, escalation = greatest(s.escalation, excluded.escalation)
    WHERE s.position < excluded.position
"""
EXPLAIN_BY_INCIDENT: LiteralString = """
    INSERT INTO case_status AS s (request_id, position, incident, incident_until)
    VALUES (%(request)s, %(position)s, %(incident)s, %(expected_end)s)
    ON CONFLICT (request_id) DO UPDATE SET position = excluded.position, incident = excluded.incident,
        incident_until = excluded.incident_until
    WHERE s.position < excluded.position
"""
FIND_IMPOSSIBLE: LiteralString = """
    INSERT INTO case_status AS s (request_id, position, progress, impossible_ground)
    VALUES (%(request)s, %(position)s, 'impossible', %(ground)s)
    ON CONFLICT (request_id) DO UPDATE SET position = excluded.position, progress = excluded.progress,
        impossible_ground = excluded.impossible_ground, clocks = s.clocks - %(ended)s::text[]
    WHERE s.position < excluded.position
"""
REOPEN: LiteralString = """
    INSERT INTO case_status AS s (request_id, position) VALUES (%(request)s, %(position)s)
    ON CONFLICT (request_id) DO UPDATE SET position = excluded.position, progress = NULL, planned_from = NULL,
        planned_until = NULL
    WHERE s.position < excluded.position
"""
CLOSE: LiteralString = """
    INSERT INTO case_status AS s (request_id, position) VALUES (%(request)s, %(position)s)
    ON CONFLICT (request_id) DO UPDATE SET position = excluded.position, holder = NULL, holder_organisation = NULL,
        held_since = NULL, clocks = '{}'
    WHERE s.position < excluded.position
"""


def _place(received: Received) -> dict[str, object]:
    return {"request": uuid_of(received.stream_id), "position": received.position}


def _assign(received: Received) -> Statement:
    fact = received.fact
    assert isinstance(fact, RequestAssigned)  # noqa: S101 - by the folds' key
    return Statement(ASSIGN, {**_place(received), "organisation": fact.organisation, "ended": list(STAGES)})


def _plan(received: Received) -> Statement:
    fact = received.fact
    assert isinstance(fact, WorkScheduled)  # noqa: S101 - by the folds' key
    return Statement(PLAN, {**_place(received), "begins": fact.begins, "ends": fact.ends})


def _hold(received: Received) -> Statement:
    fact = received.fact
    assert isinstance(fact, HolderChanged)  # noqa: S101 - by the folds' key
    holder = {"holder": fact.holder.kind, "holder_organisation": fact.holder.organisation, "at": fact.at}
    return Statement(HOLD, {**_place(received), **holder})


def _run_clock(received: Received) -> Statement:
    fact = received.fact
    assert isinstance(fact, StageDeadlineSet | ClockResumed)  # noqa: S101 - by the folds' key
    return Statement(RUN_CLOCK, {**_place(received), "clock": Jsonb({fact.stage: fact.due.isoformat()})})


def _pause_clock(received: Received) -> Statement:
    fact = received.fact
    assert isinstance(fact, ClockPaused)  # noqa: S101 - by the folds' key
    return Statement(RUN_CLOCK, {**_place(received), "clock": Jsonb({fact.stage: None})})


def _escalate(received: Received) -> Statement:
    fact = received.fact
    assert isinstance(fact, RequestEscalated)  # noqa: S101 - by the folds' key
    return Statement(ESCALATE, {**_place(received), "level": fact.level})


def _link(received: Received) -> Statement:
    fact = received.fact
    assert isinstance(fact, RequestLinkedToIncident)  # noqa: S101 - by the folds' key
    incident = {"incident": fact.incident, "expected_end": fact.expected_end}
    return Statement(EXPLAIN_BY_INCIDENT, {**_place(received), **incident})


def _unlink(received: Received) -> Statement:
    return Statement(EXPLAIN_BY_INCIDENT, {**_place(received), "incident": None, "expected_end": None})


def _find_impossible(received: Received) -> Statement:
    fact = received.fact
    assert isinstance(fact, WorkFoundImpossible)  # noqa: S101 - by the folds' key
    return Statement(FIND_IMPOSSIBLE, {**_place(received), "ground": fact.ground, "ended": [*STAGES, "answer"]})


def _plainly(sql: LiteralString) -> Callable[[Received], Statement]:
    """Make the statement of a fact that says no more than that it happened."""
    return lambda received: Statement(sql, _place(received))


def _progress(sql: LiteralString, progress: str, *ended: str) -> Callable[[Received], Statement]:
    """Make the statement of how far the work is, and which clocks end with that."""
    return lambda received: Statement(sql, {**_place(received), "progress": progress, "ended": list(ended)})


FOLDS: Folds = {
    RequestAssigned: _assign,
    AssignmentAccepted: _progress(PROGRESS, "accepted", "accept"),
    AssignmentDeclined: _progress(GIVE_BACK, "declined", *STAGES),
    WorkReturned: _progress(GIVE_BACK, "returned", *STAGES),
    WorkScheduled: _plan,
    WorkStarted: _progress(PROGRESS, "started", "start"),
    WorkReportedDone: _progress(PROGRESS, "reported_done", *STAGES, "answer"),
    WorkFoundImpossible: _find_impossible,
    HolderChanged: _hold,
    StageDeadlineSet: _run_clock,
    ClockPaused: _pause_clock,
    ClockResumed: _run_clock,
    DeadlineBreached: _plainly(BREACH),
    RequestEscalated: _escalate,
    RequestLinkedToIncident: _link,
    RequestUnlinkedFromIncident: _unlink,
    CaseReopened: _plainly(REOPEN),
    CaseClosed: _plainly(CLOSE),
}
"""dispatch-svc's facts; a clock ends with the stage it measures, and a paused one is shown without a moment."""

ORGANISATION: LiteralString = "SELECT organisation FROM case_status WHERE request_id = %(request)s"


def organisation_of(database: Database, request: UUID) -> str | None:
    """Say which organisation has a request; None while none has."""
    row = database.query_one(ORGANISATION, {"request": request})
    return None if row is None else row["organisation"]
