"""The reports people keep: the service's own read model, in the transaction that stores the fact."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final, LiteralString, cast
from uuid import UUID

from psycopg.types.json import Jsonb

from shared_chassis.postgres import Database
from shared_chassis.view import Projection, Statement
from shared_events.analytics import ReportSaved
from shared_events.envelope import Recorded
from shared_events.ids import uuid_of

SAVED: LiteralString = """
    INSERT INTO saved_report (report, name, kind, parameters, saved_by, saved_at)
    VALUES (%(report)s, %(name)s, %(kind)s, %(parameters)s, %(saved_by)s, %(saved_at)s)
    ON CONFLICT (report) DO NOTHING
"""
PAGE: LiteralString = """
    SELECT report, name, kind, parameters, saved_by, saved_at FROM saved_report
    WHERE %(after_at)s::timestamptz IS NULL OR (saved_at, report) > (%(after_at)s, %(after_report)s)
    ORDER BY saved_at, report LIMIT %(limit)s
"""
ONE: LiteralString = """
    SELECT report, name, kind, parameters, saved_by, saved_at FROM saved_report WHERE report = %(report)s
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """A saved report: its name, which report it is, and its parameters."""

    report: UUID
    name: str
    kind: str
    parameters: dict[str, str]
    saved_by: str
    saved_at: datetime


def _saved(recorded: Recorded) -> Statement:
    fact = cast("ReportSaved", recorded.fact)
    return Statement(
        SAVED,
        {
            "report": uuid_of(recorded.stream_id),
            "name": fact.name,
            "kind": fact.report,
            "parameters": Jsonb(fact.parameters),
            "saved_by": recorded.envelope.actor,
            "saved_at": recorded.envelope.recorded_time,
        },
    )


PROJECTION: Final[Projection] = MappingProxyType({ReportSaved: _saved})

TABLES: Final = ("saved_report",)
"""The tables that are rebuilt from own events."""


def page(database: Database, after: tuple[datetime, UUID] | None, limit: int) -> Sequence[Kept]:
    """List saved reports in the order of saving, after a place."""
    at, report = after or (None, None)
    return [Kept(**row) for row in database.query(PAGE, {"after_at": at, "after_report": report, "limit": limit})]


def one(database: Database, report: UUID) -> Kept | None:
    """Find a saved report."""
    row = database.query_one(ONE, {"report": report})
    return None if row is None else Kept(**row)
