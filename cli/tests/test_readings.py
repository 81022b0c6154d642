"""Books are compared with each other, so they are read at one moment: of a city in which nothing happens meanwhile."""

from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from local_stack.state import State
from veche.demo import day
from veche.demo.day import Told, read_all
from veche.demo.logs import Books
from veche.robot import Robots


def saying(*answers: object) -> Callable[..., Coroutine[object, object, object]]:
    """Stand for something that is asked, and answers one after the other, the last for ever."""
    left = list(answers)

    async def answer(*_asked: object) -> object:
        return left.pop(0) if len(left) > 1 else left[0]

    return answer


@pytest.mark.parametrize(
    ("ends", "reading"),
    [((5, 5), 0), ((5, 6, 6, 6), 1), ((5, 6, 7, 8, 9, 9), 2), (tuple(range(20)), day.MOST_READINGS - 1)],
)
async def test_books_are_read_anew_when_something_was_stored_meanwhile(
    ends: tuple[int, ...], reading: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a timer, which nobody waits for; a city that never rests is read as it is in the end."""
    readings = [Books(messages=number) for number in range(day.MOST_READINGS)]
    looks = iter(ends)
    monkeypatch.setattr(day, "stored_until", lambda _state: {"request": next(looks)})
    monkeypatch.setattr(day, "settle", saying(0.0))
    monkeypatch.setattr(day, "what_analytics_knows", saying(Told(frozenset(), {}, None, None)))
    monkeypatch.setattr(day, "read_books", saying(*readings))
    monkeypatch.setattr(day, "parked_by_analytics", saying(set()))
    books, _ = await read_all(Robots(Path(), State()), State())
    assert books is readings[reading]
