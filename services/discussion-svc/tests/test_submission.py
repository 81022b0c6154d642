"""Submissions by their rules: who may say what, where and when, under which number, and who supports it."""

from datetime import UTC, datetime, timedelta
from functools import reduce
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from discussion_svc.domain import submission
from discussion_svc.domain.discussion import Discussion, Period
from discussion_svc.domain.refusal import (
    DiscussionError,
    IdentityNotConfirmedError,
    KindNotAllowedError,
    NotOpenYetError,
    OwnSubmissionError,
    RepliedElsewhereError,
    SubmissionTooLateError,
    TextMissingError,
    TextTooLongError,
    TextUnreadableError,
    UnknownDiscussionError,
    UnknownSubmissionError,
)
from discussion_svc.domain.submission import SUBMISSION, Contribution, Hearing, Participant, Submission
from shared_events.discussion import (
    ProposalSubmitted,
    QuestionSubmitted,
    RemarkSubmitted,
    SubmissionRegistered,
    SubmissionSupported,
)
from shared_events.event import Event

OPENS = datetime(2026, 3, 9, 9, 0, tzinfo=UTC)
CLOSES = OPENS + timedelta(days=18)
DISCUSSION_ID, PARENT = UUID(int=1), UUID(int=2)
ANNA, BORIS, CLARA = (UUID(int=number) for number in (11, 12, 13))
OPEN = Discussion(stage="announced", city="kazan", kinds=("question", "proposal", "remark"), period=Period(OPENS, CLOSES))
HERE = Hearing(DISCUSSION_ID, OPEN)


def says(text: str = "Why?", person: UUID = ANNA, **more: object) -> Contribution:
    """Make a contribution of a participant whose identity is confirmed."""
    return Contribution(**{"participant": Participant(person, identity_confirmed=True), "kind": "question", "text": text, **more})  # type: ignore[arg-type]  # fields by name


def given(*facts: Event) -> Submission:
    """Fold what has happened to a submission."""
    return reduce(SUBMISSION.evolve, facts, SUBMISSION.initial)


def submitted(contribution: Contribution, at: datetime = OPENS) -> list[Event]:
    """Submit something that is taken."""
    return submission.submit(given(), HERE, contribution, "KZN-D2026-000000-0001", at)


@pytest.mark.parametrize(
    ("kind", "fact"), [("question", QuestionSubmitted), ("proposal", ProposalSubmitted), ("remark", RemarkSubmitted)]
)
def test_a_submission_is_taken_and_registered_in_one_breath(kind: str, fact: type[Event]) -> None:
    """Two facts, one commit: what was said, exactly as given, and its number."""
    said, registered = submitted(says(" two  spaces\r\n ", kind=kind, name="Anna"))
    assert isinstance(said, QuestionSubmitted | ProposalSubmitted | RemarkSubmitted)
    assert type(said) is fact
    assert (said.text, said.person, said.name, said.city) == (" two  spaces\r\n ", ANNA, "Anna", "kazan")
    assert (said.eligibility, said.evidence) == ("other", "identity confirmed by the provider")
    assert registered == SubmissionRegistered(
        discussion=DISCUSSION_ID,
        city="kazan",
        kind=kind,
        number="KZN-D2026-000000-0001",
    )


@for_all(st.datetimes(OPENS.replace(tzinfo=None) - timedelta(days=1), CLOSES.replace(tzinfo=None) + timedelta(days=1)))
def test_a_submission_is_taken_if_and_only_if_its_moment_lies_in_the_period(moment: datetime) -> None:
    """To the microsecond: opening included, closing excluded."""
    at = moment.replace(tzinfo=UTC)
    in_time = OPENS <= at < CLOSES
    try:
        taken = len(submitted(says(), at)) == 2
    except NotOpenYetError:
        taken = False
        assert at < OPENS
    except SubmissionTooLateError:
        taken = False
        assert at >= CLOSES
    assert taken == in_time


@pytest.mark.parametrize(
    ("at", "error"), [(OPENS - timedelta(microseconds=1), NotOpenYetError), (CLOSES, SubmissionTooLateError)]
)
def test_the_edges_of_the_period_are_exact(at: datetime, error: type[DiscussionError]) -> None:
    """One microsecond before the opening is early, the closing minute itself is late."""
    with pytest.raises(error):
        submitted(says(), at)
    assert submitted(says(), OPENS)
    assert submitted(says(), CLOSES - timedelta(microseconds=1))


@pytest.mark.parametrize(
    ("contribution", "error"),
    [
        (says(""), TextMissingError),
        (says(" \n\t\u00a0"), TextMissingError),
        (says("x" * 20_001), TextTooLongError),
        (says("a\x00b"), TextUnreadableError),
        (says("a\ud800b"), TextUnreadableError),
        (says(name="x" * 201), TextTooLongError),
        (says(in_reply_to=PARENT), RepliedElsewhereError),
        (says(participant=Participant(ANNA, identity_confirmed=False)), IdentityNotConfirmedError),
    ],
)
def test_what_cannot_be_taken_is_refused_by_name(contribution: Contribution, error: type[DiscussionError]) -> None:
    """Empty or overlong texts, answers to nothing, people whose identity nobody confirmed; the same after the closing."""
    for at in (OPENS, CLOSES):
        with pytest.raises(error):
            submitted(contribution, at)


def test_the_longest_text_is_taken() -> None:
    """Twenty thousand characters, whatever bytes they need."""
    assert submitted(says("ж" * 20_000))


def test_an_answer_is_taken_only_within_the_same_discussion() -> None:
    """What is answered must have been said here."""
    here = Hearing(DISCUSSION_ID, OPEN, Submission(discussion=DISCUSSION_ID, person=BORIS))
    (said, _) = submission.submit(given(), here, says(in_reply_to=PARENT), "N-1", OPENS)
    assert isinstance(said, QuestionSubmitted)
    assert said.in_reply_to == PARENT
    elsewhere = Hearing(DISCUSSION_ID, OPEN, Submission(discussion=UUID(int=9), person=BORIS))
    with pytest.raises(RepliedElsewhereError):
        submission.submit(given(), elsewhere, says(in_reply_to=PARENT), "N-1", OPENS)


def test_a_procedure_takes_only_the_kinds_it_provides_for() -> None:
    """And the refusal names them."""
    questions_only = Hearing(DISCUSSION_ID, Discussion(stage="open", kinds=("question",), period=Period(OPENS, CLOSES)))
    with pytest.raises(KindNotAllowedError, match="question"):
        submission.submit(given(), questions_only, says(kind="proposal"), "N-1", OPENS)


def test_a_discussion_nobody_registered_takes_nothing() -> None:
    """There is no such discussion."""
    with pytest.raises(UnknownDiscussionError):
        submission.submit(given(), Hearing(DISCUSSION_ID, Discussion()), says(), "N-1", OPENS)


def test_submitting_again_changes_nothing() -> None:
    """A submission is made once, also after the closing."""
    assert submission.submit(given(*submitted(says())), HERE, says(), "N-1", CLOSES) == []


def test_a_voice_is_given_once_and_not_to_oneself() -> None:
    """One person, one voice."""
    known = given(*submitted(says(person=ANNA)))
    boris, anna = Participant(BORIS, identity_confirmed=True), Participant(ANNA, identity_confirmed=True)
    (voice,) = submission.support(known, OPEN, boris, OPENS)
    assert voice == SubmissionSupported(discussion=DISCUSSION_ID, city="kazan", person=BORIS)
    assert submission.support(SUBMISSION.evolve(known, voice), OPEN, boris, OPENS) == []
    with pytest.raises(OwnSubmissionError):
        submission.support(known, OPEN, anna, OPENS)


def test_a_voice_needs_a_confirmed_person_an_open_discussion_and_a_submission() -> None:
    """Otherwise it is refused by name."""
    known, clara = given(*submitted(says())), Participant(CLARA, identity_confirmed=True)
    with pytest.raises(IdentityNotConfirmedError):
        submission.support(known, OPEN, Participant(CLARA, identity_confirmed=False), OPENS)
    with pytest.raises(SubmissionTooLateError):
        submission.support(known, OPEN, clara, CLOSES)
    with pytest.raises(UnknownSubmissionError):
        submission.support(given(), OPEN, clara, OPENS)


@for_all(st.lists(st.sampled_from([ANNA, BORIS, CLARA]), max_size=30))
def test_however_often_people_try_each_has_at_most_one_voice(people: list[UUID]) -> None:
    """The stream holds each supporter once, and never the author."""
    known, voices = given(*submitted(says(person=ANNA))), []
    for person in people:
        try:
            facts = submission.support(known, OPEN, Participant(person, identity_confirmed=True), OPENS)
        except OwnSubmissionError:
            assert person == ANNA
            continue
        voices += facts
        known = reduce(SUBMISSION.evolve, facts, known)
    assert known.supporters == set(people) - {ANNA}
    assert len(voices) == len(known.supporters)


def test_a_number_can_be_read_out_and_says_city_year_and_discussion() -> None:
    """The year is the one the city's clocks show at the opening."""
    moscow, new_year = ZoneInfo("Europe/Moscow"), datetime(2026, 12, 31, 21, 30, tzinfo=UTC)
    series = submission.series("KZN", UUID("ffffffff-ffff-4fff-8fff-ffffffffffff"), Period(new_year, CLOSES), moscow)
    assert series == "KZN-D2027-ZZZZZZ"
    assert submission.number(series, 42) == "KZN-D2027-ZZZZZZ-0042"
    assert submission.number(series, 12_345) == "KZN-D2027-ZZZZZZ-12345"


@for_all(st.uuids())
def test_a_series_names_its_discussion_by_six_letters(discussion: UUID) -> None:
    """None of them is one that is misread."""
    short = submission.series("KZN", discussion, Period(OPENS, CLOSES), UTC).rpartition("-")[2]
    assert len(short) == 6
    assert not set(short) & set("ILOU")
