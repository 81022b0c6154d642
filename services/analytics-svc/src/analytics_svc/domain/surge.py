"""When so many registrations at once are worth a hint: far more of one type from one district than its average.

Minutes are whole minutes since 1970 (UTC). A registration counts in the sliding window that ends with the newest minute heard of;
minutes that have left the window enter an exponentially weighted average, so that a burst is not compared with itself. The
average at minute r is sum(count(k) * (1 - d) * d ** (r - 1 - k)) with d = 2 ** (-1 / half_life): each registration adds its own
share, so the order in which they come changes nothing. As long as less than everything is known it is divided by the weight of
what is, 1 - d ** (r - since).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from pydantic import TypeAdapter

MINUTE: Final = 60
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """When a window is a surge: at least `least` registrations, and `times` as many as on average.

    All times in minutes: `window`, the `half_life` of what is remembered, how long a city must be known (`warm_up`) before there
    is an average to speak of, and the age above which a surge is no news any more (`stale`).
    """

    window: int
    times: float
    least: int
    half_life: float
    warm_up: float
    stale: int

    @property
    def decay(self) -> float:
        """What a minute leaves of an average."""
        return math.exp2(-1.0 / self.half_life)


@dataclass(frozen=True, slots=True)
class History:
    """What is remembered of one type in one district: the minutes of the window, and the average of all before `reached`.

    `quiet_until` is the end of the window that was told last plus one more: until then it is told no more. `seen` are the last
    positions counted, by partition of the source, so that what is repeated after a crash is not counted again.
    """

    minutes: Mapping[int, int]
    average: float
    reached: int
    quiet_until: int
    seen: Mapping[str, int]

    @classmethod
    def of(cls, stored: Mapping[str, object] | None, first: int, quiet_until: int = 0) -> "History":
        """Read what was stored; where nothing was, all begins at a minute. It is quiet at least as long as said."""
        if not stored:
            return cls({}, 0.0, first, quiet_until, {})
        history = _STORED.validate_python(stored)
        return replace(history, quiet_until=max(quiet_until, history.quiet_until))

    @property
    def stored(self) -> dict[str, object]:
        """What is to be stored, as JSON has it."""
        minutes = {str(minute): count for minute, count in self.minutes.items()}
        told = {"average": self.average, "reached": self.reached, "quiet_until": self.quiet_until}
        return {"minutes": minutes, "seen": dict(self.seen), **told}


_STORED: Final = TypeAdapter(History)


@dataclass(frozen=True, slots=True)
class Surge:
    """A window with far more registrations than on average: from minute `start` to before minute `end`."""

    start: int
    end: int
    count: int
    average: float


def counted(before: History, minute: int, partition: int, position: int, by: Sensitivity) -> History | None:
    """Count a registration of a minute; None for one that was counted before: positions of one partition only rise."""
    place = str(partition)
    if position <= before.seen.get(place, 0):
        return None
    history = _moved(before, minute + 1 - by.window, by.decay)
    seen = {**history.seen, place: position}
    if minute < history.reached:
        late = _share(history, minute, by.decay)
        return replace(history, average=history.average + late, seen=seen)
    return replace(history, minutes={**history.minutes, minute: history.minutes.get(minute, 0) + 1}, seen=seen)


def surge(history: History, since: int, now: int, by: Sensitivity) -> Surge | None:
    """Say whether the newest window is a surge that is worth telling: not told yet, and still news.

    `since` is the first minute anything of the city was heard of here.
    """
    end = max(history.minutes, default=history.reached) + 1
    start = end - by.window
    known = history.reached - since
    count = sum(history.minutes.values())
    if known < max(by.warm_up, 1) or end <= history.quiet_until or now - end > by.stale or count < by.least:
        return None
    average = by.window * history.average / (1.0 - by.decay**known)
    return Surge(start, end, count, average) if count >= by.times * average else None


def told(history: History, found: Surge, by: Sensitivity) -> History:
    """Remember that a surge was told: nothing more is, until a whole window has passed."""
    return replace(history, quiet_until=found.end + by.window)


def _moved(history: History, reached: int, decay: float) -> History:
    """Move the beginning of the window on: what it leaves behind enters the average. It never moves back."""
    if reached <= history.reached:
        return history
    moved = replace(history, average=history.average * decay ** (reached - history.reached), reached=reached)
    left = sum(count * _share(moved, minute, decay) for minute, count in history.minutes.items() if minute < reached)
    minutes = {minute: count for minute, count in history.minutes.items() if minute >= reached}
    return replace(moved, average=moved.average + left, minutes=minutes)


def _share(history: History, minute: int, decay: float) -> float:
    """Give what one registration of a past minute adds to the average."""
    return (1.0 - decay) * decay ** (history.reached - 1 - minute)
