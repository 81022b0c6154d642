"""What SQL counts by itself in the stores' event log: how the day's terms were kept, and who held each case how long."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import LiteralString

import psycopg

FIGURES: Mapping[str, str] = {
    "breaches": "dispatch.deadline-breached.v1",
    "warned": "dispatch.deadline-warned.v1",
    "silent_acceptances": "request.completion-deemed-accepted.v1",
    "reopened": "request.request-reopened.v1",
    "declined": "dispatch.assignment-declined.v1",
    "bounced": "dispatch.committee-decided.v1",
}
"""Each figure counts the facts of one type."""

COUNT: LiteralString = "SELECT type, count(*) FROM event_log WHERE type = ANY (%(types)s) GROUP BY type"
SUBMITTED: LiteralString = """
    SELECT right(stream_id, 36), extract(epoch FROM time) FROM event_log WHERE type = 'request.request-submitted.v1'
"""
HELD: LiteralString = """
    WITH change AS (
        SELECT right(stream_id, 36) AS id, position, type, extract(epoch FROM (data ->> 'at')::timestamptz) AS at
        FROM event_log
        WHERE type IN ('dispatch.holder-changed.v1', 'dispatch.case-closed.v1', 'dispatch.case-reopened.v1')
    ), held AS (
        SELECT id, at, type, coalesce(lead(at) OVER life, greatest(extract(epoch FROM now()), at)) AS until
        FROM change WHERE type <> 'dispatch.case-reopened.v1' WINDOW life AS (PARTITION BY id ORDER BY position)
    ), edge AS (
        SELECT id, type, at, lag(type) OVER (PARTITION BY id ORDER BY position) AS before
        FROM change WHERE type <> 'dispatch.holder-changed.v1'
    ), holding AS (
        SELECT id, sum(until - at) FILTER (WHERE type = 'dispatch.holder-changed.v1') AS sum,
               bool_and(until >= at) AS forward, max(until) FILTER (WHERE type = 'dispatch.holder-changed.v1') AS until
        FROM held GROUP BY id
    ), ending AS (
        SELECT id, sum(at) FILTER (WHERE type = 'dispatch.case-closed.v1') AS closed,
               sum(at) FILTER (WHERE type = 'dispatch.case-reopened.v1' AND before = 'dispatch.case-closed.v1') AS reopened,
               count(*) FILTER (WHERE type = 'dispatch.case-closed.v1')
                   - count(*) FILTER (WHERE type = 'dispatch.case-reopened.v1' AND before = 'dispatch.case-closed.v1') AS over
        FROM edge GROUP BY id
    )
    SELECT id, holding.sum, holding.forward,
           coalesce(closed, 0) - coalesce(reopened, 0) + CASE WHEN coalesce(over, 0) = 0 THEN holding.until ELSE 0 END
    FROM holding LEFT JOIN ending USING (id)
"""
"""Per case, in seconds: its holders' times from their changes alone, whether these never go back, and the sum of its ends less
its reopenings, where a case that is open ends now. A closed stretch is nobody's, whoever held it before and after."""

Connection = psycopg.Connection[tuple[object, ...]]


@dataclass
class Counted:
    """The figures, how many cases there are, and of which of them the holders' minutes do not sum to the total."""

    figures: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FIGURES, 0))
    cases: int = 0
    wrong: list[str] = field(default_factory=list)


def count(connection: Connection, counted: Counted) -> None:
    """Add one store's figures."""
    names = {type_: name for name, type_ in FIGURES.items()}
    for type_, number in connection.execute(COUNT, {"types": list(names)}).fetchall():
        counted.figures[names[str(type_)]] += int(str(number))


def weigh(request: Connection, dispatch: Connection, counted: Counted) -> None:
    """Compare the sum of each case's holders with its total: from its request's submission, to the microsecond."""
    submitted = {str(id_): Decimal(str(time)) for id_, time in request.execute(SUBMITTED).fetchall()}
    for id_, held, forward, ends in dispatch.execute(HELD).fetchall():
        counted.cases += 1
        begun = submitted.get(str(id_))
        if begun is None or not forward or held is None or Decimal(str(held)) != Decimal(str(ends)) - begun:
            counted.wrong.append(str(id_))
