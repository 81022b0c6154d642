"""When a clock of elapsed minutes is due, with and without pauses."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from pydantic import TypeAdapter, ValidationError

from shared_calendar import (
    Calendar,
    ClockStoppedError,
    ElapsedMinutes,
    NaiveTimeError,
    Pause,
    Term,
    due,
    elapsed,
    remaining,
)

KAZAN = Calendar(id="kazan", version="1", timezone=ZoneInfo("Europe/Moscow"))
MADRID = Calendar(id="madrid", version="1", timezone=ZoneInfo("Europe/Madrid"))
NOON = datetime(2026, 1, 12, 12, 0, tzinfo=UTC)


def local(text: str, fold: int = 0) -> datetime:
    """Read a time as Madrid's clocks show it; `fold` 1 is the second pass of the repeated hour."""
    return datetime.fromisoformat(text).replace(tzinfo=MADRID.timezone, fold=fold)


def minute(count: float) -> datetime:
    """Name a moment, in minutes after noon."""
    return NOON + timedelta(minutes=count)


def test_a_term_without_pauses_ends_its_minutes_later() -> None:
    """Thirty minutes from noon is half past twelve, to the microsecond."""
    start = NOON + timedelta(microseconds=1)
    assert due(start, ElapsedMinutes(minutes=30), KAZAN) == start + timedelta(minutes=30)


def test_an_answer_is_in_utc_whatever_zone_it_was_asked_in() -> None:
    """A start given in local time is answered as an instant."""
    local = datetime(2026, 1, 12, 15, 0, tzinfo=ZoneInfo("Europe/Moscow"))
    answer = due(local, ElapsedMinutes(minutes=30), KAZAN)
    assert (answer, answer.tzinfo) == (minute(30), UTC)


@pytest.mark.parametrize(
    ("start", "minutes", "expected"),
    [
        (local("2026-03-29T01:30"), 60, local("2026-03-29T03:30")),
        (local("2026-03-28T12:00"), 24 * 60, local("2026-03-29T13:00")),
        (local("2026-10-25T01:30"), 120, local("2026-10-25T02:30", fold=1)),
        (local("2026-10-24T12:00"), 24 * 60, local("2026-10-25T11:00")),
        (local("2026-10-25T02:30", fold=1), 60, local("2026-10-25T03:30")),
    ],
    ids=["spring", "a day over spring", "autumn", "a day over autumn", "from the repeated hour"],
)
def test_elapsed_minutes_are_exact_when_the_clocks_change(start: datetime, minutes: int, expected: datetime) -> None:
    """Madrid's clocks jump at 02:00 and fall back at 03:00: sixty minutes stay sixty minutes."""
    term = ElapsedMinutes(minutes=minutes)
    assert due(start, term, MADRID) == expected.astimezone(UTC)
    assert elapsed(start, expected, term, MADRID) == timedelta(minutes=minutes)


def test_a_change_of_a_countrys_offset_moves_no_clock() -> None:
    """Moscow time went from UTC+4 to UTC+3 in the night of 26 October 2014."""
    start = datetime(2014, 10, 26, 0, 30, tzinfo=ZoneInfo("Europe/Moscow"))
    ends = due(start, ElapsedMinutes(minutes=120), KAZAN)
    assert ends.astimezone(ZoneInfo("Europe/Moscow")).replace(tzinfo=None) == datetime.fromisoformat("2014-10-26T01:30")


@pytest.mark.parametrize(
    ("pauses", "expected"),
    [
        ([(10, 15)], 35),
        ([(-10, 5)], 35),
        ([(-10, 0)], 30),
        ([(0, 5)], 35),
        ([(30, 99)], 30),
        ([(29, 99)], 100),
        ([(10, 10)], 30),
        ([(10, 20), (15, 25)], 45),
        ([(10, 20), (10, 12)], 40),
        ([(10, 20), (20, 30)], 50),
        ([(25, 30), (31, 40), (5, 10)], 49),
        ([(40, None)], 30),
        ([(30, None)], 30),
        ([(10, 20), (40, None)], 40),
    ],
)
def test_a_clock_stands_still_in_its_pauses(pauses: list[tuple[int, int | None]], expected: int) -> None:
    """Thirty minutes from noon, with pauses given in minutes after noon."""
    stretches = [Pause(start=minute(begin), end=None if end is None else minute(end)) for begin, end in pauses]
    assert due(NOON, ElapsedMinutes(minutes=30), KAZAN, stretches) == minute(expected)


def test_a_clock_in_an_endless_pause_has_no_due_moment() -> None:
    """While the resident has not answered, nobody can say when the clock will be due."""
    with pytest.raises(ClockStoppedError, match="2026-01-12T12:10"):
        due(NOON, ElapsedMinutes(minutes=30), KAZAN, [Pause(start=minute(10))])


def test_a_pause_that_lasts_swallows_the_ended_ones_within_it() -> None:
    """An ended pause inside one that lasts does not end it."""
    pauses = [Pause(start=minute(5)), Pause(start=minute(6), end=minute(7))]
    with pytest.raises(ClockStoppedError):
        due(NOON, ElapsedMinutes(minutes=30), KAZAN, pauses)


def test_what_is_left_is_the_term_less_what_passed() -> None:
    """Ten minutes of thirty are used, then the clock stands, then it is overdue."""
    term = ElapsedMinutes(minutes=30)
    pauses = [Pause(start=minute(10), end=minute(20))]
    assert remaining(NOON, NOON, term, KAZAN, pauses) == timedelta(minutes=30)
    assert remaining(NOON, minute(10), term, KAZAN, pauses) == timedelta(minutes=20)
    assert remaining(NOON, minute(15), term, KAZAN, pauses) == timedelta(minutes=20)
    assert remaining(NOON, minute(40), term, KAZAN, pauses) == timedelta()
    assert remaining(NOON, minute(45), term, KAZAN, pauses) == timedelta(minutes=-5)
    assert remaining(NOON, minute(45), term, KAZAN, [Pause(start=minute(1))]) == timedelta(minutes=29)


def test_nothing_has_passed_before_the_start() -> None:
    """A replica's clock may run behind the one that wrote the start."""
    assert elapsed(NOON, minute(-5), ElapsedMinutes(minutes=1), KAZAN) == timedelta()


def test_a_naive_time_is_refused_in_words() -> None:
    """A time without an offset is nobody's time."""
    naive, term = datetime.fromisoformat("2026-01-12T12:00"), ElapsedMinutes(minutes=1)
    with pytest.raises(NaiveTimeError, match=r"offset from UTC.*2026-01-12T12:00:00"):
        due(naive, term, KAZAN)
    with pytest.raises(NaiveTimeError):
        elapsed(NOON, naive, term, KAZAN)
    with pytest.raises(NaiveTimeError):
        remaining(naive, NOON, term, KAZAN)
    with pytest.raises(ValidationError, match="timezone"):
        Pause(start=naive)


def test_a_pause_cannot_end_before_it_starts() -> None:
    """Compared as instants: later by the wall clock is not always later."""
    with pytest.raises(ValidationError, match="before it starts"):
        Pause(start=NOON, end=minute(-1))
    eastern = timezone(timedelta(hours=5))
    with pytest.raises(ValidationError, match="before it starts"):
        Pause(start=NOON, end=NOON.replace(hour=16, tzinfo=eastern))


def test_a_pause_across_the_repeated_hour_is_allowed() -> None:
    """02:45 before the clocks fall back comes before 02:15 after it."""
    start, first, second = local("2026-10-25T02:30"), local("2026-10-25T02:45"), local("2026-10-25T02:15", fold=1)
    pause = Pause(start=first, end=second)
    assert due(start, ElapsedMinutes(minutes=30), MADRID, [pause]) == second.astimezone(UTC) + timedelta(minutes=15)


def test_a_written_term_says_its_unit() -> None:
    """`minutes: 30` alone could be of several kinds, so it is refused; a written term reads back as it was."""
    written: TypeAdapter[Term] = TypeAdapter(Term)
    term = ElapsedMinutes(minutes=30)
    assert written.validate_json(written.dump_json(term)) == term
    with pytest.raises(ValidationError, match="says its unit; allowed: elapsed-minutes"):
        written.validate_python({"minutes": 30})
    with pytest.raises(ValidationError, match="elapsed-minutes"):
        written.validate_python({"unit": "fortnights", "minutes": 30})


@pytest.mark.parametrize("minutes", [0, -1, 1.5, "30", True])
def test_a_term_is_a_whole_number_of_minutes_from_one_on(minutes: object) -> None:
    """A term of nothing is due before anybody can act."""
    with pytest.raises(ValidationError):
        ElapsedMinutes.model_validate({"minutes": minutes})


def test_terms_calendars_and_pauses_cannot_be_changed() -> None:
    """They are pinned when a clock starts."""
    for pinned, field in ((ElapsedMinutes(minutes=1), "minutes"), (KAZAN, "version"), (Pause(start=NOON), "end")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(pinned, field, None)


def test_a_calendar_stands_in_a_known_zone() -> None:
    """A misspelt zone is refused where it is written."""
    with pytest.raises(ValidationError, match="timezone"):
        Calendar.model_validate({"id": "kazan", "version": "1", "timezone": "Europe/Kazan"})
