"""A shop that publishes: what the tests of the relay need."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import uuid4

import psycopg
from aiokafka import ConsumerRecord
from shop import ORDER, place
from warehouse import PATIENCE, applied_once, order_id, position_of, until

from shared_chassis.postgres import ServiceDatabase
from shared_chassis.relay import Relay
from shared_chassis.store import Command, Store


def relay_of(database: ServiceDatabase, bootstrap: str) -> Relay:
    """Wire the shop's relay."""
    return Relay(database.app_url, database.service, bootstrap, f"{database.service}.events")


def write(store: Store, count: int = 1, order: str | None = None) -> str:
    """Store so many facts of one order."""
    order = order or order_id()
    for _ in range(count):
        store.handle(ORDER, order, place(), Command(uuid4(), "resident:1"))
    return order


def stored(store: Store) -> dict[int, tuple[str, bytes]]:
    """Read all that is stored: position to stream and document."""
    rows = store.database.query("SELECT notification_id, originator_id, state FROM stored_events ORDER BY 1")
    return {row["notification_id"]: (row["originator_id"], bytes(row["state"])) for row in rows}


def checkpoint(store: Store) -> int:
    """Read the relay's checkpoint."""
    row = store.database.query_one("SELECT max(position) AS position FROM relay_checkpoint")
    return int(row["position"] or 0) if row else 0


def behind_checkpoint(store: Store, position: int) -> bool:
    """Say whether the checkpoint is past a position."""
    return checkpoint(store) > position


def last_position(store: Store) -> int:
    """Read the store's end."""
    return max(stored(store), default=0)


async def published(store: Store, seconds: float = PATIENCE) -> None:
    """Wait until the checkpoint stands at the store's end."""
    await until(lambda: checkpoint(store) == last_position(store), seconds)


def assert_complete(store: Store, records: "list[ConsumerRecord[bytes, bytes]]") -> None:
    """See that the topic, read as consumers read it, is the store: every event once, each key in order."""
    documents = stored(store)
    applied = applied_once(records)
    assert sorted(position for positions in applied.values() for position in positions) == sorted(documents)
    by_key = defaultdict(list)
    for record in records:
        stream, state = documents[position_of(record)]
        assert (record.key, record.value) == (stream.encode(), state)
        by_key[record.key].append(record.partition)
    assert all(len(set(partitions)) == 1 for partitions in by_key.values())


@contextmanager
def load(store: Store, writers: int = 4) -> Iterator[list[int]]:
    """Write from several threads until the block ends, through whatever happens; the list tells how many were stored."""
    stop, count = threading.Event(), [0]

    def keep_writing() -> None:
        while not stop.wait(0.02):
            with suppress(Exception):
                write(store, 3)
                count[0] += 3

    threads = [threading.Thread(target=keep_writing) for _ in range(writers)]
    for thread in threads:
        thread.start()
    try:
        yield count
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def terminate_backends(admin_url: str, database: str) -> None:
    """Kill every session of a database but ours."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database])
