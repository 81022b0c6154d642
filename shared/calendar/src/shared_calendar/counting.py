"""Counting by the minute: which stretches of time count, less the pauses."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import assert_never
from zoneinfo import ZoneInfo

from shared_calendar.calendar import Calendar
from shared_calendar.local import Hours, day_of, minutes_of, moment_of
from shared_calendar.pause import END_OF_TIME, ClockStoppedError, Pause, Stretch, union
from shared_calendar.term import ElapsedMinutes, MinuteTerm, WindowedMinutes, WorkingMinutes

NOTHING = timedelta()
_ONE_DAY = timedelta(days=1)


def due_by_minutes(start: datetime, term: MinuteTerm, calendar: Calendar, pauses: Sequence[Pause]) -> datetime:
    """Walk from one counted stretch to the next until they add up to the term."""
    left = term.duration
    for begin, end in without(counted(start, term, calendar), union(pauses)):
        if end - begin >= left:
            return begin + left
        left -= end - begin
    raise ClockStoppedError(union(pauses)[-1][0])


def minutes_elapsed(start: datetime, end: datetime, term: MinuteTerm, calendar: Calendar, pauses: Sequence[Pause]) -> timedelta:
    """Add up what is counted of a stretch of time."""
    total = NOTHING
    for begin, close in without(counted(start, term, calendar), union(pauses)):
        if begin >= end:
            break
        total += min(close, end) - begin
    return total


def counted(start: datetime, term: MinuteTerm, calendar: Calendar) -> Iterator[Stretch]:
    """Give the stretches that count for a term from a moment on, in order, as if there were no pause."""
    match term:
        case ElapsedMinutes():
            yield start, END_OF_TIME
        case WorkingMinutes():
            yield from _by_days(start, calendar, None)
        case WindowedMinutes():
            yield from _by_days(start, calendar, ((term.opens, term.closes),))
        case _:
            assert_never(term)


def without(stretches: Iterator[Stretch], paused: Sequence[Stretch]) -> Iterator[Stretch]:
    """Cut the paused time out; after a pause that lasts nothing comes any more."""
    at = 0
    for stretch_begin, end in stretches:
        begin = stretch_begin
        while at < len(paused) and paused[at][0] < end:
            pause_begin, pause_end = paused[at]
            if pause_begin > begin:
                yield begin, pause_begin
            begin = max(begin, pause_end)
            if pause_end > end:
                break
            at += 1
        if begin < end:
            yield begin, end
        if at < len(paused) and paused[at][1] == END_OF_TIME and paused[at][0] <= end:
            return


def _by_days(start: datetime, calendar: Calendar, window: Hours | None) -> Iterator[Stretch]:
    """Give the counted hours day by day, the first day's from the start on."""
    day = day_of(start, calendar.timezone)
    while True:
        hours = calendar.hours_on(day) if window is None else window
        for begin, end in _worked_out(calendar.timezone, day, hours):
            if end > start:
                yield max(begin, start), end
        day += _ONE_DAY


@lru_cache(maxsize=32_768)
def _worked_out(zone: ZoneInfo, day: date, hours: Hours) -> tuple[Stretch, ...]:
    """Turn hours of a date into moments; hours that the clocks jump over are none."""
    moments = ((moment_of(day, minutes_of(opens), zone), moment_of(day, minutes_of(closes), zone)) for opens, closes in hours)
    return tuple((begin, end) for begin, end in moments if begin < end)
