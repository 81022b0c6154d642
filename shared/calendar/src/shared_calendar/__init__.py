"""The clock: when a thing is due, how much of its term has passed, how much is left, and why.

Pure functions over four nouns; nothing here reads a clock, a file or a setting:

- `Term`: how long something may take, with its unit in the type: `ElapsedMinutes`, `WorkingMinutes`, `WindowedMinutes`,
  `CalendarDays`, `WorkingDays`, `Months`; `term_of` builds one of plain values;
- `Calendar`: whose days and hours count, pinned by id and version when a clock starts;
- `Pause`: a half-open stretch in which a clock stands still; overlapping pauses count once;
- `due`, `elapsed`, `remaining`: the three questions asked of a clock; `explain` gives the steps in words.

Times are aware; a naive one is refused with `NaiveTimeError`. Answers are in UTC, so that comparing and subtracting
them is exact on both sides of a change of the clocks.
"""

from shared_calendar.calendar import Calendar, Day, Week
from shared_calendar.clock import due, elapsed, remaining
from shared_calendar.explanation import explain
from shared_calendar.local import AROUND_THE_CLOCK, WEEKDAYS, Hours, NaiveTimeError, TimeOfDay, Weekday
from shared_calendar.pause import ClockStoppedError, Pause
from shared_calendar.term import (
    CalendarDays,
    DayTerm,
    ElapsedMinutes,
    MinuteTerm,
    Months,
    Term,
    Unit,
    WindowedMinutes,
    WorkingDays,
    WorkingMinutes,
    term_of,
)

__all__ = [
    "AROUND_THE_CLOCK",
    "WEEKDAYS",
    "Calendar",
    "CalendarDays",
    "ClockStoppedError",
    "Day",
    "DayTerm",
    "ElapsedMinutes",
    "Hours",
    "MinuteTerm",
    "Months",
    "NaiveTimeError",
    "Pause",
    "Term",
    "TimeOfDay",
    "Unit",
    "Week",
    "Weekday",
    "WindowedMinutes",
    "WorkingDays",
    "WorkingMinutes",
    "due",
    "elapsed",
    "explain",
    "remaining",
    "term_of",
]
