"""Snapshots: the states of long streams as they were at a version, so that loading one reads only what came after.

A cache beside the store and nothing more. Whatever is wrong with it, missing, damaged, of another shape or away, is counted and
done without: the stream is folded from its first event, and no command fails. A snapshot is taken after the append's commit,
never in its transaction, and after a load that folded as many events as `EVERY`.

A row is bound to the code by the fingerprint of the state's shape, to the stream by the id of the last event in it, and to itself
by a digest.
"""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, LiteralString, TypeVar, cast
from uuid import UUID

import orjson
import structlog
from eventsourcing.persistence import InterfaceError, OperationalError
from psycopg import Error as PostgresError
from psycopg.rows import DictRow
from pydantic import TypeAdapter

from shared_chassis.log import told
from shared_chassis.metric import SNAPSHOTS
from shared_chassis.postgres import Database
from shared_chassis.stream import Stream

EVERY = 500
"""Events of a stream between two snapshots: the most a load folds, give or take one command's."""

PATIENCE = "SELECT set_config('lock_timeout', '200ms', true), set_config('statement_timeout', '1s', true)"
"""How long a snapshot may hold up a load or a command: not as long as folding would take."""

FIND: LiteralString = """
    SELECT version, fingerprint, event_id, state, digest FROM snapshot WHERE stream_id = %(stream_id)s
"""
KEEP: LiteralString = """
    INSERT INTO snapshot AS s (stream_id, version, fingerprint, event_id, state, digest)
    VALUES (%(stream_id)s, %(version)s, %(fingerprint)s, %(event_id)s, %(state)s, %(digest)s)
    ON CONFLICT (stream_id) DO UPDATE SET version = excluded.version, fingerprint = excluded.fingerprint,
        event_id = excluded.event_id, state = excluded.state, digest = excluded.digest, taken_at = clock_timestamp()
    WHERE s.version < excluded.version OR s.fingerprint <> excluded.fingerprint
"""
DROP: LiteralString = "DELETE FROM snapshot WHERE stream_id = %(stream_id)s AND digest = %(digest)s"


AWAY = (PostgresError, OperationalError, InterfaceError, OSError)
"""What the drivers raise while the database, or this table, cannot be used."""

S = TypeVar("S")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[S]):
    """A stream's state at a version, and the id of the event it ends with."""

    state: S
    version: int
    event: UUID
    digest: bytes = b""


def fingerprint(stream: Stream[S]) -> str:
    """Tell the shape of a stream's kept state and the edition of its folding, as a digest."""
    schema = orjson.dumps(_adapter(stream).json_schema(mode="serialization"), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(b"%s|%d|%s" % (stream.name.encode(), stream.edition, schema)).hexdigest()


def write_state(stream: Stream[S], state: S) -> bytes:
    """Spell a state: the same state gives the same bytes in every process, place and time."""
    return _adapter(stream).dump_json(state)


class Snapshots:
    """A service's snapshots. Nothing here raises: what goes wrong is counted, and folding does without."""

    def __init__(self, database: Database, every: int = EVERY) -> None:
        self.every = every
        self._database = database
        self._fingerprints: dict[str, str] = {}

    def find(self, stream: Stream[S], stream_id: str) -> Snapshot[S] | None:
        """Find the newest snapshot of a stream; None when there is none that can be used."""
        try:
            rows = self._run(FIND, {"stream_id": stream_id})
        except AWAY as error:
            self._tell("away", stream_id, error)
            return None
        if not rows:
            return None
        row = rows[0]
        if row["fingerprint"] != self._fingerprint(stream):
            SNAPSHOTS.labels("other_shape").inc()
            return None
        if bytes(row["digest"]) != _digest(stream_id, row):
            self.drop("corrupt", stream_id, bytes(row["digest"]))
            return None
        try:
            state = _adapter(stream).validate_json(bytes(row["state"]))
        except ValueError as error:
            self.drop("corrupt", stream_id, bytes(row["digest"]), error)
            return None
        SNAPSHOTS.labels("used").inc()
        return Snapshot(state, row["version"], row["event_id"], bytes(row["digest"]))

    def keep(self, stream: Stream[S], stream_id: str, snapshot: Snapshot[S]) -> None:
        """Keep a snapshot, unless a newer one is kept already."""
        try:
            row: dict[str, object] = {
                "version": snapshot.version,
                "fingerprint": self._fingerprint(stream),
                "event_id": snapshot.event,
                "state": write_state(stream, snapshot.state),
            }
            self._run(KEEP, {**row, "stream_id": stream_id, "digest": _digest(stream_id, row)})
        except AWAY as error:
            self._tell("not_kept", stream_id, error)
        except ValueError as error:  # a state that cannot be written is a defect of its declaration, not of the command
            self._tell("unwritable", stream_id, error)
        else:
            SNAPSHOTS.labels("kept").inc()

    def drop(self, why: str, stream_id: str, digest: bytes, error: Exception | None = None) -> None:
        """Count a snapshot that is of no use (`corrupt`, or `foreign` to the stream as it is) and make room for the next."""
        self._tell(why, stream_id, error)
        with suppress(*AWAY):
            self._run(DROP, {"stream_id": stream_id, "digest": digest})

    def _run(self, statement: LiteralString, params: dict[str, object]) -> Sequence[DictRow]:
        with self._database.connection() as connection, connection.transaction():
            connection.execute(PATIENCE, prepare=True)
            found = connection.execute(statement, params, prepare=True)
            return found.fetchall() if found.description else ()

    def _fingerprint(self, stream: Stream[S]) -> str:
        found = self._fingerprints.get(stream.name)
        if found is None:
            found = self._fingerprints[stream.name] = fingerprint(stream)
        return found

    def _tell(self, outcome: str, stream_id: str, error: Exception | None) -> None:
        SNAPSHOTS.labels(outcome).inc()
        log.warning("snapshot.passed_over", outcome=outcome, stream=stream_id, error=told(error) if error else None)


def _adapter(stream: Stream[S]) -> TypeAdapter[S]:
    return cast("TypeAdapter[S]", stream.keeps)  # asked only of streams that keep their state


def _digest(stream_id: str, row: DictRow | dict[str, object]) -> bytes:
    head = f"{stream_id}|{row['version']}|{row['fingerprint']}|{row['event_id']}|".encode()
    return hashlib.sha256(head + cast("bytes", row["state"])).digest()
