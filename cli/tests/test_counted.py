"""SQL weighs each case's holders against its total, and sees every way in which they can differ."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import orjson
import psycopg
import pytest

from veche.demo.counted import Counted, count, weigh

if TYPE_CHECKING:
    from shared_chassis.postgres import ServiceDatabase
    from veche.demo.counted import Connection

pytestmark = pytest.mark.postgres

CASE = UUID(int=1)
START = datetime(2020, 11, 23, 9, tzinfo=UTC)
HOLDER, CLOSED, REOPENED = "dispatch.holder-changed.v1", "dispatch.case-closed.v1", "dispatch.case-reopened.v1"
SUBMITTED = "request.request-submitted.v1"


@pytest.fixture
def store(database: "ServiceDatabase") -> "Iterator[Connection]":
    """Open an empty store as its administrator would."""
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute(f"SET search_path = {database.service}".encode())
        yield connection


def tell(store: "Connection", *facts: tuple[str, float]) -> Counted:
    """Store a case's facts, each with its minutes after the start, and weigh them."""
    for version, (type_, minute) in enumerate(facts, 1):
        time = (START + timedelta(minutes=minute)).isoformat()
        document = {"type": type_, "time": time, "recordedtime": time, "data": {"at": time}}
        stream = f"{'request' if type_ == SUBMITTED else 'case'}-{CASE}"
        row = (stream, version, type_, orjson.dumps(document))
        store.execute("INSERT INTO stored_events (originator_id, originator_version, topic, state) VALUES (%s, %s, %s, %s)", row)
    counted = Counted()
    count(store, counted)
    weigh(store, store, counted)
    return counted


GOOD: Sequence[Sequence[tuple[str, float]]] = (
    [(SUBMITTED, 0), (HOLDER, 0), (HOLDER, 2.5), (CLOSED, 7)],
    [(SUBMITTED, 0), (HOLDER, 0), (HOLDER, 0), (HOLDER, 3)],
    [(SUBMITTED, 0), (HOLDER, 0), (CLOSED, 7), (REOPENED, 9), (HOLDER, 9), (CLOSED, 12)],
    [(SUBMITTED, 0), (HOLDER, 0), (CLOSED, 7), (REOPENED, 9), (HOLDER, 9)],
    [(SUBMITTED, 0), (HOLDER, 0), (REOPENED, 4), (HOLDER, 4), (CLOSED, 12)],
)
BAD: Sequence[Sequence[tuple[str, float]]] = (
    [(SUBMITTED, 0), (HOLDER, 1), (CLOSED, 7)],
    [(HOLDER, 0), (CLOSED, 7)],
    [(SUBMITTED, 0), (HOLDER, 0), (HOLDER, 5), (HOLDER, 4), (CLOSED, 7)],
    [(SUBMITTED, 0), (HOLDER, 0), (CLOSED, 7), (HOLDER, 8)],
    [(SUBMITTED, 0), (HOLDER, 0), (CLOSED, 7), (REOPENED, 9), (HOLDER, 9.001), (CLOSED, 12)],
    [(SUBMITTED, 0), (HOLDER, 0), (CLOSED, 7), (REOPENED, 9), (CLOSED, 12)],
)


@pytest.mark.parametrize("facts", GOOD)
def test_holders_that_follow_on_each_other_sum_to_the_total(store: "Connection", facts: Sequence[tuple[str, float]]) -> None:
    """Closed, open, reopened after a dispute or after closing."""
    counted = tell(store, *facts)
    assert (counted.cases, counted.wrong) == (1, [])


@pytest.mark.parametrize("facts", BAD)
def test_a_gap_an_overlap_and_a_step_back_are_seen(store: "Connection", facts: Sequence[tuple[str, float]]) -> None:
    """Nobody from the start, no request, backwards, after the end, late after a reopening, nobody after it."""
    counted = tell(store, *facts)
    assert (counted.cases, counted.wrong) == (1, [str(CASE)])


def test_each_figure_counts_its_own_facts(store: "Connection") -> None:
    """By SQL, whatever else is stored."""
    types = ("dispatch.deadline-breached.v1", "dispatch.deadline-breached.v1", "request.request-reopened.v1")
    counted = tell(store, *((type_, 0.0) for type_ in types))
    expected = {"breaches": 2, "warned": 0, "silent_acceptances": 0, "reopened": 1, "declined": 0, "bounced": 0}
    assert counted.figures == expected
