"""A discussion by its rules: given what has happened, when somebody does something, then these facts follow."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce

import pytest

from discussion_svc.domain import discussion
from discussion_svc.domain.discussion import CLOSING, DISCUSSION, OPENING, PROTOCOL, Announcement, Discussion, Period
from discussion_svc.domain.procedure import PROCEDURE, Procedure, adopt
from discussion_svc.domain.refusal import (
    DiscussionError,
    NothingToShowError,
    NoticeStandsError,
    NoticeTooLateError,
    NotOpenYetError,
    NotWholeMinutesError,
    PeriodNotOverError,
    PeriodReversedError,
    ProtocolTooEarlyError,
    SubmissionTooLateError,
    TextMissingError,
    TextTooLongError,
    TextUnreadableError,
    UnknownDiscussionError,
    UnknownProcedureError,
)
from shared_chassis.stream import Set
from shared_events.discussion import (
    DiscussionRegistered,
    DocumentAttached,
    ExpositionOpened,
    NotificationPublished,
    ProcedureAdopted,
    ProtocolDrafted,
    SubmissionsClosed,
)
from shared_events.event import Event

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DAY, MINUTE, SECOND = timedelta(days=1), timedelta(minutes=1), timedelta(seconds=1)
OPENS, CLOSES = NOW + 7 * DAY, NOW + 25 * DAY
PERIOD = Period(OPENS, CLOSES)

PLAN = ProcedureAdopted(
    city="kazan",
    code="general-plan",
    version="1",
    subject="general-plan",
    statute="art. 5.1",
    lead_days=7,
    kinds=("question", "proposal", "remark"),
    pack_version="1+abc",
)


def registered(lead_days: int = 7) -> DiscussionRegistered:
    """Make the fact that a discussion stands in the register."""
    return DiscussionRegistered(
        city="kazan",
        title="The bridge",
        subject="general-plan",
        procedure="general-plan",
        procedure_version="1",
        statute="art. 5.1",
        lead_days=lead_days,
        kinds=("question", "proposal", "remark"),
        territory=None,
        origin=None,
    )


def document(digit: str = "a") -> DocumentAttached:
    """Make the fact that a document is on view."""
    return DocumentAttached(sha256=digit * 64, name="plan.pdf", media_type="application/pdf", size=10)


NOTICE = NotificationPublished(opens_at=OPENS, closes_at=CLOSES)
OPENED = ExpositionOpened(opens_at=OPENS, closes_at=CLOSES)
CLOSED = SubmissionsClosed(closes_at=CLOSES)
DRAFTED = ProtocolDrafted(
    sha256="b" * 64,
    size=1,
    media_type="text/html; charset=utf-8",
    template_version="protocol",
    submissions=0,
    participants=0,
    included="c" * 64,
)
ANNOUNCED = (registered(), document(), NOTICE)


def given(*facts: Event) -> Discussion:
    """Fold what has happened."""
    return reduce(DISCUSSION.evolve, facts, DISCUSSION.initial)


Decision = Callable[[Discussion], Sequence[Event]]


def refused(known: Discussion, decide: Decision, error: type[DiscussionError]) -> None:
    """Expect a refusal, in words."""
    with pytest.raises(error) as caught:
        decide(known)
    assert str(caught.value).startswith(error.__doc__ or "?")


def test_a_procedure_stands_as_the_pack_says_and_is_restated_only_when_it_changes() -> None:
    """Adopting the same version twice states nothing."""
    assert adopt(Procedure(), PLAN) == [PLAN]
    known = PROCEDURE.evolve(Procedure(), PLAN)
    assert adopt(known, PLAN) == []
    newer = PLAN.model_copy(update={"version": "2"})
    assert adopt(known, newer) == [newer]


def test_a_discussion_is_registered_under_the_procedure_as_it_is_today() -> None:
    """Kinds, lead and statute are copied, so that a later version changes nothing."""
    facts = discussion.register(given(), Announcement(" The bridge "), Procedure(PLAN))
    assert facts == [registered()]


def test_a_discussion_may_have_its_own_subject_and_territory() -> None:
    """What the organiser says goes before the procedure's."""
    (fact,) = discussion.register(given(), Announcement("T", "a new bridge", "Kirov district"), Procedure(PLAN))
    assert isinstance(fact, DiscussionRegistered)
    assert (fact.subject, fact.territory) == ("a new bridge", "Kirov district")


def test_a_discussion_needs_a_procedure_the_city_has_and_a_title() -> None:
    """An unknown procedure, an empty, overlong or unstorable title are refused."""
    refused(given(), lambda known: discussion.register(known, Announcement("T"), Procedure()), UnknownProcedureError)
    for title, error in ((" ", TextMissingError), ("x" * 1001, TextTooLongError), ("a\x00", TextUnreadableError)):
        refused(given(), lambda known, t=title: discussion.register(known, Announcement(t), Procedure(PLAN)), error)  # type: ignore[misc]  # bound early


def test_registering_again_changes_nothing() -> None:
    """The same discussion is registered once."""
    assert discussion.register(given(registered()), Announcement("T"), Procedure(PLAN)) == []


def test_documents_are_attached_before_the_notice_each_once() -> None:
    """The same bytes are on view once; after the notice nothing is added."""
    assert discussion.attach(given(registered()), document()) == [document()]
    assert discussion.attach(given(registered(), document()), document()) == []
    assert discussion.attach(given(*ANNOUNCED), document()) == []
    refused(given(*ANNOUNCED), lambda known: discussion.attach(known, document("d")), NoticeStandsError)
    refused(given(), lambda known: discussion.attach(known, document()), UnknownDiscussionError)


def test_a_notice_tells_the_period() -> None:
    """Exactly seven days ahead is early enough."""
    known = given(registered(), document())
    assert discussion.publish_notice(known, PERIOD, NOW) == [NOTICE]
    assert discussion.publish_notice(given(*ANNOUNCED), PERIOD, NOW + 9 * DAY) == []


@pytest.mark.parametrize(
    ("period", "error"),
    [
        (Period(OPENS - MINUTE, CLOSES), NoticeTooLateError),
        (Period(OPENS + SECOND, CLOSES), NotWholeMinutesError),
        (Period(OPENS, CLOSES + timedelta(microseconds=1)), NotWholeMinutesError),
        (Period(OPENS, OPENS), PeriodReversedError),
        (Period(CLOSES, OPENS), PeriodReversedError),
    ],
)
def test_a_notice_that_comes_too_late_or_makes_no_sense_is_refused(period: Period, error: type[DiscussionError]) -> None:
    """Lead in whole days, full minutes, closing after opening."""
    refused(given(registered(), document()), lambda known: discussion.publish_notice(known, period, NOW), error)


def test_a_notice_needs_something_to_show_and_stands() -> None:
    """Without a document there is nothing to discuss; a published period is not changed."""
    refused(given(registered()), lambda known: discussion.publish_notice(known, PERIOD, NOW), NothingToShowError)
    other = Period(OPENS, CLOSES + DAY)
    refused(given(*ANNOUNCED), lambda known: discussion.publish_notice(known, other, NOW), NoticeStandsError)
    refused(given(), lambda known: discussion.publish_notice(known, PERIOD, NOW), UnknownDiscussionError)


def test_where_no_lead_is_asked_for_the_exposition_opens_with_its_notice() -> None:
    """The opening may be the minute that is running, or a few before it, but not yesterday; the closing is ahead."""
    known = given(registered(lead_days=0), document())
    at_once = Period(NOW, NOW + 3 * MINUTE)
    opened = ExpositionOpened(opens_at=NOW, closes_at=NOW + 3 * MINUTE)
    notice = NotificationPublished(opens_at=NOW, closes_at=NOW + 3 * MINUTE)
    assert discussion.publish_notice(known, at_once, NOW + 40 * SECOND) == [notice, opened]
    ahead = Period(NOW + MINUTE, NOW + 3 * MINUTE)
    assert len(discussion.publish_notice(known, ahead, NOW)) == 1
    yesterday = Period(NOW - DAY, NOW + DAY)
    refused(known, lambda state: discussion.publish_notice(state, yesterday, NOW), NoticeTooLateError)
    over = Period(NOW - 3 * MINUTE, NOW)
    refused(known, lambda state: discussion.publish_notice(state, over, NOW), PeriodReversedError)


def test_the_exposition_opens_at_its_minute_and_once() -> None:
    """Not a second before; again it changes nothing."""
    refused(given(*ANNOUNCED), lambda known: discussion.open_exposition(known, OPENS - SECOND), NotOpenYetError)
    assert discussion.open_exposition(given(*ANNOUNCED), OPENS) == [OPENED]
    assert discussion.open_exposition(given(*ANNOUNCED, OPENED), OPENS) == []


def test_submissions_close_at_the_published_minute_however_late_that_is_stated() -> None:
    """A worker that comes two hours late states the same `closes_at`."""
    open_now = given(*ANNOUNCED, OPENED)
    refused(open_now, lambda known: discussion.close_submissions(known, CLOSES - SECOND), PeriodNotOverError)
    assert discussion.close_submissions(open_now, CLOSES) == [CLOSED]
    assert discussion.close_submissions(open_now, CLOSES + timedelta(hours=2)) == [CLOSED]
    assert discussion.close_submissions(given(*ANNOUNCED, OPENED, CLOSED), CLOSES) == []


def test_what_nobody_came_to_state_in_time_is_stated_first() -> None:
    """After an outage over the whole period the facts still come in order."""
    assert discussion.close_submissions(given(*ANNOUNCED), CLOSES) == [OPENED, CLOSED]
    late = CLOSES + MINUTE
    assert discussion.draft_protocol(given(*ANNOUNCED), DRAFTED, late) == [OPENED, CLOSED, DRAFTED]
    assert discussion.open_exposition(given(*ANNOUNCED, OPENED, CLOSED, DRAFTED), late) == []


def test_the_protocol_is_drawn_up_once_and_no_sooner_than_a_minute_after_the_closing() -> None:
    """Commits under way at the closing are in by then."""
    over = given(*ANNOUNCED, OPENED, CLOSED)
    refused(over, lambda known: discussion.draft_protocol(known, DRAFTED, CLOSES + 59 * SECOND), ProtocolTooEarlyError)
    assert discussion.draft_protocol(over, DRAFTED, CLOSES + 60 * SECOND) == [DRAFTED]
    assert discussion.draft_protocol(given(*ANNOUNCED, OPENED, CLOSED, DRAFTED), DRAFTED, CLOSES + DAY) == []


def test_whether_a_discussion_is_open_is_said_by_its_period_not_by_what_was_stated() -> None:
    """The opening minute counts, the closing minute does not, whether or not a worker came to state either."""
    for known in (given(*ANNOUNCED), given(*ANNOUNCED, OPENED), given(*ANNOUNCED, OPENED, CLOSED)):
        refused(known, lambda state: discussion.check_open(state, OPENS - SECOND) or [], NotOpenYetError)  # type: ignore[func-returns-value]  # it refuses or says nothing
        discussion.check_open(known, OPENS)
        discussion.check_open(known, CLOSES - timedelta(microseconds=1))
        refused(known, lambda state: discussion.check_open(state, CLOSES) or [], SubmissionTooLateError)  # type: ignore[func-returns-value]  # as above
    refused(given(registered()), lambda state: discussion.check_open(state, OPENS) or [], NotOpenYetError)  # type: ignore[func-returns-value]  # as above


def test_the_notice_starts_every_clock() -> None:
    """To open, to close, and to draw the protocol up a minute later; what opened at once needs no clock to open."""
    known = given(*ANNOUNCED)
    closing, protocol = Set(CLOSING, CLOSING, CLOSES), Set(PROTOCOL, PROTOCOL, CLOSES + MINUTE)
    assert DISCUSSION.timers(known, [NOTICE]) == (Set(OPENING, OPENING, OPENS), closing, protocol)
    assert DISCUSSION.timers(given(*ANNOUNCED, OPENED), [NOTICE, OPENED]) == (closing, protocol)
    for facts in ([registered()], [document()], [OPENED], [CLOSED], [DRAFTED]):
        assert DISCUSSION.timers(known, facts) == ()


def test_a_discussion_goes_through_its_stages() -> None:
    """Every fact moves it on."""
    facts = (registered(), NOTICE, OPENED, CLOSED, DRAFTED)
    stages = [given(*facts[:count]).stage for count in range(len(facts) + 1)]
    assert stages == ["unknown", "registered", "announced", "open", "closed", "protocol_drafted"]
