"""What is kept for 90 days is forgotten afterwards, and nothing else is."""

import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest
from shop import ORDER, Order, place
from warehouse import until

from shared_chassis import purge
from shared_chassis.purge import Purge
from shared_chassis.store import Command, KeyReusedError, Store

pytestmark = pytest.mark.postgres

AGE = """
    UPDATE command SET recorded_at = rule_now() - make_interval(days => %(days)s) WHERE command_id = ANY (%(ids)s)
"""
KEPT = "SELECT command_id FROM command WHERE actor IS NOT NULL AND body_hash IS NOT NULL"


def given(store: Store, count: int, days: int) -> list[UUID]:
    """Handle commands so many days ago."""
    keys = [uuid4() for _ in range(count)]
    for key in keys:
        store.handle(ORDER, f"order-{uuid4()}", place(), Command(key, "resident:1", b"a" * 32))
    store.database.execute(AGE, {"days": days, "ids": keys})
    return keys


def kept(store: Store) -> set[UUID]:
    """Name the commands whose actor and body are known."""
    return {row["command_id"] for row in store.database.query(KEPT)}


def test_only_what_is_too_old_is_forgotten(store: Store) -> None:
    """As the application's role: the 91st day is forgotten, the 89th is not, and a second look finds nothing."""
    old, young = given(store, 3, 91), given(store, 2, 89)
    forgets = Purge(store.database)
    assert forgets.forget() == 3
    assert kept(store) == set(young)
    assert forgets.forget() == 0
    assert store.database.query_one("SELECT count(*) AS n FROM command") == {"n": len(old) + len(young)}


def test_a_forgotten_command_still_gives_its_first_result(store: Store) -> None:
    """What it led to stays for ever; who asked is no longer told apart."""
    order, key = f"order-{uuid4()}", uuid4()
    first = store.handle(ORDER, order, place(), Command(key, "resident:1", b"a" * 32))
    other = Command(key, "resident:2", b"b" * 32)
    with pytest.raises(KeyReusedError):
        store.handle(ORDER, order, place(), other)
    store.database.execute(AGE, {"days": 91, "ids": [key]})
    Purge(store.database).forget()

    def refuse(_order: Order, _now: object) -> Sequence[object]:
        raise AssertionError("a repeated command is not decided again")

    again = store.handle(ORDER, order, refuse, other)  # type: ignore[arg-type]  # never called
    assert (again.repeated, again.stream_id, again.first_version) == (True, first.stream_id, first.first_version)


async def test_many_are_forgotten_in_small_batches(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The chore goes on until nothing is left, and then rests; it ends when it is told to."""
    monkeypatch.setattr(purge, "AT_ONCE", 4)
    monkeypatch.setattr(purge, "REST", 0.01)
    given(store, 10, 120)
    batches: list[int] = []

    class Counting(Purge):
        def forget(self) -> int:
            batches.append(super().forget())
            return batches[-1]

    stop = asyncio.Event()
    running = asyncio.create_task(Counting(store.database).run(stop))
    await until(lambda: sum(batches) == 10)
    stop.set()
    await running
    assert batches == [4, 4, 2]


def test_the_old_ones_are_found_by_an_index(store: Store) -> None:
    """Millions of forgotten commands cost the next look nothing."""
    with store.database.connection() as connection:
        connection.execute("SET enable_seqscan = off")
        plan = connection.execute(f"EXPLAIN {purge.FORGET}".encode(), {"days": 90, "limit": 10}).fetchall()
        connection.execute("RESET enable_seqscan")
    assert "command_kept_idx" in str(plan)
