"""Laws that hold for every clock, pause and moment, across changes of the clocks in four zones."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shared_calendar import Calendar, ClockStoppedError, ElapsedMinutes, Pause, due, elapsed, remaining

ZONES = [ZoneInfo(name) for name in ("Europe/Moscow", "Europe/Madrid", "America/Los_Angeles", "UTC")]
CALENDAR = Calendar(id="law", version="1", timezone=ZONES[0])
# Madrid's clocks change at these moments: half of the examples lie within two hours of one.
SPRING, AUTUMN = datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)

seconds = st.integers(min_value=-7 * 86_400, max_value=7 * 86_400)
moments = st.builds(
    lambda change, offset, micro, zone: (change + timedelta(seconds=offset, microseconds=micro)).astimezone(zone),
    st.sampled_from([SPRING, AUTUMN]),
    st.one_of(st.integers(min_value=-7200, max_value=7200), seconds),
    st.integers(min_value=0, max_value=999_999),
    st.sampled_from(ZONES),
)
terms = st.builds(ElapsedMinutes, minutes=st.integers(min_value=1, max_value=20_000))
lengths = st.builds(timedelta, seconds=st.integers(min_value=0, max_value=3 * 86_400))


def ended(start: datetime, length: timedelta) -> Pause:
    """Build a pause of a length, ending in the zone it starts in."""
    return Pause(start=start, end=(start.astimezone(UTC) + length).astimezone(start.tzinfo))


ended_pauses = st.builds(ended, moments, lengths)
pauses_of_any_kind = st.lists(st.one_of(ended_pauses, st.builds(Pause, start=moments)), max_size=5)
ended_lists = st.lists(ended_pauses, max_size=6)


def instant(moment: datetime) -> datetime:
    """Compare as instants: two times of one zone compare by their wall clocks."""
    return moment.astimezone(UTC)


def due_or_never(start: datetime, term: ElapsedMinutes, pauses: list[Pause]) -> datetime:
    """Give the due moment; the end of time for a clock that stands."""
    try:
        return due(start, term, CALENDAR, pauses)
    except ClockStoppedError:
        return datetime.max.replace(tzinfo=UTC)


@settings(deadline=None)
@given(moments, moments, terms, pauses_of_any_kind)
def test_a_later_start_is_never_due_earlier(one: datetime, other: datetime, term: ElapsedMinutes, pauses: list[Pause]) -> None:
    """Due is monotone in its start."""
    first, second = sorted((one, other), key=instant)
    assert due_or_never(first, term, pauses) <= due_or_never(second, term, pauses)


@settings(deadline=None)
@given(moments, terms, terms, pauses_of_any_kind)
def test_a_longer_term_is_never_due_earlier(
    start: datetime, one: ElapsedMinutes, other: ElapsedMinutes, pauses: list[Pause]
) -> None:
    """Due is monotone in its term."""
    shorter, longer = sorted((one, other), key=lambda term: term.minutes)
    assert due_or_never(start, shorter, pauses) <= due_or_never(start, longer, pauses)


@settings(deadline=None)
@given(moments, terms, pauses_of_any_kind, st.one_of(ended_pauses, st.builds(Pause, start=moments)))
def test_another_pause_never_brings_due_forward(
    start: datetime, term: ElapsedMinutes, pauses: list[Pause], another: Pause
) -> None:
    """Pausing can only give time."""
    assert due_or_never(start, term, pauses) <= due_or_never(start, term, [*pauses, another])


@settings(deadline=None)
@given(moments, terms, pauses_of_any_kind)
def test_at_the_due_moment_exactly_the_term_has_passed(start: datetime, term: ElapsedMinutes, pauses: list[Pause]) -> None:
    """And not a microsecond earlier: due is the first such moment."""
    ends = due_or_never(start, term, pauses)
    assume(ends.year < 9000)
    assert elapsed(start, ends, term, CALENDAR, pauses) == term.duration
    assert remaining(start, ends, term, CALENDAR, pauses) == timedelta()
    before = ends - timedelta(microseconds=1)
    assert elapsed(start, before, term, CALENDAR, pauses) < term.duration


@settings(deadline=None)
@given(st.lists(moments, min_size=3, max_size=3), terms, pauses_of_any_kind)
def test_splitting_a_stretch_of_time_adds_up(three: list[datetime], term: ElapsedMinutes, pauses: list[Pause]) -> None:
    """What passed from A to B and from B to C is what passed from A to C."""
    first, middle, last = sorted(three, key=instant)
    halves = elapsed(first, middle, term, CALENDAR, pauses) + elapsed(middle, last, term, CALENDAR, pauses)
    assert halves == elapsed(first, last, term, CALENDAR, pauses)


@settings(deadline=None)
@given(moments, moments, terms, ended_lists, st.randoms(use_true_random=False))
def test_overlapping_pauses_count_once(
    start: datetime, end: datetime, term: ElapsedMinutes, pauses: list[Pause], random: object
) -> None:
    """Pauses given twice, in any order, cut in halves, change nothing."""
    assert hasattr(random, "shuffle")
    halves = [
        half
        for pause in pauses
        if pause.end is not None
        for half in (
            ended(pause.start, (instant(pause.end) - instant(pause.start)) / 2),
            pause,
        )
    ]
    random.shuffle(halves)
    assert due(start, term, CALENDAR, halves) == due(start, term, CALENDAR, pauses)
    assert elapsed(start, end, term, CALENDAR, halves) == elapsed(start, end, term, CALENDAR, pauses)


@settings(deadline=None)
@given(moments, terms, st.integers(min_value=0, max_value=300), st.integers(min_value=0, max_value=300))
def test_elapsed_time_equals_a_count_of_unpaused_seconds(start: datetime, term: ElapsedMinutes, begin: int, length: int) -> None:
    """Against the definition itself: seconds counted one by one, those within a pause left out."""
    origin = instant(start)
    pauses = [
        ended(origin + timedelta(seconds=begin), timedelta(seconds=length)),
        ended(origin + timedelta(seconds=begin // 2), timedelta(seconds=length)),
    ]
    counted = sum(
        not any(
            pause.start <= moment < pause.end  # type: ignore[operator]  # both pauses were given an end
            for pause in pauses
        )
        for moment in (origin + timedelta(seconds=second) for second in range(600))
    )
    assert elapsed(start, origin + timedelta(seconds=600), term, CALENDAR, pauses) == timedelta(seconds=counted)


@settings(deadline=None)
@given(moments, terms, ended_lists)
def test_the_zone_a_moment_is_written_in_changes_nothing(start: datetime, term: ElapsedMinutes, pauses: list[Pause]) -> None:
    """The same instant written in another zone gives the same due moment."""
    expected = due(instant(start), term, CALENDAR, pauses)
    assert {due(start.astimezone(zone), term, CALENDAR, pauses) for zone in ZONES} == {expected}
