"""Events set aside here, looked at and decided about by a person, with who, when and why."""

from typing import LiteralString

from duckdb import DuckDBPyConnection

from analytics_svc.facts.file import FactFile, Row, rows
from shared_chassis.consumer.position import Asked
from shared_chassis.parked import Action, NoReasonError, NotParkedError, ParkedEvent

LIST: LiteralString = """
    SELECT parked_id, consumer, topic, partition, position, key, type, reason, awaits, error, attempts, parked_at, asked,
           settled_at, settled_as
    FROM parked_event
    WHERE ($settled OR settled_at IS NULL) AND parked_id > $after
      AND ($consumer IS NULL OR consumer = $consumer) AND ($key IS NULL OR key = $key)
    ORDER BY parked_id LIMIT $limit
"""
ONE: LiteralString = """
    SELECT parked_id, consumer, topic, partition, position, key, type, reason, awaits, error, attempts, parked_at, asked,
           settled_at, settled_as
    FROM parked_event WHERE parked_id = $id
"""
RETRY: LiteralString = """
    UPDATE parked_event SET asked = 'retry'
    WHERE parked_id = (
        SELECT first.parked_id FROM parked_event AS first JOIN parked_event AS p USING (consumer, topic, partition, key)
        WHERE p.parked_id = $id AND p.settled_at IS NULL AND first.settled_at IS NULL
        ORDER BY first.position LIMIT 1)
"""
SKIP: LiteralString = "UPDATE parked_event SET asked = 'skip' WHERE parked_id = $id AND settled_at IS NULL"
RECORD: LiteralString = "INSERT INTO parked_action (parked_id, action, actor, reason) VALUES ($id, $action, $actor, $reason)"
ACTIONS: LiteralString = """
    SELECT action, actor, reason, "at" FROM parked_action WHERE parked_id = $id ORDER BY parked_action_id
"""


class DuckParking:
    """The events set aside in the file of the facts."""

    def __init__(self, file: FactFile) -> None:
        self._file = file

    def find(
        self, consumer: str | None = None, key: str | None = None, after: int = 0, limit: int = 100, *, settled: bool = False
    ) -> list[ParkedEvent]:
        """List parked events by number, those done with only when asked for; `after` is the last number seen."""
        params = {"consumer": consumer, "key": key, "after": after, "limit": limit, "settled": settled}
        return [_parked(row) for row in self._file.query(LIST, params)]

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
        return [Action(**row) for row in self._file.query(ACTIONS, {"id": parked_id})]  # type: ignore[arg-type]  # as selected

    def _ask(self, statement: LiteralString, parked_id: int, action: Asked, actor: str, reason: str | None) -> ParkedEvent:
        with self._file.writing() as cursor:
            if cursor.execute(statement, {"id": parked_id}).fetchone() == (0,):
                raise NotParkedError(f"{NotParkedError.__doc__} ({parked_id})")
            cursor.execute(RECORD, {"id": parked_id, "action": action, "actor": actor, "reason": reason})
            return _one(cursor, parked_id)


def _one(cursor: DuckDBPyConnection, parked_id: int) -> ParkedEvent:
    found = rows(cursor, ONE, {"id": parked_id})
    if not found:
        raise NotParkedError(f"{NotParkedError.__doc__} ({parked_id})")
    return _parked(found[0])


def _parked(row: Row) -> ParkedEvent:
    return ParkedEvent(**row)  # type: ignore[arg-type]  # as selected
