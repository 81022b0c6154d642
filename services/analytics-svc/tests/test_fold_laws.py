"""The law of the facts: the same events give the same facts, in whatever order, however often, in whatever batches."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from newsroom import NOON, PERSON, Newsroom, drawn, everything, heard, named, split

from analytics_svc.facts.file import IN_MEMORY, FactFile, Row
from shared_chassis.mapper import EventMapper
from shared_events.catalogue import CATALOGUE
from shared_events.dispatch import StageDeadlineSet, TermPolicyAdopted
from shared_events.envelope import Received

EXAMPLES = Path(__file__).resolve().parents[3] / "shared" / "events" / "tests" / "examples"


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


def test_every_event_is_a_row_and_reports_are_drawn_from_them(facts: FactFile) -> None:
    """Nothing is left out: as many events as were said, and the facts of each kind."""
    assert len(EXPECTED["event"]) == len(STORIES)
    heard(facts, STORIES)
    assert drawn(facts) == {"request": 3, "holder": 6, "clock": 4, "rating": 1, "submission": 2}
    assert {row["person_known"] for row in EXPECTED["event"]} == {True, False, None}
    assert str(PERSON) not in str(EXPECTED)


def test_every_type_of_the_catalogue_is_folded_in_the_shape_it_has_now(facts: FactFile) -> None:
    """The golden example of every event ever released, read as a consumer reads it, gives a row with what is counted of it."""
    mapper = EventMapper(CATALOGUE, "/tests")
    examples = [Received(mapper.from_document(path.read_bytes()), 1) for path in sorted(EXAMPLES.glob("*.json"))]
    assert {each.envelope.type for each in examples} == set(CATALOGUE)
    heard(
        facts,
        [Received(replace(each.recorded, envelope=replace(each.envelope, id=named(each.envelope.type))), 1) for each in examples],
    )
    found = {str(row["type"]): row for row in facts.query("FROM heard(NULL)")}
    assert set(found) == set(CATALOGUE)
    (clock,) = (each.fact for each in examples if isinstance(each.fact, StageDeadlineSet))
    row = found[StageDeadlineSet.TYPE]
    assert (row["stage"], row["round"], row["at"], row["due"]) == (clock.stage, clock.round, clock.starts_at, clock.due)
    assert found[TermPolicyAdopted.TYPE]["about"] is None
