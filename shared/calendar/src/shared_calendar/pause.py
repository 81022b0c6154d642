"""When a clock stands still."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, model_validator

from shared_calendar.local import instant

END_OF_TIME = datetime.max.replace(tzinfo=UTC)

Stretch = tuple[datetime, datetime]
"""A half-open stretch of time, in UTC."""


class ClockStoppedError(ValueError):
    """The clock stands still in a pause that has not ended, so nobody can say when it will be due."""

    def __init__(self, pause: datetime) -> None:
        super().__init__(f"{self.__doc__} The pause began at {pause.isoformat()}.")


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


def union(pauses: Sequence[Pause]) -> list[Stretch]:
    """Give the paused time as disjoint stretches in order, in UTC; one that lasts ends at the end of time."""
    stretches = sorted((instant(pause.start), END_OF_TIME if pause.end is None else instant(pause.end)) for pause in pauses)
    joined: list[Stretch] = []
    for start, end in stretches:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        elif start < end:
            joined.append((start, end))
    return joined
