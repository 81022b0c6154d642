"""Where a request's two streams live: in memory for the many, in the real store on PostgreSQL for the sample."""

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import LiteralString, Protocol, TypeVar
from uuid import UUID

import psycopg

from shared_chassis.mapper import EventMapper
from shared_chassis.postgres import Database, ServiceDatabase
from shared_chassis.recorder import Recorder
from shared_chassis.store import Command, Store
from shared_chassis.stream import Cancel, Set, Stream
from shared_chassis.timer import DueTimer
from shared_events.catalogue import CATALOGUE
from shared_events.event import Event
from shared_events.ids import derive
from shared_events.personal import Sealed, personal_fields

S = TypeVar("S")
Decide = Callable[[S, datetime], Sequence[Event]]


@dataclass(frozen=True, order=True)
class Moment:
    """A timer that stands: when it is due, of which stream, and what it says."""

    due: datetime
    stream_id: str
    kind: str
    payload: Mapping[str, str] = field(compare=False)


class World(Protocol):
    """What a life needs of the place it is lived in."""

    def handle(
        self, stream: Stream[S], stream_id: str, decide: Decide[S], now: datetime, fires: Moment | None
    ) -> Sequence[Event]:
        """Decide on a stream's state at a moment; what was stated. `fires` is the timer whose moment it is."""

    def state(self, stream: Stream[S], stream_id: str) -> S:
        """Give a stream's present state."""

    def next_timer(self) -> Moment | None:
        """Give the timer that is due first."""


class Memory:
    """Streams and timers of one request, kept by hand."""

    def __init__(self) -> None:
        self._states: dict[str, object] = {}
        self._timers: dict[tuple[str, str, str], Moment] = {}
        self.facts: dict[str, list[tuple[Event, datetime]]] = {}

    def handle(
        self, stream: Stream[S], stream_id: str, decide: Decide[S], now: datetime, fires: Moment | None
    ) -> Sequence[Event]:
        """Decide, fold, and set the timers anew."""
        state = self.state(stream, stream_id)
        facts = decide(state, now)
        for fact in facts:
            state = stream.evolve(state, fact)
        if fires is not None:
            self._timers = {key: timer for key, timer in self._timers.items() if timer != fires}
        for change in stream.timers(state, facts) if facts else ():
            key = (stream_id, change.kind, change.key)
            match change:
                case Set():
                    self._timers[key] = Moment(change.due_at, stream_id, change.kind, change.payload)
                case Cancel():
                    self._timers.pop(key, None)
        self._states[stream_id] = state
        self.facts.setdefault(stream_id, []).extend((fact, now) for fact in facts)
        return facts

    def state(self, stream: Stream[S], stream_id: str) -> S:
        """Give a stream's present state."""
        state = self._states.get(stream_id, stream.initial)
        assert isinstance(state, type(stream.initial))
        return state

    def next_timer(self) -> Moment | None:
        """Give the timer that is due first."""
        return min(self._timers.values(), default=None)


CLOCK: LiteralString = """
    CREATE TABLE bench_clock (one boolean PRIMARY KEY DEFAULT true CHECK (one), now timestamptz NOT NULL);
    INSERT INTO bench_clock (now) VALUES ('2025-01-01T00:00:00Z');
    CREATE OR REPLACE FUNCTION rule_now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT now FROM bench_clock'
"""
SET_CLOCK: LiteralString = "UPDATE bench_clock SET now = %(now)s"
NEXT: LiteralString = """
    SELECT timer_id, due_at, stream_id, kind, payload FROM timer
    WHERE right(stream_id, 36) = %(life)s AND fired_at IS NULL AND cancelled_at IS NULL
    ORDER BY due_at, stream_id, kind LIMIT 1
"""


FIRED: LiteralString = "UPDATE timer SET fired_at = rule_now() WHERE timer_id = %(id)s AND due_at = %(due)s AND fired_at IS NULL"


class OpenSeal:
    """Seals nothing: what the winter's people say is made up, and the store only wants a seal."""

    def seal(self, person: UUID, event: UUID, field: str, value: str) -> Sealed:
        """Write a value down as if it were sealed."""
        return Sealed(event=event, person=person, field=field, box=b64encode(value.encode()).decode())


class Stored:
    """A life in the real store, whose clock is the bench's own."""

    def __init__(self, store: Store, life: UUID, mover: "psycopg.Connection[tuple[object, ...]]") -> None:
        self._store = store
        self._life = life
        self._mover = mover
        self._said = 0

    def handle(
        self, stream: Stream[S], stream_id: str, decide: Decide[S], now: datetime, fires: Moment | None
    ) -> Sequence[Event]:
        """Handle a command as a service does, at the moment that the bench's clock shows."""
        self._mover.execute(SET_CLOCK, {"now": now})
        self._said += 1
        command = Command(derive(self._life, self._said), "service:bench")
        if fires is not None:
            row = self._store.database.query(NEXT, {"life": str(self._life)})[0]
            due = DueTimer(row["timer_id"], row["due_at"], row["stream_id"], row["kind"], row["payload"])
            assert (due.due_at, due.stream_id, due.kind) == (fires.due, fires.stream_id, fires.kind)
            command = Command.of_timer(due, "bench")
        result = self._store.handle(stream, stream_id, decide, command)
        if fires is not None:
            self._store.database.execute(FIRED, {"id": due.id, "due": due.due_at})
        return [each.fact for each in self._store.events(stream_id)[result.first_version - 1 :]] if result.count else ()

    def state(self, stream: Stream[S], stream_id: str) -> S:
        """Give a stream's present state."""
        return self._store.load(stream, stream_id).state

    def next_timer(self) -> Moment | None:
        """Give the timer that is due first."""
        rows = self._store.database.query(NEXT, {"life": str(self._life)})
        return (
            Moment(rows[0]["due_at"].astimezone(UTC), rows[0]["stream_id"], rows[0]["kind"], rows[0]["payload"]) if rows else None
        )

    def facts(self, stream_id: str) -> list[tuple[str, datetime]]:
        """Read what is stored: each fact without its seals, and when it became known."""
        return [(plain(each.fact), each.envelope.recorded_time) for each in self._store.events(stream_id)]


def plain(fact: Event) -> str:
    """Spell a fact, personal data left out: it is plain here and sealed there."""
    return f"{fact.TYPE} {fact.model_dump_json(exclude=set(personal_fields(type(fact))))}"


def open_store(database: ServiceDatabase) -> Store:
    """Open the sample's store as a service's own role, and hand its clock to the bench."""
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute(f"SET search_path = {database.service}".encode())
        connection.execute(CLOCK)
        connection.execute(f"GRANT SELECT ON bench_clock TO {database.service}".encode())
    pool = Database(database.app_url, database.service, 2)
    return Store(pool, Recorder(pool, {}), EventMapper(CATALOGUE, "/bench/winter", OpenSeal()))
