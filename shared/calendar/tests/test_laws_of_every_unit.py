"""Laws of every kind of term, in calendars and at moments where time itself is irregular.

The clocks change (Madrid, Los Angeles, at midnight in São Paulo and Beirut), a country changes its offset (Moscow 2011 and 2014),
and one skips a whole day (Samoa 2011).
"""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from shared_calendar import (
    WEEKDAYS,
    Calendar,
    CalendarDays,
    ClockStoppedError,
    Day,
    DayTerm,
    ElapsedMinutes,
    Hours,
    MinuteTerm,
    Months,
    Pause,
    Term,
    WindowedMinutes,
    WorkingDays,
    WorkingMinutes,
    due,
    elapsed,
    explain,
    remaining,
    term_of,
)

NEVER = datetime.max.replace(tzinfo=UTC)
DAY = timedelta(days=1)
CHANGES = {
    "Europe/Moscow": [datetime(2011, 3, 26, 23, tzinfo=UTC), datetime(2014, 10, 25, 22, tzinfo=UTC)],
    "Europe/Madrid": [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)],
    "America/Los_Angeles": [datetime(2026, 3, 8, 10, tzinfo=UTC), datetime(2026, 11, 1, 9, tzinfo=UTC)],
    "America/Sao_Paulo": [datetime(2018, 2, 18, 2, tzinfo=UTC), datetime(2018, 11, 4, 3, tzinfo=UTC)],
    "Asia/Beirut": [datetime(2026, 3, 28, 22, tzinfo=UTC), datetime(2026, 10, 24, 21, tzinfo=UTC)],
    "Pacific/Apia": [datetime(2011, 12, 30, 10, tzinfo=UTC)],
}
WEEKS: list[dict[str, Hours]] = [
    dict.fromkeys(WEEKDAYS, (("00:00", "24:00"),)),
    {day: () if day in {"sat", "sun"} else (("08:00", "12:00"), ("13:00", "17:00")) for day in WEEKDAYS},
    dict.fromkeys(WEEKDAYS, (("00:00", "02:30"), ("02:30", "03:15"), ("22:00", "24:00"))),
    {day: (("02:15", "02:45"),) if day in {"sat", "sun"} else () for day in WEEKDAYS},
]


def calendar_of(zone: str, week: dict[str, Hours]) -> Calendar:
    """Make a calendar in which the day after each change is off and the second one short."""
    days = {}
    for change in CHANGES[zone]:
        day = change.astimezone(ZoneInfo(zone)).date()
        days |= {day + DAY: Day(), day + 2 * DAY: Day(hours=(("09:00", "10:30"),))}
    return Calendar.model_validate({"id": "law", "version": "1", "timezone": zone, "week": week, "days": days})


calendars = st.builds(calendar_of, st.sampled_from(sorted(CHANGES)), st.sampled_from(WEEKS))
near = st.one_of(
    st.integers(-4 * 3600, 4 * 3600), st.integers(-20 * 86_400, 20 * 86_400), st.integers(-60, 60).map(lambda h: h * 3600)
)
windows = st.sampled_from([("08:00", "23:00"), ("00:00", "24:00"), ("02:15", "02:45"), ("23:00", "24:00"), ("00:00", "01:00")])
minute_terms: st.SearchStrategy[MinuteTerm] = st.one_of(
    st.builds(ElapsedMinutes, minutes=st.integers(1, 20_000)),
    st.builds(WorkingMinutes, minutes=st.integers(1, 3_000)),
    st.builds(lambda minutes, window: WindowedMinutes(minutes=minutes, opens=window[0], closes=window[1]),
              st.integers(1, 2_000), windows),
)  # fmt: skip
day_terms: st.SearchStrategy[DayTerm] = st.one_of(
    st.builds(CalendarDays, days=st.integers(1, 40)),
    st.builds(WorkingDays, days=st.integers(1, 40)),
    st.builds(Months, months=st.integers(1, 14)),
)
terms: st.SearchStrategy[Term] = st.one_of(minute_terms, day_terms)


@st.composite
def moments_of(draw: st.DrawFn, calendar: Calendar) -> datetime:
    """Pick a moment, mostly near a change of the clocks of the calendar's zone, at times on the very second."""
    change = draw(st.sampled_from(CHANGES[calendar.timezone.key]))
    return change + timedelta(seconds=draw(near), microseconds=draw(st.sampled_from([0, 0, 1, 999_999])))


@st.composite
def pauses_of(draw: st.DrawFn, calendar: Calendar, *, lasting: bool = True) -> list[Pause]:
    """Pick up to four pauses, overlapping or not, perhaps one that lasts."""
    pauses = []
    for _ in range(draw(st.integers(0, 4))):
        start = draw(moments_of(calendar))
        length = timedelta(seconds=draw(st.one_of(st.integers(0, 7200), st.integers(0, 10 * 86_400))))
        endless = lasting and draw(st.integers(0, 9)) == 0
        pauses.append(Pause(start=start, end=None if endless else start + length))
    return pauses


def due_or_never(start: datetime, term: Term, calendar: Calendar, pauses: list[Pause]) -> datetime:
    """Give the due moment; the end of time for a clock that stands."""
    try:
        return due(start, term, calendar, pauses)
    except ClockStoppedError:
        return NEVER


def longer(term: Term, by: int) -> Term:
    """Make the same kind of term with a greater amount."""
    window = (term.opens, term.closes) if isinstance(term, WindowedMinutes) else (None, None)
    return term_of(term.unit, term.amount + by, *window)


@settings(deadline=None, max_examples=60)
@given(st.data(), calendars, terms)
def test_a_later_start_is_never_due_earlier(data: st.DataObject, calendar: Calendar, term: Term) -> None:
    """Due is monotone in its start, whatever pauses there are."""
    first, second = sorted((data.draw(moments_of(calendar)), data.draw(moments_of(calendar))))
    pauses = data.draw(pauses_of(calendar))
    assert due_or_never(first, term, calendar, pauses) <= due_or_never(second, term, calendar, pauses)


@settings(deadline=None, max_examples=60)
@given(st.data(), calendars, terms, st.integers(1, 50))
def test_a_longer_term_is_never_due_earlier(data: st.DataObject, calendar: Calendar, term: Term, by: int) -> None:
    """Due is monotone in its term."""
    start, pauses = data.draw(moments_of(calendar)), data.draw(pauses_of(calendar))
    assert due_or_never(start, term, calendar, pauses) <= due_or_never(start, longer(term, by), calendar, pauses)


@settings(deadline=None, max_examples=60)
@given(st.data(), calendars, terms)
def test_another_pause_never_brings_due_forward(data: st.DataObject, calendar: Calendar, term: Term) -> None:
    """Pausing can only give time."""
    start, pauses, more = (data.draw(strategy) for strategy in (moments_of(calendar), pauses_of(calendar), pauses_of(calendar)))
    assert due_or_never(start, term, calendar, pauses) <= due_or_never(start, term, calendar, [*pauses, *more])


@settings(deadline=None, max_examples=60)
@given(st.data(), calendars, minute_terms)
def test_at_the_due_moment_exactly_the_minutes_have_passed(data: st.DataObject, calendar: Calendar, term: MinuteTerm) -> None:
    """And not a microsecond earlier: due is the first such moment."""
    start, pauses = data.draw(moments_of(calendar)), data.draw(pauses_of(calendar, lasting=False))
    ends = due(start, term, calendar, pauses)
    assert elapsed(start, ends, term, calendar, pauses) == term.duration
    assert remaining(start, ends, term, calendar, pauses) == timedelta()
    assert elapsed(start, ends - timedelta.resolution, term, calendar, pauses) == term.duration - timedelta.resolution


@settings(deadline=None, max_examples=60)
@given(st.data(), calendars, day_terms)
def test_at_the_due_moment_exactly_the_days_have_passed(data: st.DataObject, calendar: Calendar, term: DayTerm) -> None:
    """The last day is used up, and the next one has not begun."""
    start, pauses = data.draw(moments_of(calendar)), data.draw(pauses_of(calendar, lasting=False))
    ends = due(start, term, calendar, pauses)
    assert elapsed(start, ends, term, calendar, pauses) == term.amount
    assert remaining(start, ends, term, calendar, pauses) == 0


@settings(deadline=None, max_examples=60)
@given(st.data(), calendars, minute_terms)
def test_splitting_a_stretch_of_time_adds_up(data: st.DataObject, calendar: Calendar, term: MinuteTerm) -> None:
    """What passed from A to B and from B to C is what passed from A to C, to the microsecond."""
    first, middle, last = sorted(data.draw(moments_of(calendar)) for _ in range(3))
    pauses = data.draw(pauses_of(calendar))
    halves = elapsed(first, middle, term, calendar, pauses) + elapsed(middle, last, term, calendar, pauses)
    assert halves == elapsed(first, last, term, calendar, pauses)


@settings(deadline=None, max_examples=60)
@given(st.data(), calendars, st.sampled_from([CalendarDays(days=1), WorkingDays(days=1)]))
def test_splitting_days_adds_up(data: st.DataObject, calendar: Calendar, term: DayTerm) -> None:
    """A stretch cut at the very first moment of a day loses that day: it is where the second half starts, and has not begun."""
    first, middle, last = sorted(data.draw(moments_of(calendar)) for _ in range(3))
    pauses = data.draw(pauses_of(calendar))
    halves = elapsed(first, middle, term, calendar, pauses) + elapsed(middle, last, term, calendar, pauses)
    whole = elapsed(first, last, term, calendar, pauses)
    local = middle.astimezone(calendar.timezone)
    begins = (middle - timedelta.resolution).astimezone(calendar.timezone).date() < local.date()
    assert whole - halves in ({0, 1} if begins else {0})


@settings(deadline=None, max_examples=60)
@given(st.data(), calendars, terms)
def test_no_clock_is_due_while_it_stands(data: st.DataObject, calendar: Calendar, term: Term) -> None:
    """A breach during a pause would blame somebody for waiting."""
    start, pauses = data.draw(moments_of(calendar)), data.draw(pauses_of(calendar))
    ends = due_or_never(start, term, calendar, pauses)
    standing = [pause for pause in pauses if pause.start < ends and (pause.end is None or ends < pause.end)]
    assert ends == NEVER or not standing


@settings(deadline=None, max_examples=60)
@given(st.data(), calendars, terms, st.randoms(use_true_random=False))
def test_overlapping_pauses_count_once(data: st.DataObject, calendar: Calendar, term: Term, random: object) -> None:
    """Pauses given twice, cut in two, in any order, change nothing."""
    assert hasattr(random, "shuffle")
    start, pauses = data.draw(moments_of(calendar)), data.draw(pauses_of(calendar, lasting=False))
    cut = [*pauses]
    for pause in pauses:
        assert pause.end is not None
        half = pause.start + (pause.end - pause.start) / 2
        cut += [Pause(start=pause.start, end=half), Pause(start=half, end=pause.end)]
    random.shuffle(cut)
    assert due(start, term, calendar, cut) == due(start, term, calendar, pauses)


@settings(deadline=None, max_examples=60)
@given(st.data(), calendars, terms)
def test_a_clock_stopped_and_resumed_is_due_as_one_with_the_pause_known(
    data: st.DataObject, calendar: Calendar, term: Term
) -> None:
    """A pause that begins after the due moment changes nothing; one after the start never loses what had passed."""
    start, pauses = data.draw(moments_of(calendar)), data.draw(pauses_of(calendar, lasting=False))
    ends = due(start, term, calendar, pauses)
    assert due(start, term, calendar, [*pauses, Pause(start=ends)]) == ends


@settings(deadline=None, max_examples=60)
@given(st.data(), calendars, terms)
def test_every_clock_can_be_explained(data: st.DataObject, calendar: Calendar, term: Term) -> None:
    """From its start to its due moment, or to where it stands."""
    start, pauses = data.draw(moments_of(calendar)), data.draw(pauses_of(calendar))
    steps = explain(start, term, calendar, pauses)
    assert steps[0].startswith("Starts on ")
    stands = due_or_never(start, term, calendar, pauses) == NEVER
    assert steps[-1].startswith("Nobody can say yet" if stands else "Due on ")


@settings(deadline=None, max_examples=60)
@given(st.data(), st.sampled_from(["Europe/Moscow", "Europe/Madrid", "America/Los_Angeles"]))
def test_working_minutes_equal_a_count_of_minutes_on_the_wall(data: st.DataObject, zone: str) -> None:
    """Against the definition itself: every minute whose local time lies in the day's hours, counted one by one."""
    calendar = calendar_of(zone, WEEKS[1])
    start = data.draw(moments_of(calendar)).replace(second=0, microsecond=0)
    span = data.draw(st.integers(1, 4 * 24 * 60))

    def counts(moment: datetime) -> bool:
        local = moment.astimezone(calendar.timezone)
        return any(opens <= f"{local:%H:%M}" < closes for opens, closes in calendar.hours_on(local.date()))

    expected = sum(counts(start + timedelta(minutes=number)) for number in range(span))
    passed = elapsed(start, start + timedelta(minutes=span), WorkingMinutes(minutes=1), calendar)
    assert passed == timedelta(minutes=expected)


@settings(deadline=None, max_examples=60)
@given(st.dates(date(2000, 1, 1), date(2030, 1, 1)), st.integers(1, 60))
def test_working_days_equal_a_count_of_days(day: date, days: int) -> None:
    """Against the definition itself: dates with hours after the date of the start, counted one by one."""
    calendar = calendar_of("Europe/Moscow", WEEKS[1])
    start = datetime(day.year, day.month, day.day, 13, 30, tzinfo=calendar.timezone)
    last, left = day, days
    while left:
        last += DAY
        left -= calendar.is_working_day(last)
    closes = calendar.hours_on(last)[-1][1]
    local = due(start, WorkingDays(days=days), calendar).astimezone(calendar.timezone)
    assert (local.date(), f"{local:%H:%M}") == (last, closes)
