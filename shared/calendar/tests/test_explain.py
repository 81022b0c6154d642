"""A clock tells its steps in words."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from shared_calendar import (
    WEEKDAYS,
    Calendar,
    CalendarDays,
    Day,
    ElapsedMinutes,
    Months,
    NaiveTimeError,
    Pause,
    Term,
    WindowedMinutes,
    WorkingDays,
    WorkingMinutes,
    explain,
)

MOSCOW, MADRID = ZoneInfo("Europe/Moscow"), ZoneInfo("Europe/Madrid")
OFFICE = Calendar(
    id="office",
    version="7",
    timezone=MOSCOW,
    week={day: () if day in {"sat", "sun"} else (("08:00", "17:00"),) for day in WEEKDAYS},
    days={date(2026, 6, 12): Day(name={"en": "Russia Day", "ru": "День России"}), date(2026, 8, 30): Day(name={"tt": "Байрам"})},
)
STARTS = "Starts on Thu 2026-06-11 16:00, Europe/Moscow time, calendar office 7."


def local(text: str, zone: ZoneInfo = MOSCOW, fold: int = 0) -> datetime:
    """Read a local time."""
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold)


STEPS: list[tuple[Term, list[str]]] = [
    (
        WorkingMinutes(minutes=120),
        [
            "Thu 2026-06-11 16:00 to Thu 2026-06-11 17:00 counts 60 minutes; left: 60 minutes.",
            "Fri 2026-06-12: off (Russia Day).",
            "Sat 2026-06-13 to Sun 2026-06-14: off.",
            "Mon 2026-06-15 08:00 to Mon 2026-06-15 09:00 counts 60 minutes; left: 0 minutes.",
            "Due on Mon 2026-06-15 09:00.",
        ],
    ),
    (
        WorkingDays(days=3),
        [
            "Thu 2026-06-11, the day of the start, does not count.",
            "Fri 2026-06-12: off (Russia Day).",
            "Sat 2026-06-13 to Sun 2026-06-14: off.",
            "Mon 2026-06-15 to Wed 2026-06-17 are days 1 to 3.",
            "Due on Wed 2026-06-17 17:00.",
        ],
    ),
    (
        CalendarDays(days=1),
        [
            "Thu 2026-06-11, the day of the start, does not count.",
            "Fri 2026-06-12 is day 1.",
            "Due on Fri 2026-06-12 24:00.",
        ],
    ),
    (
        Months(months=1),
        ["Thu 2026-06-11 and 1 month is Sat 2026-07-11.", "Due on Sat 2026-07-11 24:00."],
    ),
    (
        WindowedMinutes(minutes=61, opens="08:00", closes="17:00"),
        [
            "Thu 2026-06-11 16:00 to Thu 2026-06-11 17:00 counts 60 minutes; left: 1 minute.",
            "Fri 2026-06-12 08:00 to Fri 2026-06-12 08:01 counts 1 minute; left: 0 minutes.",
            "Due on Fri 2026-06-12 08:01.",
        ],
    ),
]


@pytest.mark.parametrize(("term", "steps"), STEPS, ids=[term.unit for term, _ in STEPS])
def test_each_kind_of_term_tells_its_steps(term: Term, steps: list[str]) -> None:
    """In order, in local time: what counts, what is off and why, and the end."""
    assert list(explain(local("2026-06-11T16:00"), term, OFFICE)) == [STARTS, *steps]


def test_a_pause_is_told_where_it_stands() -> None:
    """And a day lost to it."""
    pauses = [Pause(start=local("2026-06-15T10:00"), end=local("2026-06-16T12:00"))]
    assert explain(local("2026-06-11T16:00"), WorkingDays(days=2), OFFICE, pauses)[4:] == (
        "Mon 2026-06-15 10:00 to Tue 2026-06-16 12:00: the clock stands still.",
        "Mon 2026-06-15: lost, the clock stood still at the end of the day.",
        "Tue 2026-06-16 to Wed 2026-06-17 are days 1 to 2.",
        "Due on Wed 2026-06-17 17:00.",
    )


def test_months_tell_by_how_much_pauses_moved_them() -> None:
    """A month from the 11th, less three days."""
    pauses = [Pause(start=local("2026-06-20T10:00"), end=local("2026-06-23T12:00"))]
    assert explain(local("2026-06-11T16:00"), Months(months=1), OFFICE, pauses)[1:] == (
        "Thu 2026-06-11 and 1 month is Sat 2026-07-11.",
        "Sat 2026-06-20 10:00 to Tue 2026-06-23 12:00: the clock stands still.",
        "Pauses move it to Tue 2026-07-14.",
        "Due on Tue 2026-07-14 24:00.",
    )


def test_a_clock_that_stands_is_told_as_far_as_it_went() -> None:
    """Nobody can say when it will be due."""
    steps = explain(local("2026-06-11T16:00"), WorkingMinutes(minutes=90), OFFICE, [Pause(start=local("2026-06-11T16:30"))])
    assert steps[1:] == (
        "Thu 2026-06-11 16:00 to Thu 2026-06-11 16:30 counts 30 minutes; left: 60 minutes.",
        "Thu 2026-06-11 16:30 until further notice: the clock stands still.",
        "Nobody can say yet when it is due: the clock stands still.",
    )


def test_a_repeated_hour_is_told_with_its_offset() -> None:
    """Madrid shows 02:30 twice on that night."""
    calendar = Calendar(id="madrid", version="1", timezone=MADRID)
    steps = explain(local("2026-10-25T02:30", MADRID), ElapsedMinutes(minutes=60), calendar)
    assert steps[0].startswith("Starts on Sun 2026-10-25 02:30+02:00, Europe/Madrid time")
    assert steps[-1] == "Due on Sun 2026-10-25 02:30+01:00."


def test_seconds_are_told_where_there_are_any() -> None:
    """And a name in another language than English where there is no English one."""
    steps = explain(local("2026-06-11T16:59:30"), WorkingMinutes(minutes=1), OFFICE)
    assert steps[1] == "Thu 2026-06-11 16:59:30 to Thu 2026-06-11 17:00 counts 0 minutes 30 seconds; left: 0 minutes 30 seconds."
    assert "Sun 2026-08-30: off (Байрам)." in explain(local("2026-08-28T10:00"), WorkingDays(days=1), OFFICE)


def test_a_naive_start_is_refused() -> None:
    """It is nobody's time."""
    with pytest.raises(NaiveTimeError):
        explain(datetime.fromisoformat("2026-06-11T16:00"), Months(months=1), OFFICE)
