"""Who answers for what: dated, never two at once, ended and not taken back; a pack changes what it says and no more."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch_svc.domain.refusal import DispatchRefusalError
from dispatch_svc.domain.responsibility import (
    BY_HAND,
    RESPONSIBILITY,
    EndsInThePastError,
    Grants,
    NothingToEndError,
    PeriodIsEmptyError,
    ResponsibilityNotFoundError,
    ResponsibilityOverlapsError,
    Territory,
    adopt_grants,
    end,
    grant,
    territory_of,
)
from shared_events.dispatch import ResponsibilityGranted
from shared_events.event import Event
from shared_events.ids import responsibility_stream

TODAY = date(2026, 7, 1)
JANUARY, AUTUMN = date(2026, 1, 1), date(2026, 9, 1)


def granted(organisation: str, first: date = JANUARY, until: date | None = None, pack: str = "1") -> ResponsibilityGranted:
    """State a grant."""
    return ResponsibilityGranted(
        city="kazan",
        service_type="lift",
        district=None,
        organisation=organisation,
        valid_from=first,
        valid_to=until,
        pack_version=pack,
    )


def by_hand(organisation: str, first: date = JANUARY, until: date | None = None) -> ResponsibilityGranted:
    """State a grant of a dispatcher."""
    return granted(organisation, first, until, BY_HAND)


def after(*facts: Event) -> Grants:
    """Fold a responsibility's stream."""
    state = RESPONSIBILITY.initial
    for fact in facts:
        state = RESPONSIBILITY.evolve(state, fact)
    return state


def test_a_building_a_district_and_the_city_have_streams_of_their_own() -> None:
    """A building's stream does not depend on the district it is in; no district is mistaken for a building."""
    in_building = granted("a").model_copy(update={"building": "7", "district": "kirov"})
    assert territory_of(in_building) == Territory("kazan", "lift", None, "7")
    assert territory_of(granted("a")).stream_id == responsibility_stream("kazan", "lift", "city")
    streams = {
        Territory("kazan", "lift", "7").stream_id,
        territory_of(in_building).stream_id,
        territory_of(granted("a")).stream_id,
    }
    assert len(streams) == 3


def test_a_period_nobody_has_is_granted() -> None:
    """Also next to others: the day of an end is free."""
    assert grant(after(), granted("a")) == [by_hand("a")]
    assert grant(after(granted("a", until=AUTUMN)), granted("b", AUTUMN)) == [by_hand("b", AUTUMN)]


@pytest.mark.parametrize(
    ("first", "until"), [(JANUARY, None), (TODAY, None), (date(2025, 1, 1), date(2026, 1, 2)), (TODAY, date(2026, 8, 1))]
)
def test_an_overlap_is_refused_and_the_one_who_has_it_is_named(first: date, until: date | None) -> None:
    """Organisation, period, id and version: what a dispatcher needs to end it first."""
    with pytest.raises(ResponsibilityOverlapsError) as refused:
        grant(after(granted("x", date(2020, 1, 1), date(2021, 1, 1)), granted("a", until=AUTUMN)), granted("b", first, until))
    told = str(refused.value)
    assert "It is a, from 2026-01-01 up to 2026-09-01, by " in told
    assert f"{responsibility_stream('kazan', 'lift', 'city')} version 2" in told


def test_a_period_without_a_day_is_refused() -> None:
    """The end is the first day that no longer counts."""
    with pytest.raises(PeriodIsEmptyError):
        grant(after(), granted("a", until=JANUARY))


def test_a_responsibility_ends_today_or_later() -> None:
    """The period that has the day ends there; ending it so again states nothing."""
    ended = end(after(granted("a")), AUTUMN, TODAY)
    assert ended == [by_hand("a", until=AUTUMN)]
    assert end(after(granted("a"), *ended), AUTUMN, TODAY) == []
    with pytest.raises(EndsInThePastError):
        end(after(granted("a")), date(2026, 6, 30), TODAY)


def test_nothing_is_ended_where_nobody_is_responsible() -> None:
    """An unknown id, a day after the end, a period that begins later."""
    with pytest.raises(ResponsibilityNotFoundError):
        end(after(), TODAY, TODAY)
    with pytest.raises(NothingToEndError):
        end(after(granted("a", until=TODAY)), AUTUMN, TODAY)
    with pytest.raises(NothingToEndError):
        end(after(granted("a", AUTUMN)), TODAY, TODAY)


def test_one_that_never_began_makes_room() -> None:
    """Ended on its first day it has no day, and another organisation takes the period."""
    never = end(after(granted("a", AUTUMN)), AUTUMN, TODAY)
    assert grant(after(granted("a", AUTUMN), *never), granted("b", AUTUMN)) == [by_hand("b", AUTUMN)]


def test_a_pack_that_grants_the_same_changes_nothing() -> None:
    """Also when it is a newer one."""
    assert adopt_grants(after(granted("a")), (granted("a", pack="2"),), TODAY, "2") == []


def test_a_pack_that_names_another_organisation_replaces_the_grant() -> None:
    """Same first day: a new version of the same period."""
    changed = granted("b", pack="2")
    assert adopt_grants(after(granted("a")), (changed,), TODAY, "2") == [changed]
    assert [fact for _, fact in after(granted("a"), changed).standing] == [changed]


def test_a_grant_the_pack_no_longer_has_ends_today_and_one_to_come_never_begins() -> None:
    """Once ended it stays as it is; granted again it is stated again."""
    running, coming = granted("a"), granted("b", date(2027, 1, 1))
    ended = [granted("a", until=TODAY, pack="2"), granted("b", date(2027, 1, 1), date(2027, 1, 1), pack="2")]
    assert adopt_grants(after(running, coming), (), TODAY, "2") == ended
    assert adopt_grants(after(running, coming, *ended), (), date(2026, 8, 1), "3") == []
    assert adopt_grants(after(running, ended[0]), (granted("a", pack="3"),), TODAY, "3") == [granted("a", pack="3")]


def test_what_a_dispatcher_decided_stands_until_the_pack_says_something_new_about_it() -> None:
    """A pack that grants as before neither revives what a person ended nor ends what a person granted."""
    pack, ended, other = granted("a"), by_hand("a", until=AUTUMN), by_hand("b", AUTUMN)
    decided = after(pack, ended, other)
    assert adopt_grants(decided, (granted("a", pack="2"),), TODAY, "2") == []
    assert adopt_grants(decided, (), TODAY, "2") == []
    news = granted("c", pack="2")
    assert adopt_grants(decided, (news,), TODAY, "2") == [news]


organisations = st.sampled_from(["a", "b", "c"])
days = st.integers(0, 40).map(lambda number: TODAY + timedelta(days=number))
steps = st.one_of(
    st.tuples(st.just("grant"), organisations, days, st.none() | days),
    st.tuples(st.just("end"), organisations, days, st.none()),
)


@given(st.lists(steps, max_size=25))
def test_whatever_dispatchers_do_no_day_ever_has_two(wanted: list[tuple[str, str, date, date | None]]) -> None:
    """The invariant: on each day at most one organisation answers, after any sequence of grants and ends."""
    state = after()
    for what, organisation, first, until in wanted:
        try:
            facts = grant(state, granted(organisation, first, until)) if what == "grant" else end(state, first, TODAY)
        except DispatchRefusalError:
            continue
        for fact in facts:
            state = RESPONSIBILITY.evolve(state, fact)
    for number in range(45):
        day = TODAY + timedelta(days=number)
        assert sum(each.covers(day) for each, _ in state.standing) <= 1
