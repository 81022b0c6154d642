"""A history merges the logs of several services: each in its own order, among each other by when they became known."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from feeds import shown
from hypothesis import given
from hypothesis import strategies as st

from veche.history import details, in_order
from veche.slice import Shown
from veche.wording import words

START = datetime(2026, 11, 23, 9, tzinfo=UTC)


def at(service: str, position: int, second: int) -> Shown:
    """Make an event that became known so many seconds after the start."""
    return shown(service, position, recorded=(START + timedelta(seconds=second)).isoformat())


def names(events: Sequence[Shown]) -> list[tuple[str, int]]:
    """Name events by log and position."""
    return [(event.service, event.position) for event in events]


def test_logs_are_merged_by_when_things_became_known() -> None:
    """Whatever order they were read in."""
    events = [at("dispatch", 1, 2), at("dispatch", 2, 4), at("request", 9, 3), at("request", 8, 1)]
    assert names(in_order(events)) == [("request", 8), ("dispatch", 1), ("request", 9), ("dispatch", 2)]


def test_a_log_is_right_against_its_clock() -> None:
    """A clock that was set back does not turn a log's events round; what follows waits with them."""
    events = [at("request", 1, 10), at("request", 2, 3), at("request", 3, 11), at("dispatch", 1, 5), at("dispatch", 2, 12)]
    assert names(in_order(events)) == [("dispatch", 1), ("request", 1), ("request", 2), ("request", 3), ("dispatch", 2)]


@given(st.lists(st.tuples(st.sampled_from(["request", "dispatch", "notification"]), st.integers(0, 20)), max_size=25))
def test_every_log_keeps_its_order_and_nothing_is_left_out(said: list[tuple[str, int]]) -> None:
    """Whatever the clocks say; without a clock set back, the whole is in the order of time."""
    events = [at(service, position, second) for position, (service, second) in enumerate(said)]
    merged = in_order(events)
    assert sorted(names(merged)) == sorted(names(events))
    for service in ("request", "dispatch", "notification"):
        own = [event.position for event in merged if event.service == service]
        assert own == sorted(own)
    if all(one.recorded_time <= two.recorded_time for one, two in pairwise(events)):
        times = [event.recorded_time for event in merged]
        assert times == sorted(times)


def test_an_event_is_told_in_words() -> None:
    """Its type is read aloud, empty values are left out, and what is sealed is said to be."""
    event = shown(
        "request",
        1,
        data={"location": {"district": "13", "building": None}, "evidence": [], "phone": {"sealed": "AAAA"}, "text": "x" * 200},
    )
    assert words(event.text("type")) == "request submitted"
    assert details(event) == f"location: district 13; phone: (sealed); text: {'x' * 90}…"
