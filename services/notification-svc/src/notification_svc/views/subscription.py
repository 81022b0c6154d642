"""The programs that are called: own facts, and the lists of them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import LiteralString, NamedTuple, cast
from uuid import UUID

from shared_chassis.postgres import Database
from shared_chassis.view import Projection, Statement
from shared_events.envelope import Recorded
from shared_events.ids import uuid_of
from shared_events.notification import SubscriptionChanged

CHANGED: LiteralString = """
    INSERT INTO subscription AS s (subscription, organisation, url, events, secret_version, active, since)
    VALUES (%(subscription)s, %(organisation)s, %(url)s, %(events)s, %(secret_version)s, %(active)s, %(at)s)
    ON CONFLICT (subscription) DO UPDATE SET
        url = excluded.url, events = excluded.events, secret_version = excluded.secret_version, active = excluded.active,
        rotated_at = CASE WHEN excluded.secret_version > s.secret_version THEN %(at)s ELSE s.rotated_at END
"""


def _changed(recorded: Recorded) -> Statement:
    fact = cast("SubscriptionChanged", recorded.fact)
    return Statement(
        CHANGED,
        {
            "subscription": uuid_of(recorded.stream_id),
            "organisation": fact.organisation,
            "url": fact.url,
            "events": list(fact.events),
            "secret_version": fact.secret_version,
            "active": fact.active,
            "at": recorded.envelope.time,
        },
    )


PROJECTION: Projection = MappingProxyType({SubscriptionChanged: _changed})


class Row(NamedTuple):
    """A subscription as it stands; `overlapping` tells that its former secret still signs beside the present one."""

    subscription: UUID
    organisation: str
    url: str
    events: list[str]
    secret_version: int
    active: bool
    since: datetime
    rotated_at: datetime | None
    overlapping: bool


class Place(NamedTuple):
    """The last subscription shown."""

    since: datetime
    subscription: UUID


COLUMNS: LiteralString = """
    SELECT subscription, organisation, url, events, secret_version, active, since, rotated_at,
        coalesce(rotated_at > (SELECT rule_now()) - %(overlap)s, false) AS overlapping
    FROM subscription
"""
ONE: LiteralString = COLUMNS + "WHERE subscription = %(subscription)s"
_LIST: LiteralString = """
    WHERE (%(organisation)s::text IS NULL OR organisation = %(organisation)s)
      AND (%(since)s::timestamptz IS NULL OR (since, subscription) > (%(since)s, %(subscription)s::uuid))
    ORDER BY since, subscription
    LIMIT %(limit)s
"""
LIST: LiteralString = COLUMNS + _LIST
ACTIVE: LiteralString = "SELECT count(*) AS active FROM subscription WHERE organisation = %(organisation)s AND active"


def one(database: Database, subscription: UUID, overlap: timedelta) -> Row | None:
    """Read one subscription; None when there is none."""
    row = database.query_one(ONE, {"subscription": subscription, "overlap": overlap})
    return None if row is None else Row(**row)


def subscriptions(
    database: Database, organisation: str | None, overlap: timedelta, after: Place | None, limit: int
) -> Sequence[Row]:
    """List the subscriptions of an organisation, or of all, the oldest first."""
    since, subscription = after or (None, None)
    rows = database.query(
        LIST,
        {"organisation": organisation, "overlap": overlap, "since": since, "subscription": subscription, "limit": limit},
    )
    return [Row(**row) for row in rows]


def active(database: Database, organisation: str) -> int:
    """Count an organisation's subscriptions that have not ended."""
    row = database.query_one(ACTIVE, {"organisation": organisation})
    return 0 if row is None else int(row["active"])
