"""When a clock is due, worked out in another way than `shared_calendar` does: nothing of that package is imported here.

All is done on a city's own wall clock, which must not change its offset within the years looked at. The open hours of a calendar
are written out once, with the sum of all that came before each; counted time is then a look-up, and a due moment the inverse.
"""

from bisect import bisect_left, bisect_right
from calendar import monthrange
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise

FIRST, LAST = date(2025, 10, 1), date(2026, 12, 31)
"""The days that are written out."""

DAY = timedelta(days=1)
NOTHING = timedelta()
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Hours = Sequence[tuple[str, str]]
Span = tuple[datetime, datetime]
"""Local times without an offset."""


@dataclass(frozen=True)
class Term:
    """A term as plain values."""

    unit: str
    amount: int
    opens: str = ""
    closes: str = ""


def at_time(day: date, text: str) -> datetime:
    """Put a time of the day, 24:00 included, on a date."""
    return datetime.combine(day, datetime.min.time()) + timedelta(hours=int(text[:2]), minutes=int(text[3:]))


def days() -> Iterator[date]:
    """Give every day that is written out."""
    day = FIRST
    while day <= LAST:
        yield day
        day += DAY


class Measure:
    """How much of some open hours lies before a moment, and when so much has."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._begins = [begin for begin, _ in spans]
        self._ends = [end for _, end in spans]
        self._before = [NOTHING]
        for begin, end in spans:
            self._before.append(self._before[-1] + (end - begin))

    def until(self, moment: datetime) -> timedelta:
        """Measure what is open before a moment."""
        index = bisect_right(self._begins, moment)
        if index == 0:
            return NOTHING
        return self._before[index - 1] + min(moment, self._ends[index - 1]) - self._begins[index - 1]

    def reached(self, amount: timedelta) -> datetime:
        """Say at which moment so much has been open: the first, so the close of hours rather than the next opening."""
        index = bisect_left(self._before, amount) - 1
        return self._begins[index] + (amount - self._before[index])


@dataclass(frozen=True)
class OwnCalendar:
    """A calendar as plain data: the hours of weekdays, what differs on dates, and a fixed offset from UTC."""

    offset: timedelta
    week: Mapping[str, Hours]
    differs: Mapping[date, Hours]
    _measures: dict[tuple[str, str, str], Measure] = field(default_factory=dict)

    def hours(self, day: date) -> Hours:
        """Give the hours of a date."""
        return self.differs[day] if day in self.differs else self.week[WEEKDAYS[day.weekday()]]

    def due(self, start: datetime, term: Term, pauses: Sequence[tuple[datetime, datetime]] = ()) -> datetime:
        """Say when a clock has counted its whole term; all moments are in UTC, all pauses are over."""
        begun = self._local(start)
        paused = _joined([(self._local(begin), self._local(end)) for begin, end in pauses])
        match term.unit:
            case "elapsed-minutes":
                ended = _plain(begun, timedelta(minutes=term.amount), paused)
            case "working-minutes" | "windowed-minutes":
                ended = _measured(self._measure(term), begun, timedelta(minutes=term.amount), paused)
            case "calendar-days":
                ended = _nth_end(term.amount, (at_time(day, "24:00") for day in _after(begun)), paused)
            case "working-days":
                closing = (at_time(day, hours[-1][1]) for day in _after(begun) if (hours := self.hours(day)))
                ended = _nth_end(term.amount, closing, paused)
            case "months":
                ended = _months(begun, term.amount, paused)
            case _:
                raise ValueError(term.unit)
        return (ended - self.offset).replace(tzinfo=UTC)

    def _local(self, moment: datetime) -> datetime:
        return moment.astimezone(timezone(self.offset)).replace(tzinfo=None)

    def _measure(self, term: Term) -> Measure:
        key = (term.unit, term.opens, term.closes)
        if key not in self._measures:
            own = term.unit == "working-minutes"
            written = ((day, self.hours(day) if own else ((term.opens, term.closes),)) for day in days())
            spans = [(at_time(day, opens), at_time(day, closes)) for day, hours in written for opens, closes in hours]
            self._measures[key] = Measure(spans)
        return self._measures[key]


def _joined(spans: Sequence[Span]) -> list[Span]:
    """Make of overlapping pauses one."""
    joined: list[Span] = []
    for begin, end in sorted(span for span in spans if span[0] < span[1]):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    assert all(one[1] < two[0] for one, two in pairwise(joined))
    return joined


def _plain(start: datetime, amount: timedelta, paused: Sequence[Span]) -> datetime:
    ended = start + amount
    for begin, end in paused:
        if begin < ended and end > start:
            ended += end - max(begin, start)
    return ended


def _measured(measure: Measure, start: datetime, amount: timedelta, paused: Sequence[Span]) -> datetime:
    wanted = measure.until(start) + amount
    for begin, end in paused:
        if end > start and measure.until(begin) < wanted:
            wanted += measure.until(end) - measure.until(max(begin, start))
    return measure.reached(wanted)


def _after(start: datetime) -> Iterator[date]:
    day = start.date()
    while True:
        day += DAY
        yield day


def _stands(moment: datetime, paused: Sequence[Span]) -> bool:
    """Say whether the clock stood just before a moment."""
    return any(begin < moment <= end for begin, end in paused)


def _nth_end(number: int, ends: Iterator[datetime], paused: Sequence[Span]) -> datetime:
    """Count the ends of days at which the clock did not stand."""
    for end in ends:
        number -= not _stands(end, paused)
        if number == 0:
            return end
    raise AssertionError("days never end")


def _months(start: datetime, months: int, paused: Sequence[Span]) -> datetime:
    """Look at one day after the other: the first on which the months are over, counted from as many days later as were lost."""
    lost = 0
    for day in _after(start):
        end = at_time(day, "24:00")
        if _stands(end, paused):
            lost += 1
        elif _months_on(start.date() + lost * DAY, months) <= day:
            return end
    raise AssertionError("days never end")


def _months_on(day: date, months: int) -> date:
    year, month = day.year + (day.month - 1 + months) // 12, (day.month - 1 + months) % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))
