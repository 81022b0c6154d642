"""The bench's own calendar and the city's agree on every term, moment and pause, though they count in different ways."""

import random
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared_calendar import Calendar, Pause, due, term_of
from shared_city import load_city

sys.path.insert(0, str(Path(__file__).parents[1]))

import winter_calendar
from winter_calendar import OwnCalendar, Term

KAZAN = load_city(Path(__file__).resolve().parents[2] / "cities" / "kazan")
CALENDARS: Mapping[str, Calendar] = {calendar.id: calendar for calendar in KAZAN.calendars}


def own(calendar: Calendar) -> OwnCalendar:
    """Write a calendar's data down as the bench has it."""
    days = {day: differs.hours for day, differs in calendar.days.items()}
    return OwnCalendar(timedelta(hours=3), dict(calendar.week), days)


def moment(chance: random.Random) -> datetime:
    """Pick a moment of the winter; now and then a full hour or midnight, where things begin and end."""
    start = datetime(2025, 10, 31, 21, tzinfo=UTC) + timedelta(seconds=chance.randrange(60 * 86400))
    return start if chance.random() < 0.6 else start.replace(minute=0, second=0)


TERMS = [
    ("elapsed-minutes", 10, "", ""),
    ("elapsed-minutes", 3000, "", ""),
    ("working-minutes", 240, "", ""),
    ("working-minutes", 2400, "", ""),
    ("windowed-minutes", 120, "08:00", "23:00"),
    ("calendar-days", 3, "", ""),
    ("calendar-days", 20, "", ""),
    ("working-days", 1, "", ""),
    ("working-days", 10, "", ""),
    ("months", 2, "", ""),
]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("term", TERMS, ids=lambda term: f"{term[1]} {term[0]}")
def test_both_calendars_agree(term: tuple[str, int, str, str], seed: int) -> None:
    """Of 200 clocks, each with up to three pauses that may overlap."""
    chance = random.Random(f"{term}|{seed}")  # noqa: S311 - moments, no secret
    for name, calendar in CALENDARS.items():
        mine = own(calendar)
        for _ in range(200):
            start = moment(chance)
            pauses = []
            for _ in range(chance.choice((0, 0, 1, 2, 3))):
                begin = start + timedelta(minutes=chance.randrange(-600, 20_000))
                pauses.append((begin, begin + timedelta(minutes=chance.choice((0, 30, 700, 4000, 9000)))))
            unit, amount, opens, closes = term
            theirs = due(
                start,
                term_of(unit, amount, opens or None, closes or None),
                calendar,
                [Pause(start=begin, end=end) for begin, end in pauses],
            )
            assert mine.due(start, Term(*term), pauses) == theirs, (name, start, pauses)


def test_the_winters_days_are_those_of_the_papers() -> None:
    """A working Saturday, three holidays, a moved day off, and the long rest of the new year."""
    office = own(CALENDARS["office"])
    off = [day for day in winter_calendar.days() if not office.hours(day) and day.weekday() < 5]
    shown = [f"{day:%m-%d}" for day in off if f"{day:%Y-%m-%d}" < "2026-02-01"]
    assert shown == ["11-03", "11-04", "11-06", "12-31", "01-01", "01-02", "01-05", "01-06", "01-07", "01-08", "01-09"]
    assert office.hours(datetime(2025, 11, 1).date()) == (("08:00", "12:00"), ("13:00", "16:00"))  # noqa: DTZ001 - a date
