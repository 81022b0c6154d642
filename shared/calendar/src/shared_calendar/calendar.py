"""Whose time counts, and when it stands still."""

from datetime import UTC, datetime
from typing import Self
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator


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


class Calendar(BaseModel):
    """The calendar a term is counted by, pinned by id and version: a new version never moves an old clock."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    version: str = Field(min_length=1)
    timezone: ZoneInfo


class Pause(BaseModel):
    """A stretch in which a clock stands still: from `start` up to, not including, `end`; None while it lasts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: AwareDatetime
    end: AwareDatetime | None = None

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        """Refuse a pause that ends before it starts; one that ends at once pauses nothing."""
        if self.end is not None and instant(self.end) < instant(self.start):
            raise ValueError(f"a pause cannot end ({self.end}) before it starts ({self.start})")
        return self
