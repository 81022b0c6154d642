"""What dispatch-svc says of a request: who holds it, which clock runs, how far the work is. Folded from its facts."""

from collections.abc import Callable
from typing import LiteralString

from shared_chassis.consumer.reaction import Folds
from shared_chassis.view import Statement
from shared_events.dispatch import (
    AssignmentAccepted,
    CaseClosed,
    DeadlineBreached,
    HolderChanged,
    RequestAssigned,
    StageDeadlineSet,
    WorkReportedDone,
    WorkStarted,
)
from shared_events.envelope import Received
from shared_events.ids import uuid_of

ASSIGN: LiteralString = """
    INSERT INTO case_status AS s (request_id, position, organisation, progress)
    VALUES (%(request)s, %(position)s, %(organisation)s, 'assigned')
    ON CONFLICT (request_id) DO UPDATE SET position = excluded.position, organisation = excluded.organisation,
        progress = excluded.progress, stage = NULL, stage_due = NULL
    WHERE s.position < excluded.position
"""
PROGRESS: LiteralString = """
    INSERT INTO case_status AS s (request_id, position, progress) VALUES (%(request)s, %(position)s, %(progress)s)
    ON CONFLICT (request_id) DO UPDATE SET position = excluded.position, progress = excluded.progress
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
    INSERT INTO case_status AS s (request_id, position, stage, stage_due)
    VALUES (%(request)s, %(position)s, %(stage)s, %(due)s)
    ON CONFLICT (request_id) DO UPDATE SET position = excluded.position, stage = excluded.stage, stage_due = excluded.stage_due
    WHERE s.position < excluded.position
"""
BREACH: LiteralString = """
    INSERT INTO case_status AS s (request_id, position, breaches) VALUES (%(request)s, %(position)s, 1)
    ON CONFLICT (request_id) DO UPDATE SET position = excluded.position, breaches = s.breaches + 1
    WHERE s.position < excluded.position
"""
FINISH: LiteralString = """
    INSERT INTO case_status AS s (request_id, position, progress) VALUES (%(request)s, %(position)s, %(progress)s)
    ON CONFLICT (request_id) DO UPDATE SET position = excluded.position, progress = excluded.progress, stage = NULL,
        stage_due = NULL
    WHERE s.position < excluded.position
"""
CLOSE: LiteralString = """
    INSERT INTO case_status AS s (request_id, position) VALUES (%(request)s, %(position)s)
    ON CONFLICT (request_id) DO UPDATE SET position = excluded.position, holder = NULL, holder_organisation = NULL,
        held_since = NULL, stage = NULL, stage_due = NULL
    WHERE s.position < excluded.position
"""


def _place(received: Received) -> dict[str, object]:
    return {"request": uuid_of(received.stream_id), "position": received.position}


def _assign(received: Received) -> Statement:
    fact = received.fact
    assert isinstance(fact, RequestAssigned)  # noqa: S101 - by the folds' key
    return Statement(ASSIGN, {**_place(received), "organisation": fact.organisation})


def _hold(received: Received) -> Statement:
    fact = received.fact
    assert isinstance(fact, HolderChanged)  # noqa: S101 - by the folds' key
    holder = {"holder": fact.holder.kind, "holder_organisation": fact.holder.organisation, "at": fact.at}
    return Statement(HOLD, {**_place(received), **holder})


def _run_clock(received: Received) -> Statement:
    fact = received.fact
    assert isinstance(fact, StageDeadlineSet)  # noqa: S101 - by the folds' key
    return Statement(RUN_CLOCK, {**_place(received), "stage": fact.stage, "due": fact.due})


def _breach(received: Received) -> Statement:
    return Statement(BREACH, _place(received))


def _close(received: Received) -> Statement:
    return Statement(CLOSE, _place(received))


def _progress(sql: LiteralString, progress: str) -> Callable[[Received], Statement]:
    """Make the statement of how far the work is."""
    return lambda received: Statement(sql, {**_place(received), "progress": progress})


FOLDS: Folds = {
    RequestAssigned: _assign,
    AssignmentAccepted: _progress(FINISH, "accepted"),
    WorkStarted: _progress(PROGRESS, "started"),
    WorkReportedDone: _progress(FINISH, "reported_done"),
    HolderChanged: _hold,
    StageDeadlineSet: _run_clock,
    DeadlineBreached: _breach,
    CaseClosed: _close,
}
"""dispatch-svc's facts; a clock ends with the stage it measures, the newest one set is the one shown."""
