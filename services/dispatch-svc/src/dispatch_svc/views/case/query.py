"""Lists of cases, by what people need to know."""

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg.rows import DictRow

from shared_chassis.postgres import Database

PAGE: LiteralString = """
    SELECT c.case_id, c.version, c.city, c.service_type, c.district, c.building, c.state, c.round, c.organisation,
        c.assigned_by, c.holder, c.holder_organisation, c.held_since, c.waiting, c.stage, c.due, c.declines, c.plan_begins,
        c.plan_ends, c.opened_at, c.outcome, c.closed_at
    FROM cases c
    WHERE (%(city)s::text IS NULL OR c.city = %(city)s)
      AND (%(organisation)s::text IS NULL OR c.organisation = %(organisation)s)
      AND (%(state)s::text IS NULL OR (c.state = %(state)s AND (c.closed_at IS NULL OR %(state)s = 'closed')))
      AND (%(stage)s::text IS NULL OR (c.stage = %(stage)s AND c.closed_at IS NULL))
      AND (%(district)s::text IS NULL OR c.district = %(district)s)
      AND (%(holder)s::text IS NULL OR (c.holder = %(holder)s AND c.closed_at IS NULL))
      AND (%(due_before)s::timestamptz IS NULL OR (c.due < %(due_before)s AND c.closed_at IS NULL))
      AND (%(sub_tasks_of)s::text IS NULL OR EXISTS (
          SELECT 1 FROM sub_task t
          WHERE t.organisation = %(sub_tasks_of)s AND t.case_id = c.case_id AND t.state = 'open'))
      AND (%(after_time)s::timestamptz IS NULL OR (c.opened_at, c.case_id) > (%(after_time)s, %(after_id)s::uuid))
    ORDER BY c.opened_at, c.case_id LIMIT %(limit)s
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
