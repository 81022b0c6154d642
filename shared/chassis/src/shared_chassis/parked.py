"""Events that wait, and what a person does about them: try the key again, or skip an event and say why.

The consumer that reads the partition does it, within a second, so that a key is never handled in two places at once; here the
wish is recorded, with who, when and why.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString, Protocol

from psycopg import Connection
from psycopg.rows import DictRow

from shared_chassis.consumer.position import Asked, Reason
from shared_chassis.postgres import Database

LIST: LiteralString = """
    SELECT parked_id, consumer, topic, partition, position, key, type, reason, awaits, error, attempts, parked_at, asked,
           settled_at, settled_as
    FROM parked_event
    WHERE (%(settled)s OR settled_at IS NULL) AND parked_id > %(after)s
      AND consumer = coalesce(%(consumer)s, consumer) AND key = coalesce(%(key)s, key)
    ORDER BY parked_id LIMIT %(limit)s
"""
ONE: LiteralString = """
    SELECT parked_id, consumer, topic, partition, position, key, type, reason, awaits, error, attempts, parked_at, asked,
           settled_at, settled_as
    FROM parked_event WHERE parked_id = %(id)s
"""
RETRY = """
    UPDATE parked_event SET asked = 'retry'
    WHERE parked_id = (
        SELECT first.parked_id FROM parked_event first JOIN parked_event p USING (consumer, topic, partition, key)
        WHERE p.parked_id = %(id)s AND p.settled_at IS NULL AND first.settled_at IS NULL
        ORDER BY first.position LIMIT 1)
"""
SKIP = "UPDATE parked_event SET asked = 'skip' WHERE parked_id = %(id)s AND settled_at IS NULL"
RECORD = """
    INSERT INTO parked_action (parked_id, action, actor, reason) VALUES (%(id)s, %(action)s, %(actor)s, %(reason)s)
"""
ACTIONS = "SELECT action, actor, reason, at FROM parked_action WHERE parked_id = %(id)s ORDER BY parked_action_id"


class NotParkedError(LookupError):
    """No event of this number waits here."""


class NoReasonError(ValueError):
    """Skipping an event needs a reason: it will never have its effect here."""


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """An event that waits, or has waited: what it is, why it waits, and what a person wants."""

    parked_id: int
    consumer: str
    topic: str
    partition: int
    position: int
    key: str
    type: str
    reason: Reason
    awaits: str | None
    error: str | None
    attempts: int
    parked_at: datetime
    asked: Asked | None
    settled_at: datetime | None
    settled_as: str | None


@dataclass(frozen=True, slots=True)
class Action:
    """What somebody did about a parked event."""

    action: Asked
    actor: str
    reason: str | None
    at: datetime


class Parking(Protocol):
    """Where parked events are looked at and decided about."""

    def find(
        self, consumer: str | None = None, key: str | None = None, after: int = 0, limit: int = 100, *, settled: bool = False
    ) -> list[ParkedEvent]:
        """List parked events by number, those done with only when asked for; `after` is the last number seen."""
        ...

    def retry(self, parked_id: int, actor: str, reason: str | None = None) -> ParkedEvent:
        """Have the event's whole key handled again, in order. Raises `NotParkedError`."""
        ...

    def skip(self, parked_id: int, actor: str, reason: str) -> ParkedEvent:
        """Have the event passed over, and what waits behind it handled. Raises `NotParkedError` or `NoReasonError`."""
        ...

    def actions(self, parked_id: int) -> list[Action]:
        """List who did what about a parked event, in order."""
        ...


class PostgresParking:
    """The parked events of a service, in its own database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(
        self, consumer: str | None = None, key: str | None = None, after: int = 0, limit: int = 100, *, settled: bool = False
    ) -> list[ParkedEvent]:
        """List parked events by number."""
        params = {"consumer": consumer, "key": key, "after": after, "limit": limit, "settled": settled}
        return [ParkedEvent(**row) for row in self._database.query(LIST, params)]

    def retry(self, parked_id: int, actor: str, reason: str | None = None) -> ParkedEvent:
        """Have the event's whole key handled again, in order. Raises `NotParkedError`."""
        return self._ask(RETRY, parked_id, "retry", actor, reason)

    def skip(self, parked_id: int, actor: str, reason: str) -> ParkedEvent:
        """Have the event passed over, and what waits behind it handled. Raises `NotParkedError` or `NoReasonError`."""
        if not reason.strip():
            raise NoReasonError(NoReasonError.__doc__)
        return self._ask(SKIP, parked_id, "skip", actor, reason)

    def actions(self, parked_id: int) -> list[Action]:
        """List who did what about a parked event, in order."""
        return [Action(**row) for row in self._database.query(ACTIONS, {"id": parked_id})]

    def _ask(self, statement: LiteralString, parked_id: int, action: Asked, actor: str, reason: str | None) -> ParkedEvent:
        with self._database.connection() as connection, connection.transaction():
            if connection.execute(statement, {"id": parked_id}).rowcount == 0:
                raise NotParkedError(f"{NotParkedError.__doc__} ({parked_id})")
            connection.execute(RECORD, {"id": parked_id, "action": action, "actor": actor, "reason": reason})
            return _one(connection, parked_id)


def _one(connection: Connection[DictRow], parked_id: int) -> ParkedEvent:
    row = connection.execute(ONE, {"id": parked_id}).fetchone()
    if row is None:
        raise NotParkedError(f"{NotParkedError.__doc__} ({parked_id})")
    return ParkedEvent(**row)
