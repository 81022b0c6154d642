"""Cases as people look for them: a row a case, who held it since when, and every clock that was set."""

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg.rows import DictRow

from dispatch_svc.views.statement import stating
from shared_chassis.postgres import Database
from shared_chassis.view import Projection
from shared_events.dispatch import (
    AssignmentAccepted,
    CaseClosed,
    CaseOpened,
    DeadlineBreached,
    HolderChanged,
    RequestAssigned,
    RequestRouted,
    RoutingFailed,
    StageDeadlineSet,
    WorkReportedDone,
    WorkStarted,
)

TABLES = ("cases", "holder_interval", "stage_clock")

OPEN: LiteralString = """
    INSERT INTO cases (case_id, version, city, service_type, district, building, state, round)
    VALUES (%(stream_uuid)s, %(stream_version)s, %(city)s, %(service_type)s, %(district)s, %(building)s, 'opened', 1)
    ON CONFLICT (case_id) DO NOTHING
"""
ROUTE: LiteralString = """
    UPDATE cases SET version = %(stream_version)s, rule = %(rule)s, rule_version = %(rule_version)s,
        routing_inputs = %(inputs)s::jsonb, service_type = %(inputs_service_type)s,
        district = %(inputs_district)s
    WHERE case_id = %(stream_uuid)s
"""
FAIL_ROUTING: LiteralString = """
    UPDATE cases SET version = %(stream_version)s, state = 'unrouted', routing_failure = %(reason)s,
        routing_inputs = %(inputs)s::jsonb, service_type = %(inputs_service_type)s,
        district = %(inputs_district)s
    WHERE case_id = %(stream_uuid)s
"""
ASSIGN: LiteralString = """
    WITH ended AS (
        UPDATE stage_clock SET ended_at = %(time)s
        WHERE case_id = %(stream_uuid)s AND ended_at IS NULL AND version < %(stream_version)s AND stage = 'accept'
    )
    UPDATE cases SET version = %(stream_version)s, state = 'assigned', organisation = %(organisation)s, round = %(round)s,
        assigned_by = %(by)s, stage = NULL, due = NULL
    WHERE case_id = %(stream_uuid)s
"""
ACCEPT: LiteralString = """
    WITH ended AS (
        UPDATE stage_clock SET ended_at = %(time)s
        WHERE case_id = %(stream_uuid)s AND ended_at IS NULL AND version < %(stream_version)s AND stage = 'accept'
    )
    UPDATE cases SET version = %(stream_version)s, state = 'accepted', stage = NULL, due = NULL WHERE case_id = %(stream_uuid)s
"""
START = "UPDATE cases SET version = %(stream_version)s, state = 'started' WHERE case_id = %(stream_uuid)s"
REPORT: LiteralString = """
    WITH ended AS (
        UPDATE stage_clock SET ended_at = %(time)s
        WHERE case_id = %(stream_uuid)s AND ended_at IS NULL AND version < %(stream_version)s
    )
    UPDATE cases SET version = %(stream_version)s, state = 'reported', evidence = %(evidence)s, stage = NULL, due = NULL
    WHERE case_id = %(stream_uuid)s
"""
HOLD: LiteralString = """
    WITH held AS (
        INSERT INTO holder_interval (case_id, version, holder, organisation, since)
        VALUES (%(stream_uuid)s, %(stream_version)s, %(holder_kind)s, %(holder_organisation)s, %(at)s)
        ON CONFLICT (case_id, version) DO NOTHING
    ), ended AS (
        UPDATE stage_clock SET ended_at = %(time)s
        WHERE case_id = %(stream_uuid)s AND ended_at IS NULL AND version < %(stream_version)s
          AND %(holder_kind)s = 'resident'
    )
    UPDATE cases SET version = %(stream_version)s, opened_at = coalesce(opened_at, %(at)s), held_since = %(at)s,
        holder = %(holder_kind)s, holder_organisation = %(holder_organisation)s,
        state = CASE WHEN %(holder_kind)s = 'resident' THEN 'asked' ELSE state END,
        stage = CASE WHEN %(holder_kind)s = 'resident' THEN NULL ELSE stage END,
        due = CASE WHEN %(holder_kind)s = 'resident' THEN NULL ELSE due END
    WHERE case_id = %(stream_uuid)s
"""
SET_CLOCK: LiteralString = """
    WITH clock AS (
        INSERT INTO stage_clock
            (case_id, version, stage, round, starts_at, due, minutes, policy_version, calendar, calendar_version)
        VALUES (%(stream_uuid)s, %(stream_version)s, %(stage)s, %(round)s, %(starts_at)s, %(due)s, %(minutes)s,
            %(policy_version)s, %(calendar)s, %(calendar_version)s)
        ON CONFLICT (case_id, version) DO NOTHING
    )
    UPDATE cases SET version = %(stream_version)s, stage = %(stage)s, due = %(due)s WHERE case_id = %(stream_uuid)s
"""
BREACH: LiteralString = """
    WITH breached AS (
        UPDATE stage_clock SET breached_at = %(time)s
        WHERE case_id = %(stream_uuid)s AND ended_at IS NULL AND version < %(stream_version)s AND stage = %(stage)s
    )
    UPDATE cases SET version = %(stream_version)s WHERE case_id = %(stream_uuid)s
"""
CLOSE: LiteralString = """
    WITH ended AS (
        UPDATE stage_clock SET ended_at = %(time)s
        WHERE case_id = %(stream_uuid)s AND ended_at IS NULL AND version < %(stream_version)s
    )
    UPDATE cases SET version = %(stream_version)s, state = 'closed', outcome = %(outcome)s, closed_at = %(at)s,
        stage = NULL, due = NULL
    WHERE case_id = %(stream_uuid)s
"""

PROJECTION: Projection = {
    CaseOpened: stating(OPEN),
    RequestRouted: stating(ROUTE),
    RoutingFailed: stating(FAIL_ROUTING),
    RequestAssigned: stating(ASSIGN),
    AssignmentAccepted: stating(ACCEPT),
    WorkStarted: stating(START),
    WorkReportedDone: stating(REPORT),
    HolderChanged: stating(HOLD),
    StageDeadlineSet: stating(SET_CLOCK),
    DeadlineBreached: stating(BREACH),
    CaseClosed: stating(CLOSE),
}

PAGE: LiteralString = """
    SELECT c.case_id AS id, c.version, c.city, c.service_type, c.district, c.building, c.state, c.round, c.organisation,
        c.assigned_by, c.holder, c.holder_organisation, c.held_since, c.stage, c.due, c.opened_at, c.outcome,
        c.closed_at
    FROM cases c
    WHERE (%(city)s::text IS NULL OR c.city = %(city)s)
      AND (%(organisation)s::text IS NULL OR c.organisation = %(organisation)s)
      AND (%(state)s::text IS NULL OR c.state = %(state)s)
      AND (%(stage)s::text IS NULL OR c.stage = %(stage)s)
      AND (%(district)s::text IS NULL OR c.district = %(district)s)
      AND (%(after_time)s::timestamptz IS NULL OR (c.opened_at, c.case_id) > (%(after_time)s, %(after_id)s::uuid))
    ORDER BY c.opened_at, c.case_id LIMIT %(limit)s
"""
ONE: LiteralString = """
    SELECT c.case_id AS id, c.version, c.city, c.service_type, c.district, c.building, c.state, c.round, c.organisation,
        c.assigned_by, c.holder, c.holder_organisation, c.held_since, c.stage, c.due, c.opened_at, c.outcome,
        c.closed_at,
        c.rule, c.rule_version, c.routing_failure, c.routing_inputs, c.evidence, rule_now() AS now
    FROM cases c
    WHERE c.case_id = %(case)s
"""
HOLDERS: LiteralString = """
    SELECT holder, organisation, since, lead(since) OVER (ORDER BY version) AS until
    FROM holder_interval WHERE case_id = %(case)s ORDER BY version
"""
CLOCKS: LiteralString = """
    SELECT stage, round, starts_at, due, minutes, policy_version, calendar, calendar_version, ended_at, breached_at
    FROM stage_clock WHERE case_id = %(case)s ORDER BY version
"""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which cases of a list; None does not choose. `stage` is that of the running clock."""

    city: str | None = None
    organisation: str | None = None
    state: str | None = None
    stage: str | None = None
    district: str | None = None


@dataclass(frozen=True, slots=True)
class CaseFile:
    """Everything known of a case: its row, the holders and the clocks in order. The last holder's `until` is None while open."""

    case: DictRow
    holders: list[DictRow]
    clocks: list[DictRow]


def page(database: Database, filters: Filters, after: tuple[datetime, UUID] | None, limit: int) -> list[DictRow]:
    """List cases, the longest open first, from after a place (when opened, which case)."""
    after_time, after_id = after or (None, None)
    return database.query(
        PAGE,
        {
            "city": filters.city,
            "organisation": filters.organisation,
            "state": filters.state,
            "stage": filters.stage,
            "district": filters.district,
            "after_time": after_time,
            "after_id": after_id,
            "limit": limit,
        },
    )


def one(database: Database, case: UUID) -> CaseFile | None:
    """Read everything about a case; None when there is none."""
    row = database.query_one(ONE, {"case": case})
    if row is None:
        return None
    holders = database.query(HOLDERS, {"case": case})
    if holders and row["closed_at"] is not None:
        holders[-1]["until"] = row["closed_at"]
    return CaseFile(row, holders, database.query(CLOCKS, {"case": case}))
