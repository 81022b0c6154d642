"""Whether every cause had its effect, and once: what would be lost, and what would have happened twice."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from analytics_svc.facts.file import FactFile, Row, rows

MISSING: LiteralString = """
    WITH caused AS (
        SELECT id, type, subject, correlation,
               CASE type
                   WHEN 'request.request-submitted.v1' THEN 'cases'
                   WHEN 'request.request-registered.v1' THEN 'messages'
                   WHEN 'request.completion-proposed.v1' THEN 'messages'
                   WHEN 'request.request-closed.v1' THEN 'messages'
                   ELSE 'work_items'
               END AS what
        FROM event
        WHERE type IN ('request.request-submitted.v1', 'request.request-registered.v1', 'request.completion-proposed.v1',
                       'request.request-closed.v1', 'request.completion-disputed.v1', 'dispatch.routing-failed.v1',
                       'dispatch.deadline-breached.v1', 'dispatch.request-escalated.v1', 'dispatch.assignment-declined.v1',
                       'dispatch.work-returned.v1', 'dispatch.incident-suggested.v1')
          AND known <= coalesce($as_of::TIMESTAMPTZ, 'infinity'::TIMESTAMPTZ)
    ), effect AS (
        SELECT 'cases' AS what, cause FROM event WHERE type = 'dispatch.case-opened.v1'
        UNION ALL
        SELECT 'work_items', cause FROM event WHERE type = 'notification.work-item-opened.v1'
        UNION ALL
        SELECT 'messages', cause FROM event WHERE type IN ('notification.message-sent.v1', 'notification.message-failed.v1')
    )
    SELECT c.what, c.id AS event, c.type, c.subject
    FROM caused c
    LEFT JOIN (SELECT about, person_known FROM event WHERE type = 'request.request-submitted.v1') r
           ON c.what = 'messages' AND r.about = c.correlation
    ANTI JOIN effect e ON e.what = c.what AND e.cause = CASE WHEN c.what = 'cases' THEN c.correlation ELSE c.id END
    WHERE c.what <> 'messages' OR r.person_known
    ORDER BY c.what, c.subject, c.id
"""
TWICE: LiteralString = """
    SELECT type, cause, aspect, count(*) - 1 AS too_many, min(subject) AS subject FROM event
    WHERE type IN ('dispatch.case-opened.v1', 'dispatch.request-assigned.v1', 'notification.work-item-opened.v1',
                   'notification.message-sent.v1', 'request.completion-proposed.v1')
      AND known <= coalesce($as_of::TIMESTAMPTZ, 'infinity'::TIMESTAMPTZ)
    GROUP BY type, cause, aspect HAVING count(*) > 1
    ORDER BY type, subject, cause
"""

EXAMPLES: Final = 20
"""How many of each are named."""

MISSING_KINDS: Final = ("cases", "messages", "work_items")
ONCE: Final = (
    "dispatch.case-opened.v1",
    "dispatch.request-assigned.v1",
    "notification.message-sent.v1",
    "notification.work-item-opened.v1",
    "request.completion-proposed.v1",
)


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What is missing for a cause, by kind, and what happened twice for one, by type; the first few of each by name."""

    lost: int
    missing: dict[str, int]
    duplicate_effects: int
    duplicates: dict[str, int]
    missing_examples: list[Row]
    duplicate_examples: list[Row]


def reconcile(file: FactFile, as_of: datetime | None = None) -> Reconciliation:
    """Look for causes known at a moment without their effect by now, and for effects that came again.

    A moment a little in the past leaves the services time: what was caused just now has no effect yet.
    """
    params = {"as_of": as_of}
    with file.reading() as cursor:
        missing = rows(cursor, MISSING, params)
        twice = rows(cursor, TWICE, params)
    of_kind = {kind: sum(row["what"] == kind for row in missing) for kind in MISSING_KINDS}
    again = {type_: sum(n for row in twice if row["type"] == type_ and isinstance(n := row["too_many"], int)) for type_ in ONCE}
    return Reconciliation(sum(of_kind.values()), of_kind, sum(again.values()), again, missing[:EXAMPLES], twice[:EXAMPLES])
