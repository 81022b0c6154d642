"""When a window is a surge: far more than the average, not told yet, and still news; whatever the order it is heard in."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_svc.domain.surge import History, Sensitivity, Surge, counted, surge, told

BY = Sensitivity(window=30, times=4.0, least=20, half_life=600.0, warm_up=120.0, stale=60)
BEGIN = 1_000_000
"""The minute in which the city is heard of first."""


def heard(minutes: Sequence[int], by: Sensitivity = BY) -> tuple[History, list[Surge]]:
    """Count one registration a minute named, as they come, and tell what is to be told."""
    history, found = History.of(None, minutes[0] + 1 - by.window), []
    for position, minute in enumerate(minutes, 1):
        after = counted(history, minute, 0, position, by)
        assert after is not None
        history = after
        if (detected := surge(history, BEGIN, minute, by)) is not None:
            found.append(detected)
            history = told(history, detected, by)
    return history, found


def steady(minutes: int, each: int = 1, begin: int = BEGIN) -> list[int]:
    """Register so many a minute for so long."""
    return [begin + minute for minute in range(minutes) for _ in range(each)]


def test_a_burst_after_quiet_hours_is_told_once_with_its_window() -> None:
    """One every ten minutes for five hours; then forty within two minutes."""
    quiet = [BEGIN + minute for minute in range(0, 300, 10)]
    _, (found,) = heard([*quiet, *[BEGIN + 300] * 20, *[BEGIN + 301] * 20])
    assert (found.start, found.end, found.count) == (BEGIN + 271, BEGIN + 301, 20)
    assert 2.5 < found.average < 3.5


def test_what_goes_on_is_told_again_when_a_whole_window_has_passed() -> None:
    """Ten a minute for an hour and a half: three windows that do not overlap."""
    quiet = [BEGIN + minute for minute in range(0, 300, 10)]
    _, found = heard([*quiet, *steady(90, 10, BEGIN + 300)])
    assert len(found) == 3
    assert all(later.start >= earlier.end for earlier, later in pairwise(found))


@pytest.mark.parametrize("each", [1, 5, 50])
def test_steady_traffic_is_no_surge_however_much_it_is(each: int) -> None:
    """Ten hours of the same."""
    assert heard(steady(600, each))[1] == []


def test_the_thresholds_are_the_settings() -> None:
    """One fewer than the least, or a little less than so many times the average, is nothing."""
    quiet = steady(300)
    assert heard([*quiet, *[BEGIN + 300] * 89])[1] == []
    assert len(heard([*quiet, *[BEGIN + 300] * 95])[1]) == 1
    nearly_never = [BEGIN, BEGIN + 300]
    assert heard([*nearly_never, *[BEGIN + 301] * 18])[1] == []
    assert len(heard([*nearly_never, *[BEGIN + 301] * 19])[1]) == 1


def test_a_city_not_known_long_enough_has_no_average() -> None:
    """The first day of a system is no surge, nor the first minute of a city's life."""
    assert heard(steady(5, 100))[1] == []
    assert heard([*steady(60), *[BEGIN + 60] * 500])[1] == []
    history, found = heard([BEGIN + 148] * 30)
    assert found == []
    assert surge(history, BEGIN, BEGIN + 149, replace(BY, warm_up=119.0)) is not None


def test_a_type_never_heard_of_in_a_city_known_long_is_a_surge() -> None:
    """Nothing for hours, then twenty: the average is none."""
    _, (found,) = heard([BEGIN + 500] * 20)
    assert found.average == 0.0


def test_a_surge_long_over_is_no_news() -> None:
    """An hour after its window nobody is told; the next registration decides anew."""
    history, _ = heard([BEGIN + 500] * 19)
    history = counted(history, BEGIN + 500, 1, 1, BY) or history
    assert surge(history, BEGIN, BEGIN + 501 + 60, BY) is not None
    assert surge(history, BEGIN, BEGIN + 501 + 61, BY) is None


def test_what_is_repeated_is_not_counted_again() -> None:
    """Positions of a partition only rise; another partition's are its own."""
    history, _ = heard([BEGIN] * 5)
    assert counted(history, BEGIN, 0, 5, BY) is None
    assert counted(history, BEGIN, 1, 5, BY) is not None


def test_what_is_stored_is_read_back() -> None:
    """As JSON has it, with keys that are words."""
    history, _ = heard([*steady(100, 2), *[BEGIN + 100] * 40])
    assert History.of(history.stored, 0) == history


@given(minutes=st.lists(st.integers(0, 400), min_size=1, max_size=60), data=st.data())
def test_the_order_changes_nothing(minutes: list[int], data: st.DataObject) -> None:
    """Each registration adds its own share to the average, late or not."""
    never = replace(BY, least=10**9)
    shuffled = data.draw(st.permutations(minutes))
    one, other = (heard([BEGIN + minute for minute in each], never)[0] for each in (minutes, shuffled))
    assert one.reached == other.reached
    assert dict(one.minutes) == dict(other.minutes)
    assert math.isclose(one.average, other.average, rel_tol=1e-9, abs_tol=1e-12)


@given(minutes=st.lists(st.integers(0, 2000), min_size=1, max_size=200))
def test_the_average_is_the_weighted_sum_it_is_said_to_be(minutes: list[int]) -> None:
    """Reckoned anew from all minutes before the window."""
    history, _ = heard(sorted(BEGIN + minute for minute in minutes), replace(BY, least=10**9))
    decay = BY.decay
    expected = sum(
        (1 - decay) * decay ** (history.reached - 1 - BEGIN - minute) for minute in minutes if BEGIN + minute < history.reached
    )
    assert math.isclose(history.average, expected, rel_tol=1e-9, abs_tol=1e-12)


def test_what_was_stored_is_quiet_at_least_as_long_as_was_told_meanwhile() -> None:
    """A surge told by another process keeps this one quiet too, and what was stored does where it is longer."""
    stored = replace(heard([1, 2, 3])[0], quiet_until=7).stored
    assert [History.of(stored, 0, told_until).quiet_until for told_until in (5, 9)] == [7, 9]


def test_what_is_no_history_is_refused() -> None:
    """Whatever stands there, nothing is guessed from it."""
    with pytest.raises(ValueError, match="minutes"):
        History.of({"minutes": [1], "average": 0.0, "reached": 1, "quiet_until": 0, "seen": {}}, 0)
