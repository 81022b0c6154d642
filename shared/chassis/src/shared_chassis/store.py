"""The one way to state facts: load a stream, decide, append. A rule is a pure function from state and time to facts."""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from time import sleep
from typing import Generic, LiteralString, Protocol, Self, TypeVar, cast
from uuid import UUID

from eventsourcing.application import AggregateNotFoundError, Repository
from eventsourcing.persistence import EventStore

from shared_chassis.mapper import EventMapper
from shared_chassis.metric import APPEND_CONFLICTS
from shared_chassis.postgres import Database
from shared_chassis.recorder import Commit, Conflict, Firing, Known, Recorder, Repeated, Stale
from shared_chassis.snapshot import Snapshot, Snapshots
from shared_chassis.stream import Stream
from shared_events.envelope import Envelope, Received, Recorded
from shared_events.event import Event
from shared_events.ids import derive, event_id, uuid_of

ATTEMPTS = 5
MUTEXES = 1024
REMEMBERED_STREAMS = 10_000

LOOK_UP: LiteralString = """
    SELECT rule_now() AS now, c.stream_id, c.first_version, c.count, c.actor, c.body_hash, (
        SELECT array_agg(e.state ORDER BY e.originator_version) FROM stored_events e
        WHERE e.originator_id = %(stream)s AND e.originator_version > %(after)s) AS states
    FROM (SELECT 1) AS one LEFT JOIN command c ON c.command_id = %(command)s
"""
"""All that a decision needs, in one question: the clock, whether the command was handled, and what is new in its stream."""

EXISTING = -1
"""What a command expects that takes any version of a stream, but not one that never existed."""

S = TypeVar("S")


class KeyReusedError(RuntimeError):
    """This Idempotency-Key was used before, by somebody else or for something else; take a new one."""


class PreconditionFailed(RuntimeError):
    """This has changed since you read it."""

    def __init__(self, expected: int, present: int) -> None:
        told = f"It is at version {present} now" if present else "It does not exist"
        wanted = "" if expected == EXISTING else f", not at {expected}"
        super().__init__(f"{told}{wanted}; read it again and decide anew.")
        self.present = present


@dataclass(frozen=True, slots=True)
class Loaded(Generic[S]):
    """A stream's state and its version; version 0 has never existed."""

    state: S
    version: int


class FiredTimer(Protocol):
    """A timer that is due."""

    @property
    def id(self) -> UUID:
        """Its id."""
        ...

    @property
    def due_at(self) -> datetime:
        """When it was due (UTC)."""
        ...


@dataclass(frozen=True)
class Command:
    """Somebody wants something, once: the same id gives the same result however often it is repeated.

    `time` is set by imports alone; `fires` is the firing this command is the word of. `expected` is the version of the stream it
    was decided on: 0 has never existed, `EXISTING` is any other, None takes the stream as it is.
    """

    id: UUID
    actor: str
    body_hash: bytes | None = None
    correlation: UUID | None = None
    causation: UUID | None = None
    time: datetime | None = None
    fires: Firing | None = None
    expected: int | None = None

    @classmethod
    def because_of(cls, event: Received | Recorded, reaction: str, service: str) -> Self:
        """Name the command a service gives itself when it hears an event: repeating the event repeats the command."""
        cause = event.envelope
        return cls(derive(cause.id, reaction), f"service:{service}", correlation=cause.correlation, causation=cause.id)

    @classmethod
    def of_timer(cls, timer: FiredTimer, service: str) -> Self:
        """Name the command a service gives itself when a timer is due."""
        firing = Firing(timer.id, timer.due_at)
        return cls(derive(timer.id, timer.due_at.isoformat()), f"service:{service}", causation=timer.id, fires=firing)


@dataclass(frozen=True, slots=True)
class Result:
    """What a command led to: the stream, its first new version, how many events; `repeated` when it was handled before."""

    stream_id: str
    first_version: int
    count: int
    repeated: bool

    @property
    def version(self) -> int:
        """The stream's version after the command."""
        return self.first_version + self.count - 1


class Store:
    """A service's event store."""

    def __init__(self, database: Database, recorder: Recorder, mapper: EventMapper) -> None:
        self.database = database
        self.mapper = mapper
        self._recorder = recorder
        self._events: EventStore[str] = EventStore(mapper, recorder)
        self._repository = Repository(self._events, cache_maxsize=REMEMBERED_STREAMS, deepcopy_from_cache=False)
        self.snapshots = Snapshots(database)
        self._mutexes = [Lock() for _ in range(MUTEXES)]

    def now(self) -> datetime:
        """Read the clock of every rule: the database's."""
        row = self.database.query_one("SELECT rule_now() AS now")
        if row is None:
            raise LookupError("rule_now")
        return cast("datetime", row["now"])

    def load(self, stream: Stream[S], stream_id: str) -> Loaded[S]:
        """Fold a stream to its present state."""
        remembered = self._remembered(stream_id)
        if remembered is None and stream.keeps is not None:
            loaded = self._fold_from_snapshot(stream, stream_id, None)
        else:
            loaded = self._fold(stream, stream_id, None)
        if loaded.version > (remembered or loaded).version or (remembered is None and stream.keeps is not None):
            self._remember(stream_id, loaded)  # what others append is not folded again and again
        return loaded

    def load_at(self, stream: Stream[S], stream_id: str, version: int) -> Loaded[S]:
        """Fold a stream to what it was at a version."""
        if stream.keeps is not None:
            return self._fold_from_snapshot(stream, stream_id, version)
        return self._fold(stream, stream_id, version)

    def events(self, stream_id: str) -> Sequence[Recorded]:
        """Read a stream's facts in order; personal data stays sealed."""
        return [cast("Recorded", event) for event in self._events.get(stream_id)]

    def handle(
        self, stream: Stream[S], stream_id: str, decide: Callable[[S, datetime], Sequence[Event]], command: Command
    ) -> Result:
        """Decide on a stream's present state and the database's clock, and store what was decided, once.

        What `decide` raises comes through, and nothing is stored. Raises `KeyReusedError` when the command id belongs to
        another actor or body, `PreconditionFailed` when the stream is not where the command expects it, `Conflict` when other
        replicas kept writing to the stream.
        """
        with self._mutexes[hash(stream_id) % MUTEXES]:
            for attempt in range(ATTEMPTS):
                now, known, loaded = self._look_up(stream, stream_id, command.id)
                if known is not None:
                    return _first_result(known, command)
                _expect(command.expected, loaded.version)
                facts = decide(loaded.state, now)
                try:
                    return self._append(stream, stream_id, loaded, facts, now, command)
                except Repeated as repeated:
                    return _first_result(repeated.known, command)
                except (Conflict, Stale):
                    APPEND_CONFLICTS.inc()
                    sleep(random.uniform(0, 0.02) * 2**attempt)  # noqa: S311 - jitter between replicas, no secret
        raise Conflict(Conflict.__doc__)

    def _append(
        self, stream: Stream[S], stream_id: str, loaded: Loaded[S], facts: Sequence[Event], now: datetime, command: Command
    ) -> Result:
        recorded = [
            self.mapper.seal(self._record(fact, index, stream_id, loaded.version, now, command))
            for index, fact in enumerate(facts)
        ]
        state = loaded.state
        for each in recorded:
            state = stream.evolve(state, each.fact)
        commit = Commit(
            command.id,
            stream_id,
            loaded.version,
            recorded,
            stream.timers(state, facts) if facts else (),
            command.fires,
            command.actor,
            command.body_hash,
            now,
        )
        if recorded:
            self._events.put(recorded, commit=commit)
        else:
            self._recorder.insert_events([], commit=commit)
        if recorded:
            after = Loaded(state, loaded.version + len(recorded))
            self._remember(stream_id, after)
            if stream.keeps is not None and after.version // self.snapshots.every > loaded.version // self.snapshots.every:
                self.snapshots.keep(stream, stream_id, Snapshot(state, after.version, recorded[-1].envelope.id))
        return Result(stream_id, loaded.version + 1, len(recorded), repeated=False)

    def _record(self, fact: Event, index: int, stream_id: str, version: int, now: datetime, command: Command) -> Recorded:
        correlation = command.correlation or uuid_of(stream_id) or command.id
        envelope = Envelope(
            event_id(command.id, index),
            self.mapper.source,
            fact.TYPE,
            command.time or now,
            now,
            command.actor,
            correlation,
            command.causation or command.id,
        )
        return Recorded(stream_id, version + index + 1, envelope, fact)

    def _look_up(self, stream: Stream[S], stream_id: str, command: UUID) -> tuple[datetime, Known | None, Loaded[S]]:
        """Read the clock, what the command led to if it was handled before, and the stream's present state."""
        remembered = cast("Loaded[S] | None", self._remembered(stream_id))
        by_snapshot = remembered is None and stream.keeps is not None
        loaded = self.load(stream, stream_id) if by_snapshot else remembered or Loaded(stream.initial, 0)
        with self.database.connection() as connection:
            asked = {"command": command, "stream": stream_id, "after": loaded.version}
            row = connection.execute(LOOK_UP, asked, prepare=True, binary=True).fetchone()
        if row is None:
            raise LookupError("rule_now")
        if row["states"]:
            for state in row["states"]:
                recorded = self.mapper.from_document(state)
                loaded = Loaded(stream.evolve(loaded.state, recorded.fact), recorded.version)
            self._remember(stream_id, loaded)
        if row["stream_id"] is None:
            return row["now"], None, loaded
        known = Known(row["stream_id"], row["first_version"], row["count"], row["actor"], row["body_hash"])
        return row["now"], known, loaded

    def _remembered(self, stream_id: str) -> Loaded[object] | None:
        try:
            return cast("Loaded[object]", self._repository.cache.get(stream_id)) if self._repository.cache is not None else None
        except KeyError:
            return None

    def _remember(self, stream_id: str, loaded: Loaded[S]) -> None:
        if self._repository.cache is not None and loaded.version:
            self._repository.cache.put(stream_id, cast("None", loaded))  # the library types aggregates, ours is a plain state

    def _fold_from_snapshot(self, stream: Stream[S], stream_id: str, version: int | None) -> Loaded[S]:
        """Fold what came after the stream's snapshot; all of it when there is none that fits."""
        loaded, last, folded = Loaded(stream.initial, 0), None, 0
        events: Iterable[object] = ()
        snapshot = self.snapshots.find(stream, stream_id)
        if snapshot is not None and (version is None or snapshot.version <= version):
            events = iter(self._events.get(stream_id, gt=snapshot.version - 1, lte=version))
            at = cast("Recorded | None", next(events, None))
            if at is not None and (at.version, at.envelope.id) == (snapshot.version, snapshot.event):
                loaded = Loaded(snapshot.state, snapshot.version)
            else:
                self.snapshots.drop("foreign", stream_id, snapshot.digest)
        if not loaded.version:
            events = self._events.get(stream_id, lte=version)
        for event in events:
            last, folded = cast("Recorded", event), folded + 1
            loaded = Loaded(stream.evolve(loaded.state, last.fact), last.version)
        if version is None and last is not None and folded >= self.snapshots.every:
            self.snapshots.keep(stream, stream_id, Snapshot(loaded.state, loaded.version, last.envelope.id))
        return loaded

    def _fold(self, stream: Stream[S], stream_id: str, version: int | None) -> Loaded[S]:
        def fold(loaded: Loaded[S] | None, events: Iterable[object]) -> Loaded[S] | None:
            for event in events:
                recorded = cast("Recorded", event)
                state = loaded.state if loaded is not None else stream.initial
                loaded = Loaded(stream.evolve(state, recorded.fact), recorded.version)
            return loaded

        try:
            found = self._repository.get(
                stream_id,
                version=version,
                projector_func=cast("Callable[..., None]", fold),  # the library types aggregates, ours is a plain state
                deepcopy_from_cache=False,
            )
        except AggregateNotFoundError:
            return Loaded(stream.initial, 0)
        return cast("Loaded[S]", found)


def _expect(expected: int | None, present: int) -> None:
    """Refuse a command that was decided on another version of the stream."""
    if expected is not None and expected != present and not (expected == EXISTING and present > 0):
        raise PreconditionFailed(expected, present)


def _first_result(known: Known, command: Command) -> Result:
    """Give the first result again, to the one who asked first and for the same thing only."""
    other_actor = known.actor is not None and known.actor != command.actor
    other_body = known.body_hash is not None and command.body_hash is not None and bytes(known.body_hash) != command.body_hash
    if other_actor or other_body:
        raise KeyReusedError(KeyReusedError.__doc__)
    return Result(known.stream_id, known.first_version, known.count, repeated=True)


__all__ = ["EXISTING", "Command", "Conflict", "KeyReusedError", "Loaded", "PreconditionFailed", "Result", "Store"]
