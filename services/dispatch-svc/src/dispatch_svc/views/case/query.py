"""Cases as people look for them: lists by what they need to know, and everything about one."""

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg.rows import DictRow

from shared_chassis.postgres import Database

PAGE: LiteralString = """
    SELECT c.case_id AS id, c.version, c.city, c.service_type, c.district, c.building, c.state, c.round, c.organisation,
        c.assigned_by, c.holder, c.holder_organisation, c.held_since, c.waiting, c.stage, c.due, c.declines, c.plan_begins,
        c.plan_ends, c.opened_at, c.outcome, c.closed_at
    FROM cases c
    WHERE (%(city)s::text IS NULL OR c.city = %(city)s)
      AND (%(organisation)s::text IS NULL OR c.organisation = %(organisation)s)
      AND (%(state)s::text IS NULL OR c.state = %(state)s)
      AND (%(stage)s::text IS NULL OR c.stage = %(stage)s)
      AND (%(district)s::text IS NULL OR c.district = %(district)s)
      AND (%(holder)s::text IS NULL OR (c.holder = %(holder)s AND c.closed_at IS NULL))
      AND (%(due_before)s::timestamptz IS NULL OR c.due < %(due_before)s)
      AND (%(sub_tasks_of)s::text IS NULL OR EXISTS (
          SELECT 1 FROM sub_task t
          WHERE t.organisation = %(sub_tasks_of)s AND t.case_id = c.case_id AND t.state = 'open'))
      AND (%(after_time)s::timestamptz IS NULL OR (c.opened_at, c.case_id) > (%(after_time)s, %(after_id)s::uuid))
    ORDER BY c.opened_at, c.case_id LIMIT %(limit)s
"""
ONE: LiteralString = """
    SELECT c.case_id AS id, c.version, c.city, c.service_type, c.district, c.building, c.state, c.round, c.organisation,
        c.assigned_by, c.holder, c.holder_organisation, c.held_since, c.waiting, c.stage, c.due, c.declines, c.plan_begins,
        c.plan_ends, c.opened_at, c.outcome, c.closed_at, c.rule, c.rule_version, c.routing_failure, c.routing_inputs,
        c.evidence, c.proposed, c.committee_ground, c.impossible_ground, rule_now() AS now,
        ARRAY(SELECT l.incident_id FROM incident_case l WHERE l.case_id = c.case_id ORDER BY 1) AS incidents
    FROM cases c
    WHERE c.case_id = %(case)s
"""
HOLDERS: LiteralString = """
    SELECT holder, organisation, since, coalesce(until, lead(since) OVER (ORDER BY version)) AS until
    FROM holder_interval WHERE case_id = %(case)s ORDER BY version
"""
CLOCKS: LiteralString = """
    SELECT stage, round, starts_at, due, warn_at, term, policy_version, calendar, calendar_version, ended_at, paused_at,
        paused_by, paused_until, warned_at, breached_at, level, escalated_to, recounted,
        (SELECT coalesce(jsonb_agg(jsonb_build_object('start', p.since, 'end', p.until) ORDER BY p.version), '[]')
         FROM clock_pause p
         WHERE p.case_id = s.case_id AND p.stage = s.stage AND p.since >= s.starts_at
           AND (s.ended_at IS NULL OR p.since <= s.ended_at)) AS pauses
    FROM stage_clock s WHERE case_id = %(case)s ORDER BY version
"""
SUB_TASKS: LiteralString = """
    SELECT sub_task_id AS id, organisation, title, state, evidence, reason, opened_at, ended_at
    FROM sub_task WHERE case_id = %(case)s ORDER BY version
"""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which cases of a list; None does not choose.

    `stage` and `due_before` are about the work's own clock that is due first; `sub_tasks_of` is an organisation with an open part
    of the work.
    """

    city: str | None = None
    organisation: str | None = None
    state: str | None = None
    stage: str | None = None
    district: str | None = None
    holder: str | None = None
    due_before: datetime | None = None
    sub_tasks_of: str | None = None


@dataclass(frozen=True, slots=True)
class CaseFile:
    """Everything known of a case: its row, holders, clocks and parts. The last holder's `until` is None while it is open."""

    case: DictRow
    holders: list[DictRow]
    clocks: list[DictRow]
    sub_tasks: list[DictRow]


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
            "holder": filters.holder,
            "due_before": filters.due_before,
            "sub_tasks_of": filters.sub_tasks_of,
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
    asked = {"case": case}
    return CaseFile(row, database.query(HOLDERS, asked), database.query(CLOCKS, asked), database.query(SUB_TASKS, asked))
