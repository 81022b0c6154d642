"""Laws of a case that hold whatever happens, in whatever order it can: one holder at every instant, every breach once."""

from datetime import datetime, timedelta
from itertools import pairwise

from any_city import MOVES, RULEBOOK, City, Move
from case_file import CITY, LADDER, LIFTS, MINUTE
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch_svc.domain import case
from shared_calendar import due, term_of
from shared_events.dispatch import CaseClosed, CaseOpened, CaseReopened, HolderChanged, RequestAssigned, RoutingFailed


@settings(max_examples=150, deadline=None)
@given(service_type=st.sampled_from(["lift", "pipe", "other"]), moves=MOVES)
def test_whatever_happens_a_case_has_one_holder_at_every_instant_and_keeps_its_word(service_type: str, moves: list[Move]) -> None:
    """Any sequence of commands, reactions and timers, request-svc's words late or not, leaves the laws whole."""
    city = City(service_type)
    for move in moves:
        city.move(*move)
        _never_silently_unrouted(city)
        _the_resident_holds_what_the_resident_is_asked(city)
        _clocks_count_as_they_say(city)
        _one_timer_stands_for_the_next_moment(city)
    city.move("timers", LIFTS, 0, 0)
    _one_holder_at_every_instant(city)
    _what_is_stated_is_stated_once(city)
    _nothing_after_the_end_but_a_reopening(city)
    _nothing_due_is_left_unsaid(city)


def _one_holder_at_every_instant(city: City) -> None:
    """Check: in every open stretch the intervals are contiguous, and their lengths sum to it."""
    holders: list[tuple[datetime, datetime]] = []
    stretches: list[tuple[datetime, datetime]] = []
    begun: datetime | None = None
    since: datetime | None = None
    for fact in city.facts:
        match fact:
            case HolderChanged():
                if since is not None:
                    holders.append((since, fact.at))
                begun, since = begun or fact.at, fact.at
            case CaseClosed():
                assert begun is not None
                assert since is not None
                holders.append((since, fact.at))
                stretches.append((begun, fact.at))
                begun = since = None
            case CaseReopened():
                if begun is None:
                    begun = fact.at
            case _:
                pass
    if begun is not None:
        assert since is not None
        end = max(city.now, since)
        holders.append((since, end))
        stretches.append((begun, end))
    assert bool(holders) == bool(city.of(CaseOpened))
    assert all(start <= end for start, end in holders)
    assert all(before[1] <= after[0] for before, after in pairwise(holders))
    total = sum((end - start for start, end in stretches), timedelta())
    assert sum((end - start for start, end in holders), timedelta()) == total
    assert (city.case.holder is None) == (city.case.state in {"unknown", "closed"})


def _never_silently_unrouted(city: City) -> None:
    """Check: a registered request was assigned, or its routing failed and a dispatcher holds it until somebody is assigned."""
    if "registered" in city.said and city.case.inputs is not None:
        assert city.of(RequestAssigned, RoutingFailed)
    holder = city.case.holder
    if holder is not None and holder.kind == "organisation":
        assert holder.organisation == city.case.organisation


def _the_resident_holds_what_the_resident_is_asked(city: City) -> None:
    """Check: from the question to the answer the resident holds the case, whatever others do; else the resident never does."""
    if city.case.holder is not None:
        assert (city.case.holder == case.RESIDENT) == city.asked_for


def _clocks_count_as_they_say(city: City) -> None:
    """Check: every clock that runs is due when its own start, term, calendar and pauses say, whatever else happened."""
    assert {clock.stage for clock in city.case.clocks} <= set(city.runs)
    for clock in city.case.clocks:
        run = city.runs[clock.stage]
        if run.paused is None:
            stated = run.set_by
            counted = due(
                run.starts_at,
                term_of(stated.term.unit, stated.term.amount),
                RULEBOOK.policies[CITY].calendar,
                run.pauses,
            )
            assert (clock.due, clock.paused_by) == (counted, None)
        assert clock.due == run.due
        assert (clock.paused_by is None) == (run.paused is None)


def _what_is_stated_is_stated_once(city: City) -> None:
    """Check: one warning, one breach and each rung once, however often a clock was counted anew."""
    for run in [*city.runs.values(), *city.past]:
        assert run.warned <= 1
        assert run.breached <= 1
        assert run.levels == list(range(1, len(run.levels) + 1))
        assert not run.levels or run.breached
    for run in city.past:
        assert run.breached <= 1


def _one_timer_stands_for_the_next_moment(city: City) -> None:
    """Check: the timer stands at the first moment of any running clock that is not stated yet."""
    assert city.standing == city.case.next_moment
    moments = []
    for clock in city.case.clocks:
        run = city.runs[clock.stage]
        if run.paused is not None:
            continue
        if not run.breached:
            warn_at = clock.warn_at
            moments.append(warn_at if warn_at is not None and not run.warned else run.due)
        elif len(run.levels) < len(LADDER):
            moments.append(run.due + LADDER[len(run.levels)].after_minutes * MINUTE)
    assert city.standing == min(moments, default=None)


def _nothing_due_is_left_unsaid(city: City) -> None:
    """Check: once the timers have spoken, whatever is due by now is stated; what former terms had stated stays stated."""
    for clock in city.case.clocks:
        run = city.runs[clock.stage]
        if run.paused is None and run.due <= city.now:
            assert run.breached == 1
            assert len(run.levels) >= sum(run.due + step.after_minutes * MINUTE <= city.now for step in LADDER)


def _nothing_after_the_end_but_a_reopening(city: City) -> None:
    """Check: after CaseClosed there is nothing, unless the request was opened again."""
    for before, after in pairwise(city.facts):
        if isinstance(before, CaseClosed):
            assert isinstance(after, CaseReopened)
