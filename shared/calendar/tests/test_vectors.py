"""Published cases of other systems, rebuilt: what they found due, and what we do; each difference with its reason.

Facts come from the public tests of Signalen (Amsterdam), Zammad, FixMyStreet and GLPI. Where we differ on purpose, the test holds
both: `theirs`, and ours beside it. The page `docs/clocks.md` has the table.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from shared_calendar import (
    WEEKDAYS,
    Calendar,
    CalendarDays,
    Day,
    ElapsedMinutes,
    Hours,
    Months,
    Pause,
    WorkingDays,
    WorkingMinutes,
    due,
    elapsed,
    remaining,
)

DAY = 24 * 60


def calendar(zone: str, hours: Hours, off: Sequence[str] = (), weekend: Sequence[str] = ("sat", "sun")) -> Calendar:
    """Make a calendar with the same hours on each day that is not a weekend's."""
    return Calendar(
        id="theirs",
        version="1",
        timezone=ZoneInfo(zone),
        week={day: () if day in weekend else hours for day in WEEKDAYS},
        days={date.fromisoformat(day): Day() for day in off},
    )


def at(text: str, zone: str | None = None) -> datetime:
    """Read a time in a zone, or in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone) if zone else UTC)


AMSTERDAM = "Europe/Amsterdam"
WEEKDAYS_OF_AMSTERDAM = calendar(AMSTERDAM, (("00:00", "24:00"),))

# Created, working days, what Signalen answers; a factor 3 of one day is three days.
SIGNALEN = [
    ("2021-02-15 12:00", 1, "2021-02-16 12:00"),
    ("2021-02-16 12:00", 1, "2021-02-17 12:00"),
    ("2021-02-19 12:00", 1, "2021-02-22 12:00"),
    ("2021-02-20 12:00", 1, "2021-02-23 00:00"),
    ("2021-02-21 12:00", 1, "2021-02-23 00:00"),
    ("2021-02-15 12:00", 3, "2021-02-18 12:00"),
    ("2021-02-16 12:00", 3, "2021-02-19 12:00"),
    ("2021-02-19 12:00", 3, "2021-02-24 12:00"),
    ("2021-02-20 12:00", 3, "2021-02-25 00:00"),
    ("2021-02-21 12:00", 3, "2021-02-25 00:00"),
    ("2021-02-15 12:00", 2, "2021-02-17 12:00"),
    ("2021-02-18 12:00", 2, "2021-02-22 12:00"),
    ("2021-02-19 12:00", 2, "2021-02-23 12:00"),
    ("2021-02-20 12:00", 2, "2021-02-24 00:00"),
    ("2021-02-18 12:00", 3, "2021-02-23 12:00"),
    ("2021-02-15 12:00", 10, "2021-03-01 12:00"),
    ("2021-02-19 12:00", 10, "2021-03-05 12:00"),
    ("2021-02-15 12:00", 11, "2021-03-02 12:00"),
    ("2021-02-19 12:00", 11, "2021-03-08 12:00"),
    ("2021-03-26 12:00", 1, "2021-03-29 12:00"),
]


@pytest.mark.parametrize(("created", "days", "theirs"), SIGNALEN)
def test_signalens_working_days(created: str, days: int, theirs: str) -> None:
    """The same day as theirs, to its end; the same minute, also over the change of the clocks, when asked in minutes."""
    start, expected = at(created, AMSTERDAM), at(theirs, AMSTERDAM)
    assert due(start, WorkingMinutes(minutes=days * DAY), WEEKDAYS_OF_AMSTERDAM) == expected
    last_moment = (expected - timedelta.resolution).date()
    midnight = at(f"{last_moment + timedelta(days=1)} 00:00", AMSTERDAM)
    assert due(start, WorkingDays(days=days), WEEKDAYS_OF_AMSTERDAM) == midnight


@pytest.mark.parametrize(
    ("created", "days", "theirs"),
    [
        ("2021-02-15 12:00", 1, "2021-02-16 12:00"),
        ("2021-02-16 12:00", 1, "2021-02-17 12:00"),
        ("2021-02-19 12:00", 1, "2021-02-20 12:00"),
        ("2021-02-20 12:00", 1, "2021-02-21 12:00"),
        ("2021-02-21 12:00", 1, "2021-02-22 12:00"),
        ("2021-02-15 12:00", 3, "2021-02-18 12:00"),
        ("2021-02-16 12:00", 3, "2021-02-19 12:00"),
        ("2021-02-19 12:00", 3, "2021-02-22 12:00"),
        ("2021-02-20 12:00", 3, "2021-02-23 12:00"),
        ("2021-02-21 12:00", 3, "2021-02-24 12:00"),
    ],
)
def test_signalens_calendar_days(created: str, days: int, theirs: str) -> None:
    """The same day as theirs, to its end; the same minute when asked in elapsed minutes."""
    start, expected = at(created, AMSTERDAM), at(theirs, AMSTERDAM)
    assert due(start, ElapsedMinutes(minutes=days * DAY), WEEKDAYS_OF_AMSTERDAM) == expected
    midnight = at(f"{expected.date() + timedelta(days=1)} 00:00", AMSTERDAM)
    assert due(start, CalendarDays(days=days), WEEKDAYS_OF_AMSTERDAM) == midnight


def test_signalens_easter_is_a_holiday_here() -> None:
    """Thursday before Easter 2021 and three working days: Wednesday with Easter Monday off, Tuesday in a calendar without it."""
    start = at("2021-04-01 12:00", AMSTERDAM)
    with_easter = calendar(AMSTERDAM, (("00:00", "24:00"),), off=["2021-04-05"])
    assert due(start, WorkingDays(days=3), with_easter) == at("2021-04-08 00:00", AMSTERDAM)
    assert due(start, WorkingDays(days=3), WEEKDAYS_OF_AMSTERDAM) == at("2021-04-07 00:00", AMSTERDAM)


BERLIN = "Europe/Berlin"
EVERY_DAY: Sequence[str] = ()
ZAMMAD_CALENDARS: Mapping[str, Calendar] = {
    "9-17": calendar(BERLIN, (("09:00", "17:00"),)),
    "8-18": calendar(BERLIN, (("08:00", "18:00"),)),
    "daily 8-17": calendar(BERLIN, (("08:00", "17:00"),), weekend=EVERY_DAY),
    "daily 8-17, 22 Sept off": calendar(BERLIN, (("08:00", "17:00"),), off=["2015-09-22"], weekend=EVERY_DAY),
    "daily 9-18": calendar(BERLIN, (("09:00", "18:00"),), weekend=EVERY_DAY),
    "8-20, 1 Nov off": calendar(BERLIN, (("08:00", "20:00"),), off=["2016-11-01"]),
}

# Calendar, start, minutes, pauses on the same day, what Zammad answers (UTC).
ZAMMAD = [
    ("9-17", "2013-03-21 09:30", 60, [], "2013-03-21 10:30"),
    ("9-17", "2013-03-21 09:30", 120, [], "2013-03-21 11:30"),
    ("9-17", "2013-03-21 09:30", 180, [], "2013-03-21 12:30"),
    ("9-17", "2013-03-21 09:30", 240, [], "2013-03-21 13:30"),
    ("8-18", "2013-03-21 09:30", 60, [], "2013-03-21 10:30"),
    ("8-18", "2013-03-21 11:00", 120, [], "2013-03-21 13:00"),
    ("8-18", "2013-03-21 12:05", 120, [], "2013-03-21 14:05"),
    ("daily 8-17", "2013-03-21 09:30", 240, [], "2013-03-21 13:30"),
    ("daily 8-17", "2013-10-21 09:30", 120, [], "2013-10-21 11:30"),
    ("daily 8-17", "2013-10-21 05:30", 120, [], "2013-10-21 08:00"),
    ("daily 8-17", "2013-10-21 05:30", 180, [], "2013-10-21 09:00"),
    ("daily 8-17", "2013-10-21 05:30", 240, [], "2013-10-21 10:00"),
    ("daily 8-17, 22 Sept off", "2015-09-21 14:30", 120, [], "2015-09-23 07:30"),
    ("daily 8-17, 22 Sept off", "2015-09-21 14:30", 180, [], "2015-09-23 08:30"),
    ("daily 8-17, 22 Sept off", "2015-09-21 14:30", 240, [], "2015-09-23 09:30"),
    ("daily 9-18", "2013-06-04 09:00", 120, [("09:30", "09:45"), ("10:00", "10:30")], "2013-06-04 11:45"),
    ("daily 9-18", "2013-06-04 09:00", 120, [("10:00", "15:00")], "2013-06-04 16:00"),
    ("daily 9-18", "2013-06-04 09:00", 120, [("10:00", "10:30")], "2013-06-04 11:30"),
    ("daily 9-18", "2013-06-04 10:15", 180, [("10:00", "10:30")], "2013-06-04 13:30"),
    ("daily 9-18", "2013-06-04 09:00", 250, [("10:00", "10:30")], "2013-06-04 13:40"),
    ("daily 9-18", "2013-06-04 09:00", 120, [("09:00", "12:00")], "2013-06-04 14:00"),
    ("daily 9-18", "2013-06-04 09:00", 240, [("09:00", "12:00")], "2013-06-04 16:00"),
    ("daily 9-18", "2013-06-04 09:00", 120, [("09:00", "10:30"), ("11:00", "12:00")], "2013-06-04 13:30"),
    ("daily 9-18", "2013-06-04 09:00", 240, [("09:00", "10:30"), ("11:00", "12:00")], "2013-06-04 15:30"),
    ("daily 9-18", "2013-06-04 09:00", 120, [("09:00", "10:30"), ("11:00", "11:30")], "2013-06-04 13:00"),
    ("daily 9-18", "2013-06-04 09:00", 240, [("09:00", "10:30"), ("11:00", "11:30")], "2013-06-04 15:00"),
    ("daily 9-18", "2016-03-21 12:30", 180, [], "2016-03-21 15:30"),
    ("8-20, 1 Nov off", "2016-11-01 13:56:21", 120, [], "2016-11-02 09:00"),
    ("8-20, 1 Nov off", "2016-11-01 13:56:21", 1200, [], "2016-11-03 15:00"),
    ("8-20, 1 Nov off", "2016-11-07 14:26:36", 1200, [], "2016-11-09 10:26:36"),
]


def same_day(start: str, pauses: Sequence[tuple[str, str]]) -> list[Pause]:
    """Put pauses on the day of a start."""
    return [Pause(start=at(f"{start[:10]} {begin}"), end=at(f"{start[:10]} {end}")) for begin, end in pauses]


@pytest.mark.parametrize(("hours", "start", "minutes", "pauses", "theirs"), ZAMMAD)
def test_zammads_escalations(hours: str, start: str, minutes: int, pauses: list[tuple[str, str]], theirs: str) -> None:
    """Business hours in Berlin, in winter and summer, with holidays and with tickets that wait: the same moment."""
    answer = due(at(start), WorkingMinutes(minutes=minutes), ZAMMAD_CALENDARS[hours], same_day(start, pauses))
    assert answer == at(theirs)


@pytest.mark.parametrize(
    ("hours", "start", "done", "term", "pauses", "in_minutes", "left"),
    [
        ("8-18", "2013-03-21 09:30", "2013-03-21 10:00", 60, [], 30, 30),
        ("8-18", "2013-03-21 09:30", "2013-03-21 14:00", 60, [], 270, -210),
        ("8-18", "2013-03-21 09:30", "2013-03-21 11:30", 180, [], 120, 60),
        ("8-18", "2013-03-21 09:30", "2013-03-21 13:00", 180, [], 210, -30),
        ("daily 9-18", "2013-06-04 09:00", "2013-06-04 10:45", 120, [("10:00", "10:30")], 75, 45),
        ("daily 9-18", "2013-06-04 09:00", "2013-06-04 12:00", 250, [("10:00", "10:30")], 150, 100),
        ("daily 9-18", "2013-06-04 09:00", "2013-06-04 12:00", 240, [("09:00", "12:00")], 0, 240),
        ("daily 9-18", "2013-06-04 09:00", "2013-06-04 12:00", 240, [("09:00", "10:30"), ("11:00", "12:00")], 30, 210),
        ("daily 9-18", "2013-06-04 09:00", "2013-06-04 12:00", 240, [("09:00", "10:30"), ("11:00", "11:30")], 60, 180),
    ],
)
def test_zammads_times_taken_and_left(
    hours: str, start: str, done: str, term: int, pauses: list[tuple[str, str]], in_minutes: int, left: int
) -> None:
    """How long it took, and by how much it was early or late."""
    clock = (at(start), at(done), WorkingMinutes(minutes=term), ZAMMAD_CALENDARS[hours], same_day(start, pauses))
    assert elapsed(*clock) == timedelta(minutes=in_minutes)
    assert remaining(*clock) == timedelta(minutes=left)


def test_zammads_seconds_are_not_rounded_here() -> None:
    """After a wait until 36 seconds past, Zammad says 09:27:00 (and 10:26:36 in its next case); seconds stay seconds here."""
    theirs, ours = at("2016-11-09 09:27:00"), at("2016-11-09 09:26:36")
    answer = due(at("2016-11-07 13:26:36"), WorkingMinutes(minutes=1200), ZAMMAD_CALENDARS["8-20, 1 Nov off"])
    assert answer == ours != theirs


def test_fixmystreets_working_days() -> None:
    """From Saturday 19 September 2020, with Monday and the Tuesday before off: one working day later is Tuesday the 22nd."""
    london = calendar("Europe/London", (("00:00", "24:00"),), off=["2020-09-21", "2020-09-15"])
    start = at("2020-09-19 00:00", "Europe/London")
    assert due(start, WorkingDays(days=1), london) == at("2020-09-23 00:00", "Europe/London")
    assert [london.is_working_day(date(2020, 9, day)) for day in (19, 15, 22)] == [False, False, True]


def test_fixmystreet_counts_backwards_and_we_only_forwards() -> None:
    """Five working days before that Saturday is Friday the 11th for them; here a day that starts a stretch is not one of it."""
    london = calendar("Europe/London", (("00:00", "24:00"),), off=["2020-09-21", "2020-09-15"])
    theirs, saturday = at("2020-09-11 00:00", "Europe/London"), at("2020-09-19 00:00", "Europe/London")
    thursday = theirs - timedelta(days=1)
    assert elapsed(thursday, saturday, WorkingDays(days=1), london) == 5
    assert elapsed(theirs, saturday, WorkingDays(days=1), london) == 4


PARIS = "Europe/Paris"
GLPI: Mapping[str, Calendar] = {
    "default": calendar(PARIS, (("08:00", "20:00"),)),
    "5x24": calendar(PARIS, (("00:00", "24:00"),)),
}


@pytest.mark.parametrize(
    ("hours", "theirs", "at_the_end_of_the_day"),
    [("default", "2018-11-28 10:00", "2018-11-28 20:00"), ("5x24", "2018-11-28 10:00", "2018-11-29 00:00")],
)
def test_glpis_working_days(hours: str, theirs: str, at_the_end_of_the_day: str) -> None:
    """Seven working days from Monday: their end-of-day answer is ours for days, their plain one ours for minutes."""
    start, office = at("2018-11-19 10:00", PARIS), GLPI[hours]
    assert due(start, WorkingDays(days=7), office) == at(at_the_end_of_the_day, PARIS)
    a_day = {"default": 12 * 60, "5x24": 24 * 60}[hours]
    assert due(start, WorkingMinutes(minutes=7 * a_day), office) == at(theirs, PARIS)


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("2019-01-01 07:00", "2019-01-01 09:00", 1),
        ("2019-01-01 06:00", "2019-01-01 07:00", 0),
        ("2019-01-01 00:00", "2019-01-08 00:00", 60),
        ("2019-01-08 00:00", "2019-01-01 00:00", 0),
    ],
)
def test_glpis_active_time(start: str, end: str, hours: int) -> None:
    """Counted time between two moments; none when they are the wrong way round."""
    passed = elapsed(at(start, PARIS), at(end, PARIS), WorkingMinutes(minutes=1), GLPI["default"])
    assert passed == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("day", "working"), [("2019-01-01", True), ("2019-01-04", True), ("2019-01-05", False), ("2019-01-06", False)]
)
def test_glpis_working_weekdays(day: str, working: bool) -> None:  # noqa: FBT001 - a row of their table
    """Monday to Friday."""
    assert GLPI["default"].is_working_day(date.fromisoformat(day)) is working


def test_glpis_waiting_ticket() -> None:
    """Four hours in a day of 09:00 to 19:00 end at 13:00; a ticket that waits until 10:00 is due at 14:00."""
    office = calendar(PARIS, (("09:00", "19:00"),), weekend=["mon", "wed", "thu", "fri", "sat", "sun"])
    created, term = at("2026-02-02 15:00", PARIS), WorkingMinutes(minutes=4 * 60)
    assert due(created, term, office) == at("2026-02-03 13:00", PARIS)
    waits = Pause(start=created, end=at("2026-02-03 10:00", PARIS))
    assert due(created, term, office, [waits]) == at("2026-02-03 14:00", PARIS)


def test_glpis_months_are_thirty_days_and_ours_are_months() -> None:
    """Four months from 1 March: 120 days for GLPI, which is 29 June; the end of 1 July here."""
    start = at("2026-03-01 10:00", PARIS)
    theirs = start + timedelta(days=4 * 30)
    assert theirs.date() == date(2026, 6, 29)
    assert due(start, Months(months=4), GLPI["5x24"]) == at("2026-07-02 00:00", PARIS)
