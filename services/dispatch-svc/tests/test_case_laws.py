"""Laws of a case that hold whatever happens, in whatever order it can: one holder at every instant, every breach once."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Literal
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch_svc.domain import case
from dispatch_svc.domain.case import CASE, Case
from dispatch_svc.domain.refusal import DispatchRefusalError
from dispatch_svc.domain.rulebook import Grant, Organisation, Policy, Rulebook, Territory
from shared_calendar import Calendar
from shared_chassis.stream import Cancel, Set
from shared_events.dispatch import (
    CaseClosed,
    CaseOpened,
    DeadlineBreached,
    HolderChanged,
    RequestAssigned,
    RoutingFailed,
    StageDeadlineSet,
    WorkReportedDone,
)
from shared_events.event import Event
from shared_events.request import Location, RequestClosed, RequestRegistered, RequestSubmitted

T0 = datetime.fromisoformat("2026-03-02T09:00:00+00:00")
CALENDAR = Calendar.model_validate({"id": "always", "version": "1", "timezone": "Europe/Moscow"})
A, B = "organisation-kazan-a", "organisation-kazan-b"
RULEBOOK = Rulebook(
    zones={"kazan": CALENDAR.timezone},
    organisations={name: Organisation(name, "kazan", name, "contractor") for name in (A, B)},
    grants={Territory("kazan", "lift", None): (Grant("responsibility-x", 1, A, T0.date(), None),)},
    policies={"kazan": Policy("1", CALENDAR, {"*": {"accept": 5, "finish": 7}})},
)

Speech = Literal["submitted", "registered", "proposed", "closed"]
Move = tuple[str, str, int, int]
"""What is tried, by or for which organisation, minutes that pass before, and minutes by which request-svc's word is older."""

ANYTHING = ["next word", "accept", "start", "report", "timers", "assign", "again", "closed"]
MOVES = st.lists(
    st.tuples(st.sampled_from([*["forward"] * 5, *ANYTHING]), st.sampled_from([A, B]), st.integers(0, 6), st.integers(0, 6)),
    min_size=5,
    max_size=30,
)
FORWARD = {"unrouted": "assign", "assigned": "accept", "accepted": "start", "started": "report"}
"""What brings a case on from where it is; elsewhere it is request-svc's next word."""


class City:
    """A case in a city where request-svc, dispatchers, executors and timers do what they can, whenever they can."""

    def __init__(self, service_type: str) -> None:
        self.service_type = service_type
        self.case = Case()
        self.now = T0
        self.said: list[Speech] = []
        self.facts: list[tuple[datetime, Event]] = []
        self.standing: dict[str, datetime] = {}
        self.fired: set[str] = set()
        self.ended: datetime | None = None

    def do(self, decide: Callable[[Case], Sequence[Event]], fires: str | None = None) -> None:
        """Handle one command as the store does: decide, append, set timers; a refusal stores nothing."""
        try:
            facts = decide(self.case)
        except DispatchRefusalError:
            return
        for fact in facts:
            if isinstance(fact, DeadlineBreached):
                running = [clock for clock in self.case.clocks if clock.running and not clock.breached]
                assert (fact.stage, fact.due) in [(clock.stage, clock.due) for clock in running]
            self.case = CASE.evolve(self.case, fact)
            self.facts.append((self.now, fact))
        if fires is not None:
            self.standing.pop(fires, None)
            self.fired.add(fires)
        for timer in CASE.timers(self.case, facts) if facts else ():
            match timer:
                case Set():
                    self.standing[timer.key] = timer.due_at
                case Cancel():
                    self.standing.pop(timer.key, None)

    def hear(self, word: Speech, happened: datetime) -> None:
        """React to what request-svc says; it closes at most once, and proposes only what was reported."""
        if word not in self.said:
            self.said.append(word)
            self.ended = happened if word == "closed" else self.ended
        match word:
            case "submitted":
                self.do(lambda known: case.open_case(known, _REQUEST, self._submitted(), happened))
            case "registered":
                self.do(lambda known: case.route(known, self._registered(), happened, RULEBOOK))
            case "proposed":
                self.do(lambda known: case.ask_resident(known, happened))
            case "closed":
                self.do(lambda known: case.close(known, RequestClosed(outcome="done"), happened))

    def move(self, what: str, organisation: str, passed: int, lag: int) -> None:
        """Try one thing a person, a timer or request-svc may do now."""
        self.now += timedelta(minutes=passed)
        happened = max(T0, self.now - timedelta(minutes=lag))
        if what == "forward":
            what, organisation = FORWARD.get(self.case.state, "next word"), self.case.organisation or organisation
        match what:
            case "assign":
                self.do(lambda known: case.assign(known, organisation, self.now, RULEBOOK))
            case "accept":
                self.do(lambda known: case.accept(known, organisation, self.now, RULEBOOK))
            case "start":
                self.do(lambda known: case.start(known, organisation))
            case "report":
                self.do(lambda known: case.report_done(known, organisation, (), self.now))
            case "timers":
                for key in [key for key, due in self.standing.items() if due <= self.now]:
                    self.do(partial(case.breach, clock_key=key), fires=key)
            case _:
                word = self._word(what, lag)
                if word is not None:
                    self.hear(word, happened)

    def of(self, *kinds: type[Event]) -> list[Event]:
        """List the facts of some kinds."""
        return [fact for _, fact in self.facts if isinstance(fact, kinds)]

    def _word(self, what: str, choice: int) -> Speech | None:
        """Choose what request-svc says: its next word, an earlier one again, or the end, which may come at any time."""
        if not self.said:
            return "submitted" if what == "next word" else None
        if what == "again":
            return self.said[choice % len(self.said)]
        if what == "closed":
            return "closed"
        if "closed" in self.said:
            return None
        if "registered" not in self.said:
            return "registered"
        return "proposed" if self.of(WorkReportedDone) and "proposed" not in self.said else None

    def _submitted(self) -> RequestSubmitted:
        return RequestSubmitted(city="kazan", channel="web", service_type=None, location=Location(), person=None, language="ru")

    def _registered(self) -> RequestRegistered:
        return RequestRegistered(number="KZN-1", city="kazan", service_type=self.service_type, district=None)


_REQUEST = UUID(int=1)


@settings(max_examples=500, deadline=None)
@given(service_type=st.sampled_from(["lift", "other"]), moves=MOVES)
def test_whatever_happens_a_case_has_one_holder_at_every_instant_and_keeps_its_word(service_type: str, moves: list[Move]) -> None:
    """Any sequence of commands, reactions and timers, request-svc's words late or not, leaves the laws whole."""
    city = City(service_type)
    for move in moves:
        city.move(*move)
        _one_holder_at_every_instant(city)
        _never_silently_unrouted(city)
        _a_breach_once_and_never_after_its_stage(city)
        _timers_stand_for_running_clocks_alone(city)
        _nothing_after_the_end(city)


def _one_holder_at_every_instant(city: City) -> None:
    """Check: intervals are contiguous and none is of the holder before, so the holders' minutes sum to the whole."""
    changes = [fact for fact in city.of(HolderChanged) if isinstance(fact, HolderChanged)]
    assert bool(changes) == bool(city.of(CaseOpened))
    if not changes:
        return
    starts = [change.at for change in changes]
    assert starts == sorted(starts)
    assert all(before.holder != after.holder for before, after in pairwise(changes))
    end = max(city.ended or city.now, starts[-1])
    lengths = [until - since for since, until in zip(starts, [*starts[1:], end], strict=True)]
    assert all(length >= timedelta() for length in lengths)
    assert sum(lengths, timedelta()) == end - starts[0]
    assert (city.case.holder, city.case.since) == (changes[-1].holder, changes[-1].at)


def _never_silently_unrouted(city: City) -> None:
    """Check: a registered request was assigned, or its routing failed and a dispatcher holds it until somebody is assigned."""
    if "registered" in city.said:
        assert city.of(RequestAssigned, RoutingFailed)
        assert city.case.holder.kind != "call_centre"
    if city.case.holder.kind == "organisation":
        assert city.case.holder.organisation == city.case.organisation


def _a_breach_once_and_never_after_its_stage(city: City) -> None:
    """Check: every clock is breached at most once, and certainly when its stage ended after its term."""
    breaches = [fact for fact in city.of(DeadlineBreached) if isinstance(fact, DeadlineBreached)]
    clocks = city.case.clocks
    assert len(breaches) == sum(clock.breached for clock in clocks)
    assert len(city.of(StageDeadlineSet)) == len(clocks) == len({clock.key for clock in clocks})
    for clock in clocks:
        if clock.key in city.fired:
            assert clock.breached
        if clock.ended_by is not None:
            assert clock.breached or _moment(city, clock.ended_by) < clock.due


def _moment(city: City, place: int) -> datetime:
    """Tell when the n-th fact happened, by the world and not by when dispatch heard of it."""
    recorded, fact = city.facts[place - 1]
    match fact:
        case HolderChanged():
            return fact.at
        case CaseClosed():
            return fact.at
        case _:
            return recorded


def _timers_stand_for_running_clocks_alone(city: City) -> None:
    """Check: a timer stands for every running clock that is not breached yet; for no other."""
    running = {clock.key: clock.due for clock in city.case.clocks if clock.running and clock.key not in city.fired}
    assert city.standing == running


def _nothing_after_the_end(city: City) -> None:
    """Check: CaseClosed is the last word, and comes once."""
    closings = [place for place, (_, fact) in enumerate(city.facts) if isinstance(fact, CaseClosed)]
    assert closings in ([], [len(city.facts) - 1])
    assert bool(closings) == ("closed" in city.said)
