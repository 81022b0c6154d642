"""Times of the day as people write them, `08:00` or `24:00`, and how they become moments in a zone."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator

MINUTES_OF_A_DAY = 24 * 60
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)
"""In the order of `date.weekday()`."""

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00")
_SECOND = timedelta(seconds=1)


class NaiveTimeError(ValueError):
    """A time must say its offset from UTC: the same hour is another moment in another city."""

    def __init__(self, moment: datetime) -> None:
        super().__init__(f"{self.__doc__} This one does not: {moment.isoformat()}")


def instant(moment: datetime) -> datetime:
    """Give the same moment in UTC, where subtracting and comparing are exact; a naive time raises `NaiveTimeError`.

    Python subtracts and compares two times of one zone by their wall clocks, wrong by an hour across a change of
    the clocks; hence everything here is done on instants.
    """
    if moment.utcoffset() is None:
        raise NaiveTimeError(moment)
    return moment.astimezone(UTC)


def _spelt(value: object) -> object:
    """Take a `time` for its own spelling."""
    return value.strftime("%H:%M") if isinstance(value, time) else value


def _time_of_day(text: str) -> str:
    if not _CLOCK.fullmatch(text):
        raise ValueError("must be a time of the day from 00:00 to 24:00, in quotes, like '08:00'")
    return text


TimeOfDay = Annotated[str, BeforeValidator(_spelt), AfterValidator(_time_of_day)]
"""A local time of the day, `HH:MM`; `24:00` is the end of the day."""


def minutes_of(text: str) -> int:
    """Count the minutes a clock shows since midnight."""
    return int(text[:2]) * 60 + int(text[3:])


def _hours(pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Refuse hours that end before they begin, or that are not in order without overlap."""
    latest = "00:00"
    for opens, closes in pairs:
        if closes <= opens:
            raise ValueError(f"hours must end after they begin: {opens}-{closes}")
        if opens < latest:
            raise ValueError(f"hours must be in order and must not overlap: {opens}-{closes}")
        latest = closes
    return pairs


Hours = Annotated[tuple[tuple[TimeOfDay, TimeOfDay], ...], AfterValidator(_hours)]
"""The hours of a day that count, as half-open pairs of local times, in order; none is a day off."""

AROUND_THE_CLOCK: Hours = (("00:00", "24:00"),)


def every_day() -> Mapping[Weekday, Hours]:
    """Give the week without a gap: day and night."""
    return dict.fromkeys(WEEKDAYS, AROUND_THE_CLOCK)


@lru_cache(maxsize=32_768)
def moment_of(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    """Say at which moment, in UTC, a zone's clocks first show a time of a day, in minutes after midnight.

    A time shown twice is the first one. A time that the clocks jump over is the moment of the jump, so a later time of
    the day is never an earlier moment.
    """
    local = datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(minutes=minutes)
    before, after = local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)
    return before if before <= after else _jump(after, before, zone)


def day_of(moment: datetime, zone: ZoneInfo) -> date:
    """Say which day it is in a zone at an instant: the one that began last.

    Clocks that go back over midnight show the day before once more; the new day has begun all the same.
    """
    day = moment.astimezone(zone).date()
    following = day + timedelta(days=1)
    return following if moment >= moment_of(following, 0, zone) else day


def _jump(earliest: datetime, latest: datetime, zone: ZoneInfo) -> datetime:
    """Find the second at which a zone's offset changes between two moments."""
    offset = earliest.astimezone(zone).utcoffset()
    while latest - earliest > _SECOND:
        middle = earliest + (latest - earliest) // 2
        middle -= timedelta(microseconds=middle.microsecond)
        if middle.astimezone(zone).utcoffset() == offset:
            earliest = middle
        else:
            latest = middle
    return latest
