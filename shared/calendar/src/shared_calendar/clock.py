"""The three questions asked of a clock: when is it due, how much has passed, how much is left.

Intervals are half-open: the minute in which a pause starts belongs to the pause, the one in which it ends does not.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import assert_never, overload

from shared_calendar.calendar import Calendar
from shared_calendar.counting import due_by_minutes, minutes_elapsed
from shared_calendar.local import instant
from shared_calendar.numbering import days_elapsed, due_by_days
from shared_calendar.pause import Pause
from shared_calendar.term import (
    CalendarDays,
    DayTerm,
    ElapsedMinutes,
    MinuteTerm,
    Months,
    Term,
    WindowedMinutes,
    WorkingDays,
    WorkingMinutes,
)


def due(start: datetime, term: Term, calendar: Calendar, pauses: Sequence[Pause] = ()) -> datetime:
    """Say at which moment, in UTC, a clock started at `start` has counted its whole term.

    Raises `ClockStoppedError` when a pause without an end is reached first, `NaiveTimeError` for a time without an offset.
    """
    match term:
        case ElapsedMinutes() | WorkingMinutes() | WindowedMinutes():
            return due_by_minutes(instant(start), term, calendar, pauses)
        case CalendarDays() | WorkingDays() | Months():
            return due_by_days(instant(start), term, calendar, pauses)
        case _:
            assert_never(term)


@overload
def elapsed(start: datetime, end: datetime, term: MinuteTerm, calendar: Calendar, pauses: Sequence[Pause] = ()) -> timedelta: ...
@overload
def elapsed(start: datetime, end: datetime, term: DayTerm, calendar: Calendar, pauses: Sequence[Pause] = ()) -> int: ...
@overload
def elapsed(start: datetime, end: datetime, term: Term, calendar: Calendar, pauses: Sequence[Pause] = ()) -> timedelta | int: ...
def elapsed(start: datetime, end: datetime, term: Term, calendar: Calendar, pauses: Sequence[Pause] = ()) -> timedelta | int:
    """Count what passed from `start` to `end` in the way of counting of `term`; its amount plays no part.

    Terms of minutes give counted time, exact to the microsecond. Terms of days give the counted days after the day of the
    start that have begun before `end`; months give the whole months that are over. Nothing has passed at a moment before
    the start. A pause without an end holds the clock from its start on.
    """
    match term:
        case ElapsedMinutes() | WorkingMinutes() | WindowedMinutes():
            return minutes_elapsed(instant(start), instant(end), term, calendar, pauses)
        case CalendarDays() | WorkingDays() | Months():
            return days_elapsed(instant(start), instant(end), term, calendar, pauses)
        case _:
            assert_never(term)


@overload
def remaining(
    start: datetime, now: datetime, term: MinuteTerm, calendar: Calendar, pauses: Sequence[Pause] = ()
) -> timedelta: ...
@overload
def remaining(start: datetime, now: datetime, term: DayTerm, calendar: Calendar, pauses: Sequence[Pause] = ()) -> int: ...
@overload
def remaining(
    start: datetime, now: datetime, term: Term, calendar: Calendar, pauses: Sequence[Pause] = ()
) -> timedelta | int: ...
def remaining(start: datetime, now: datetime, term: Term, calendar: Calendar, pauses: Sequence[Pause] = ()) -> timedelta | int:
    """Say what is left of the term at `now`, in its own way of counting; negative is how much it is overdue."""
    match term:
        case ElapsedMinutes() | WorkingMinutes() | WindowedMinutes():
            return term.duration - elapsed(start, now, term, calendar, pauses)
        case CalendarDays() | WorkingDays() | Months():
            return term.amount - elapsed(start, now, term, calendar, pauses)
        case _:
            assert_never(term)
