"""A calendar as a pack writes it, and as terms are counted by it: every holiday and moved day written out as a date.

What is not written in the pack comes from the `holidays` library, which knows the days off of a country and how they move. The
calendar's version ends with a hash of its content, so another edition of the library, or of the pack, is another version.
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Annotated, Self
from zoneinfo import ZoneInfo

import holidays
from pydantic import AfterValidator, BeforeValidator, Field, StrictInt, model_validator

from shared_calendar import WEEKDAYS, Calendar, Day, Hours, Week
from shared_city.part import Language, Names, Part, Slug, Text

_LIBRARY_LANGUAGES = {"en": "en_US"}
"""What the library calls a language, where it does not go by its own code."""

_ONE_DAY = timedelta(days=1)
Year = Annotated[StrictInt, Field(ge=1990, le=2100)]


def _pairs(value: object) -> object:
    """Take hours written as `08:00-17:00` apart."""
    if not isinstance(value, list):
        return value
    pairs = [item.split("-") if isinstance(item, str) else [] for item in value]
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError("hours are a list of texts like 08:00-17:00")
    return tuple((opens.strip(), closes.strip()) for opens, closes in pairs)


def _pairs_of_each_day(value: object) -> object:
    """Take the hours of every day of a week apart."""
    return {day: _pairs(hours) for day, hours in value.items()} if isinstance(value, dict) else value


def _some(hours: Hours) -> Hours:
    if not hours:
        raise ValueError("a working day has hours; write a day off under days_off")
    return hours


WrittenHours = Annotated[Hours, BeforeValidator(_pairs), AfterValidator(_some)]
WrittenWeek = Annotated[Week, BeforeValidator(_pairs_of_each_day)]


class SeedEntry(Part):
    """Which country's public holidays, and perhaps a subdivision's, a calendar keeps, from one year to another (both in)."""

    country: Text
    subdivision: Text | None = None
    from_year: Year
    to_year: Year

    @model_validator(mode="after")
    def _is_known_to_the_library(self) -> Self:
        """Refuse years that run backwards, and a country or subdivision of which the library knows nothing."""
        if self.to_year < self.from_year:
            raise ValueError(f"to_year ({self.to_year}) comes before from_year ({self.from_year})")
        try:
            holidays.country_holidays(self.country, subdiv=self.subdivision, years=self.from_year)
        except NotImplementedError as error:
            raise ValueError(f"no holidays are known: {error}") from error
        return self


class DayOffEntry(Part):
    """A date without hours, besides the holidays of the country."""

    date: date
    names: Names


class WorkingDayEntry(Part):
    """A date with hours of its own: a working Saturday, or a day that ends earlier."""

    date: date
    hours: WrittenHours
    names: Names | None = None


class CalendarEntry(Part):
    """An entry of `calendars.yaml`. Without `week` every hour of every day counts; without `timezone` it is the city's.

    What is written for a date goes before what the country's holidays say of it.
    """

    id: Slug
    version: Text
    timezone: ZoneInfo | None = None
    week: WrittenWeek | None = None
    holidays: SeedEntry | None = None
    days_off: tuple[DayOffEntry, ...] = ()
    working_days: tuple[WorkingDayEntry, ...] = ()


def write_out(entry: CalendarEntry, timezone: ZoneInfo, languages: Sequence[Language]) -> Calendar:
    """Write a calendar out to explicit dates, pinned by a version that tells any two contents apart."""
    plain = Calendar(id=entry.id, version=entry.version, timezone=entry.timezone or timezone)
    if entry.week is not None:
        plain = plain.model_copy(update={"week": entry.week})
    days = {
        **dict(_seeded(entry.holidays, plain, languages) if entry.holidays else ()),
        **{day.date: Day(name=day.names) for day in entry.days_off},
        **{day.date: Day(hours=day.hours, name=day.names or {}) for day in entry.working_days},
    }
    dated = plain.model_copy(update={"days": dict(sorted(days.items()))})
    content = hashlib.sha256(dated.model_dump_json().encode()).hexdigest()
    return dated.model_copy(update={"version": f"{entry.version}+{content[:8]}"})


def _seeded(seed: SeedEntry, plain: Calendar, languages: Sequence[Language]) -> Iterator[tuple[date, Day]]:
    """Give a country's days off, and the weekend days that it works instead, with the hours of the working day before."""
    years = range(seed.from_year, seed.to_year + 1)
    known = holidays.country_holidays(seed.country, subdiv=seed.subdivision, years=years)
    spoken = {language: _LIBRARY_LANGUAGES.get(language, language) for language in languages}
    named = {
        language: holidays.country_holidays(seed.country, subdiv=seed.subdivision, years=years, language=code)
        for language, code in spoken.items()
        if code in known.supported_languages
    }
    for day in known:
        yield day, Day(name={language: names[day] for language, names in named.items()} or {"en": known[day]})
    for day in known.weekend_workdays:
        yield day, Day(hours=_hours_before(plain, day))


def _hours_before(calendar: Calendar, day: date) -> Hours:
    """Find the hours of the last weekday before a date that has any."""
    while not calendar.week[WEEKDAYS[day.weekday()]]:
        day -= _ONE_DAY
    return calendar.week[WEEKDAYS[day.weekday()]]
