"""The clock: when a thing is due, how much of its term has passed, and how much is left.

Pure functions over four nouns; nothing here reads a clock, a file or a setting:

- `Term`: how long something may take, with its unit in the type (`ElapsedMinutes`);
- `Calendar`: whose days and hours count, pinned by id and version when a clock starts;
- `Pause`: a half-open stretch in which a clock stands still; overlapping pauses count once;
- `due`, `elapsed`, `remaining`: the three questions asked of a clock.

Times are aware; a naive one is refused with `NaiveTimeError`. Answers are in UTC, so that comparing and subtracting
them is exact on both sides of a change of the clocks.
"""

from shared_calendar.calendar import Calendar, NaiveTimeError, Pause
from shared_calendar.clock import ClockStoppedError, due, elapsed, remaining
from shared_calendar.term import ElapsedMinutes, Term

__all__ = [
    "Calendar",
    "ClockStoppedError",
    "ElapsedMinutes",
    "NaiveTimeError",
    "Pause",
    "Term",
    "due",
    "elapsed",
    "remaining",
]
