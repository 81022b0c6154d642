"""Counting by days and months: which days count, when each is over, and which were lost to a pause.

A day is lost when the clock stood still at its end; then another one counts in its place.
"""

from calendar import monthrange
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import assert_never
from zoneinfo import ZoneInfo

from shared_calendar.calendar import Calendar
from shared_calendar.local import MINUTES_OF_A_DAY, day_of, minutes_of, moment_of
from shared_calendar.pause import END_OF_TIME, ClockStoppedError, Pause, Stretch, union
from shared_calendar.term import CalendarDays, DayTerm, Months, WorkingDays

_ONE_DAY = timedelta(days=1)


def due_by_days(start: datetime, term: DayTerm, calendar: Calendar, pauses: Sequence[Pause]) -> datetime:
    """Say when the last day of a term is over."""
    if isinstance(term, Months):
        return _due_by_months(start, term.months, calendar, union(pauses))
    for number, (_, end) in enumerate(days_counted(start, term, calendar, union(pauses)), start=1):
        if number == term.days:
            return end
    raise ClockStoppedError(union(pauses)[-1][0])


def days_elapsed(start: datetime, end: datetime, term: DayTerm, calendar: Calendar, pauses: Sequence[Pause]) -> int:
    """Count the days of a term that have begun before a moment, or the whole months that are over by it."""
    if end <= start:
        return 0
    paused = union(pauses)
    if isinstance(term, Months):
        return _months_elapsed(start, end, calendar, paused)
    number = 0
    for day, _ in days_counted(start, term, calendar, paused):
        if moment_of(day, 0, calendar.timezone) >= end:
            break
        number += 1
    return number


def days_counted(
    start: datetime, term: CalendarDays | WorkingDays, calendar: Calendar, paused: Sequence[Stretch]
) -> Iterator[tuple[date, datetime]]:
    """Give the days that count after the day of the start, each with the moment it is over; none in a pause that lasts."""
    day = day_of(start, calendar.timezone)
    at = 0
    while True:
        day += _ONE_DAY
        end = end_of(day, term, calendar)
        if end is None or end <= moment_of(day, 0, calendar.timezone):
            continue  # off, or a date that a country skipped when it changed its side of the date line
        while at < len(paused) and paused[at][1] < end:
            at += 1
        if at < len(paused) and paused[at][0] < end:
            if paused[at][1] == END_OF_TIME:
                return
            continue
        yield day, end


def end_of(day: date, term: CalendarDays | WorkingDays, calendar: Calendar) -> datetime | None:
    """Say when a day is over for a term: at midnight, or at the close of its last hours; None if it does not count."""
    match term:
        case CalendarDays():
            return moment_of(day, MINUTES_OF_A_DAY, calendar.timezone)
        case WorkingDays():
            hours = calendar.hours_on(day)
            return moment_of(day, minutes_of(hours[-1][1]), calendar.timezone) if hours else None
        case _:
            assert_never(term)


def months_later(day: date, months: int) -> date:
    """Give the day with the same number so many months later, or the last day of a month without it."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _due_by_months(start: datetime, months: int, calendar: Calendar, paused: Sequence[Stretch]) -> datetime:
    """Find the first day the clock did not stand at the end of, counting from as many days later as it stood.

    So a clock that stood for two days is due when one started two days later would be.
    """
    zone = calendar.timezone
    first = day_of(start, zone)
    lost = [span for span in (_days_lost(stretch, zone) for stretch in paused) if span[0] < span[1]]
    last = months_later(first, months)
    while True:
        after = first + _ONE_DAY
        stood = sum((max(min(to, last + _ONE_DAY) - max(since, after), timedelta()) for since, to in lost), timedelta())
        wanted = months_later(first + stood, months)
        covering = next((span for span in lost if span[0] <= last < span[1]), None)
        if covering is not None and covering[1] == date.max:
            raise ClockStoppedError(paused[-1][0])
        if wanted <= last and covering is None:
            return moment_of(last, MINUTES_OF_A_DAY, zone)
        last = max(wanted, last if covering is None else covering[1])


def _months_elapsed(start: datetime, end: datetime, calendar: Calendar, paused: Sequence[Stretch]) -> int:
    """Count the whole months that are over by a moment."""
    number = 0
    try:
        while _due_by_months(start, number + 1, calendar, paused) <= end:
            number += 1
    except ClockStoppedError:
        pass  # in a pause that lasts no further month will be over
    return number


def _days_lost(stretch: Stretch, zone: ZoneInfo) -> tuple[date, date]:
    """Give the days whose end lies in a pause: from the one it begins on up to, not including, the one it ends on."""
    begin, end = stretch
    return day_of(begin, zone), date.max if end == END_OF_TIME else day_of(end, zone)
