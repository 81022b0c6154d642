"""Positions, parked events and facts in one transaction, in one file: the consumer's whole memory."""

from pathlib import Path
from types import SimpleNamespace

import duckdb
import psycopg
import pytest
from newsroom import Newsroom, everything, named

from analytics_svc.facts.file import FactFile
from analytics_svc.facts.fold import FOLDS
from analytics_svc.facts.parked import DuckParking
from analytics_svc.facts.position import DuckPositions
from shared_chassis.consumer import Again, Fenced, Parked, Place, Position, Settled, Step, Transient
from shared_chassis.parked import NoReasonError, NotParkedError
from shared_chassis.process import MisconfiguredError
from shared_chassis.view import Statement

HERE = Place("analytics-svc", "cluster", "request.events", 3)
BAD = Parked(5, "request-1", "request.request-closed.v1", b"\x00{}", "invalid", None, "DocumentError: no")
BEHIND = Parked(6, "request-1", "request.request-closed.v1", b"{}", "behind")


@pytest.fixture
def positions(facts: FactFile) -> DuckPositions:
    """Give a position store over an empty file."""
    return DuckPositions(facts)


def statements(room: Newsroom) -> list[Statement]:
    """Make what was said into folds."""
    return [FOLDS[type(each.fact)](each) for each in room.said]


def test_facts_and_position_are_there_together(positions: DuckPositions, facts: FactFile) -> None:
    """One step folds and moves."""
    stands = positions.load(HERE)
    assert stands == Position(0, 0, 1)
    room = Newsroom()
    room.journey(named("one"))
    positions.commit([Step(HERE, stands, Position(13, 40, 1), statements(room))])
    assert positions.status() == {"analytics-svc": {"request.events": {3: {"next_offset": 13, "last_position": 40}}}}
    assert len(everything(facts)["event"]) == len(room.said)


def test_neither_is_there_when_one_fact_is_refused(positions: DuckPositions, facts: FactFile) -> None:
    """A fold the database refuses takes the whole step with it, and is called by the word the consumer knows."""
    stands = positions.load(HERE)
    room = Newsroom()
    room.submit(named("one"))
    bad = Statement("INSERT INTO city SELECT ($rows::JSON[])[1]->>'a', NULL", {"a": "no city"})
    with pytest.raises(psycopg.DataError):
        positions.commit([Step(HERE, stands, Position(1, 1, 1), [*statements(room), bad])])
    assert positions.load(HERE) == Position(0, 0, 2)
    assert everything(facts)["event"] == []


def test_a_process_that_lost_the_partition_changes_nothing(positions: DuckPositions, facts: FactFile) -> None:
    """Whoever took it over counts one epoch more; the former owner's step is fenced, its neighbours' too."""
    before = positions.load(HERE)
    other = HERE._replace(partition=4)
    elsewhere = positions.load(other)
    positions.load(HERE)
    room = Newsroom()
    room.submit(named("one"))
    steps = [Step(other, elsewhere, Position(9, 9, 1)), Step(HERE, before, Position(1, 1, 1), statements(room))]
    with pytest.raises(Fenced):
        positions.commit(steps)
    assert everything(facts)["event"] == []
    assert positions.load(other) == Position(0, 0, 2)


def test_a_step_from_elsewhere_than_where_it_stands_is_fenced(positions: DuckPositions) -> None:
    """Compare and set: offset and position are both compared."""
    stands = positions.load(HERE)
    positions.commit([Step(HERE, stands, Position(2, 2, 1))])
    with pytest.raises(Fenced):
        positions.commit([Step(HERE, stands, Position(3, 3, 1))])


def test_another_cluster_is_read_from_its_start_behind_the_last_position(positions: DuckPositions) -> None:
    """Offsets belong to a cluster, positions to the publisher."""
    stands = positions.load(HERE)
    positions.commit([Step(HERE, stands, Position(100, 70, 1))])
    assert positions.load(HERE._replace(cluster="new")) == Position(0, 70, 1)


def test_commits_rest_so_that_they_take_a_tenth_of_the_time(positions: DuckPositions, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one goes at once; the next waits, and the partitions gather meanwhile."""
    rests: list[float] = []
    moments = iter((10.0, 10.0, 10.08, 10.1, 10.1, 10.1))
    monkeypatch.setattr("analytics_svc.facts.position.time", SimpleNamespace(sleep=rests.append, monotonic=lambda: next(moments)))
    stands = positions.load(HERE)
    for offset in (1, 2):
        reached = Position(offset, offset, 1)
        positions.commit([Step(HERE, stands, reached)])
        stands = reached
    assert rests == [0.0, pytest.approx(9 * 0.08 - 0.02)]


@pytest.mark.parametrize(
    ("trouble", "told"),
    [(duckdb.IOException("disk full"), Transient), (duckdb.FatalException("invalidated"), MisconfiguredError)],
)
def test_trouble_with_the_disk_is_waited_for_and_a_broken_file_ends_the_process(
    positions: DuckPositions, monkeypatch: pytest.MonkeyPatch, trouble: Exception, told: type[Exception]
) -> None:
    """What the world does is tried again in its place; what no retry mends is said and ends the process."""

    def fail(*_arguments: object) -> None:
        raise trouble

    stands = positions.load(HERE)
    monkeypatch.setattr("analytics_svc.facts.position.fold", fail)
    with pytest.raises(told):
        positions.commit([Step(HERE, stands, Position(1, 1, 1))])


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    """The file is all there is to remember."""
    first = FactFile(tmp_path / "facts.duckdb")
    positions = DuckPositions(first)
    stands = positions.load(HERE)
    positions.commit([Step(HERE, stands, Position(7, 7, 1), parked=[BAD, BEHIND])])
    first.close()
    second = FactFile(tmp_path / "facts.duckdb")
    again = DuckPositions(second)
    assert again.load(HERE) == Position(7, 7, 2)
    assert [waiting.event for waiting in again.heads(HERE)] == [BAD]
    assert [waiting.event for waiting in again.waiting(HERE, "request-1")] == [BAD, BEHIND]
    second.close()


class TestParked:
    """Events set aside, and what a person does about them."""

    @pytest.fixture
    def parking(self, positions: DuckPositions, facts: FactFile) -> DuckParking:
        """Set two events of a key aside."""
        stands = positions.load(HERE)
        positions.commit([Step(HERE, stands, Position(7, 7, 1), parked=[BAD, BEHIND])])
        positions.commit([Step(HERE, Position(7, 7, 1), Position(7, 7, 1), parked=[BAD])])
        return DuckParking(facts)

    def test_the_same_event_is_set_aside_once(self, parking: DuckParking) -> None:
        """Twice parked, once listed."""
        assert [(event.position, event.reason) for event in parking.find()] == [(5, "invalid"), (6, "behind")]
        assert parking.find(key="request-2") == []
        assert [event.position for event in parking.find(after=parking.find()[0].parked_id)] == [6]

    def test_a_retry_is_of_the_whole_key_from_its_first_event(self, parking: DuckParking, positions: DuckPositions) -> None:
        """Whichever event is named; who asked, and why, stays on record."""
        second = parking.find()[1]
        parking.retry(second.parked_id, "dispatcher:1", "fixed")
        assert positions.asked("analytics-svc") == [("request.events", 3, "request-1")]
        assert positions.waiting(HERE, "request-1")[0].asked == "retry"
        (action,) = parking.actions(second.parked_id)
        assert (action.action, action.actor, action.reason) == ("retry", "dispatcher:1", "fixed")

    def test_a_wish_about_an_event_behind_the_first_waits_for_its_turn(
        self, parking: DuckParking, positions: DuckPositions
    ) -> None:
        """Skipping the second does not release the key."""
        parking.skip(parking.find()[1].parked_id, "dispatcher:1", "never")
        assert positions.asked("analytics-svc") == []

    def test_what_is_tried_in_vain_waits_on_and_its_wish_is_answered(
        self, parking: DuckParking, positions: DuckPositions
    ) -> None:
        """One attempt more, a new error, no open wish."""
        first = parking.find()[0]
        parking.retry(first.parked_id, "dispatcher:1")
        again = Again(first.parked_id, "invalid", None, "still no", "retry")
        positions.commit([Step(HERE, Position(7, 7, 1), Position(7, 7, 1), again=[again])])
        (head,) = positions.heads(HERE)
        assert (head.attempts, head.event.error, head.asked) == (1, "still no", None)

    def test_what_is_done_with_is_kept_when_somebody_had_a_hand_in_it(
        self, parking: DuckParking, positions: DuckPositions
    ) -> None:
        """Handled events that only waited are forgotten; those a person decided about stay on record."""
        first, second = parking.find()
        parking.skip(first.parked_id, "dispatcher:1", "never")
        settled = [Settled(first.parked_id, "skipped"), Settled(second.parked_id, "handled")]
        positions.commit([Step(HERE, Position(7, 7, 1), Position(7, 7, 1), settled=settled)])
        assert positions.heads(HERE) == []
        assert [(event.position, event.settled_as) for event in parking.find(settled=True)] == [(5, "skipped")]

    def test_there_must_be_an_event_and_a_reason(self, parking: DuckParking) -> None:
        """Skipping is for good, so somebody must say why."""
        with pytest.raises(NoReasonError):
            parking.skip(parking.find()[0].parked_id, "dispatcher:1", " ")
        with pytest.raises(NotParkedError):
            parking.retry(10**6, "dispatcher:1")


def test_nothing_here_waits_for_another_stream(positions: DuckPositions) -> None:
    """A fact is folded whatever is known of its subject, so nothing is ever early."""
    assert positions.arrived(["case-1"]) == ()
