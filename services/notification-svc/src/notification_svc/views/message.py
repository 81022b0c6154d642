"""What people were told: own facts, and the ledger each may read for themselves."""

from collections.abc import Sequence
from datetime import datetime
from types import MappingProxyType
from typing import LiteralString, NamedTuple, cast
from uuid import UUID

from shared_chassis.postgres import Database
from shared_chassis.view import Projection, Statement
from shared_events.envelope import Recorded
from shared_events.ids import uuid_of
from shared_events.notification import MessageFailed, MessageSent

SENT: LiteralString = """
    INSERT INTO message (message, person, request, city, number, template, language, channel, cause, state, at)
    VALUES (%(message)s, %(person)s, %(request)s, %(city)s, %(number)s, %(template)s, %(language)s, %(channel)s, %(cause)s,
        'sent', %(at)s)
    ON CONFLICT (message) DO UPDATE SET
        state = 'sent', at = excluded.at, number = excluded.number, language = excluded.language
"""
FAILED: LiteralString = """
    INSERT INTO message (message, person, request, city, template, channel, cause, state, at)
    VALUES (%(message)s, %(person)s, %(request)s, %(city)s, %(template)s, %(channel)s, %(cause)s, 'failed', %(at)s)
    ON CONFLICT (message) DO NOTHING
"""


def _sent(recorded: Recorded) -> Statement:
    fact = cast("MessageSent", recorded.fact)
    return Statement(SENT, {**_told(recorded, fact), "number": fact.number, "language": fact.language})


def _failed(recorded: Recorded) -> Statement:
    return Statement(FAILED, _told(recorded, cast("MessageFailed", recorded.fact)))


def _told(recorded: Recorded, fact: MessageSent | MessageFailed) -> dict[str, object]:
    return {
        "message": uuid_of(recorded.stream_id),
        "person": fact.person,
        "request": fact.request,
        "city": fact.city,
        "template": fact.template,
        "channel": fact.channel,
        "cause": fact.cause,
        "at": recorded.envelope.time,
    }


PROJECTION: Projection = MappingProxyType({MessageSent: _sent, MessageFailed: _failed})


class Told(NamedTuple):
    """An entry of a person's ledger; `number` and `language` are not known of a message that failed."""

    message: UUID
    request: UUID
    city: str
    number: str | None
    template: str
    language: str | None
    channel: str
    cause: UUID
    state: str
    at: datetime


class Place(NamedTuple):
    """The last entry shown."""

    at: datetime
    message: UUID


LEDGER: LiteralString = """
    SELECT message, request, city, number, template, language, channel, cause, state, at
    FROM message
    WHERE person = %(person)s
      AND (%(at)s::timestamptz IS NULL OR (at, message) < (%(at)s, %(message)s::uuid))
    ORDER BY at DESC, message DESC
    LIMIT %(limit)s
"""


def ledger(database: Database, person: UUID, after: Place | None, limit: int) -> Sequence[Told]:
    """List what a person was told, the latest first."""
    at, message = after or (None, None)
    rows = database.query(LEDGER, {"person": person, "at": at, "message": message, "limit": limit})
    return [Told(**row) for row in rows]
