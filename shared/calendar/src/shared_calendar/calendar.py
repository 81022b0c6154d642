"""Whose time counts: a calendar's zone, the hours of its week, and the days that differ."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shared_calendar.local import WEEKDAYS, Hours, Weekday, every_day


def _whole_week(week: Mapping[Weekday, Hours]) -> Mapping[Weekday, Hours]:
    """Refuse a week with a day left out, or without a single hour: by it no term would ever be over."""
    absent = [day for day in WEEKDAYS if day not in week]
    if absent:
        raise ValueError(f"a week says the hours of each day, an empty list for none; missing: {', '.join(absent)}")
    if not any(week.values()):
        raise ValueError("a week has at least one hour that counts")
    return week


Week = Annotated[Mapping[Weekday, Hours], AfterValidator(_whole_week)]


class Day(BaseModel):
    """What differs on a date: its hours (none: a day off), and what it is called, by language."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hours: Hours = ()
    name: Mapping[str, str] = Field(default_factory=dict)


class Calendar(BaseModel):
    """The calendar a term is counted by, pinned by id and version: a new version never moves an old clock.

    `week` holds the hours of every weekday, day and night if nothing else is said; `days` what differs on a date: holidays,
    moved days off, working Saturdays, short days.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    version: str = Field(min_length=1)
    timezone: ZoneInfo
    week: Week = Field(default_factory=every_day)
    days: Mapping[date, Day] = Field(default_factory=dict)

    def hours_on(self, day: date) -> Hours:
        """Give the hours that count on a date."""
        differs = self.days.get(day)
        return self.week[WEEKDAYS[day.weekday()]] if differs is None else differs.hours

    def is_working_day(self, day: date) -> bool:
        """Say whether any hour of a date counts."""
        return bool(self.hours_on(day))

    def name_of(self, day: date) -> Mapping[str, str]:
        """Give what a date is called in this calendar, by language; nothing if it is a day like any other."""
        differs = self.days.get(day)
        return {} if differs is None else differs.name
