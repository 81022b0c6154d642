"""Where the consumer stands and what it has set aside: kept in the file of the facts, moved in the transaction that folds."""

import time
from collections.abc import Collection, Sequence
from typing import Final, LiteralString, cast

import duckdb
import psycopg
from duckdb import DuckDBPyConnection

from analytics_svc.facts.file import FactFile, Row, columns
from analytics_svc.facts.fold import fold
from shared_chassis.consumer import Fenced, Parked, Place, Position, Settled, Status, Step, Transient, Waiting
from shared_chassis.consumer.position import Asked, Reason
from shared_chassis.process import MisconfiguredError
from shared_chassis.view import Statement

RESTS: Final = 9.0
"""A commit is followed by a rest of so many times its length, so that committing takes a tenth of the time at most."""

LEAST_REST, LONGEST_REST = 0.4, 1.0
"""Seconds of a rest, during which the partitions gather what is committed together next."""

TAKE_OVER: LiteralString = """
    INSERT INTO consumer_position AS p (consumer, cluster_id, topic, partition, next_offset, last_position, epoch)
    SELECT $consumer, $cluster, $topic, $partition, 0, coalesce(max(last_position), 0), 1
    FROM consumer_position WHERE consumer = $consumer AND topic = $topic AND partition = $partition
    ON CONFLICT (consumer, topic, partition, cluster_id) DO UPDATE SET epoch = epoch + 1
"""
STANDS: LiteralString = """
    SELECT next_offset, last_position, epoch FROM consumer_position
    WHERE consumer = $consumer AND cluster_id = $cluster AND topic = $topic AND partition = $partition
"""
MOVE: LiteralString = """
    UPDATE consumer_position AS p SET next_offset = m.next_offset, last_position = m.last_position
    FROM (
        SELECT unnest($consumer::VARCHAR[]) AS consumer, unnest($cluster::VARCHAR[]) AS cluster,
               unnest($topic::VARCHAR[]) AS topic, unnest($partition::INTEGER[]) AS partition,
               unnest($next_offset::BIGINT[]) AS next_offset, unnest($last_position::BIGINT[]) AS last_position,
               unnest($epoch::BIGINT[]) AS epoch,
               unnest($expected_offset::BIGINT[]) AS expected_offset, unnest($expected_position::BIGINT[]) AS expected_position
    ) AS m
    WHERE p.consumer = m.consumer AND p.cluster_id = m.cluster AND p.topic = m.topic AND p.partition = m.partition
      AND p.next_offset = m.expected_offset AND p.last_position = m.expected_position AND p.epoch = m.epoch
"""
PARK: LiteralString = """
    INSERT INTO parked_event (consumer, topic, partition, position, key, type, state, reason, awaits, error)
    VALUES ($consumer, $topic, $partition, $position, $key, $type, $state, $reason, $awaits, $error)
    ON CONFLICT (consumer, topic, position) DO NOTHING
"""
FORGET: LiteralString = """
    DELETE FROM parked_event
    WHERE parked_id IN $ids AND reason IN ('early', 'behind')
      AND parked_id NOT IN (SELECT parked_id FROM parked_action)
"""
SETTLE: LiteralString = "UPDATE parked_event SET settled_at = now(), settled_as = $how, asked = NULL WHERE parked_id IN $ids"
AGAIN: LiteralString = """
    UPDATE parked_event
    SET reason = $reason, awaits = $awaits, error = $error, attempts = attempts + 1,
        asked = CASE WHEN asked = $asked THEN NULL ELSE asked END
    WHERE parked_id = $id
"""
HEADS: LiteralString = """
    SELECT DISTINCT ON (key) parked_id, position, key, type, state, reason, awaits, error, attempts, asked
    FROM parked_event
    WHERE consumer = $consumer AND topic = $topic AND partition = $partition AND settled_at IS NULL
    ORDER BY key, position
"""
WAITING: LiteralString = """
    SELECT parked_id, position, key, type, state, reason, awaits, error, attempts, asked
    FROM parked_event
    WHERE consumer = $consumer AND topic = $topic AND partition = $partition AND key = $key AND settled_at IS NULL
    ORDER BY position
"""
ASKED: LiteralString = """
    SELECT topic, partition, key FROM parked_event
    WHERE consumer = $consumer AND settled_at IS NULL
    GROUP BY topic, partition, key
    HAVING arg_min(asked IS NOT NULL, position)
"""
ERAS: LiteralString = "SELECT era FROM consumer_era WHERE consumer = $consumer AND topic = $topic AND partition = $partition"
MEET: LiteralString = """
    INSERT INTO consumer_era (consumer, topic, partition, era)
    SELECT $consumer, $topic, $partition, unnest($eras::VARCHAR[]) ON CONFLICT DO NOTHING
"""
STATUS: LiteralString = """
    SELECT consumer, topic, partition, next_offset, last_position FROM consumer_position
    WHERE $cluster IS NULL OR cluster_id = $cluster
    ORDER BY consumer, topic, partition
"""


class DuckPositions:
    """Keeps positions, parked events and facts in one file; what is ready at the same time shares one transaction."""

    def __init__(self, file: FactFile) -> None:
        self._file = file
        self._cluster: str | None = None
        self._rested_at = 0.0

    def load(self, place: Place) -> Position:
        """Take a partition over and tell where it stands."""
        self._cluster = place.cluster
        with self._file.writing() as cursor:
            cursor.execute(TAKE_OVER, place._asdict())
            found = cursor.execute(STANDS, place._asdict()).fetchone()
        if found is None:
            raise Fenced(Fenced.__doc__)
        return Position(*found)

    def commit(self, steps: Sequence[Step]) -> None:
        """Take all steps in one transaction.

        Raises `Fenced`; `Transient` while the disk does not do as it should; `psycopg.DataError`, by which the consumer knows
        that it is to look for the one fact that is refused; `MisconfiguredError` when the file is broken.
        """
        time.sleep(max(0.0, self._rested_at - time.monotonic()))
        began = time.monotonic()
        try:
            with self._file.writing() as cursor:
                _take(cursor, steps)
        except (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.TransactionException) as error:
            raise Transient(str(error)) from error
        except (duckdb.FatalException, duckdb.InternalException) as error:
            raise MisconfiguredError(f"The analytics file is broken; move it away, a new one is built. {error}") from error
        except duckdb.Error as error:
            raise psycopg.DataError(str(error)) from error
        ended = time.monotonic()
        self._rested_at = ended + min(LONGEST_REST, max(LEAST_REST, RESTS * (ended - began)))

    def heads(self, place: Place) -> Sequence[Waiting]:
        """List the first waiting event of every key of a partition."""
        return [_waiting(row) for row in self._file.query(HEADS, _of(place))]

    def waiting(self, place: Place, key: str) -> Sequence[Waiting]:
        """List the waiting events of a key in order."""
        return [_waiting(row) for row in self._file.query(WAITING, {**_of(place), "key": key})]

    def asked(self, consumer: str) -> Collection[tuple[str, int, str]]:
        """List the keys whose first waiting event a person has decided about."""
        found = self._file.query(ASKED, {"consumer": consumer})
        return [(str(row["topic"]), cast("int", row["partition"]), str(row["key"])) for row in found]

    def arrived(self, _streams: Collection[str]) -> Collection[str]:
        """Say that nothing is awaited: a fact is folded whatever is known of its subject."""
        return ()

    def eras(self, place: Place) -> Collection[str]:
        """Name the stretches of the publisher's log a partition has met."""
        return {str(row["era"]) for row in self._file.query(ERAS, _of(place))}

    def meet(self, place: Place, eras: Collection[str]) -> None:
        """Keep that a partition has met these."""
        with self._file.writing() as cursor:
            cursor.execute(MEET, {**_of(place), "eras": list(eras)})

    def status(self) -> Status:
        """Tell where every consumer stands in the cluster it reads now."""
        told: Status = {}
        for row in self._file.query(STATUS, {"cluster": self._cluster}):
            partitions = told.setdefault(str(row["consumer"]), {}).setdefault(str(row["topic"]), {})
            stands = {name: cast("int", row[name]) for name in ("next_offset", "last_position")}
            partitions[cast("int", row["partition"])] = stands
        return told


def _take(cursor: DuckDBPyConnection, steps: Sequence[Step]) -> None:
    moved = cursor.execute(MOVE, columns([_move(step) for step in steps])).fetchone()
    if moved != (len(steps),):
        raise Fenced(Fenced.__doc__)
    fold(cursor, [cast("Statement", written) for step in steps for written in step.folds])
    for step in steps:
        for event in step.parked:
            cursor.execute(PARK, {**_of(step.place), **_parked(event)})
        _settle(cursor, step.settled)
        for again in step.again:
            params = {"id": again.parked_id, "reason": again.reason, "awaits": again.awaits, "error": again.error}
            cursor.execute(AGAIN, {**params, "asked": again.asked})


def _settle(cursor: DuckDBPyConnection, settled: Sequence[Settled]) -> None:
    """Note what is done with; what waited only for its turn, and about which nobody did anything, is forgotten."""
    for how in ("handled", "skipped"):
        ids = [each.parked_id for each in settled if each.how == how]
        if ids and how == "handled":
            cursor.execute(FORGET, {"ids": ids})
        if ids:
            cursor.execute(SETTLE, {"ids": ids, "how": how})


def _move(step: Step) -> Row:
    return {
        **step.place._asdict(),
        **step.reached._asdict(),
        "epoch": step.expected.epoch,
        "expected_offset": step.expected.next_offset,
        "expected_position": step.expected.last_position,
    }


def _of(place: Place) -> dict[str, object]:
    return {"consumer": place.consumer, "topic": place.topic, "partition": place.partition}


def _parked(event: Parked) -> dict[str, object]:
    return {
        "position": event.position,
        "key": event.key,
        "type": event.type,
        "state": event.state,
        "reason": event.reason,
        "awaits": event.awaits,
        "error": event.error,
    }


def _waiting(row: Row) -> Waiting:
    event = Parked(
        cast("int", row["position"]),
        str(row["key"]),
        str(row["type"]),
        cast("bytes", row["state"]),
        cast("Reason", row["reason"]),
        cast("str | None", row["awaits"]),
        cast("str | None", row["error"]),
    )
    return Waiting(cast("int", row["parked_id"]), event, cast("int", row["attempts"]), cast("Asked | None", row["asked"]))
