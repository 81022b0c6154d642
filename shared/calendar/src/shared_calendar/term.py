"""How long something may take: a closed union of units, each a type of its own, never a number with a flag."""

from datetime import timedelta
from typing import Annotated, Literal, Self, TypeAlias, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from shared_calendar.local import TimeOfDay

Unit = Literal["elapsed-minutes", "working-minutes", "calendar-days", "working-days", "months", "windowed-minutes"]
UNITS: tuple[Unit, ...] = get_args(Unit)

_TEN_YEARS_OF_MINUTES = 10 * 366 * 24 * 60
Minutes = Annotated[int, Field(ge=1, le=_TEN_YEARS_OF_MINUTES, strict=True)]
Days = Annotated[int, Field(ge=1, le=10 * 366, strict=True)]


class _Minutes(BaseModel):
    """A term counted by the minute."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    minutes: Minutes

    @property
    def amount(self) -> int:
        """How many of its unit the term allows."""
        return self.minutes

    @property
    def duration(self) -> timedelta:
        """The counted time this term allows."""
        return timedelta(minutes=self.minutes)


class ElapsedMinutes(_Minutes):
    """Minutes as they pass by the clock on the wall of the world: night, holiday or change of the clocks."""

    unit: Literal["elapsed-minutes"] = "elapsed-minutes"


class WorkingMinutes(_Minutes):
    """Minutes that pass within the hours of the calendar."""

    unit: Literal["working-minutes"] = "working-minutes"


class WindowedMinutes(_Minutes):
    """Minutes that pass between two local times of every day, `opens` up to, not including, `closes`; days off count too."""

    unit: Literal["windowed-minutes"] = "windowed-minutes"
    opens: TimeOfDay
    closes: TimeOfDay

    @model_validator(mode="after")
    def _closes_after_it_opens(self) -> Self:
        """Refuse a window that is never open, or one over midnight."""
        if self.closes <= self.opens:
            raise ValueError(f"a window must close after it opens: {self.opens}-{self.closes}")
        return self


class CalendarDays(BaseModel):
    """Days of the zone, every one of them. The day of the start does not count; the term is over when the last day is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: Literal["calendar-days"] = "calendar-days"
    days: Days

    @property
    def amount(self) -> int:
        """How many of its unit the term allows."""
        return self.days


class WorkingDays(BaseModel):
    """Days on which the calendar has hours. The day of the start does not count; over when the last day's last hour is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: Literal["working-days"] = "working-days"
    days: Days

    @property
    def amount(self) -> int:
        """How many of its unit the term allows."""
        return self.days


class Months(BaseModel):
    """Months: over at the end of the day with the same number, or of the month's last day where there is none such."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: Literal["months"] = "months"
    months: Annotated[int, Field(ge=1, le=120, strict=True)]

    @property
    def amount(self) -> int:
        """How many of its unit the term allows."""
        return self.months


def _says_its_unit(value: object) -> object:
    """Refuse written data that leaves its unit to be guessed: `minutes` alone could be of several kinds."""
    if isinstance(value, dict) and value.get("unit") not in UNITS:
        said = f", not '{value['unit']}'" if "unit" in value else ""
        raise ValueError(f"a term says its unit; allowed: {', '.join(UNITS)}{said}")
    return value


MinuteTerm: TypeAlias = ElapsedMinutes | WorkingMinutes | WindowedMinutes
DayTerm: TypeAlias = CalendarDays | WorkingDays | Months
Term: TypeAlias = Annotated[
    Annotated[
        ElapsedMinutes | WorkingMinutes | WindowedMinutes | CalendarDays | WorkingDays | Months, Field(discriminator="unit")
    ],
    BeforeValidator(_says_its_unit),
]
"""Any term. Written data names the member by `unit`; code that takes a `Term` matches it and closes with `assert_never`."""

_TERM: TypeAdapter[Term] = TypeAdapter(Term)
_AMOUNTS: dict[str, str] = {"calendar-days": "days", "working-days": "days", "months": "months"}


def term_of(unit: str, amount: int, opens: str | None = None, closes: str | None = None) -> Term:
    """Build a term of plain values, as facts state them; raises `ValueError` in words for what is no term."""
    window = {"opens": opens, "closes": closes}
    said = {"unit": unit, _AMOUNTS.get(unit, "minutes"): amount}
    said |= {name: value for name, value in window.items() if value is not None}
    try:
        return _TERM.validate_python(said)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = f"{first['loc'][-1]}: " if first["loc"] else ""
        raise ValueError(f"no term: {place}{first['msg'].removeprefix('Value error, ')}") from error
