"""A case by its rules: given what has happened, when somebody does something, then these facts follow."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from typing import cast
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from dispatch_svc.domain import case
from dispatch_svc.domain.case import CASE, Case
from dispatch_svc.domain.refusal import (
    AlreadyAcceptedError,
    AlreadyReportedError,
    CaseIsClosedError,
    CaseNotFoundError,
    NotAcceptedYetError,
    NotRegisteredYetError,
    NotStartedYetError,
    NotYourCaseError,
    UnknownOrganisationError,
)
from dispatch_svc.domain.rulebook import Grant, Organisation, Policy, Rulebook, Territory
from shared_calendar import Calendar
from shared_chassis.stream import Cancel, Set
from shared_events.dispatch import (
    AssignmentAccepted,
    CaseClosed,
    CaseOpened,
    DeadlineBreached,
    Holder,
    HolderChanged,
    RequestAssigned,
    RequestRouted,
    RoutingFailed,
    RoutingInputs,
    StageDeadlineSet,
    WorkReportedDone,
    WorkStarted,
)
from shared_events.event import Event
from shared_events.request import Location, RequestClosed, RequestRegistered, RequestSubmitted

CITY = "kazan"
ZONE = ZoneInfo("Europe/Moscow")
LIFTS, PIPES = "organisation-kazan-lifts", "organisation-kazan-pipes"
REQUEST = UUID(int=7)
T0 = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CALENDAR = Calendar.model_validate({"id": "always", "version": "1", "timezone": "Europe/Moscow"})
POLICY = Policy("2026", CALENDAR, {"*": {"accept": 30, "finish": 240}, "lift": {"finish": 60}})
RULEBOOK = Rulebook(
    zones={CITY: ZONE},
    organisations={name: Organisation(name, CITY, name, "contractor") for name in (LIFTS, PIPES)},
    grants={
        Territory(CITY, "lift", None): (Grant("responsibility-city", 3, LIFTS, date(2026, 1, 1), None),),
        Territory(CITY, "lift", "kirov"): (Grant("responsibility-kirov", 2, PIPES, date(2026, 1, 1), date(2026, 6, 1)),),
    },
    policies={CITY: POLICY},
)

SUBMITTED = RequestSubmitted(
    city=CITY,
    channel="web",
    service_type=None,
    location=Location(district="kirov", building="7"),
    person=None,
    language="ru",
)


def at(minutes: float) -> datetime:
    """Tell the time some minutes after the submission."""
    return T0 + minutes * MINUTE


def registered(service_type: str = "lift", district: str | None = None) -> RequestRegistered:
    """State a registration."""
    return RequestRegistered(number="KZN-2026-0000001", city=CITY, service_type=service_type, district=district)


def inputs(service_type: str, district: str | None, moment: datetime) -> RoutingInputs:
    """Spell what the routing looked at."""
    return RoutingInputs(city=CITY, service_type=service_type, district=district, building="7", at=moment)


def held_by(organisation: str) -> Holder:
    """Name an organisation as holder."""
    return Holder(kind="organisation", organisation=organisation)


def given(*steps: Sequence[Event]) -> Case:
    """Fold what has happened."""
    return reduce(CASE.evolve, (fact for step in steps for fact in step), Case())


def deadline(stage: str, start: float, minutes: int) -> StageDeadlineSet:
    """Spell a clock of the policy above."""
    return StageDeadlineSet.model_validate(
        {
            "stage": stage,
            "round": 1,
            "starts_at": at(start),
            "due": at(start + minutes),
            "minutes": minutes,
            "policy_version": "2026",
            "calendar": "always",
            "calendar_version": "1",
        }
    )


OPENED = (
    CaseOpened(request=REQUEST, city=CITY, service_type=None, district="kirov", building="7"),
    HolderChanged(holder=case.CALL_CENTRE, at=T0),
)
ROUTED = (
    RequestRouted(organisation=LIFTS, rule="responsibility-city", rule_version=3, inputs=inputs("lift", None, at(1))),
    RequestAssigned(organisation=LIFTS, round=1, by="rule"),
    HolderChanged(holder=held_by(LIFTS), at=at(1)),
    deadline("accept", 1, 30),
)
UNROUTED = (
    RoutingFailed(reason="nobody_responsible", inputs=inputs("other", None, at(1))),
    HolderChanged(holder=case.DISPATCHER, at=at(1)),
)
ACCEPTED = (AssignmentAccepted(organisation=LIFTS, round=1), deadline("finish", 5, 60))
STARTED = (WorkStarted(organisation=LIFTS, round=1),)
PROOF = ("ab" * 32,)
REPORTED = (WorkReportedDone(organisation=LIFTS, round=1, evidence=PROOF),)
ASKED = (HolderChanged(holder=case.RESIDENT, at=at(20)),)


def closed_at(minutes: float) -> tuple[CaseClosed]:
    """Say that the case ended so many minutes after it began."""
    return (CaseClosed(outcome="done", at=at(minutes)),)


CLOSED = closed_at(25)
DONE = RequestClosed(outcome="done")


def test_a_submitted_request_has_a_case_held_by_the_call_centre_since_its_submission() -> None:
    """Opening and the first holder are one commit, at the time of the submission."""
    assert case.open_case(given(), REQUEST, SUBMITTED, T0) == list(OPENED)
    assert case.open_case(given(OPENED), REQUEST, SUBMITTED, T0) == []


def test_a_registered_request_goes_to_the_organisation_a_rule_names_with_its_reason_and_its_clock() -> None:
    """The event names the rule's stream, version and inputs; the accept clock starts at the registration."""
    assert case.route(given(OPENED), registered(), at(1), RULEBOOK) == list(ROUTED)


def test_the_districts_own_responsibility_goes_before_the_city_wide_one_while_it_lasts() -> None:
    """In Kirov pipes fitters see to lifts, until the first of June."""
    facts = case.route(given(OPENED), registered(district="kirov"), at(1), RULEBOOK)
    assert facts[0] == RequestRouted(
        organisation=PIPES, rule="responsibility-kirov", rule_version=2, inputs=inputs("lift", "kirov", at(1))
    )
    june = datetime(2026, 5, 31, 21, 0, tzinfo=UTC)  # midnight in Kazan
    before = case.route(given(OPENED), registered(district="kirov"), june - MINUTE, RULEBOOK)
    after = case.route(given(OPENED), registered(district="kirov"), june, RULEBOOK)
    assert [cast("RequestRouted", facts[0]).organisation for facts in (before, after)] == [PIPES, LIFTS]


def test_a_request_nobody_is_responsible_for_is_held_by_a_dispatcher_and_says_so() -> None:
    """Nothing is ever silently unrouted, also in a city nobody has rules for."""
    assert case.route(given(OPENED), registered("other"), at(1), RULEBOOK) == list(UNROUTED)
    assert case.route(given(OPENED), registered("other"), at(1), Rulebook({}, {}, {}, {})) == list(UNROUTED)


def test_a_request_is_routed_once() -> None:
    """Whatever has happened since, a second registration routes nothing."""
    for happened in (ROUTED, UNROUTED, CLOSED):
        assert case.route(given(OPENED, happened), registered(), at(9), RULEBOOK) == []


def test_a_holder_never_begins_before_the_one_before() -> None:
    """Clocks of two machines may disagree; the intervals stay contiguous."""
    facts = case.route(given(OPENED), registered("other"), T0 - 5 * MINUTE, RULEBOOK)
    assert facts[1] == HolderChanged(holder=case.DISPATCHER, at=T0)


def test_a_dispatcher_assigns_what_no_rule_routed() -> None:
    """The organisation holds the case from now, and its accept clock starts now, by the type's own terms."""
    assert case.assign(given(OPENED, UNROUTED), PIPES, at(4), RULEBOOK) == [
        RequestAssigned(organisation=PIPES, round=1, by="dispatcher"),
        HolderChanged(holder=held_by(PIPES), at=at(4)),
        deadline("accept", 4, 30),
    ]


def test_a_dispatcher_may_reassign_until_the_organisation_has_accepted() -> None:
    """Re-assignment starts a new accept clock; assigning the same organisation again is nothing."""
    assigned = given(OPENED, ROUTED)
    again = case.assign(assigned, PIPES, at(4), RULEBOOK)
    assert again == [
        RequestAssigned(organisation=PIPES, round=1, by="dispatcher"),
        HolderChanged(holder=held_by(PIPES), at=at(4)),
        deadline("accept", 4, 30),
    ]
    assert case.assign(assigned, LIFTS, at(4), RULEBOOK) == []
    for happened in ((ACCEPTED,), (ACCEPTED, STARTED), (ACCEPTED, STARTED, REPORTED)):
        with pytest.raises(AlreadyAcceptedError):
            case.assign(given(OPENED, ROUTED, *happened), PIPES, at(9), RULEBOOK)


def test_an_assignment_is_refused_to_an_unknown_organisation_an_unknown_and_an_unregistered_request() -> None:
    """An organisation of another city is unknown in this one."""
    elsewhere = Organisation("organisation-los-angeles-bos", "los-angeles", "BOS", "department")
    rulebook = Rulebook(RULEBOOK.zones, {**RULEBOOK.organisations, elsewhere.stream_id: elsewhere}, {}, {})
    for organisation in ("organisation-kazan-nobody", elsewhere.stream_id):
        with pytest.raises(UnknownOrganisationError):
            case.assign(given(OPENED, UNROUTED), organisation, at(4), rulebook)
    with pytest.raises(NotRegisteredYetError):
        case.assign(given(OPENED), PIPES, at(4), RULEBOOK)
    with pytest.raises(CaseNotFoundError):
        case.assign(given(), PIPES, at(4), RULEBOOK)


def test_accepting_starts_the_finish_clock_by_the_types_own_term() -> None:
    """A lift has an hour; the policy and the calendar are pinned."""
    assert case.accept(given(OPENED, ROUTED), LIFTS, at(5), RULEBOOK) == list(ACCEPTED)
    assert case.accept(given(OPENED, ROUTED, ACCEPTED), LIFTS, at(6), RULEBOOK) == []


def test_work_is_started_after_it_is_accepted_and_reported_after_it_is_started() -> None:
    """Reporting right after the start is fine; repeating a step is nothing."""
    accepted, started = given(OPENED, ROUTED, ACCEPTED), given(OPENED, ROUTED, ACCEPTED, STARTED)
    with pytest.raises(NotAcceptedYetError):
        case.start(given(OPENED, ROUTED), LIFTS)
    for state in (given(OPENED, ROUTED), accepted):
        with pytest.raises(NotStartedYetError):
            case.report_done(state, LIFTS, PROOF, at(6))
    assert case.start(accepted, LIFTS) == list(STARTED)
    assert case.start(started, LIFTS) == []
    assert case.report_done(started, LIFTS, PROOF, at(6)) == list(REPORTED)
    assert case.report_done(given(OPENED, ROUTED, ACCEPTED, STARTED, REPORTED), LIFTS, PROOF, at(7)) == []


def test_a_second_report_with_other_evidence_is_refused() -> None:
    """What was reported is not quietly replaced, nor quietly ignored."""
    with pytest.raises(AlreadyReportedError):
        case.report_done(given(OPENED, ROUTED, ACCEPTED, STARTED, REPORTED), LIFTS, (), at(7))


@pytest.mark.parametrize("organisation", [PIPES, None])
def test_only_the_assigned_organisation_may_act(organisation: str | None) -> None:
    """Another one, and an executor of none, is refused in words; so is everybody where nobody is assigned."""
    for happened in ((), ROUTED, UNROUTED):
        state = given(OPENED, happened)
        with pytest.raises(NotYourCaseError, match="not assigned to your organisation"):
            case.accept(state, organisation, at(5), RULEBOOK)
        with pytest.raises(NotYourCaseError):
            case.start(state, organisation)
        with pytest.raises(NotYourCaseError):
            case.report_done(state, organisation, (), at(5))


def test_while_the_resident_is_asked_the_resident_holds_the_case() -> None:
    """From the moment of the proposal; asked once."""
    reported = given(OPENED, ROUTED, ACCEPTED, STARTED, REPORTED)
    assert case.ask_resident(reported, at(20)) == list(ASKED)
    assert case.ask_resident(given(OPENED, ROUTED, ACCEPTED, STARTED, REPORTED, ASKED), at(20)) == []


def test_a_closed_request_closes_its_case_and_nothing_happens_after() -> None:
    """Not by a person, not by another service, not by a timer."""
    assert case.close(given(OPENED, ROUTED), DONE, at(9)) == list(closed_at(9))
    closed = given(OPENED, ROUTED, CLOSED)
    assert case.close(closed, DONE, at(9)) == []
    assert case.ask_resident(closed, at(9)) == []
    assert case.breach(closed, "accept/1/1") == []
    with pytest.raises(CaseIsClosedError):
        case.assign(closed, PIPES, at(9), RULEBOOK)
    with pytest.raises(CaseIsClosedError):
        case.accept(closed, LIFTS, at(9), RULEBOOK)
    with pytest.raises(CaseIsClosedError):
        case.start(closed, LIFTS)
    with pytest.raises(CaseIsClosedError):
        case.report_done(closed, LIFTS, (), at(9))


def test_nothing_is_known_of_a_case_before_its_request_was_submitted() -> None:
    """Whoever comes early is told so; nothing is invented."""
    with pytest.raises(CaseNotFoundError):
        case.route(given(), registered(), at(1), RULEBOOK)
    with pytest.raises(CaseNotFoundError):
        case.ask_resident(given(), at(1))
    with pytest.raises(CaseNotFoundError):
        case.close(given(), DONE, at(1))
    with pytest.raises(CaseNotFoundError):
        case.accept(given(), LIFTS, at(1), RULEBOOK)


def test_a_breach_is_stated_once_while_the_stage_runs() -> None:
    """With the term and the holder it was; never after the stage is over."""
    breach = DeadlineBreached(stage="accept", round=1, due=at(31), holder=held_by(LIFTS))
    assert case.breach(given(OPENED, ROUTED), "accept/1/1") == [breach]
    assert case.breach(given(OPENED, ROUTED, (breach,)), "accept/1/1") == []
    assert case.breach(given(OPENED, ROUTED, ACCEPTED), "accept/1/1") == []
    assert case.breach(given(OPENED, ROUTED, ACCEPTED), "finish/1/1") == [
        DeadlineBreached(stage="finish", round=1, due=at(65), holder=held_by(LIFTS))
    ]


def test_a_stage_that_ends_after_its_term_says_so_first_though_no_timer_spoke() -> None:
    """Accepted, reassigned, reported or closed too late: the breach is a fact, once, with the `due` that was."""
    breach = DeadlineBreached(stage="accept", round=1, due=at(31), holder=held_by(LIFTS))
    late = given(OPENED, ROUTED)
    assert case.accept(late, LIFTS, at(31), RULEBOOK)[:2] == [breach, AssignmentAccepted(organisation=LIFTS, round=1)]
    assert case.assign(late, PIPES, at(40), RULEBOOK)[:2] == [
        breach,
        RequestAssigned(organisation=PIPES, round=1, by="dispatcher"),
    ]
    assert case.close(late, DONE, at(40)) == [breach, *closed_at(40)]
    assert case.close(late, DONE, at(30.9)) == list(closed_at(30.9))
    assert case.accept(given(OPENED, ROUTED, (breach,)), LIFTS, at(40), RULEBOOK)[0] == AssignmentAccepted(
        organisation=LIFTS, round=1
    )
    assert case.report_done(given(OPENED, ROUTED, ACCEPTED, STARTED), LIFTS, PROOF, at(90))[0] == DeadlineBreached(
        stage="finish", round=1, due=at(65), holder=held_by(LIFTS)
    )


def timers(*steps: Sequence[Event]) -> list[Set | Cancel]:
    """Say which timers the last step sets and cancels."""
    return list(CASE.timers(given(*steps), steps[-1]))


def test_every_clock_has_a_timer_that_goes_when_its_stage_ends() -> None:
    """One key a clock: the stage, the round and which clock of the two it is."""
    reassigned = (RequestAssigned(organisation=PIPES, round=1, by="dispatcher"), deadline("accept", 4, 30))
    assert timers(OPENED) == []
    assert timers(OPENED, ROUTED) == [Set("deadline", "accept/1/1", at(31), {"clock": "accept/1/1"})]
    assert timers(OPENED, ROUTED, reassigned) == [
        Cancel("deadline", "accept/1/1"),
        Set("deadline", "accept/1/2", at(34), {"clock": "accept/1/2"}),
    ]
    assert timers(OPENED, ROUTED, ACCEPTED) == [
        Cancel("deadline", "accept/1/1"),
        Set("deadline", "finish/1/1", at(65), {"clock": "finish/1/1"}),
    ]
    assert timers(OPENED, ROUTED, ACCEPTED, STARTED) == []
    assert timers(OPENED, ROUTED, ACCEPTED, STARTED, REPORTED) == [Cancel("deadline", "finish/1/1")]
    assert timers(OPENED, ROUTED, ACCEPTED, STARTED, REPORTED, ASKED) == []
    assert timers(OPENED, ROUTED, CLOSED) == [Cancel("deadline", "accept/1/1")]
    assert timers(OPENED, ROUTED, ASKED) == [Cancel("deadline", "accept/1/1")]


def test_a_stage_without_a_term_has_no_clock() -> None:
    """A city may set no terms; its requests are routed all the same."""
    silent = Rulebook(RULEBOOK.zones, RULEBOOK.organisations, RULEBOOK.grants, {})
    assert case.route(given(OPENED), registered(), at(1), silent) == list(ROUTED[:3])
    assert case.accept(given(OPENED, ROUTED), LIFTS, at(5), silent) == list(ACCEPTED[:1])
