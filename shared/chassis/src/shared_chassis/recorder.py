"""The append: what one or many commands decided becomes one PostgreSQL transaction, in commit order, exactly once.

Inside it, in this order: the append lock; command ids; stream heads and verdicts; INSERT; own views; timers; COMMIT, then NOTIFY.
"""

import os
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from time import perf_counter
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

import orjson
import psycopg
from eventsourcing.persistence import InterfaceError, OperationalError, StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder
from psycopg import Connection, Cursor, errors
from psycopg.rows import DictRow
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from shared_chassis.metric import APPEND_BATCH, APPEND_SECONDS
from shared_chassis.postgres import Database
from shared_chassis.stream import Cancel, Set, timer_id
from shared_chassis.view import Projection, project
from shared_events.envelope import Recorded

STALE_AFTER = timedelta(seconds=5)
MOST_IN_ONE_COMMIT = 256
TABLE = "stored_events"

LOCK: LiteralString = """
    SELECT pg_advisory_xact_lock(hashtextextended(%(table)s, 0)), set_config('plan_cache_mode', 'force_generic_plan', true)
"""
"""Statements with arrays would be planned anew each time, which takes longer than running them."""
READ: LiteralString = """
    SELECT rule_now() AS now,
        ARRAY(
            SELECT coalesce((
                SELECT e.originator_version FROM stored_events e WHERE e.originator_id = wanted.id
                ORDER BY e.originator_version DESC LIMIT 1), 0)
            FROM unnest(%(streams)s::text[]) WITH ORDINALITY AS wanted (id, place) ORDER BY place) AS heads,
        ARRAY(
            SELECT json_build_array(command_id, stream_id, first_version, count, actor, encode(body_hash, 'hex'))
            FROM command WHERE command_id = ANY (%(commands)s)) AS known
"""
STORE: LiteralString = """
    WITH inserted AS (
        INSERT INTO stored_events (originator_id, originator_version, topic, state)
        SELECT id, version, topic, state
        FROM unnest(%(ids)s::text[], %(versions)s::bigint[], %(topics)s::text[], %(states)b::bytea[])
            WITH ORDINALITY AS e (id, version, topic, state, place)
        ORDER BY place
        RETURNING notification_id
    ), remembered AS (
        INSERT INTO command (command_id, stream_id, first_version, count, actor, body_hash, recorded_at)
        SELECT c.*, %(now)s
        FROM unnest(%(commands)s::uuid[], %(streams)s::text[], %(firsts)s::bigint[], %(counts)s::int[], %(actors)s::text[],
            %(hashes)b::bytea[]) AS c
    )
    SELECT notification_id FROM inserted
"""
SET_TIMERS: LiteralString = """
    INSERT INTO timer (timer_id, due_at, stream_id, kind, key, payload)
    SELECT id, due_at, stream_id, kind, key, payload::jsonb
    FROM unnest(%(ids)s::uuid[], %(dues)s::timestamptz[], %(streams)s::text[], %(kinds)s::text[], %(keys)s::text[],
        %(payloads)s::text[]) AS t (id, due_at, stream_id, kind, key, payload)
    ON CONFLICT (timer_id) DO UPDATE SET
        due_at = excluded.due_at, payload = excluded.payload, leased_until = NULL, fired_at = NULL, cancelled_at = NULL
"""
CANCEL_TIMERS = "UPDATE timer SET cancelled_at = %(now)s WHERE timer_id = ANY (%(ids)s) AND fired_at IS NULL"
FIRED: LiteralString = """
    UPDATE timer t SET fired_at = %(now)s
    FROM unnest(%(ids)s::uuid[], %(dues)s::timestamptz[]) AS f (id, due_at)
    WHERE t.timer_id = f.id AND t.due_at = f.due_at
"""
"""Not one moved meanwhile, though its new moment may have come too."""

NOTIFY = "SELECT pg_notify(%(channel)s, '')"


class DbFunctionsError(RuntimeError):
    """POSTGRES_ENABLE_DB_FUNCTIONS is set: the library's insert function skips the lock and loses events. Unset it."""


class Conflict(Exception):
    """Somebody else wrote to this stream in the meantime."""


class Stale(Exception):
    """Too much time passed between the decision and the commit: decide again by the present clock."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a command led to when it was first handled."""

    stream_id: str
    first_version: int
    count: int
    actor: str | None
    body_hash: bytes | None


class Repeated(Exception):
    """This command was handled before."""

    def __init__(self, known: Known) -> None:
        super().__init__(Repeated.__doc__)
        self.known = known


class Firing(NamedTuple):
    """A timer that is fired, and the moment it was due (UTC)."""

    id: UUID
    due_at: datetime


@dataclass(frozen=True)
class Commit:
    """What one command decided, ready to be stored. `now` is the database's time of the decision, None for an importer."""

    command: UUID
    stream_id: str
    expected: int
    recorded: Sequence[Recorded] = ()
    timers: Sequence[Set | Cancel] = ()
    fires: Firing | None = None
    actor: str | None = None
    body_hash: bytes | None = None
    now: datetime | None = None


@dataclass(slots=True)
class _Waiting:
    """One thread's command, while some thread commits it."""

    commit: Commit
    stored: Sequence[StoredEvent]
    gate: Lock
    verdict: Sequence[int] | Exception | None = None
    leads: bool = False


class Recorder(PostgresApplicationRecorder):
    """The library's recorder with the append replaced whole; reading stays the library's.

    Threads that append at the same time share a commit: the first that finds none running commits its own command with all that
    queued meanwhile. If such a batch fails, each command is tried alone.
    """

    def __init__(self, database: Database, projection: Projection | None = None) -> None:
        if database.datastore.enable_db_functions or "POSTGRES_ENABLE_DB_FUNCTIONS" in os.environ:  # noqa: TID251 - a trap, not a setting
            raise DbFunctionsError(DbFunctionsError.__doc__)
        super().__init__(database.datastore, events_table_name=TABLE)
        self._database = database
        self._projection: Projection = projection or {}
        self._lock_key = f"{database.schema}.{TABLE}"
        self.notify_channel = f"{database.schema}_events"
        self._mutex = Lock()
        self._queue: deque[_Waiting] = deque()
        self._committing = False

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int]:  # noqa: ANN401 - the library's signature
        """Append one command's events, with its id, views and timers; positions of the events.

        Raises `Repeated`, `Conflict` or `Stale` (nothing stored), what a view raised, or the library's `OperationalError`.
        """
        commit = kwargs.get("commit")
        if not isinstance(commit, Commit):
            raise TypeError("Events are appended with a Commit, through the store.")
        waiting = _Waiting(commit, stored_events, Lock())
        waiting.gate.acquire()
        with self._mutex:
            self._queue.append(waiting)
            waiting.leads = not self._committing
            self._committing = True
        if not waiting.leads:
            waiting.gate.acquire()
        if waiting.leads:
            self._lead()
        if isinstance(waiting.verdict, Exception):
            raise waiting.verdict
        if waiting.verdict is None:
            raise InterfaceError("The commit ended without a word about this command.")
        return waiting.verdict

    def _lead(self) -> None:
        """Commit everything queued, the leader's own command among it; then hand the lead to a waiting thread."""
        with self._mutex:
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), MOST_IN_ONE_COMMIT))]
        try:
            self._commit_batch(batch)
        finally:
            with self._mutex:
                successor = self._queue[0] if self._queue else None
                self._committing = successor is not None
            if successor is not None:
                successor.leads = True
                successor.gate.release()
            for waiting in batch:
                if not waiting.leads:
                    waiting.gate.release()

    def _commit_batch(self, batch: Sequence[_Waiting]) -> None:
        started = perf_counter()
        verdicts: list[Sequence[int] | Exception]
        try:
            verdicts = self._transact([(waiting.commit, waiting.stored) for waiting in batch])
        except Exception as error:  # noqa: BLE001 - handed to the threads that asked
            if _waited_for_a_lock(error) or (len(batch) == 1 and not _line_was_lost(error)):
                verdicts = [error] * len(batch)
            else:
                verdicts = [self._alone(waiting) for waiting in batch]
        for waiting, verdict in zip(batch, verdicts, strict=True):
            waiting.verdict = verdict
        APPEND_BATCH.observe(len(batch))
        APPEND_SECONDS.observe(perf_counter() - started)

    def _alone(self, waiting: _Waiting) -> Sequence[int] | Exception:
        """Try one command by itself; a lost answer is asked for again, the command id tells whether it was stored."""
        patient = Retrying(
            retry=retry_if_exception(_line_was_lost),
            stop=stop_after_attempt(4),
            wait=wait_exponential(multiplier=0.1, max=2),
            reraise=True,
        )
        try:
            return patient(self._transact, [(waiting.commit, waiting.stored)])[0]
        except Exception as error:  # noqa: BLE001 - handed to the thread that asked
            return error

    def _transact(self, work: Sequence[tuple[Commit, Sequence[StoredEvent]]]) -> list[Sequence[int] | Exception]:
        with self.datastore.get_connection() as connection, connection.pipeline() as pipeline:
            with connection.transaction():
                now, known, heads = self._under_lock(connection, [commit for commit, _ in work])
                verdicts: list[Sequence[int] | Exception | None] = []
                winners: list[tuple[Commit, Sequence[StoredEvent]]] = []
                for commit, stored in work:
                    verdict = _judge(commit, now, known, heads)
                    verdicts.append(verdict)
                    if verdict is None:
                        heads[commit.stream_id] = commit.expected + len(stored)
                        known[commit.command] = _known(commit, len(stored))
                        winners.append((commit, stored))
                drawn = self._store(connection, winners, now) if winners else None
                pipeline.sync()
            if any(stored for _, stored in winners):
                connection.execute(NOTIFY, {"channel": self.notify_channel}, prepare=True)
            positions = [] if drawn is None else _dealt(drawn, winners)
        placed = iter(positions)
        return [next(placed) if verdict is None else verdict for verdict in verdicts]

    def _under_lock(
        self, connection: Connection[DictRow], commits: Sequence[Commit]
    ) -> tuple[datetime, dict[UUID, Known], dict[str, int]]:
        """Take the append lock and then read what the verdicts need, as of now."""
        streams = list({commit.stream_id for commit in commits})
        connection.execute(LOCK, {"table": self._lock_key}, prepare=True)
        asked = {"streams": streams, "commands": [commit.command for commit in commits]}
        row = connection.execute(READ, asked, prepare=True).fetchone()
        if row is None:
            raise InterfaceError("The database did not tell its time.")
        known = {
            UUID(command): Known(stream, first, count, actor, None if digest is None else bytes.fromhex(digest))
            for command, stream, first, count, actor, digest in row["known"]
        }
        return row["now"], known, dict(zip(streams, row["heads"], strict=True))

    def _store(
        self, connection: Connection[DictRow], winners: Sequence[tuple[Commit, Sequence[StoredEvent]]], now: datetime
    ) -> Cursor[DictRow]:
        """Write everything the winning commands decided; the cursor that will give the positions of their events."""
        drawn = _insert(connection, winners, now)
        project(connection, self._projection, [fact for commit, _ in winners for fact in commit.recorded])
        _write_timers(connection, [commit for commit, _ in winners], now)
        return drawn


def _dealt(drawn: Cursor[DictRow], winners: Sequence[tuple[Commit, Sequence[StoredEvent]]]) -> list[list[int]]:
    """Deal the positions out to the commands whose events have them."""
    positions = iter([int(row["notification_id"]) for row in drawn.fetchall()])
    return [[next(positions) for _ in stored] for _, stored in winners]


def _waited_for_a_lock(error: BaseException) -> bool:
    """Say whether somebody else's lock outlasted the lock timeout: trying again at once would only wait again."""
    return isinstance(error.__cause__, errors.LockNotAvailable)


def _line_was_lost(error: BaseException) -> bool:
    """Say whether the answer is missing because the connection or the server went away, so that asking again makes sense."""
    cause = error.__cause__
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    state = cause.sqlstate if isinstance(cause, psycopg.Error) else None
    return state is None or state.startswith(("08", "57P"))


def _insert(
    connection: Connection[DictRow], winners: Sequence[tuple[Commit, Sequence[StoredEvent]]], now: datetime
) -> Cursor[DictRow]:
    """Store the events of winning commands, in order, and what is remembered of the commands."""
    commits = [commit for commit, _ in winners]
    events = [event for _, stored in winners for event in stored]
    params = {
        "ids": [event.originator_id for event in events],
        "versions": [event.originator_version for event in events],
        "topics": [event.topic for event in events],
        "states": [event.state for event in events],
        "commands": [commit.command for commit in commits],
        "streams": [commit.stream_id for commit in commits],
        "firsts": [commit.expected + 1 for commit in commits],
        "counts": [len(stored) for _, stored in winners],
        "actors": [commit.actor for commit in commits],
        "hashes": [commit.body_hash for commit in commits],
        "now": now,
    }
    return connection.execute(STORE, params, prepare=True)


def _judge(
    commit: Commit, now: datetime, known: Mapping[UUID, Known], heads: Mapping[str, int]
) -> Repeated | Conflict | Stale | None:
    """Say whether a command may be stored: not twice, not over somebody else's word, not on an old clock."""
    if commit.command in known:
        return Repeated(known[commit.command])
    if heads[commit.stream_id] != commit.expected:
        return Conflict(f"{Conflict.__doc__} ({commit.stream_id} is at {heads[commit.stream_id]}, not {commit.expected})")
    if commit.now is not None and now - commit.now > STALE_AFTER:
        return Stale(Stale.__doc__)
    return None


def _known(commit: Commit, count: int) -> Known:
    return Known(commit.stream_id, commit.expected + 1, count, commit.actor, commit.body_hash)


def _write_timers(connection: Connection[DictRow], commits: Sequence[Commit], now: datetime) -> None:
    sets = [(commit.stream_id, timer) for commit in commits for timer in commit.timers if isinstance(timer, Set)]
    cancels = [
        timer_id(commit.stream_id, timer.kind, timer.key)
        for commit in commits
        for timer in commit.timers
        if isinstance(timer, Cancel)
    ]
    fired = [commit.fires for commit in commits if commit.fires is not None]
    if fired:
        dues = {"ids": [firing.id for firing in fired], "dues": [firing.due_at for firing in fired]}
        connection.execute(FIRED, {**dues, "now": now}, prepare=True)
    if cancels:
        connection.execute(CANCEL_TIMERS, {"ids": cancels, "now": now}, prepare=True)
    if sets:
        connection.execute(
            SET_TIMERS,
            {
                "ids": [timer_id(stream_id, timer.kind, timer.key) for stream_id, timer in sets],
                "dues": [timer.due_at for _, timer in sets],
                "streams": [stream_id for stream_id, _ in sets],
                "kinds": [timer.kind for _, timer in sets],
                "keys": [timer.key for _, timer in sets],
                "payloads": [orjson.dumps(dict(timer.payload)).decode() for _, timer in sets],
            },
            prepare=True,
        )
