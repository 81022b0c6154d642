"""A case by its rules: given what has happened, when somebody does something, then these facts follow."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast

import pytest
from case_file import (
    ACCEPTED,
    ASKED,
    CLOSED,
    DONE,
    LIFTS,
    MINUTE,
    OPENED,
    PIPES,
    PROOF,
    REPORTED,
    REQUEST,
    ROUTED,
    RULEBOOK,
    STARTED,
    SUBMITTED,
    T0,
    UNROUTED,
    at,
    closed_at,
    deadline,
    given,
    held_by,
    inputs,
    names,
    proposed,
    registered,
    rulebook,
)

from dispatch_svc.domain import case
from dispatch_svc.domain.case import CASE
from dispatch_svc.domain.refusal import (
    AlreadyAcceptedError,
    AlreadyReportedError,
    CaseIsClosedError,
    CaseNotFoundError,
    NotAcceptedYetError,
    NotRegisteredYetError,
    NotYourCaseError,
    UnknownOrganisationError,
    WorkIsReportedError,
)
from dispatch_svc.domain.rulebook import Organisation, Rulebook
from shared_chassis.stream import Cancel, Set
from shared_events.dispatch import (
    AssignmentAccepted,
    CaseOpened,
    DeadlineBreached,
    HolderChanged,
    RequestAssigned,
    RequestRouted,
)
from shared_events.event import Event


def test_a_submitted_request_has_a_case_held_by_the_call_centre_since_its_submission() -> None:
    """Opening and the first holder are one commit, at the time of the submission."""
    assert case.open_case(given(), REQUEST, SUBMITTED, T0) == list(OPENED)
    assert case.open_case(given(OPENED), REQUEST, SUBMITTED, T0) == []


def test_a_registered_request_goes_to_the_organisation_a_rule_names_with_its_reason_and_its_clock() -> None:
    """The event names the rule's stream, version and inputs; the accept clock starts at the registration."""
    assert case.route(given(OPENED), REQUEST, registered(), at(1), RULEBOOK) == list(ROUTED)


def test_the_districts_own_responsibility_goes_before_the_city_wide_one_while_it_lasts() -> None:
    """In Kirov pipes fitters see to lifts, until the first of June."""
    facts = case.route(given(OPENED), REQUEST, registered(district="kirov"), at(1), RULEBOOK)
    assert facts[0] == RequestRouted(
        organisation=PIPES, rule="responsibility-kirov", rule_version=2, inputs=inputs("lift", "kirov", at(1))
    )
    june = datetime(2026, 5, 31, 21, 0, tzinfo=UTC)  # midnight in Kazan
    before = case.route(given(OPENED), REQUEST, registered(district="kirov"), june - MINUTE, RULEBOOK)
    after = case.route(given(OPENED), REQUEST, registered(district="kirov"), june, RULEBOOK)
    assert [cast("RequestRouted", facts[0]).organisation for facts in (before, after)] == [PIPES, LIFTS]


def test_a_request_nobody_is_responsible_for_is_held_by_a_dispatcher_and_says_so() -> None:
    """Nothing is ever silently unrouted, also in a city nobody has rules for."""
    assert case.route(given(OPENED), REQUEST, registered("other"), at(1), RULEBOOK) == list(UNROUTED)
    assert case.route(given(OPENED), REQUEST, registered("other"), at(1), Rulebook({}, {}, {}, {})) == list(UNROUTED[:2])


def test_a_request_is_routed_once() -> None:
    """Whatever has happened since, a second registration routes nothing."""
    for happened in (ROUTED, UNROUTED, CLOSED):
        assert case.route(given(OPENED, happened), REQUEST, registered(), at(9), RULEBOOK) == []


def test_a_holder_never_begins_before_the_one_before() -> None:
    """Clocks of two machines may disagree; the intervals stay contiguous."""
    facts = case.route(given(OPENED), REQUEST, registered("other"), T0 - 5 * MINUTE, RULEBOOK)
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
    for happened in ((ACCEPTED,), (ACCEPTED, STARTED)):
        with pytest.raises(AlreadyAcceptedError):
            case.assign(given(OPENED, ROUTED, *happened), PIPES, at(9), RULEBOOK)
    with pytest.raises(WorkIsReportedError):
        case.assign(given(OPENED, ROUTED, ACCEPTED, STARTED, REPORTED), PIPES, at(9), RULEBOOK)


def test_an_assignment_is_refused_to_an_unknown_organisation_an_unknown_and_an_unregistered_request() -> None:
    """An organisation of another city is unknown in this one."""
    elsewhere = Organisation("organisation-los-angeles-bos", "los-angeles", "BOS", "department")
    rules = rulebook(organisations={**RULEBOOK.organisations, elsewhere.stream_id: elsewhere})
    for organisation in ("organisation-kazan-nobody", elsewhere.stream_id):
        with pytest.raises(UnknownOrganisationError):
            case.assign(given(OPENED, UNROUTED), organisation, at(4), rules)
    with pytest.raises(NotRegisteredYetError):
        case.assign(given(OPENED), PIPES, at(4), RULEBOOK)
    with pytest.raises(CaseNotFoundError):
        case.assign(given(), PIPES, at(4), RULEBOOK)


def test_accepting_starts_the_finish_clock_by_the_types_own_term() -> None:
    """A lift has an hour; the policy and the calendar are pinned."""
    assert case.accept(given(OPENED, ROUTED), LIFTS, at(5), RULEBOOK) == list(ACCEPTED)
    assert case.accept(given(OPENED, ROUTED, ACCEPTED), LIFTS, at(6), RULEBOOK) == []


def test_work_is_started_after_it_is_accepted_and_reported_once() -> None:
    """Reporting right after the start is fine; repeating a step is nothing."""
    accepted, started = given(OPENED, ROUTED, ACCEPTED), given(OPENED, ROUTED, ACCEPTED, STARTED)
    with pytest.raises(NotAcceptedYetError):
        case.start(given(OPENED, ROUTED), LIFTS, at(6))
    assert case.start(accepted, LIFTS, at(6)) == list(STARTED)
    assert case.start(started, LIFTS, at(6)) == []
    assert case.report_done(started, LIFTS, PROOF, at(6), RULEBOOK) == list(REPORTED)
    assert case.report_done(given(OPENED, ROUTED, ACCEPTED, STARTED, REPORTED), LIFTS, PROOF, at(7), RULEBOOK) == []


def test_who_reports_work_it_had_not_accepted_or_begun_does_so_in_the_same_breath() -> None:
    """A small repair is told of once; every fact of the longer way is there but the clocks that would end at once."""
    accepted = given(OPENED, ROUTED, ACCEPTED)
    assert case.report_done(accepted, LIFTS, PROOF, at(6), RULEBOOK) == [*STARTED, *REPORTED]
    assert case.report_done(given(OPENED, ROUTED), LIFTS, PROOF, at(5), RULEBOOK) == [ACCEPTED[0], *STARTED, *REPORTED]


def test_a_request_submitted_and_registered_in_one_breath_has_its_case_opened_by_the_registration() -> None:
    """The call centre never holds it; nothing else differs."""
    opened = CaseOpened(request=REQUEST, city="kazan", service_type="lift", district=None, building=None)
    facts = case.route(given(), REQUEST, registered(), at(1), RULEBOOK)
    assert facts[0] == opened
    assert names(facts[1:]) == names(ROUTED)


def test_a_second_report_with_other_evidence_is_refused() -> None:
    """What was reported is not quietly replaced, nor quietly ignored."""
    with pytest.raises(AlreadyReportedError):
        case.report_done(given(OPENED, ROUTED, ACCEPTED, STARTED, REPORTED), LIFTS, (), at(7), RULEBOOK)


@pytest.mark.parametrize("organisation", [PIPES, None])
def test_only_the_assigned_organisation_may_act(organisation: str | None) -> None:
    """Another one, and an executor of none, is refused in words; so is everybody where nobody is assigned."""
    for happened in ((), ROUTED, UNROUTED):
        state = given(OPENED, happened)
        with pytest.raises(NotYourCaseError, match="not assigned to your organisation"):
            case.accept(state, organisation, at(5), RULEBOOK)
        with pytest.raises(NotYourCaseError):
            case.start(state, organisation, at(5))
        with pytest.raises(NotYourCaseError):
            case.report_done(state, organisation, (), at(5), RULEBOOK)


def test_while_the_resident_is_asked_the_resident_holds_the_case() -> None:
    """From the moment of the proposal; asked once."""
    reported = given(OPENED, ROUTED, ACCEPTED, STARTED, REPORTED)
    assert case.ask_resident(reported, proposed(at(80)), at(20), RULEBOOK) == list(ASKED)
    assert case.ask_resident(given(OPENED, ROUTED, ACCEPTED, STARTED, REPORTED, ASKED), proposed(at(80)), at(20), RULEBOOK) == []


def test_a_closed_request_closes_its_case_and_nothing_happens_after() -> None:
    """Not by a person, not by another service, not by a timer."""
    assert case.close(given(OPENED, ROUTED), DONE, at(9)) == list(closed_at(9))
    closed = given(OPENED, ROUTED, CLOSED)
    assert case.close(closed, DONE, at(9)) == []
    assert case.ask_resident(closed, proposed(at(80)), at(9), RULEBOOK) == []
    assert case.watch(closed, at(900)) == []
    with pytest.raises(CaseIsClosedError):
        case.assign(closed, PIPES, at(9), RULEBOOK)
    with pytest.raises(CaseIsClosedError):
        case.accept(closed, LIFTS, at(9), RULEBOOK)
    with pytest.raises(CaseIsClosedError):
        case.start(closed, LIFTS, at(9))
    with pytest.raises(CaseIsClosedError):
        case.report_done(closed, LIFTS, (), at(9), RULEBOOK)


def test_nothing_is_known_of_a_case_before_its_request_was_submitted() -> None:
    """Whoever comes early is told so; nothing is invented."""
    with pytest.raises(CaseNotFoundError):
        case.ask_resident(given(), proposed(at(80)), at(1), RULEBOOK)
    with pytest.raises(CaseNotFoundError):
        case.close(given(), DONE, at(1))
    with pytest.raises(CaseNotFoundError):
        case.accept(given(), LIFTS, at(1), RULEBOOK)


def test_a_breach_is_stated_once_while_the_stage_runs() -> None:
    """With the term and the holder it was; never after the stage is over."""
    breach = DeadlineBreached(stage="accept", round=1, due=at(31), holder=held_by(LIFTS))
    assert case.watch(given(OPENED, ROUTED), at(30.9)) == []
    assert case.watch(given(OPENED, ROUTED), at(31)) == [breach]
    assert case.watch(given(OPENED, ROUTED, (breach,)), at(99)) == []
    assert case.watch(given(OPENED, ROUTED, ACCEPTED), at(64)) == []
    assert case.watch(given(OPENED, ROUTED, ACCEPTED), at(300)) == [
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
    assert case.report_done(given(OPENED, ROUTED, ACCEPTED, STARTED), LIFTS, PROOF, at(90), RULEBOOK)[0] == DeadlineBreached(
        stage="finish", round=1, due=at(65), holder=held_by(LIFTS)
    )


def timers(*steps: Sequence[Event]) -> list[Set | Cancel]:
    """Say which timers the last step sets and cancels."""
    return list(CASE.timers(given(*steps), steps[-1]))


def test_one_timer_a_case_stands_at_the_next_moment_of_any_of_its_clocks() -> None:
    """It is moved in the commit that moves the moment, and goes when no clock runs."""
    reassigned = (RequestAssigned(organisation=PIPES, round=1, by="dispatcher"), deadline("accept", 4, 30))
    breach = DeadlineBreached(stage="accept", round=1, due=at(31), holder=held_by(LIFTS))
    assert timers(OPENED) == []
    assert timers(OPENED, ROUTED) == [Set("watch", "next", at(31))]
    assert timers(OPENED, ROUTED, reassigned) == [Set("watch", "next", at(34))]
    assert timers(OPENED, ROUTED, ACCEPTED) == [Set("watch", "next", at(65))]
    assert timers(OPENED, ROUTED, ACCEPTED, STARTED) == []
    assert timers(OPENED, ROUTED, ACCEPTED, STARTED, REPORTED) == [Cancel("watch", "next")]
    assert timers(OPENED, ROUTED, ACCEPTED, STARTED, REPORTED, ASKED) == []
    assert timers(OPENED, ROUTED, CLOSED) == [Cancel("watch", "next")]
    assert timers(OPENED, ROUTED, (breach,)) == [Cancel("watch", "next")]


def test_a_stage_without_a_term_has_no_clock() -> None:
    """A city may set no terms; its requests are routed all the same."""
    silent = Rulebook(RULEBOOK.zones, RULEBOOK.organisations, RULEBOOK.grants, {})
    assert case.route(given(OPENED), REQUEST, registered(), at(1), silent) == list(ROUTED[:3])
    assert case.accept(given(OPENED, ROUTED), LIFTS, at(5), silent) == list(ACCEPTED[:1])
