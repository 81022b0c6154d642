"""Where a consumer stands, and what one atomic step of it is. PostgreSQL is one place to keep this; analytics has its own."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, LiteralString, NamedTuple, Protocol

from psycopg import Connection
from psycopg.rows import DictRow

from shared_chassis.postgres import Database
from shared_chassis.view import Writing, write

Reason = Literal["early", "invalid", "unknown_version", "behind"]
Asked = Literal["retry", "skip"]
Status = dict[str, dict[str, dict[int, dict[str, int]]]]
"""Consumer → topic → partition → `next_offset` and `last_position`."""


class Fenced(Exception):
    """Another process has moved this partition on: what was done here is dropped, and the group is joined anew."""


class Place(NamedTuple):
    """A partition as one consumer reads it; offsets belong to a cluster, positions to the publisher."""

    consumer: str
    cluster: str
    topic: str
    partition: int


class Position(NamedTuple):
    """The next offset to read and the publisher's last position applied; `epoch` counts who has taken the partition over."""

    next_offset: int
    last_position: int
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Parked:
    """An event that is set aside. `state` is the stored document; `awaits` the stream an early one waits for."""

    position: int
    key: str
    type: str
    state: bytes
    reason: Reason
    awaits: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that was set aside, as it is kept; `asked` is what a person wants done with it."""

    parked_id: int
    event: Parked
    attempts: int
    asked: Asked | None


@dataclass(frozen=True, slots=True)
class Settled:
    """An event that was set aside is now done with."""

    parked_id: int
    how: Literal["handled", "skipped"]


@dataclass(frozen=True, slots=True)
class Again:
    """An event that was set aside was tried and must wait on."""

    parked_id: int
    reason: Reason
    awaits: str | None
    error: str | None
    asked: Asked | None
    """What a person had asked for when it was tried: that is answered now, a later wish stands."""


@dataclass(frozen=True, slots=True)
class Step:
    """What happens together or not at all: folds in order, events set aside or done with, and the move of the position.

    `expected` is where the partition must still stand, in the hands of the same epoch; a step may stay there.
    """

    place: Place
    expected: Position
    reached: Position
    folds: Sequence[Writing] = ()
    parked: Sequence[Parked] = ()
    settled: Sequence[Settled] = ()
    again: Sequence[Again] = ()


class Positions(Protocol):
    """Keeps positions, parked events and the views that fold others' facts, in one transaction. Safe to use from many threads."""

    def load(self, place: Place) -> Position:
        """Take a partition over from whoever had it, and tell where it stands.

        In a cluster not seen before that is at the first offset, behind the last position applied anywhere.
        """
        ...

    def commit(self, steps: Sequence[Step]) -> None:
        """Take all steps in one transaction. Raises `Fenced` when a place no longer stands where its step expects it."""
        ...

    def heads(self, place: Place) -> Sequence[Waiting]:
        """List the first waiting event of every key of a partition."""
        ...

    def waiting(self, place: Place, key: str) -> Sequence[Waiting]:
        """List the waiting events of a key in order."""
        ...

    def asked(self, consumer: str) -> Collection[tuple[str, int, str]]:
        """List the keys whose first waiting event a person has decided about, as (topic, partition, key)."""
        ...

    def arrived(self, streams: Collection[str]) -> Collection[str]:
        """Say which of these streams are known here by now."""
        ...

    def eras(self, place: Place) -> Collection[str]:
        """Name the stretches of the publisher's log a partition has met, in whichever cluster."""
        ...

    def meet(self, place: Place, eras: Collection[str]) -> None:
        """Keep that a partition has met these, before anything of them is applied; repeating it is harmless."""
        ...

    def status(self) -> Status:
        """Tell where every consumer stands in the cluster it reads now."""
        ...


TAKE_OVER = """
    INSERT INTO consumer_position AS p
        (consumer, cluster_id, topic, partition, next_offset, last_position, epoch, taken_at)
    SELECT %(consumer)s, %(cluster)s, %(topic)s, %(partition)s, 0, coalesce(max(last_position), 0), 1, clock_timestamp()
    FROM consumer_position WHERE consumer = %(consumer)s AND topic = %(topic)s AND partition = %(partition)s
    ON CONFLICT (consumer, topic, partition, cluster_id)
        DO UPDATE SET epoch = p.epoch + 1, taken_at = excluded.taken_at
    RETURNING next_offset, last_position, epoch
"""
MOVE: LiteralString = """
    UPDATE consumer_position p SET next_offset = m.next_offset, last_position = m.last_position
    FROM unnest(%(consumers)s::text[], %(clusters)s::text[], %(topics)s::text[], %(partitions)s::int[], %(offsets)s::bigint[],
        %(positions)s::bigint[], %(epochs)s::bigint[], %(expected_offsets)s::bigint[], %(expected_positions)s::bigint[])
        AS m (consumer, cluster_id, topic, partition, next_offset, last_position, epoch, expected_offset, expected_position)
    WHERE p.consumer = m.consumer AND p.cluster_id = m.cluster_id AND p.topic = m.topic AND p.partition = m.partition
      AND p.next_offset = m.expected_offset AND p.last_position = m.expected_position AND p.epoch = m.epoch
    RETURNING p.topic, p.partition
"""
STAND: LiteralString = """
    SELECT p.topic, p.partition FROM consumer_position p
    JOIN unnest(%(consumers)s::text[], %(clusters)s::text[], %(topics)s::text[], %(partitions)s::int[], %(epochs)s::bigint[],
        %(expected_offsets)s::bigint[], %(expected_positions)s::bigint[])
        AS m (consumer, cluster_id, topic, partition, epoch, next_offset, last_position)
        USING (consumer, cluster_id, topic, partition, epoch, next_offset, last_position)
    FOR SHARE OF p
"""
"""Nobody moves or takes over a partition while something is written in its name; others may write in it too."""
PARK = """
    INSERT INTO parked_event (consumer, topic, partition, position, key, type, state, reason, awaits, error)
    VALUES (%(consumer)s, %(topic)s, %(partition)s, %(position)s, %(key)s, %(type)s, %(state)s, %(reason)s, %(awaits)s, %(error)s)
    ON CONFLICT (consumer, topic, position) DO NOTHING
"""
FORGET = """
    DELETE FROM parked_event p
    WHERE p.parked_id = ANY (%(ids)s) AND p.reason IN ('early', 'behind')
      AND NOT EXISTS (SELECT 1 FROM parked_action a WHERE a.parked_id = p.parked_id)
"""
SETTLE = """
    UPDATE parked_event SET settled_at = clock_timestamp(), settled_as = %(how)s, asked = NULL WHERE parked_id = ANY (%(ids)s)
"""
AGAIN = """
    UPDATE parked_event
    SET reason = %(reason)s, awaits = %(awaits)s, error = %(error)s, attempts = attempts + 1,
        asked = CASE WHEN asked = %(asked)s THEN NULL ELSE asked END
    WHERE parked_id = %(id)s
"""
HEADS: LiteralString = """
    SELECT DISTINCT ON (key) parked_id, position, key, type, state, reason, awaits, error, attempts, asked
    FROM parked_event
    WHERE consumer = %(consumer)s AND topic = %(topic)s AND partition = %(partition)s AND settled_at IS NULL
    ORDER BY key, position
"""
WAITING: LiteralString = """
    SELECT parked_id, position, key, type, state, reason, awaits, error, attempts, asked
    FROM parked_event
    WHERE consumer = %(consumer)s AND topic = %(topic)s AND partition = %(partition)s AND key = %(key)s AND settled_at IS NULL
    ORDER BY position
"""
ASKED = """
    SELECT p.topic, p.partition, p.key FROM parked_event p
    WHERE p.consumer = %(consumer)s AND p.settled_at IS NULL AND p.asked IS NOT NULL
      AND NOT EXISTS (
        SELECT 1 FROM parked_event e
        WHERE e.consumer = p.consumer AND e.topic = p.topic AND e.partition = p.partition AND e.key = p.key
          AND e.position < p.position AND e.settled_at IS NULL)
"""
ARRIVED = """
    SELECT wanted.id AS stream_id FROM unnest(%(streams)s::text[]) AS wanted (id)
    WHERE EXISTS (SELECT 1 FROM stored_events e WHERE e.originator_id = wanted.id)
"""
ERAS = "SELECT era FROM consumer_era WHERE consumer = %(consumer)s AND topic = %(topic)s AND partition = %(partition)s"
MEET: LiteralString = """
    INSERT INTO consumer_era (consumer, topic, partition, era)
    SELECT %(consumer)s, %(topic)s, %(partition)s, era FROM unnest(%(eras)s::text[]) AS met (era) ON CONFLICT DO NOTHING
"""
STATUS = """
    SELECT DISTINCT ON (consumer, topic, partition) consumer, topic, partition, next_offset, last_position
    FROM consumer_position ORDER BY consumer, topic, partition, taken_at DESC
"""
QUICK: LiteralString = """
    SELECT set_config('synchronous_commit', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true)
"""
"""Statements with arrays would be planned anew each time, which takes longer than running them."""


class PostgresPositions:
    """Keeps a service's positions beside its store.

    Its commits do not wait for the disk: whatever a crash of the database takes back, it takes back together with the position,
    and the events are consumed again.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self, place: Place) -> Position:
        """Take a partition over and tell where it stands."""
        row = self._database.query_one(TAKE_OVER, place._asdict())
        if row is None:
            raise Fenced(Fenced.__doc__)
        return Position(row["next_offset"], row["last_position"], row["epoch"])

    def commit(self, steps: Sequence[Step]) -> None:
        """Take all steps in one transaction. Raises `Fenced`."""
        with self._database.connection() as connection, connection.pipeline(), connection.transaction():
            connection.execute(QUICK, prepare=True)
            staying = all(step.reached == step.expected for step in steps)
            moved = connection.execute(STAND if staying else MOVE, _moves(steps), prepare=True).fetchall()
            if len(moved) < len(steps):
                there = {(row["topic"], row["partition"]) for row in moved}
                place = next(step.place for step in steps if (step.place.topic, step.place.partition) not in there)
                raise Fenced(f"{Fenced.__doc__} ({place.topic}/{place.partition})")
            write(connection, [fold for step in steps for fold in step.folds])
            for step in steps:
                _set_aside(connection, step)

    def heads(self, place: Place) -> Sequence[Waiting]:
        """List the first waiting event of every key of a partition."""
        return [_waiting(row) for row in self._database.query(HEADS, place._asdict())]

    def waiting(self, place: Place, key: str) -> Sequence[Waiting]:
        """List the waiting events of a key in order."""
        return [_waiting(row) for row in self._database.query(WAITING, {**place._asdict(), "key": key})]

    def asked(self, consumer: str) -> Collection[tuple[str, int, str]]:
        """List the keys whose first waiting event a person has decided about."""
        rows = self._database.query(ASKED, {"consumer": consumer})
        return [(row["topic"], row["partition"], row["key"]) for row in rows]

    def arrived(self, streams: Collection[str]) -> Collection[str]:
        """Say which of these streams this service's own store knows by now."""
        if not streams:
            return ()
        return {row["stream_id"] for row in self._database.query(ARRIVED, {"streams": list(streams)})}

    def eras(self, place: Place) -> Collection[str]:
        """Name the stretches of the publisher's log a partition has met."""
        return {row["era"] for row in self._database.query(ERAS, place._asdict())}

    def meet(self, place: Place, eras: Collection[str]) -> None:
        """Keep that a partition has met these."""
        self._database.execute(MEET, {**place._asdict(), "eras": list(eras)})

    def status(self) -> Status:
        """Tell where every consumer stands in the cluster it reads now."""
        told: Status = {}
        for row in self._database.query(STATUS):
            partitions = told.setdefault(row["consumer"], {}).setdefault(row["topic"], {})
            partitions[row["partition"]] = {"next_offset": row["next_offset"], "last_position": row["last_position"]}
        return told


def behind(status: Status, ends: Mapping[str, Mapping[int, int]], consumers: Iterable[str] | None = None) -> dict[str, int]:
    """Count, per consumer, the offsets between where it stands and the topics' ends; 0 is the end of the log.

    `ends` is what `shared_chassis.kafka.end_offsets` says of the topics read.
    """
    return {
        consumer: sum(
            end - status[consumer][topic].get(partition, {}).get("next_offset", 0)
            for topic, partitions in ends.items()
            if topic in status[consumer]
            for partition, end in partitions.items()
        )
        for consumer in (status if consumers is None else consumers)
    }


def _moves(steps: Sequence[Step]) -> dict[str, object]:
    """Spell where each place stands, must have stood, and in whose hands."""
    return {
        "consumers": [step.place.consumer for step in steps],
        "clusters": [step.place.cluster for step in steps],
        "topics": [step.place.topic for step in steps],
        "partitions": [step.place.partition for step in steps],
        "offsets": [step.reached.next_offset for step in steps],
        "positions": [step.reached.last_position for step in steps],
        "epochs": [step.expected.epoch for step in steps],
        "expected_offsets": [step.expected.next_offset for step in steps],
        "expected_positions": [step.expected.last_position for step in steps],
    }


def _set_aside(connection: Connection[DictRow], step: Step) -> None:
    """Keep the events that wait, and what became of those that waited."""
    for event in step.parked:
        params = {"position": event.position, "key": event.key, "type": event.type, "state": event.state, "reason": event.reason}
        connection.execute(PARK, {**step.place._asdict(), **params, "awaits": event.awaits, "error": event.error}, prepare=True)
    for how in ("handled", "skipped"):
        ids = [settled.parked_id for settled in step.settled if settled.how == how]
        if ids:
            if how == "handled":
                connection.execute(FORGET, {"ids": ids}, prepare=True)
            connection.execute(SETTLE, {"ids": ids, "how": how}, prepare=True)
    for again in step.again:
        params = {"id": again.parked_id, "reason": again.reason, "awaits": again.awaits, "error": again.error}
        connection.execute(AGAIN, {**params, "asked": again.asked}, prepare=True)


def _waiting(row: DictRow) -> Waiting:
    event = Parked(row["position"], row["key"], row["type"], bytes(row["state"]), row["reason"], row["awaits"], row["error"])
    return Waiting(row["parked_id"], event, row["attempts"], row["asked"])
