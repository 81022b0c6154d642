"""The law of the facts: the same events give the same facts, in whatever order, however often, in whatever batches."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from newsroom import NOON, PERSON, Newsroom, everything, heard, named, split

from analytics_svc.facts.file import IN_MEMORY, FactFile, Row
from shared_events.envelope import Received


def stories() -> list[Received]:
    """Tell of three requests, one without a person and one nobody routes, and of two contributions."""
    room = Newsroom()
    room.journey(named("first"))
    room.journey(named("second"), NOON + timedelta(minutes=2), person=None)
    submitted = room.submit(named("third"))
    room.open_case(submitted)
    room.open_item(room.fail_routing(room.register(named("third"))))
    room.contribute(named("question"), named("discussion"))
    room.contribute(named("remark"), named("discussion"), remark=True)
    return room.said


def facts_of(batches: list[list[Received]]) -> dict[str, list[Row]]:
    """Fold batches into a new file and read everything."""
    file = FactFile(IN_MEMORY, threads=1)
    try:
        for batch in batches:
            heard(file, batch)
        return everything(file)
    finally:
        file.close()


STORIES = stories()
EXPECTED = facts_of([STORIES])


@settings(max_examples=25, deadline=None)
@given(
    order=st.permutations(range(len(STORIES))),
    repeated=st.lists(st.integers(0, len(STORIES) - 1), max_size=20),
    sizes=st.lists(st.integers(1, 12), max_size=8),
)
def test_order_repetition_and_batches_change_nothing(order: list[int], repeated: list[int], sizes: list[int]) -> None:
    """Shuffled across streams and topics, each fact perhaps again, in the same batch or a later one."""
    shuffled = [STORIES[place] for place in (*order, *repeated)]
    assert facts_of([list(batch) for batch in split(shuffled, sizes)]) == EXPECTED


def test_every_event_is_a_row_and_what_it_is_about_another() -> None:
    """Nothing is left out: as many events as were said, and the facts of each kind."""
    assert len(EXPECTED["event"]) == len(STORIES)
    assert {name: len(rows) for name, rows in EXPECTED.items() if name != "event"} == {
        "request": 3,
        "holding": 6,
        "case_closing": 2,
        "submission": 2,
    }
    assert {row["person_known"] for row in EXPECTED["request"]} == {True, False}
    assert str(PERSON) not in str(EXPECTED)
