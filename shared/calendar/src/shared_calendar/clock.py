"""The three questions asked of a clock: when is it due, how much has passed, how much is left.

Intervals are half-open: the minute in which a pause starts belongs to the pause, the one in which it ends does not.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import assert_never

from shared_calendar.calendar import Calendar, Pause, instant
from shared_calendar.term import ElapsedMinutes, Term

_END_OF_TIME = datetime.max.replace(tzinfo=UTC)
_NOTHING = timedelta()


class ClockStoppedError(ValueError):
    """The clock stands still in a pause that has not ended, so nobody can say when it will be due."""

    def __init__(self, pause: datetime) -> None:
        super().__init__(f"{self.__doc__} The pause began at {pause.isoformat()}.")


def due(start: datetime, term: Term, calendar: Calendar, pauses: Sequence[Pause] = ()) -> datetime:  # noqa: ARG001 - elapsed minutes are the same in every calendar
    """Say at which moment, in UTC, a clock started at `start` has counted its whole term.

    Raises `ClockStoppedError` when a pause without an end is reached first, `NaiveTimeError` for a time without an offset.
    """
    match term:
        case ElapsedMinutes():
            return _due_by_elapsed_time(instant(start), term.duration, pauses)
        case _:
            assert_never(term)


def elapsed(
    start: datetime,
    end: datetime,
    term: Term,
    calendar: Calendar,  # noqa: ARG001 - as in due
    pauses: Sequence[Pause] = (),
) -> timedelta:
    """Count the time that passed from `start` to `end` in the way of counting of `term`; its amount plays no part.

    Exact to the microsecond. Nothing has passed at a moment before the start. A pause without an end holds the
    clock from its start on.
    """
    match term:
        case ElapsedMinutes():
            return _elapsed_time(instant(start), instant(end), pauses)
        case _:
            assert_never(term)


def remaining(
    start: datetime,
    now: datetime,
    term: Term,
    calendar: Calendar,
    pauses: Sequence[Pause] = (),
) -> timedelta:
    """Say what is left of the term at `now`, in its own way of counting; negative is how much it is overdue."""
    return term.duration - elapsed(start, now, term, calendar, pauses)


def _due_by_elapsed_time(start: datetime, left: timedelta, pauses: Sequence[Pause]) -> datetime:
    """Walk from pause to pause until the time between them adds up to what is left."""
    cursor = start
    for pause_start, pause_end in _union(pauses):
        if pause_end <= cursor:
            continue
        counted = max(pause_start, cursor) - cursor
        if counted >= left:
            break
        if pause_end == _END_OF_TIME:
            raise ClockStoppedError(pause_start)
        left -= counted
        cursor = pause_end
    return cursor + left


def _elapsed_time(start: datetime, end: datetime, pauses: Sequence[Pause]) -> timedelta:
    """Measure the interval less the parts of it that are paused."""
    if end <= start:
        return _NOTHING
    paused = sum(
        (max(min(pause_end, end) - max(pause_start, start), _NOTHING) for pause_start, pause_end in _union(pauses)),
        _NOTHING,
    )
    return end - start - paused


def _union(pauses: Sequence[Pause]) -> list[tuple[datetime, datetime]]:
    """Give the paused time as disjoint stretches in order, in UTC; one that lasts ends at the end of time."""
    stretches = sorted((instant(pause.start), _END_OF_TIME if pause.end is None else instant(pause.end)) for pause in pauses)
    union: list[tuple[datetime, datetime]] = []
    for start, end in stretches:
        if union and start <= union[-1][1]:
            union[-1] = (union[-1][0], max(union[-1][1], end))
        elif start < end:
            union.append((start, end))
    return union
