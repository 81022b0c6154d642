"""How much was heard of everybody, and how long it took from there to here."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from analytics_svc.facts.file import FactFile, Row, rows

TOPICS: LiteralString = """
    SELECT topic, count(*) AS events, max(position) AS last_position, bit_xor(position) AS xor_of_positions FROM event
    WHERE known <= coalesce($as_of::TIMESTAMPTZ, 'infinity'::TIMESTAMPTZ)
    GROUP BY topic ORDER BY topic
"""
TYPES: LiteralString = """
    SELECT topic, type, count(*) AS events FROM event
    WHERE known <= coalesce($as_of::TIMESTAMPTZ, 'infinity'::TIMESTAMPTZ)
    GROUP BY topic, type ORDER BY topic, type
"""
LATENCY: LiteralString = """
    WITH taken AS (
        SELECT CASE WHEN type = 'request.request-submitted.v1' THEN 'requests' ELSE 'submissions' END AS what,
               epoch_us(folded_at) - epoch_us(known) AS us
        FROM event
        WHERE type IN ('request.request-submitted.v1', 'discussion.question-submitted.v1', 'discussion.proposal-submitted.v1',
                       'discussion.remark-submitted.v1')
          AND known <= coalesce($as_of::TIMESTAMPTZ, 'infinity'::TIMESTAMPTZ)
        UNION ALL
        SELECT 'work_items', epoch_us(opened.known) - epoch_us(failed.known)
        FROM event opened JOIN event failed ON failed.id = opened.cause AND failed.type = 'dispatch.routing-failed.v1'
        WHERE opened.type = 'notification.work-item-opened.v1'
          AND opened.known <= coalesce($as_of::TIMESTAMPTZ, 'infinity'::TIMESTAMPTZ)
    )
    SELECT coalesce(what, 'all') AS what, count(us) AS count,
           quantile_cont(us, 0.5)::DOUBLE / 1e6 AS p50_s, quantile_cont(us, 0.99)::DOUBLE / 1e6 AS p99_s, max(us) / 1e6 AS max_s
    FROM taken GROUP BY ROLLUP (what)
"""

IDS: LiteralString = "SELECT id FROM event ORDER BY id"

WHATS: Final = ("requests", "submissions", "work_items", "all")
NOTHING: Final[Row] = {"count": 0, "p50_s": None, "p99_s": None, "max_s": None}


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts of events by topic and by type, and latencies in seconds.

    Count and `xor_of_positions` of a topic equal the store's (`bit_xor(notification_id)`) when the two hold the same events.
    `latency`: from the recorded time of a request's or submission's submission to its folding here, and from a failed routing to
    the work item about it.
    """

    events: int
    topics: list[Row]
    types: list[Row]
    latency: dict[str, Row]


def totals(file: FactFile, as_of: datetime | None = None) -> Totals:
    """Count everything heard, over all events, not a sample."""
    params = {"as_of": as_of}
    with file.reading() as cursor:
        topics = rows(cursor, TOPICS, params)
        types = rows(cursor, TYPES, params)
        found = {str(row.pop("what")): row for row in rows(cursor, LATENCY, params)}
    counted = sum(count for row in topics if isinstance(count := row["events"], int))
    return Totals(counted, topics, types, {what: found.get(what, NOTHING) for what in WHATS})


def ids(file: FactFile) -> list[object]:
    """List the id of every event folded, in order."""
    with file.reading() as cursor:
        return [row["id"] for row in rows(cursor, IDS, {})]
