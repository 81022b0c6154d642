"""The report counts what is lost and what happened twice: each kind is seen, once for each thing that is missing or too many."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from shared_events.event import topic_of
from shared_events.ids import case_stream, derive, discussion_stream, message_stream, request_stream, work_item_stream
from veche.demo import report
from veche.demo.day import Played, Told, reported
from veche.demo.logs import Books, Fact
from veche.play.comments import Proposal
from veche.play.discussions import Said
from veche.play.requests import Outcome
from veche.play.rows import Refused, Row

DISCUSSION = UUID(int=77)
ROUTED, UNROUTED, NAMELESS = UUID(int=1), UUID(int=2), UUID(int=3)


class Clerk:
    """Keeps a city's books by hand: whatever is stated is stored, published, heard and folded, as it should be."""

    def __init__(self) -> None:
        self.books = Books(commands={service: set() for service in ("request", "dispatch", "notification")})
        self.books.counted.cases = 3

    def state(self, type_: str, subject: str, causation: UUID | None = None, **data: object) -> Fact:
        """State a fact; whoever reacts to it has done so."""
        service = type_.partition(".")[0]
        position = len(self.books.stored) + 1
        id_ = derive("fact", position)
        time = datetime(2026, 11, 23, 9, tzinfo=UTC)
        fact = Fact(id_, service, position, f"{type_}.v1", subject, causation or derive("command", position), time, data)
        self.books.stored[id_] = self.books.published[id_] = fact
        self.books.messages += 1
        self.books.offsets[id_] = (topic_of(service), 0, position)
        for consumer in ("request-svc", "dispatch-svc", "notification-svc", "analytics-svc"):
            self.books.consumed.setdefault(consumer, {}).setdefault(topic_of(service), {})[0] = position + 1
        for reacting, reactions in report.REACTIONS.items():
            if fact.type in reactions:
                self.books.commands[reacting].add(derive(id_, reactions[fact.type]))
        return fact

    def request(self, request: UUID, *, routed: bool = True, person: bool = True) -> None:
        """Let a request be submitted, worked on, proposed and closed."""
        stream, case = request_stream(request), case_stream(request)
        self.state("request.request-submitted", stream, person=str(UUID(int=9)) if person else None, service_type="t")
        registered = self.state("request.request-registered", stream)
        self.state("dispatch.case-opened", case)
        if not routed:
            failed = self.state("dispatch.routing-failed", case, registered.id)
            self.state("notification.work-item-opened", work_item_stream(failed.id), failed.id, cause=str(failed.id))
        self.state("dispatch.request-assigned", case, registered.id if routed else None, organisation="o", round=1)
        reported = self.state("dispatch.work-reported-done", case)
        proposed = self.state("request.completion-proposed", stream, reported.id, round=1)
        closed = self.state("request.request-closed", stream)
        for cause in (registered, proposed, closed) if person else ():
            told = {"cause": str(cause.id), "channel": "file"}
            self.state("notification.message-sent", message_stream(cause.id, "file"), cause.id, **told)


@pytest.fixture
def clerk() -> Clerk:
    """A city in which three requests and a discussion went well."""
    clerk = Clerk()
    clerk.request(ROUTED)
    clerk.request(UNROUTED, routed=False)
    clerk.request(NAMELESS, person=False)
    clerk.state("discussion.discussion-registered", discussion_stream(DISCUSSION))
    for kind in ("question", "proposal", "remark"):
        clerk.state(f"discussion.{kind}-submitted", f"submission-{kind}", discussion=str(DISCUSSION))
    clerk.state("discussion.protocol-drafted", discussion_stream(DISCUSSION))
    return clerk


def lost(books: Books, without: UUID | None = None) -> Mapping[str, int]:
    """Count what is lost, by kind; kinds of which nothing is lost are left out."""
    losses = report.losses(books, [event for event in books.stored if event != without])
    assert losses.total == sum(vars(losses).values())
    return {kind: count for kind, count in vars(losses).items() if count}


def of(books: Books, type_: str, subject: str = "") -> Fact:
    """Find the first stored fact of a type."""
    return next(fact for fact in books.stored.values() if fact.type == f"{type_}.v1" and subject in (fact.subject, ""))


def test_nothing_is_lost_where_all_went_well(clerk: Clerk) -> None:
    """A request without a person tells nobody, and that is no loss."""
    assert lost(clerk.books) == {}
    assert report.duplicate_effects(clerk.books).total() == 0


@pytest.mark.parametrize("type_", ["request.request-submitted", "discussion.remark-submitted", "notification.message-sent"])
def test_a_fact_that_never_reached_its_topic_is_lost(clerk: Clerk, type_: str) -> None:
    """Stored, and not published."""
    del clerk.books.published[of(clerk.books, type_).id]
    assert lost(clerk.books) == {"unpublished": 1}


REACTED_TO = [(service, type_) for service, reactions in report.REACTIONS.items() for type_ in reactions]


@pytest.mark.parametrize(("service", "type_"), REACTED_TO)
def test_a_fact_that_was_passed_and_not_handled_is_lost(clerk: Clerk, service: str, type_: str) -> None:
    """Every reaction of every service is looked up by its command."""
    field, value = report.ONLY_WHERE.get((service, type_), ("round", 1))
    fact = clerk.state(type_.removesuffix(".v1"), "incident-1", **{field: value, "organisation": "o"})
    kept = lost(clerk.books)
    clerk.books.commands[service].remove(derive(fact.id, report.REACTIONS[service][type_]))
    assert lost(clerk.books) == {**kept, "unapplied": 1}


def test_a_fact_about_which_nothing_is_done_is_not_lost(clerk: Clerk) -> None:
    """A submission whose type is known opens no item."""
    fact = of(clerk.books, "request.request-submitted")
    clerk.books.commands["notification"].remove(derive(fact.id, "open-work-item"))
    assert lost(clerk.books) == {}


def test_what_is_parked_or_still_ahead_of_a_consumer_is_not_lost(clerk: Clerk) -> None:
    """The one is counted as parked, the other is waited for."""
    fact = of(clerk.books, "dispatch.work-reported-done")
    clerk.books.commands["request"].remove(derive(fact.id, "propose-completion"))
    ahead = clerk.books.consumed["request-svc"]["dispatch.events"]
    end = ahead[0]
    ahead[0] = fact.position
    assert lost(clerk.books) == {}
    ahead[0] = end
    assert lost(clerk.books) == {"unapplied": 1}
    clerk.books.parked.add(("request-svc", "dispatch.events", fact.position))
    assert lost(clerk.books) == {}


def test_a_fact_that_analytics_does_not_have_is_lost(clerk: Clerk) -> None:
    """Whatever it is."""
    assert lost(clerk.books, without=of(clerk.books, "notification.work-item-opened").id) == {"without_fact": 1}


def test_a_request_without_a_case_is_lost(clerk: Clerk) -> None:
    """Even if its submission counts as handled."""
    opened = of(clerk.books, "dispatch.case-opened")
    del clerk.books.stored[opened.id], clerk.books.published[opened.id]
    assert lost(clerk.books) == {"without_case": 1}


@pytest.mark.parametrize("cause", report.MESSAGE_CAUSES)
def test_a_person_who_was_not_told_is_a_loss(clerk: Clerk, cause: str) -> None:
    """Of the registration, of a question, of each proposal, of a reopening, of the closing; who is nobody is told nothing."""
    about = clerk.state(cause.removesuffix(".v1"), request_stream(ROUTED))
    assert lost(clerk.books) == {"without_message": 1}
    clerk.state("notification.message-failed", "message-1", about.id, cause=str(about.id), channel="file")
    assert lost(clerk.books) == {}
    clerk.state(cause.removesuffix(".v1"), request_stream(NAMELESS))
    assert lost(clerk.books) == {}


@pytest.mark.parametrize("type_", report.ONCE_A_CAUSE)
def test_an_effect_that_came_again_is_counted_once_for_each_time(clerk: Clerk, type_: str) -> None:
    """One cause, one case, one item, one proposal, one assignment, one message a channel."""
    first = of(clerk.books, type_.removesuffix(".v1"))
    for times in (1, 2):
        id_ = derive("again", times)
        clerk.books.stored[id_] = replace(first, id=id_, position=1000 + times)
        assert report.duplicate_effects(clerk.books) == {type_: times}


def test_another_channel_is_no_repetition(clerk: Clerk) -> None:
    """A person may be told of the same thing twice over."""
    sent = of(clerk.books, "notification.message-sent")
    clerk.state("notification.message-sent", "message-2", sent.causation, cause=sent.data["cause"], channel="sms")
    assert report.duplicate_effects(clerk.books).total() == 0


@pytest.mark.parametrize("turn", report.NEXT_TURN)
def test_an_assignment_after_a_refusal_is_no_repetition_and_one_without_it_is(clerk: Clerk, turn: str) -> None:
    """Each refusal has one assignment after it."""
    case = case_stream(ROUTED)
    clerk.state(turn.removesuffix(".v1"), case)
    clerk.state("dispatch.request-assigned", case, organisation="o", round=1)
    assert report.duplicate_effects(clerk.books).total() == 0
    clerk.state("dispatch.request-assigned", case, organisation="o", round=1)
    assert report.duplicate_effects(clerk.books) == {"dispatch.request-assigned.v1": 1}


def test_a_second_round_has_an_assignment_and_a_proposal_of_its_own(clerk: Clerk) -> None:
    """One of each."""
    for times in (0, 1):
        clerk.state("dispatch.request-assigned", case_stream(ROUTED), organisation="o", round=2)
        clerk.state("request.completion-proposed", request_stream(ROUTED), round=2)
        assert report.duplicate_effects(clerk.books).total() == 2 * times


def test_consumed_counts_what_a_consumer_has_passed_and_not_parked(clerk: Clerk) -> None:
    """Of the topics it reads."""
    books = clerk.books
    everything = len(books.published)
    assert set(report.consumed(books).values()) == {everything}
    fact = of(books, "request.request-closed")
    books.parked.add(("dispatch-svc", "request.events", fact.position))
    del books.consumed["request-svc"]["discussion.events"]
    said = sum(fact.service == "discussion" for fact in books.published.values())
    counted = report.consumed(books)
    assert (counted["dispatch-svc"], counted["request-svc"]) == (everything - 1, everything - said)


def played(clerk: Clerk) -> Played:
    """Put what was played beside the books: three requests of four rows, three submissions of four."""
    row = Row(2, "1-1", datetime(2017, 12, 27, tzinfo=UTC), None, None, "", None, None, "done", "Closed", None, None, None, None)  # type: ignore[arg-type]  # nobody reads who reports
    outcome = Outcome(4, [Refused(5, "unreadable")], dict.fromkeys((ROUTED, UNROUTED, NAMELESS), row), started=100.0)
    outcome.closed = {ROUTED: "done", UNROUTED: "done", NAMELESS: "done"}
    said = Said({DISCUSSION: Proposal("7", "", "", None)}, 4, 3, [Refused(3, "empty")], None, {DISCUSSION: "sha"})
    told = Told(frozenset(clerk.books.stored), report.by_type(clerk.books.stored.values()), 0.1, 0.9)
    return Played(outcome, said, clerk.books, told, settled=130.0, retries=2)


def broken(clerk: Clerk, break_: Callable[[Played], Played | None]) -> set[str]:
    """Name the checks that do not hold once something is broken."""
    day = played(clerk)
    report_ = reported(break_(day) or day, 42.0, {"veche": 1.5})
    assert report_.good == all(check.holds for check in report_.checks)
    return {check.name for check in report_.checks if not check.holds}


def test_the_report_of_a_good_day_holds(clerk: Clerk) -> None:
    """Its figures are those of the play and of the books."""
    day = reported(played(clerk), 42.0, {"veche": 1.5})
    assert day.good
    assert (day.requests.rows, day.requests.accepted, day.requests.refused) == (4, 3, 1)
    assert (day.requests.closed, day.requests.open) == (3, 0)
    assert (day.submissions.rows, day.submissions.accepted, day.submissions.refused) == (4, 3, 1)
    assert (day.lost, day.duplicate_effects, day.parked, day.retries) == (0, 0, 0, 2)
    assert (day.duration_s, day.requests_duration_s, day.e2e_p50_s, day.e2e_p99_s) == (42.0, 30.0, 0.1, 0.9)
    assert day.events.consumed["analytics-facts"] == day.events.stored == day.events.published == len(clerk.books.stored)
    assert day.cpu_s == {"veche": 1.5}


def drop(clerk: Clerk, type_: str) -> None:
    """Take a fact out of every book."""
    fact = of(clerk.books, type_)
    del clerk.books.stored[fact.id], clerk.books.published[fact.id]


def test_every_check_can_fail(clerk: Clerk) -> None:
    """Each sees what it is there for."""
    assert broken(clerk, lambda day: day.outcome.refused.clear()) == {"rows = accepted + refused"}
    assert broken(clerk, lambda day: day.outcome.closed.clear()) == {"closed requests = stored"}
    assert broken(clerk, lambda day: day.outcome.turns.update(declined=1)) == {"disputes, declines and bounces = stored"}
    assert broken(clerk, lambda day: day.books.counted.wrong.append("1")) == {"holders' minutes sum to the totals"}
    clerk.books.counted.wrong.clear()
    clerk.books.counted.figures["breaches"] = 1
    assert broken(clerk, lambda _: None) == {"terms and turns by SQL = stores"}
    clerk.books.counted.figures["breaches"] = 0
    assert broken(clerk, lambda day: day.said.refused.clear()) == {"submissions = accepted + refused"}
    assert broken(clerk, lambda day: day.said.protocols.clear()) == {"every discussion has its protocol"}
    assert broken(clerk, lambda day: replace(day, told=replace(day.told, by_type={}))) == {"stores = analytics, by type"}
    assert broken(clerk, lambda day: replace(day, told=replace(day.told, ids=frozenset()))) == {"nothing is lost"}
    clerk.books.parked.add(("analytics-svc", "request.events", 10_000))
    assert broken(clerk, lambda _: None) == {"nothing is parked"}


@pytest.mark.parametrize(
    ("missing", "checks"),
    [
        ("request.request-submitted", {"accepted requests = stored"}),
        ("request.request-closed", {"closed requests = stored"}),
        ("discussion.question-submitted", {"accepted submissions = stored"}),
        ("discussion.protocol-drafted", {"every discussion has its protocol"}),
    ],
)
def test_what_was_answered_and_is_not_stored_is_seen(clerk: Clerk, missing: str, checks: set[str]) -> None:
    """Though nobody else misses it: it is in no store, no topic and no fact."""
    drop(clerk, missing)
    assert broken(clerk, lambda _: None) == checks


def test_what_is_stored_beside_the_play_does_not_count_as_played(clerk: Clerk) -> None:
    """A second play in the same city has its own figures."""
    clerk.request(UUID(int=4))
    clerk.state("discussion.remark-submitted", "submission-other", discussion=str(UUID(int=78)))
    assert broken(clerk, lambda _: None) == set()


def test_a_topic_that_says_something_else_is_seen(clerk: Clerk) -> None:
    """Published and stored are compared type by type."""
    fact = of(clerk.books, "discussion.question-submitted")
    clerk.books.published[fact.id] = replace(fact, type="discussion.proposal-submitted.v1")
    assert broken(clerk, lambda _: None) == {"stores = topics, by type"}
