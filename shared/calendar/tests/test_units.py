"""The six kinds of term, one rule at a time, in an office of Kazan and where the clocks change."""

import time
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from shared_calendar import (
    WEEKDAYS,
    Calendar,
    CalendarDays,
    ClockStoppedError,
    Day,
    ElapsedMinutes,
    Months,
    Pause,
    Term,
    WindowedMinutes,
    WorkingDays,
    WorkingMinutes,
    due,
    elapsed,
    remaining,
    term_of,
)

MOSCOW, MADRID = ZoneInfo("Europe/Moscow"), ZoneInfo("Europe/Madrid")
OFFICE_HOURS = (("08:00", "12:00"), ("13:00", "17:00"))
OFFICE = Calendar(
    id="office",
    version="1",
    timezone=MOSCOW,
    week={day: () if day in {"sat", "sun"} else OFFICE_HOURS for day in WEEKDAYS},
    days={
        date(2026, 1, 9): Day(name={"en": "Moved day off"}),
        date(2026, 6, 11): Day(hours=(("08:00", "12:00"), ("13:00", "16:00"))),
        date(2026, 6, 12): Day(name={"en": "Russia Day"}),
        date(2026, 6, 13): Day(hours=(("10:00", "14:00"),), name={"en": "Working Saturday"}),
    },
)
ROUND_THE_CLOCK = Calendar(id="emergency", version="1", timezone=MOSCOW)
WHOLE_WEEKDAYS = Calendar(
    id="whole-weekdays",
    version="1",
    timezone=MADRID,
    week={day: () if day in {"sat", "sun"} else (("00:00", "24:00"),) for day in WEEKDAYS},
)


def at(text: str, zone: ZoneInfo = MOSCOW, fold: int = 0) -> datetime:
    """Read a local time; `24:00` is the end of the day."""
    day, _, clock = text.partition(" ")
    if clock == "24:00":
        return datetime.fromisoformat(day).replace(tzinfo=zone) + timedelta(days=1)
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold)


WORKING = [
    ("2026-06-08 09:00", 60, "2026-06-08 10:00"),
    ("2026-06-08 11:30", 60, "2026-06-08 13:30"),
    ("2026-06-08 07:00", 60, "2026-06-08 09:00"),
    ("2026-06-08 16:00", 60, "2026-06-08 17:00"),
    ("2026-06-08 16:30", 60, "2026-06-09 08:30"),
    ("2026-06-08 17:00", 60, "2026-06-09 09:00"),
    ("2026-06-06 12:00", 60, "2026-06-08 09:00"),
    ("2026-06-10 16:00", 60 + 7 * 60, "2026-06-11 16:00"),
    ("2026-06-11 15:30", 60, "2026-06-13 10:30"),
    ("2026-06-11 15:30", 60 * 6, "2026-06-15 09:30"),
    ("2026-01-08 16:30", 60, "2026-01-12 08:30"),
]


@pytest.mark.parametrize(("start", "minutes", "expected"), WORKING)
def test_working_minutes_pass_in_office_hours(start: str, minutes: int, expected: str) -> None:
    """Lunch, nights, weekends, holidays and moved days off count nothing; a short day and a working Saturday what they have."""
    term = WorkingMinutes(minutes=minutes)
    assert due(at(start), term, OFFICE) == at(expected)
    assert elapsed(at(start), at(expected), term, OFFICE) == timedelta(minutes=minutes)
    assert remaining(at(start), at(expected), term, OFFICE) == timedelta()


@pytest.mark.parametrize(
    ("start", "days", "expected"),
    [
        ("2026-06-08 09:00", 1, "2026-06-09 17:00"),
        ("2026-06-08 00:00", 1, "2026-06-09 17:00"),
        ("2026-06-08 23:59", 1, "2026-06-09 17:00"),
        ("2026-06-05 12:00", 1, "2026-06-08 17:00"),
        ("2026-06-06 12:00", 1, "2026-06-08 17:00"),
        ("2026-06-10 12:00", 1, "2026-06-11 16:00"),
        ("2026-06-11 12:00", 1, "2026-06-13 14:00"),
        ("2026-06-11 12:00", 2, "2026-06-15 17:00"),
        ("2026-01-08 12:00", 1, "2026-01-12 17:00"),
    ],
)
def test_working_days_end_with_the_last_hour_of_the_last_day(start: str, days: int, expected: str) -> None:
    """The day of the start does not count, whatever the hour."""
    term = WorkingDays(days=days)
    assert due(at(start), term, OFFICE) == at(expected)
    assert elapsed(at(start), at(expected), term, OFFICE) == days


@pytest.mark.parametrize(
    ("start", "days", "expected"),
    [
        ("2026-06-08 09:00", 3, "2026-06-11 24:00"),
        ("2026-06-08 00:00", 1, "2026-06-09 24:00"),
        ("2026-06-08 23:59", 1, "2026-06-09 24:00"),
        ("2026-06-05 12:00", 2, "2026-06-07 24:00"),
        ("2026-12-31 12:00", 30, "2027-01-30 24:00"),
    ],
)
def test_calendar_days_end_at_midnight(start: str, days: int, expected: str) -> None:
    """Weekends and holidays count; an office's hours play no part."""
    term = CalendarDays(days=days)
    assert due(at(start), term, OFFICE) == due(at(start), term, ROUND_THE_CLOCK) == at(expected)
    assert elapsed(at(start), at(expected), term, OFFICE) == days


@pytest.mark.parametrize(
    ("start", "months", "expected"),
    [
        ("2026-01-15 12:00", 1, "2026-02-15 24:00"),
        ("2026-01-31 12:00", 1, "2026-02-28 24:00"),
        ("2026-01-30 12:00", 1, "2026-02-28 24:00"),
        ("2028-01-31 12:00", 1, "2028-02-29 24:00"),
        ("2026-08-31 00:00", 1, "2026-09-30 24:00"),
        ("2026-11-30 12:00", 3, "2027-02-28 24:00"),
        ("2026-02-28 12:00", 12, "2027-02-28 24:00"),
        ("2028-02-29 12:00", 12, "2029-02-28 24:00"),
    ],
)
def test_months_end_on_the_same_day_number_or_the_last_day(start: str, months: int, expected: str) -> None:
    """The day of the start does not count, and the last one counts to midnight."""
    term = Months(months=months)
    assert due(at(start), term, OFFICE) == at(expected)
    assert elapsed(at(start), at(expected), term, OFFICE) == months
    assert elapsed(at(start), at(expected) - timedelta.resolution, term, OFFICE) == months - 1


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("2026-06-12 10:00", "2026-06-12 12:00"),
        ("2026-06-12 22:00", "2026-06-13 09:00"),
        ("2026-06-12 21:00", "2026-06-12 23:00"),
        ("2026-06-12 23:00", "2026-06-13 10:00"),
        ("2026-06-13 03:00", "2026-06-13 10:00"),
    ],
)
def test_windowed_minutes_pass_between_eight_and_eleven_on_any_day(start: str, expected: str) -> None:
    """A refuse chute: two hours, of those from 08:00 to 23:00, on holidays and weekends as well."""
    term = WindowedMinutes(minutes=120, opens="08:00", closes="23:00")
    assert due(at(start), term, OFFICE) == at(expected)


def test_a_calendar_around_the_clock_has_no_gap_at_midnight() -> None:
    """Its working minutes are elapsed minutes, over midnight, New Year and a change of the clocks."""
    for zone, start in ((MOSCOW, at("2025-12-31 23:59")), (MADRID, at("2026-03-29 01:59", MADRID))):
        calendar = Calendar(id="24/7", version="1", timezone=zone)
        for minutes in (1, 2, 60, 60 * 24 * 400):
            expected = due(start, ElapsedMinutes(minutes=minutes), calendar)
            assert due(start, WorkingMinutes(minutes=minutes), calendar) == expected
            window = WindowedMinutes(minutes=minutes, opens="00:00", closes="24:00")
            assert due(start, window, calendar) == expected


def test_intervals_are_half_open() -> None:
    """Seventeen o'clock is no working minute; the one before it is the last."""
    term = WorkingMinutes(minutes=1)
    assert elapsed(at("2026-06-08 16:59"), at("2026-06-08 17:00"), term, OFFICE) == timedelta(minutes=1)
    assert elapsed(at("2026-06-08 17:00"), at("2026-06-08 17:01"), term, OFFICE) == timedelta()
    assert due(at("2026-06-08 16:59"), term, OFFICE) == at("2026-06-08 17:00")


@pytest.mark.parametrize(
    ("term", "start", "expected"),
    [
        (WorkingDays(days=1), at("2026-03-27 12:00", MADRID), at("2026-03-30 24:00", MADRID)),
        (WorkingMinutes(minutes=24 * 60), at("2026-03-27 12:00", MADRID), at("2026-03-30 12:00", MADRID)),
        (CalendarDays(days=1), at("2026-03-28 02:30", MADRID), at("2026-03-29 24:00", MADRID)),
        (CalendarDays(days=1), at("2026-10-24 02:30", MADRID), at("2026-10-25 24:00", MADRID)),
        (Months(months=1), at("2026-02-28 12:00", MADRID), at("2026-03-28 24:00", MADRID)),
        (
            WindowedMinutes(minutes=120, opens="01:00", closes="04:00"),
            at("2026-03-29 00:00", MADRID),
            at("2026-03-29 04:00", MADRID),
        ),
        (
            WindowedMinutes(minutes=180, opens="01:00", closes="04:00"),
            at("2026-10-25 00:00", MADRID),
            at("2026-10-25 03:00", MADRID),
        ),
        (
            WindowedMinutes(minutes=30, opens="02:15", closes="02:45"),
            at("2026-03-29 00:00", MADRID),
            at("2026-03-30 02:45", MADRID),
        ),
    ],
    ids=["working day", "its minutes", "23 hours", "25 hours", "month", "jumped", "repeated", "a window that never was"],
)
def test_days_and_hours_are_local_when_the_clocks_change(term: Term, start: datetime, expected: datetime) -> None:
    """A day may have 23 or 25 hours and ends at its own midnight; hours that the clocks jump over do not count."""
    assert due(start, term, WHOLE_WEEKDAYS) == expected.astimezone(UTC)


def test_a_window_that_opens_in_the_jump_opens_at_the_jump() -> None:
    """02:30 never was on that night: the first moment past it is 03:00."""
    term = WindowedMinutes(minutes=60, opens="02:30", closes="05:00")
    assert due(at("2026-03-29 00:00", MADRID), term, WHOLE_WEEKDAYS) == at("2026-03-29 04:00", MADRID)


@pytest.mark.parametrize(
    ("term", "start", "expected"),
    [
        (WorkingMinutes(minutes=16 * 60), "2011-03-25 08:00", "2011-03-28 17:00"),
        (WorkingMinutes(minutes=16 * 60), "2014-10-24 08:00", "2014-10-27 17:00"),
        (CalendarDays(days=2), "2011-03-26 12:00", "2011-03-28 24:00"),
        (CalendarDays(days=2), "2014-10-25 12:00", "2014-10-27 24:00"),
        (Months(months=1), "2014-09-26 12:00", "2014-10-26 24:00"),
        (WindowedMinutes(minutes=15 * 60 + 60, opens="08:00", closes="23:00"), "2014-10-25 08:00", "2014-10-26 09:00"),
    ],
)
def test_kazans_clocks_of_2011_and_2014(term: Term, start: str, expected: str) -> None:
    """Moscow time went to UTC+4 for good in March 2011 and to UTC+3 for good in October 2014: local hours stay local hours."""
    assert due(at(start), term, OFFICE) == at(expected).astimezone(UTC)


def test_a_country_may_skip_a_day() -> None:
    """Samoa went from the 29th to the 31st of December 2011: that Friday is no day of any term."""
    apia = ZoneInfo("Pacific/Apia")
    calendar = Calendar(id="apia", version="1", timezone=apia)
    start = at("2011-12-29 12:00", apia)
    for term in (CalendarDays(days=1), WorkingDays(days=1)):
        assert due(start, term, calendar) == at("2011-12-31 24:00", apia).astimezone(UTC)


def test_a_day_begins_once_where_the_clocks_go_back_over_midnight() -> None:
    """At St. John's, 00:01 of 7 November 2010 was 23:01 of the 6th again: that night is the 7th's."""
    st_johns = ZoneInfo("America/St_Johns")
    calendar = Calendar(id="st-johns", version="1", timezone=st_johns)
    twice = at("2010-11-06 23:30", st_johns)
    for start, expected in ((twice, "2010-11-07 24:00"), (twice.replace(fold=1), "2010-11-08 24:00")):
        assert due(start, CalendarDays(days=1), calendar) == at(expected, st_johns).astimezone(UTC)


PAUSES = [
    (WorkingMinutes(minutes=60), "2026-06-08 16:30", [("2026-06-08 16:45", "2026-06-08 20:00")], "2026-06-09 08:45"),
    (WorkingMinutes(minutes=60), "2026-06-08 16:30", [("2026-06-08 18:00", "2026-06-09 07:00")], "2026-06-09 08:30"),
    (WorkingMinutes(minutes=60), "2026-06-08 16:30", [("2026-06-08 17:00", "2026-06-09 08:15")], "2026-06-09 08:45"),
    (WorkingMinutes(minutes=30), "2026-06-08 16:30", [("2026-06-08 17:00", "2026-06-09 08:15")], "2026-06-08 17:00"),
    (WorkingDays(days=1), "2026-06-08 09:00", [("2026-06-09 09:00", "2026-06-09 16:59")], "2026-06-09 17:00"),
    (WorkingDays(days=1), "2026-06-08 09:00", [("2026-06-09 16:59", "2026-06-09 17:00")], "2026-06-10 17:00"),
    (WorkingDays(days=1), "2026-06-08 09:00", [("2026-06-09 17:00", "2026-06-10 17:00")], "2026-06-09 17:00"),
    (WorkingDays(days=1), "2026-06-05 09:00", [("2026-06-05 10:00", "2026-06-08 07:00")], "2026-06-08 17:00"),
    (WorkingDays(days=2), "2026-06-08 09:00", [("2026-06-09 09:00", "2026-06-10 09:00")], "2026-06-11 16:00"),
    (CalendarDays(days=3), "2026-06-08 09:00", [("2026-06-09 10:00", "2026-06-11 15:00")], "2026-06-13 24:00"),
    (CalendarDays(days=3), "2026-06-08 09:00", [("2026-06-09 10:00", "2026-06-09 15:00")], "2026-06-11 24:00"),
    (CalendarDays(days=3), "2026-06-08 09:00", [("2026-06-09 23:00", "2026-06-10 01:00")] * 2, "2026-06-12 24:00"),
    (Months(months=1), "2026-01-15 09:00", [("2026-01-20 12:00", "2026-01-25 12:00")], "2026-02-20 24:00"),
    (Months(months=1), "2026-01-15 09:00", [("2026-02-14 12:00", "2026-02-17 12:00")], "2026-02-18 24:00"),
    (Months(months=1), "2026-01-30 09:00", [("2026-01-31 12:00", "2026-02-01 12:00")], "2026-02-28 24:00"),
    (WindowedMinutes(minutes=60, opens="08:00", closes="23:00"), "2026-06-08 22:30", [("2026-06-08 22:00", "2026-06-09 09:00")],
     "2026-06-09 10:00"),
]  # fmt: skip


@pytest.mark.parametrize(("term", "start", "pauses", "expected"), PAUSES)
def test_a_pause_gives_back_what_it_took(term: Term, start: str, pauses: list[tuple[str, str]], expected: str) -> None:
    """Minutes are given back as they would have counted; a day when the clock stood at its end."""
    stretches = [Pause(start=at(begin), end=at(end)) for begin, end in pauses]
    assert due(at(start), term, OFFICE, stretches) == at(expected)
    assert elapsed(at(start), at(expected), term, OFFICE, stretches) in {term.amount, timedelta(minutes=term.amount)}


@pytest.mark.parametrize("term", [WorkingMinutes(minutes=60), WorkingDays(days=1), CalendarDays(days=1), Months(months=1)])
def test_a_pause_that_lasts_stops_every_clock(term: Term) -> None:
    """Unless the term was over before."""
    start = at("2026-06-08 09:00")
    with pytest.raises(ClockStoppedError, match="2026-06-08T06:30"):
        due(start, term, OFFICE, [Pause(start=at("2026-06-08 09:30"))])
    over = due(start, term, OFFICE)
    assert due(start, term, OFFICE, [Pause(start=over)]) == over


def test_what_is_left_of_days_is_told_in_days() -> None:
    """Days that have begun are used; a day too many is told as minus one."""
    term = WorkingDays(days=2)
    left = [
        remaining(at("2026-06-08 09:00"), at(now), term, OFFICE)
        for now in ("2026-06-08 09:00", "2026-06-08 23:00", "2026-06-09 09:00", "2026-06-10 17:00", "2026-06-11 09:00")
    ]
    assert left == [2, 2, 1, 0, -1]


def test_every_term_has_an_amount_and_a_unit_and_is_built_of_plain_values() -> None:
    """As facts state them."""
    terms: list[Term] = [
        ElapsedMinutes(minutes=1),
        WorkingMinutes(minutes=2),
        CalendarDays(days=3),
        WorkingDays(days=4),
        Months(months=5),
        WindowedMinutes(minutes=6, opens="08:00", closes="24:00"),
    ]
    assert [term.amount for term in terms] == [1, 2, 3, 4, 5, 6]
    for term in terms:
        window = (term.opens, term.closes) if isinstance(term, WindowedMinutes) else (None, None)
        assert term_of(term.unit, term.amount, *window) == term


@pytest.mark.parametrize(
    ("unit", "amount", "opens", "closes", "words"),
    [
        ("fortnights", 1, None, None, "a term says its unit; allowed: elapsed-minutes, .*, not 'fortnights'"),
        ("months", 0, None, None, "months: Input should be greater than or equal to 1"),
        ("months", 121, None, None, "months: Input should be less than or equal to 120"),
        ("windowed-minutes", 1, "08:00", None, "closes: Field required"),
        ("windowed-minutes", 1, "8", "23:00", "opens: must be a time of the day from 00:00 to 24:00"),
        ("windowed-minutes", 1, "23:00", "08:00", "a window must close after it opens: 23:00-08:00"),
        ("working-days", 1, "08:00", "23:00", "opens: Extra inputs are not permitted"),
    ],
)
def test_what_is_no_term_is_refused_in_words(unit: str, amount: int, opens: str | None, closes: str | None, words: str) -> None:
    """Nobody guesses what was meant."""
    with pytest.raises(ValueError, match=words):
        term_of(unit, amount, opens, closes)


WEEK = dict.fromkeys(WEEKDAYS, ())


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ({"week": WEEK}, "at least one hour that counts"),
        ({"week": {"mon": [("08:00", "17:00")]}}, "missing: tue, wed"),
        ({"week": {**WEEK, "mon": [("17:00", "08:00")]}}, "must end after they begin: 17:00-08:00"),
        ({"week": {**WEEK, "mon": [("08:00", "12:00"), ("11:00", "17:00")]}}, "must not overlap: 11:00-17:00"),
        ({"week": {**WEEK, "mon": [("08:00", "24:01")]}}, "a time of the day from 00:00 to 24:00"),
        ({"days": {"2026-01-01": {"hours": [("8:00", "9:00")]}}}, "a time of the day from 00:00 to 24:00"),
    ],
)
def test_a_calendar_that_makes_no_sense_is_refused(says: dict[str, object], words: str) -> None:
    """By a week without an hour no term would ever be over."""
    with pytest.raises(ValidationError, match=words):
        Calendar.model_validate({"id": "x", "version": "1", "timezone": "Europe/Moscow", **says})


def test_a_calendar_is_written_and_read_back_whole() -> None:
    """As a fact keeps it: zone, week and days."""
    assert Calendar.model_validate_json(OFFICE.model_dump_json()) == OFFICE
    assert (OFFICE.is_working_day(date(2026, 6, 12)), OFFICE.is_working_day(date(2026, 6, 13))) == (False, True)
    assert OFFICE.name_of(date(2026, 6, 12)) == {"en": "Russia Day"}


@pytest.mark.parametrize(
    "term",
    [
        WorkingMinutes(minutes=60 * 8 * 60),
        WorkingDays(days=60),
        CalendarDays(days=90),
        WindowedMinutes(minutes=90 * 15 * 60, opens="08:00", closes="23:00"),
        Months(months=3),
    ],
)
def test_a_term_of_three_months_costs_well_under_a_millisecond(term: Term) -> None:
    """Each request asks about five times; the bound is twenty times what it takes on a small machine."""
    due(at("2026-01-12 10:00"), term, OFFICE)
    rounds = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(20):
            due(at("2026-01-12 10:00"), term, OFFICE)
        rounds.append((time.perf_counter() - began) / 20)
    assert min(rounds) < 0.002
