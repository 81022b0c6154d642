"""The clocks of a case: which start when, what moves them, what is stated of them, and that nothing else touches them."""

from datetime import datetime, timedelta

import pytest
from case_file import (
    ACCEPTED,
    ASKED,
    CALENDAR,
    CITY,
    DONE,
    DUPLICATE,
    LADDER,
    LIFTS,
    MINUTE,
    OFFICE,
    OPENED,
    PIPES,
    REASON,
    REPORTED,
    REQUEST,
    ROUTED,
    RULEBOOK,
    STARTED,
    T0,
    UNROUTED,
    ZONE,
    at,
    given,
    held_by,
    information_requested,
    minutes,
    names,
    policy,
    proposed,
    reclassified,
    registered,
    reopened,
    rulebook,
    then,
)

from dispatch_svc.domain import case
from dispatch_svc.domain.case import Case
from dispatch_svc.domain.refusal import CalendarUnknownError
from dispatch_svc.domain.rulebook import Organisation, Rulebook
from shared_events.dispatch import (
    CaseReclassified,
    CaseReopened,
    ClockPaused,
    ClockResumed,
    DeadlineBreached,
    DeadlineWarned,
    HolderChanged,
    RequestAssigned,
    RequestEscalated,
    StageDeadlineSet,
    TermStated,
)
from shared_events.event import Event

ALL = {
    "*": {
        "accept": minutes(30),
        "start": minutes(60),
        "finish": minutes(240),
        "answer": minutes(300),
        "total": minutes(400),
        "statutory": minutes(500),
    },
    "pipe": {"finish": minutes(90), "total": minutes(200)},
}
EVERY_CLOCK = rulebook(policy(terms=ALL))
STRICT = rulebook(policy(terms=ALL, statutory_pauses=("information_requested", "completion_proposed")))
WATCHED = rulebook(policy(warn_percent=50, ladder=LADDER))


def clocks(known: Case) -> dict[str, tuple[float, float]]:
    """Tell of every clock that is not over when it started and is due, in minutes after the submission."""
    return {clock.stage: ((clock.starts_at - T0) / MINUTE, (clock.due - T0) / MINUTE) for clock in known.clocks}


def standing_still(known: Case) -> set[str]:
    """Name the clocks that stand still."""
    return {clock.stage for clock in known.clocks if clock.paused_by is not None}


def routed(rules: Rulebook, service_type: str = "lift") -> Case:
    """Route a request a minute after its submission."""
    return then(given(OPENED), case.route(given(OPENED), REQUEST, registered(service_type), at(1), rules))


def accepted(rules: Rulebook, service_type: str = "lift", whose: str = LIFTS) -> Case:
    """Let the organisation accept, five minutes after the submission."""
    known = routed(rules, service_type)
    return then(known, case.accept(known, whose, at(5), rules))


def test_each_clock_starts_when_its_stage_does() -> None:
    """Accept, answer, total and statutory at the registration; start and finish at the acceptance."""
    assert clocks(routed(EVERY_CLOCK)) == {"accept": (1, 31), "total": (1, 401), "statutory": (1, 501), "answer": (1, 301)}
    assert clocks(accepted(EVERY_CLOCK)) == {
        "total": (1, 401),
        "statutory": (1, 501),
        "answer": (1, 301),
        "start": (5, 65),
        "finish": (5, 245),
    }


def test_each_clock_ends_when_its_stage_does() -> None:
    """Start at the start, finish at the report, answer when the resident is asked, all of them at the end."""
    known = accepted(STRICT)
    known = then(known, case.start(known, LIFTS, at(6)))
    assert set(clocks(known)) == {"total", "statutory", "answer", "finish"}
    known = then(known, case.report_done(known, LIFTS, (), at(10), STRICT))
    assert set(clocks(known)) == {"total", "statutory", "answer"}
    known = then(known, case.ask_resident(known, proposed(at(70)), at(11), STRICT))
    assert (set(clocks(known)), standing_still(known)) == ({"total", "statutory"}, {"total", "statutory"})
    assert then(known, case.close(known, DONE, at(20))).next_moment is None


def test_a_request_nobody_is_assigned_to_has_an_accept_clock_too_and_is_escalated() -> None:
    """It is the dispatcher's; the breach and the ladder name the dispatcher."""
    known = then(given(OPENED), case.route(given(OPENED), REQUEST, registered("other"), at(1), WATCHED))
    facts = case.watch(known, at(60))
    assert names(facts) == ["DeadlineWarned", "DeadlineBreached", "RequestEscalated", "RequestEscalated"]
    assert {fact.holder for fact in facts} == {case.DISPATCHER}  # type: ignore[attr-defined]  # each has one


def test_everything_due_is_stated_in_the_order_of_its_moment_and_once() -> None:
    """A warning at half the time, the breach, at once a dispatcher, a quarter of an hour later a supervisor."""
    known = routed(WATCHED)
    told: list[Event] = []
    for moment in (15.9, 16, 30, 31, 32, 46, 47, 500):
        facts = case.watch(known, at(moment))
        told += facts
        known = then(known, facts)
    about = {"stage": "accept", "round": 1, "due": at(31), "holder": held_by(LIFTS)}
    assert told == [
        DeadlineWarned.model_validate(about),
        DeadlineBreached.model_validate(about),
        RequestEscalated.model_validate({**about, "level": 1, "to": "dispatcher"}),
        RequestEscalated.model_validate({**about, "level": 2, "to": "supervisor"}),
    ]
    assert case.watch(routed(WATCHED), at(500)) == told


def test_the_ladder_ends_with_the_stage() -> None:
    """Accepted after the breach and before the next rung: nobody is told any more."""
    late = routed(WATCHED)
    facts = case.accept(late, LIFTS, at(40), WATCHED)
    assert names(facts)[:4] == ["DeadlineWarned", "DeadlineBreached", "RequestEscalated", "AssignmentAccepted"]
    known = then(late, facts)
    assert not [fact for fact in case.watch(known, at(50)) if isinstance(fact, RequestEscalated)]


def test_a_warning_comes_in_whole_seconds() -> None:
    """Half of an odd term is cut down to the second."""
    odd = rulebook(policy(terms={"*": {"accept": minutes(1)}}, warn_percent=33))
    known = routed(odd)
    assert known.clocks[0].warn_at == at(1) + timedelta(seconds=19)


def test_reassignment_resets_the_accept_clock_alone() -> None:
    """Whatever else runs goes on from where it started."""
    known = routed(EVERY_CLOCK)
    facts = case.assign(known, PIPES, at(9), EVERY_CLOCK)
    assert [fact.stage for fact in facts if isinstance(fact, StageDeadlineSet)] == ["accept"]
    assert clocks(then(known, facts)) == {**clocks(known), "accept": (9, 39)}
    declined = case.decline(known, LIFTS, REASON, at(9), EVERY_CLOCK)
    assert clocks(then(known, declined)) == {**clocks(known), "accept": (9, 39)}
    working = accepted(EVERY_CLOCK)
    back = case.return_work(working, LIFTS, REASON, at(9), EVERY_CLOCK)
    assert clocks(then(working, back)) == {**clocks(known), "accept": (9, 39)}


def test_while_the_resident_is_asked_for_something_the_stages_stand_still_and_the_total_does_not() -> None:
    """The statutory clock stands still only where its policy says so; the resident holds the case."""
    for rules, stopped in ((EVERY_CLOCK, set()), (STRICT, {"statutory"})):
        known = accepted(rules)
        facts = case.await_information(known, information_requested(at(50)), at(10), rules)
        assert facts[0] == HolderChanged(holder=case.RESIDENT, at=at(10))
        assert all(fact.until == at(50) for fact in facts if isinstance(fact, ClockPaused))
        waiting = then(known, facts)
        assert standing_still(waiting) == {"start", "finish", "answer"} | stopped
        assert case.await_information(waiting, information_requested(at(60)), at(12), rules) == []


def test_what_was_left_of_a_term_is_left_after_the_pause() -> None:
    """Twenty minutes later, and the warning with it; who held the case before holds it again."""
    rules = rulebook(policy(terms=ALL, warn_percent=50))
    known = accepted(rules)
    waiting = then(known, case.await_information(known, information_requested(at(50)), at(10), rules))
    assert case.watch(waiting, at(200)) == []
    facts = case.end_waiting(waiting, at(30), rules)
    assert facts[0] == HolderChanged(holder=held_by(LIFTS), at=at(30))
    resumed = {fact.stage: fact for fact in facts if isinstance(fact, ClockResumed)}
    assert resumed["finish"] == ClockResumed(stage="finish", round=1, at=at(30), due=at(265), warn_at=at(145))
    assert set(resumed) == {"start", "finish", "answer"}
    assert clocks(then(waiting, facts))["total"] == (1, 401)
    assert case.end_waiting(then(waiting, facts), at(31), rules) == []


def test_a_clock_that_starts_while_the_resident_is_asked_stands_still_at_once() -> None:
    """Accepted meanwhile: the finish clock counts from the answer on."""
    known = routed(EVERY_CLOCK)
    waiting = then(known, case.await_information(known, information_requested(at(50)), at(3), EVERY_CLOCK))
    facts = case.accept(waiting, LIFTS, at(5), EVERY_CLOCK)
    assert names(facts) == ["AssignmentAccepted", "StageDeadlineSet", "ClockPaused", "StageDeadlineSet", "ClockPaused"]
    working = then(waiting, facts)
    assert working.holder == case.RESIDENT
    known = then(working, case.end_waiting(working, at(35), EVERY_CLOCK))
    assert clocks(known)["finish"] == (5, 35 + 240)
    assert known.holder == held_by(LIFTS)


def test_whatever_others_do_the_resident_who_is_asked_holds_the_case_until_the_answer() -> None:
    """Declined and assigned again meanwhile; with the answer it goes to whose duty it is by then."""
    known = routed(EVERY_CLOCK)
    waiting = then(known, case.await_information(known, information_requested(at(50)), at(3), EVERY_CLOCK))
    declined = then(waiting, case.decline(waiting, LIFTS, REASON, at(4), EVERY_CLOCK))
    assigned = then(declined, case.assign(declined, PIPES, at(5), EVERY_CLOCK))
    assert (declined.holder, assigned.holder) == (case.RESIDENT, case.RESIDENT)
    assert then(declined, case.end_waiting(declined, at(9), EVERY_CLOCK)).holder == case.DISPATCHER
    assert then(assigned, case.end_waiting(assigned, at(9), EVERY_CLOCK)).holder == held_by(PIPES)


def test_a_clock_breached_before_the_pause_goes_on_and_is_not_breached_twice() -> None:
    """Its due moment stays what it was; the ladder waits for the end of the pause."""
    known = routed(WATCHED)
    known = then(known, case.watch(known, at(32)))
    waiting = then(known, case.await_information(known, information_requested(at(90)), at(33), WATCHED))
    assert case.watch(waiting, at(80)) == []
    going_on = then(waiting, case.end_waiting(waiting, at(80), WATCHED))
    assert clocks(going_on)["accept"] == (1, 31)
    assert names(case.watch(going_on, at(80))) == ["RequestEscalated"]


def test_a_breach_is_stated_before_a_pause_that_came_too_late() -> None:
    """The resident was asked after the term was over."""
    known = routed(RULEBOOK)
    facts = case.await_information(known, information_requested(at(90)), at(40), RULEBOOK)
    assert names(facts) == ["DeadlineBreached", "HolderChanged", "ClockPaused"]


def test_reopening_gives_the_work_back_in_a_new_round_with_stage_clocks_of_its_own() -> None:
    """The total goes on without the time in which the resident was asked; the organisation is the same."""
    known = accepted(EVERY_CLOCK)
    known = then(known, case.start(known, LIFTS, at(6)))
    known = then(known, case.report_done(known, LIFTS, (), at(10), EVERY_CLOCK))
    known = then(known, case.ask_resident(known, proposed(at(80)), at(11), EVERY_CLOCK))
    facts = case.reopen(known, reopened(), at(31), EVERY_CLOCK)
    assert facts == [
        CaseReopened(round=2, at=at(31)),
        ClockResumed(stage="total", round=1, at=at(31), due=at(421), warn_at=None),
        RequestAssigned(organisation=LIFTS, round=2, by="reopening"),
        HolderChanged(holder=held_by(LIFTS), at=at(31)),
        StageDeadlineSet(
            stage="accept",
            round=2,
            starts_at=at(31),
            due=at(61),
            term=minutes(30),
            policy_version="2026",
            calendar="always",
            calendar_version="1",
        ),
    ]
    again = then(known, facts)
    assert (again.round, again.evidence) == (2, ())
    assert clocks(again) == {"total": (1, 421), "statutory": (1, 501), "accept": (31, 61)}
    assert case.reopen(again, reopened(), at(32), EVERY_CLOCK) == []
    assert case.ask_resident(again, proposed(at(80)), at(33), EVERY_CLOCK) == []


@pytest.mark.parametrize("before", [UNROUTED, ()])
def test_a_request_that_was_closed_goes_on_where_it_was_and_the_time_between_does_not_count(before: tuple[Event, ...]) -> None:
    """Not a duplicate after all: nobody is assigned, so a dispatcher has it; unregistered, the call centre."""
    known = given(OPENED, before)
    closed = then(known, case.close(known, DUPLICATE, at(10)))
    facts = case.reopen(closed, reopened(), at(100), EVERY_CLOCK)
    holder = case.DISPATCHER if before else case.CALL_CENTRE
    assert HolderChanged(holder=holder, at=at(100)) in facts
    again = then(closed, facts)
    assert again.state == ("reopened" if before else "opened")
    if not before:
        assert clocks(then(again, case.route(again, REQUEST, registered(), at(101), EVERY_CLOCK)))["total"] == (101, 501)


def test_the_total_does_not_count_the_time_in_which_a_request_was_closed() -> None:
    """Closed for ninety minutes, due ninety minutes later; also when it stood still before."""
    known = accepted(EVERY_CLOCK)
    closed = then(known, case.close(known, DUPLICATE, at(10)))
    again = then(closed, case.reopen(closed, reopened(), at(100), EVERY_CLOCK))
    assert clocks(again) == {"total": (1, 491), "statutory": (1, 591), "accept": (100, 130)}
    known = then(known, case.start(known, LIFTS, at(6)))
    known = then(known, case.report_done(known, LIFTS, (), at(7), EVERY_CLOCK))
    asked = then(known, case.ask_resident(known, proposed(at(80)), at(8), EVERY_CLOCK))
    closed = then(asked, case.close(asked, DUPLICATE, at(10)))
    again = then(closed, case.reopen(closed, reopened(), at(100), EVERY_CLOCK))
    assert clocks(again)["total"] == (1, 401 + 92)


def test_a_reclassified_request_counts_anew_from_each_stages_own_start() -> None:
    """Not from the re-classification; what has the same term in both types is not touched."""
    known = accepted(EVERY_CLOCK)
    facts = case.reclassify(known, reclassified("pipe"), at(50), EVERY_CLOCK)
    assert facts[0] == CaseReclassified(previous="lift", service_type="pipe", answers={})
    assert {fact.stage for fact in facts if isinstance(fact, StageDeadlineSet)} == {"finish", "total"}
    after = then(known, facts)
    assert clocks(after) == {**clocks(known), "finish": (5, 95), "total": (1, 201)}
    assert after.organisation == LIFTS
    assert case.reclassify(after, reclassified("pipe"), at(51), EVERY_CLOCK) == []


def test_until_somebody_has_accepted_a_reclassified_request_is_routed_again() -> None:
    """To the pipe fitters, by the rule, with a new accept clock; to nobody, and a dispatcher has it."""
    known = routed(EVERY_CLOCK)
    facts = case.reclassify(known, reclassified("pipe"), at(9), EVERY_CLOCK)
    assert names(facts)[:4] == ["CaseReclassified", "RequestRouted", "RequestAssigned", "HolderChanged"]
    after = then(known, facts)
    assert (after.organisation, clocks(after)["accept"], clocks(after)["total"]) == (PIPES, (9, 39), (1, 201))
    facts = case.reclassify(known, reclassified("other"), at(9), EVERY_CLOCK)
    assert names(facts)[1:3] == ["RoutingFailed", "HolderChanged"]
    assert then(known, facts).organisation is None
    facts = case.reclassify(then(known, facts), reclassified("roof", "other"), at(10), EVERY_CLOCK)
    assert names(facts) == ["CaseReclassified"]


def test_pauses_and_what_was_stated_stay_when_a_clock_is_counted_anew() -> None:
    """A clock that was breached is not breached again by its new term; one that stood still goes on standing still."""
    known = accepted(WATCHED)
    known = then(known, case.watch(known, at(70)))
    slower = rulebook(policy("2027", terms={"*": {"accept": minutes(30), "finish": minutes(500)}}, ladder=LADDER))
    after = then(known, case.reclassify(known, reclassified("pipe"), at(71), slower))
    assert clocks(after)["finish"] == (5, 505)
    assert "DeadlineBreached" not in names(case.watch(after, at(2000)))
    waiting = accepted(EVERY_CLOCK)
    waiting = then(waiting, case.await_information(waiting, information_requested(at(90)), at(10), EVERY_CLOCK))
    waiting = then(waiting, case.reclassify(waiting, reclassified("pipe"), at(20), EVERY_CLOCK))
    assert standing_still(waiting) == {"start", "finish", "answer"}
    assert clocks(then(waiting, case.end_waiting(waiting, at(30), EVERY_CLOCK)))["finish"] == (5, 95 + 20)


def test_no_new_policy_or_calendar_moves_a_clock_that_runs() -> None:
    """A pause is taken out by the calendar of the beginning, though a newer one was adopted; an unknown one is told."""
    old = rulebook(policy(terms={"*": {"finish": TermStated(unit="working-minutes", amount=120)}}, calendar=OFFICE))
    known = accepted(old)
    waiting = then(known, case.await_information(known, information_requested(at(90)), at(10), old))
    shorter = OFFICE.model_copy(update={"version": "2", "week": {**OFFICE.week, "mon": ()}})
    new = rulebook(
        policy("2027", calendar=shorter), calendars={(CITY, each.id, each.version): each for each in (CALENDAR, OFFICE, shorter)}
    )
    facts = case.end_waiting(waiting, at(40), new)
    assert [fact.due for fact in facts if isinstance(fact, ClockResumed)] == [at(155)]
    with pytest.raises(CalendarUnknownError):
        case.end_waiting(waiting, at(40), rulebook(policy("2027", calendar=shorter), calendars={}))


def test_an_organisations_own_hours_count_for_its_own_stages_and_the_citys_for_the_whole() -> None:
    """Monday 12:00 in Kazan; eight working hours end on Tuesday at 11:04, the total twenty-four hours later."""
    terms = {
        "*": {"finish": TermStated(unit="working-minutes", amount=480), "total": TermStated(unit="working-minutes", amount=480)}
    }
    rules = rulebook(
        policy(terms=terms), organisations={LIFTS: Organisation(LIFTS, CITY, "Lifts", "contractor", calendar="office")}
    )
    by_stage = {clock.stage: clock for clock in accepted(rules).clocks}
    assert by_stage["finish"].due == datetime(2026, 3, 3, 11, 5, tzinfo=ZONE)
    assert by_stage["finish"].calendar == "office"
    assert (by_stage["total"].due, by_stage["total"].calendar) == (at(481), "always")


def test_no_other_edit_moves_a_clock() -> None:
    """A plan, a part of the work, a link to an incident, a second registration."""
    known = given(OPENED, ROUTED, ACCEPTED, STARTED)
    for facts in (
        case.schedule(known, LIFTS, case.Plan(at(60), at(90)), at(9)),
        case.link_incident(known, REQUEST, "dispatcher", None),
        case.open_sub_task(known, REQUEST, PIPES, "riser", LIFTS, RULEBOOK, staff=False),
        case.route(known, REQUEST, registered("pipe"), at(9), RULEBOOK),
    ):
        assert clocks(then(known, facts)) == clocks(known)


def test_a_question_after_the_report_changes_nothing() -> None:
    """The resident is about to be asked about the whole of it."""
    for state in (given(OPENED, ROUTED, ACCEPTED, STARTED, REPORTED), given(OPENED, ROUTED, ACCEPTED, STARTED, REPORTED, ASKED)):
        assert case.await_information(state, information_requested(at(90)), at(30), RULEBOOK) == []
    assert case.ask_resident(given(OPENED, ROUTED, ACCEPTED), proposed(at(90)), at(30), RULEBOOK) == []


def test_a_report_while_the_resident_is_asked_for_something_is_heard_and_then_asked_about() -> None:
    """The resident holds the case without a gap, first for the one, then for the other."""
    working = given(OPENED, ROUTED, ACCEPTED, STARTED)
    waiting = then(working, case.await_information(working, information_requested(at(90)), at(10), RULEBOOK))
    reported = then(waiting, case.report_done(waiting, LIFTS, (), at(12), RULEBOOK))
    assert (reported.state, reported.holder) == ("reported", case.RESIDENT)
    asked = then(reported, case.ask_resident(reported, proposed(at(90)), at(13), RULEBOOK))
    assert (asked.state, asked.waiting, asked.since) == ("asked", False, at(13))
    assert case.end_waiting(asked, at(14), RULEBOOK) == []
