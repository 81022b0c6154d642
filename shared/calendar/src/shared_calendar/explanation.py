"""Why a clock is due when it is: its steps in words, for a resident, an executor or a court."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import assert_never
from zoneinfo import ZoneInfo

from shared_calendar.calendar import Calendar
from shared_calendar.clock import due
from shared_calendar.counting import counted, without
from shared_calendar.local import WEEKDAYS, day_of, instant, moment_of
from shared_calendar.numbering import days_counted, end_of, months_later
from shared_calendar.pause import END_OF_TIME, ClockStoppedError, Pause, Stretch, union
from shared_calendar.term import (
    CalendarDays,
    ElapsedMinutes,
    MinuteTerm,
    Months,
    Term,
    WindowedMinutes,
    WorkingDays,
    WorkingMinutes,
)

_ONE_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)

Step = tuple[datetime, str]
"""What happens, in words, and the moment by which steps are put in order."""


def explain(start: datetime, term: Term, calendar: Calendar, pauses: Sequence[Pause] = ()) -> tuple[str, ...]:
    """Tell how a clock counts from its start to its due moment, a step a line, in the calendar's own time.

    A clock that stands still is told as far as it went. Raises `NaiveTimeError` for a time without an offset.
    """
    begin, paused, zone = instant(start), union(pauses), calendar.timezone
    try:
        due_at: datetime | None = due(start, term, calendar, pauses)
    except ClockStoppedError:
        due_at = None
    until = due_at or max(paused[-1][0], begin)
    steps = [*_paused(begin, until, paused, zone), *_off(begin, until, term, calendar)]
    match term:
        case ElapsedMinutes() | WorkingMinutes() | WindowedMinutes():
            steps += _minutes(begin, until, term, calendar, paused)
        case CalendarDays() | WorkingDays():
            steps += _days(begin, until, term, calendar, paused)
        case Months():
            steps += _months(begin, until, term, zone)
        case _:
            assert_never(term)
    steps.sort(key=lambda step: step[0])
    end = f"Due on {_ending(due_at, zone)}." if due_at else "Nobody can say yet when it is due: the clock stands still."
    return (f"Starts on {_at(begin, zone)}, {zone.key} time, calendar {calendar.id} {calendar.version}.", *_words(steps), end)


def _words(steps: Iterable[Step]) -> Iterator[str]:
    return (text for _, text in steps)


def _minutes(begin: datetime, until: datetime, term: MinuteTerm, calendar: Calendar, paused: Sequence[Stretch]) -> Iterator[Step]:
    """Tell each stretch that counts, and what is left after it."""
    left = term.duration
    for opens, closes in without(counted(begin, term, calendar), paused):
        if opens >= until:
            return
        length = min(closes, until) - opens
        left -= length
        stretch = f"{_at(opens, calendar.timezone)} to {_ending(opens + length, calendar.timezone)}"
        yield opens, f"{stretch} counts {_length(length)}; left: {_length(left)}."


def _days(
    begin: datetime, until: datetime, term: CalendarDays | WorkingDays, calendar: Calendar, paused: Sequence[Stretch]
) -> Iterator[Step]:
    """Tell which days count, as runs without a gap, and which were lost to a pause."""
    zone = calendar.timezone
    first, last = day_of(begin, zone), day_of(until - timedelta.resolution, zone)
    yield begin, f"{_day(first)}, the day of the start, does not count."
    counting: list[date] = []
    for day, _ in days_counted(begin, term, calendar, paused):
        if day > last:
            break
        counting.append(day)
    for run in _runs(counting):
        numbers = counting.index(run[0]) + 1, counting.index(run[-1]) + 1
        said = f"is day {numbers[0]}" if len(run) == 1 else f"are days {numbers[0]} to {numbers[1]}"
        yield moment_of(run[0], 0, zone), f"{_span(run)} {said}."
    lost = [
        day for day in _between(first + _ONE_DAY, last) if day not in set(counting) and end_of(day, term, calendar) is not None
    ]
    for run in _runs(lost):
        yield (
            moment_of(run[0] + _ONE_DAY, 0, zone) - timedelta.resolution,
            f"{_span(run)}: lost, the clock stood still at the end of the day.",
        )


def _months(begin: datetime, until: datetime, term: Months, zone: ZoneInfo) -> Iterator[Step]:
    """Tell the day the months lead to, and by how many days pauses moved it."""
    first, last = day_of(begin, zone), day_of(until - timedelta.resolution, zone)
    wanted = months_later(first, term.months)
    yield begin, f"{_day(first)} and {_amount(term.months, 'month')} is {_day(wanted)}."
    if last > wanted:
        yield until, f"Pauses move it to {_day(last)}."


def _off(begin: datetime, until: datetime, term: Term, calendar: Calendar) -> Iterator[Step]:
    """Tell the days without hours, for terms that look at hours."""
    if not isinstance(term, WorkingMinutes | WorkingDays):
        return
    zone = calendar.timezone
    days = _between(day_of(begin, zone), day_of(until - timedelta.resolution, zone))
    off = [day for day in days if not calendar.is_working_day(day)]
    for run in _runs(off):
        for name, same in groupby(run, key=lambda day: _name(calendar, day)):
            together = list(same)
            yield moment_of(together[0], 0, zone), f"{_span(together)}: off{name}."


def _paused(begin: datetime, until: datetime, paused: Sequence[Stretch], zone: ZoneInfo) -> Iterator[Step]:
    """Tell the pauses that touch the clock."""
    for opens, closes in paused:
        if opens <= until and closes > begin:
            ends = "until further notice" if closes == END_OF_TIME else f"to {_at(closes, zone)}"
            yield max(opens, begin), f"{_at(opens, zone)} {ends}: the clock stands still."


def _between(first: date, last: date) -> list[date]:
    return [first + _ONE_DAY * number for number in range((last - first).days + 1)]


def _runs(days: Sequence[date]) -> Iterator[list[date]]:
    """Put days that follow each other together."""
    for _, run in groupby(enumerate(days), key=lambda pair: pair[1].toordinal() - pair[0]):
        yield [day for _, day in run]


def _span(days: Sequence[date]) -> str:
    return _day(days[0]) if len(days) == 1 else f"{_day(days[0])} to {_day(days[-1])}"


def _name(calendar: Calendar, day: date) -> str:
    """Give a day's name in brackets: in English where it has one, else in the first language there is."""
    names = calendar.name_of(day)
    name = names.get("en") or next(iter(names.values()), None)
    return f" ({name})" if name else ""


def _day(day: date) -> str:
    """Write a date with its weekday, the same in every locale."""
    return f"{WEEKDAYS[day.weekday()].title()} {day.isoformat()}"


def _at(moment: datetime, zone: ZoneInfo) -> str:
    """Write a moment in local time; of an hour that is shown twice, with its offset from UTC."""
    local = moment.astimezone(zone)
    seconds = "" if not (local.second or local.microsecond) else f":{local.second:02d}"
    twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    return f"{_day(local.date())} {local:%H:%M}{seconds}{local.isoformat()[-6:] if twice else ''}"


def _ending(moment: datetime, zone: ZoneInfo) -> str:
    """Write a moment at which something ends: midnight is the 24:00 of the day before."""
    local = moment.astimezone(zone)
    if (local.hour, local.minute, local.second, local.microsecond) == (0, 0, 0, 0):
        return f"{_day(local.date() - _ONE_DAY)} 24:00"
    return _at(moment, zone)


def _length(length: timedelta) -> str:
    """Write a length in minutes, and in seconds where they do not come out even."""
    minutes, rest = divmod(length, _MINUTE)
    seconds = f" {_amount(round(rest.total_seconds()), 'second')}" if rest else ""
    return _amount(minutes, "minute") + seconds


def _amount(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
