"""The rules of duplicates, questions, rounds, ratings and erasure: given what happened, when, then."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest
from lives import (
    ADDED,
    AGENT,
    DONE,
    DUE,
    FOUND,
    HIMSELF,
    LATER,
    LIFTS,
    LINKED,
    NEIGHBOUR,
    NOON,
    OPEN,
    ORIGINAL,
    OTHER,
    PROPOSED,
    QUESTION,
    REGISTERED,
    REPORTED,
    RESIDENT,
    SUBMITTED,
    TERM,
    THIS,
    given,
)

from request_svc.domain import request as requests
from request_svc.domain.city import CityRules, TypeRules
from request_svc.domain.person import ERASURE, Person, erase, person_at
from request_svc.domain.question import Answers, checked
from request_svc.domain.reference import BUILDING, enter
from request_svc.domain.refusal import (
    AlreadyRatedError,
    AnswerMissingError,
    AnswerOfWrongKindError,
    AnswerOutOfBoundsError,
    AnswersWithoutTypeError,
    AttachmentEmptyError,
    AttachmentOfNobodyError,
    AttachmentTooLargeError,
    BuildingElsewhereError,
    DeemedAcceptedError,
    DuplicateElsewhereError,
    DuplicateOfItselfError,
    LinkedElsewhereError,
    NobodyToAskError,
    NotYourDataError,
    NotYourRequestError,
    OriginalIsDuplicateError,
    OriginalUnknownError,
    PersonalDataOfNobodyError,
    QuestionsChangedError,
    RequestError,
    ServiceTypeNotOfferedError,
    TermNotOverError,
    TooManyAttachmentsError,
    UnknownBuildingError,
    UnknownChoiceError,
    UnknownQuestionError,
)
from request_svc.domain.request import INFORMATION_CAP, REQUEST, SILENT_CONSENT, Original, Request
from request_svc.domain.submission import check_offered, check_submission
from shared_chassis.stream import Cancel, Set
from shared_events.event import Event
from shared_events.request import (
    BuildingRegistered,
    CompletionDeemedAccepted,
    CompletionDisputed,
    InformationNotReceived,
    InformationReceived,
    Location,
    PersonalDataErased,
    Question,
    RatingAsked,
    RequestClosed,
    RequestLinkedAsDuplicate,
    RequestRated,
    RequestReclassified,
    RequestReopened,
    RequestUnlinked,
)

NOBODYS = (SUBMITTED.model_copy(update={"person": None}), REGISTERED)
WAITING = (*OPEN, QUESTION)
ASKED = (*OPEN, PROPOSED)


def timers(before: tuple[Event, ...], facts: list[Event]) -> list[Set | Cancel]:
    """Give the timers that follow from new facts."""
    return list(REQUEST.timers(given(*before, *facts), facts))


def test_a_dispute_opens_the_next_round_in_the_same_commit_and_stops_the_silence() -> None:
    """The total clock keeps running; what was disputed is told apart by its round."""
    facts = requests.dispute(given(*ASKED), HIMSELF, "The lift stands still.")
    assert facts == [
        CompletionDisputed(round=1, person=RESIDENT, reason="The lift stands still."),
        RequestReopened(round=2, because="disputed"),
    ]
    assert timers(ASKED, facts) == [Cancel(SILENT_CONSENT, "1")]


def test_the_second_round_is_proposed_and_closed_by_its_own_report() -> None:
    """A late report of the first round closes nothing."""
    reopened = given(*ASKED, *requests.dispute(given(*ASKED), HIMSELF, None))
    assert requests.propose_completion(reopened, REPORTED, NOON, TERM) == []
    (proposed,) = requests.propose_completion(reopened, REPORTED.model_copy(update={"round": 2}), NOON, TERM)
    again = REQUEST.evolve(reopened, proposed)
    closing = requests.confirm(again, HIMSELF)
    assert RatingAsked(round=2, person=RESIDENT, organisation=LIFTS) in closing
    assert REQUEST.timers(REQUEST.evolve(again, closing[-1]), closing) == [Cancel(SILENT_CONSENT, "2")]


def test_an_agent_disputes_where_nobody_can_be_asked_but_keeps_no_words_of_nobody() -> None:
    """Words need a person whose key seals them."""
    nobodys = given(*NOBODYS, PROPOSED)
    assert requests.dispute(nobodys, AGENT, None)[0] == CompletionDisputed(round=1, person=None, reason=None)
    with pytest.raises(PersonalDataOfNobodyError):
        requests.dispute(nobodys, AGENT, "Still broken.")


def test_what_was_accepted_by_silence_is_not_disputed_afterwards() -> None:
    """The refusal says so by its own name."""
    silent = given(*ASKED, CompletionDeemedAccepted(round=1, consent_due=DUE), RequestClosed(outcome="done"))
    with pytest.raises(DeemedAcceptedError):
        requests.dispute(silent, HIMSELF, None)


def test_nobody_is_asked_for_a_rating_where_there_is_nobody() -> None:
    """So statistics count only who could have answered."""
    facts = requests.deem_accepted(given(*NOBODYS, PROPOSED), 1, DUE)
    assert [type(fact) for fact in facts] == [CompletionDeemedAccepted, RequestClosed]


def test_work_found_impossible_closes_the_request_and_every_clock() -> None:
    """With the outcome a dispatcher stated; a finding of an earlier round changes nothing."""
    for before, stopped in ((ASKED, Cancel(SILENT_CONSENT, "1")), (WAITING, Cancel(INFORMATION_CAP, "1"))):
        facts = requests.find_impossible(given(*before), FOUND)
        assert facts == [RequestClosed(outcome="impossible")]
        assert given(*before, *facts).ending == "found_impossible"
        assert timers(before, facts) == [stopped]
    reopened = (*ASKED, CompletionDisputed(round=1, person=RESIDENT), RequestReopened(round=2, because="disputed"))
    assert requests.find_impossible(given(*reopened), FOUND) == []


def test_a_question_pauses_for_the_citys_term_and_is_answered_once() -> None:
    """One at a time; the next has the next number."""
    (asked,) = requests.ask(given(*OPEN), "Which entrance?", "call_centre", NOON, TERM)
    assert asked == QUESTION
    assert timers(OPEN, [asked]) == [Set(INFORMATION_CAP, "1", DUE, {"number": "1"})]
    (answered,) = requests.answer(given(*WAITING), HIMSELF, "The third.")
    assert answered == InformationReceived(number=1, person=RESIDENT, answer="The third.")
    assert timers(WAITING, [answered]) == [Cancel(INFORMATION_CAP, "1")]
    (second,) = requests.ask(given(*WAITING, answered), "Which floor?", "organisation", NOON, TERM)
    assert second.number == 2  # type: ignore[attr-defined]  # an InformationRequested, as above


def test_a_question_without_an_answer_ends_with_its_cap_and_not_before() -> None:
    """A timer of an earlier question ends no later one."""
    assert requests.give_up_waiting(given(*WAITING), 1, DUE) == [InformationNotReceived(number=1, until=DUE)]
    assert requests.give_up_waiting(given(*WAITING), 2, LATER) == []
    with pytest.raises(TermNotOverError):
        requests.give_up_waiting(given(*WAITING), 1, DUE - timedelta(microseconds=1))


def test_work_done_while_the_resident_is_asked_something_needs_no_answer_any_more() -> None:
    """The question's clock stops, the silence's runs."""
    facts = requests.propose_completion(given(*WAITING), REPORTED, NOON, TERM)
    assert facts == [PROPOSED]
    assert timers(WAITING, facts) == [Set(SILENT_CONSENT, "1", DUE, {"round": "1"}), Cancel(INFORMATION_CAP, "1")]


def test_only_the_person_or_an_agent_answers_and_nobody_is_asked_nothing() -> None:
    """A neighbour's answer is no answer."""
    with pytest.raises(NotYourRequestError):
        requests.answer(given(*WAITING), NEIGHBOUR, "The third.")
    with pytest.raises(NobodyToAskError):
        requests.ask(given(*NOBODYS), "Which entrance?", "call_centre", NOON, TERM)


def test_a_duplicate_is_closed_and_goes_on_in_a_new_round_when_it_was_none() -> None:
    """Never deleted."""
    facts = requests.link(given(*OPEN), THIS, ORIGINAL)
    assert facts == [RequestLinkedAsDuplicate(of=OTHER), RequestClosed(outcome="duplicate")]
    assert given(*LINKED).ending == "linked"
    assert requests.link(given(*LINKED), THIS, ORIGINAL) == []
    again = requests.unlink(given(*LINKED), "Another entrance.")
    assert again == [
        RequestUnlinked(of=OTHER, reason="Another entrance."),
        RequestReopened(round=2, because="unlinked"),
    ]
    after = given(*LINKED, *again)
    assert (after.state, after.round, after.ending, after.outcome, after.duplicate_of) == ("registered", 2, None, None, None)


WRONG_ORIGINALS: list[tuple[str, Original, type[RequestError]]] = [
    ("itself", Original(THIS, given(*OPEN)), DuplicateOfItselfError),
    ("nothing", Original(OTHER, Request()), OriginalUnknownError),
    ("of another city", Original(OTHER, replace(given(*OPEN), city="los-angeles")), DuplicateElsewhereError),
    ("a duplicate of this one", Original(OTHER, replace(given(*LINKED), duplicate_of=THIS)), OriginalIsDuplicateError),
    ("a duplicate of a third", Original(OTHER, given(*LINKED)), OriginalIsDuplicateError),
]


@pytest.mark.parametrize(("original", "refusal"), [row[1:] for row in WRONG_ORIGINALS], ids=[row[0] for row in WRONG_ORIGINALS])
def test_a_request_is_a_duplicate_of_an_original_of_its_city_only(original: Original, refusal: type[RequestError]) -> None:
    """So no chain of duplicates ends in itself."""
    with pytest.raises(refusal):
        requests.link(given(*OPEN), THIS, original)


def test_a_duplicate_is_not_linked_to_another_one_as_well() -> None:
    """It is unlinked first."""
    with pytest.raises(LinkedElsewhereError, match=str(OTHER)):
        requests.link(given(*LINKED), THIS, Original(RESIDENT, given(*OPEN)))


def test_a_rating_is_given_once_to_whom_it_was_asked_of() -> None:
    """By the resident, or by an agent on their behalf; also after closing, which is when it is asked."""
    (rated,) = requests.rate(given(*DONE), HIMSELF, 2, "Dirty stairs.")
    assert rated == RequestRated(round=1, person=RESIDENT, organisation=LIFTS, rating=2, comment="Dirty stairs.")
    with pytest.raises(AlreadyRatedError):
        requests.rate(given(*DONE, rated), HIMSELF, 5, None)
    with pytest.raises(NotYourRequestError):
        requests.rate(given(*DONE), NEIGHBOUR, 5, None)


def test_reclassifying_keeps_the_number_and_states_the_new_answers() -> None:
    """As the same type it changes nothing."""
    answers = Answers({"floor": 3}, "2")
    (fact,) = requests.reclassify(given(*OPEN), "yard", answers, "It is the yard's.")
    assert fact == RequestReclassified(
        previous="lift", service_type="yard", answers={"floor": 3}, questions_version="2", reason="It is the yard's."
    )
    after = given(*OPEN, fact)
    assert (after.service_type, after.number, after.state, after.answers) == (
        "yard",
        REGISTERED.number,
        "registered",
        {"floor": 3},
    )
    assert requests.reclassify(given(*OPEN), "lift", answers, "So it was.") == []


def test_the_same_attachment_is_kept_once_and_ten_are_enough() -> None:
    """Attachments need a person whose key keeps them."""
    assert requests.attach(given(*OPEN), HIMSELF, ADDED) == [ADDED]
    assert requests.attach(given(*OPEN, ADDED), HIMSELF, ADDED) == []
    ten = [ADDED.model_copy(update={"sha256": f"{n:064x}"}) for n in range(10)]
    with pytest.raises(TooManyAttachmentsError):
        requests.attach(given(*OPEN, *ten), HIMSELF, ADDED)
    with pytest.raises(NotYourRequestError):
        requests.attach(given(*OPEN), NEIGHBOUR, ADDED)
    with pytest.raises(AttachmentOfNobodyError):
        requests.attach(given(*NOBODYS), AGENT, ADDED)


def test_an_attachment_has_some_bytes_and_ten_megabytes_at_most() -> None:
    """Judged before anything is read."""
    requests.check_size(10 * 1024 * 1024)
    with pytest.raises(AttachmentTooLargeError):
        requests.check_size(10 * 1024 * 1024 + 1)
    with pytest.raises(AttachmentEmptyError):
        requests.check_size(0)


QUESTIONS = TypeRules(
    questions=(
        Question(code="whole_riser", kind="yes_no", names={"en": "The whole riser?"}),
        Question(code="floor", kind="number", names={"en": "Which floor?"}, required=False, least=1, most=25),
        Question(
            code="where", kind="choice", names={"en": "Where?"}, required=False, choices={"flat": {"en": "Flat"}, "stairs": {}}
        ),
    ),
    questions_version="2",
)
WRONG_ANSWERS: list[tuple[str, Answers, type[RequestError], str]] = [
    ("an unknown question", Answers({"whole_riser": True, "colour": 1}), UnknownQuestionError, "floor, where, whole_riser"),
    ("nothing to what is required", Answers({"floor": 1}), AnswerMissingError, "whole_riser"),
    ("a number for yes or no", Answers({"whole_riser": 1}), AnswerOfWrongKindError, "true or false"),
    ("yes for a number", Answers({"whole_riser": True, "floor": True}), AnswerOfWrongKindError, "whole number"),
    ("a text for a number", Answers({"whole_riser": True, "floor": "x"}), AnswerOfWrongKindError, "whole number"),
    ("a number for a choice", Answers({"whole_riser": True, "where": 1}), AnswerOfWrongKindError, "code of a choice"),
    ("too little", Answers({"whole_riser": True, "floor": 0}), AnswerOutOfBoundsError, "at least 1 and at most 25"),
    ("too much", Answers({"whole_riser": True, "floor": 26}), AnswerOutOfBoundsError, "at least 1 and at most 25"),
    ("no such choice", Answers({"whole_riser": True, "where": "roof"}), UnknownChoiceError, "flat, stairs"),
    ("questions of an earlier version", Answers({"whole_riser": True}, "1"), QuestionsChangedError, "version 2"),
]


@pytest.mark.parametrize(
    ("given_answers", "refusal", "told"), [row[1:] for row in WRONG_ANSWERS], ids=[row[0] for row in WRONG_ANSWERS]
)
def test_answers_that_do_not_answer_are_refused_in_words_that_say_what_would(
    given_answers: Answers, refusal: type[RequestError], told: str
) -> None:
    """And which never repeat what was answered."""
    with pytest.raises(refusal, match=told):
        checked(QUESTIONS, given_answers)


def test_answers_are_kept_with_the_version_they_answer() -> None:
    """Also where the caller did not say which; bounds belong to the range."""
    for version in (None, "2"):
        for floor in (1, 25):
            answered = checked(QUESTIONS, Answers({"whole_riser": False, "floor": floor, "where": "flat"}, version))
            assert answered.version == "2"
    assert checked(TypeRules(), Answers({})) == Answers({}, None)


KAZAN = CityRules(
    slug="kazan",
    service_types={
        "lift": QUESTIONS,
        "snow": TypeRules(valid_from=date(2026, 11, 1), valid_to=date(2027, 4, 1)),
    },
    districts=frozenset({"kirovsky", "sovetsky"}),
    languages=("ru",),
    default_language="ru",
    prefix="KZN",
    zone=TERM.calendar.timezone,
    consent=TERM,
    consent_by_service_type={},
    information=TERM,
    buildings={"b-1": "kirovsky", "b-2": None},
)


def test_a_building_brings_its_district() -> None:
    """The resident need not know it; the answers' version is the present one."""
    asked = SUBMITTED.model_copy(update={"location": Location(building="b-1"), "answers": {"whole_riser": True}})
    checked_one = check_submission(asked, KAZAN)
    assert checked_one.location == Location(building="b-1", district="kirovsky")
    assert checked_one.questions_version == "2"
    anywhere = Location(building="b-2", district="sovetsky")
    assert check_submission(asked.model_copy(update={"location": anywhere}), KAZAN).location == anywhere


@pytest.mark.parametrize(
    ("where", "refusal"),
    [
        (Location(building="b-9"), UnknownBuildingError),
        (Location(building="b-1", district="sovetsky"), BuildingElsewhereError),
    ],
    ids=["unknown", "elsewhere"],
)
def test_a_building_the_city_does_not_have_there_is_refused(where: Location, refusal: type[RequestError]) -> None:
    """A city that lists no buildings takes any."""
    asked = SUBMITTED.model_copy(update={"location": where, "answers": {"whole_riser": True}})
    with pytest.raises(refusal):
        check_submission(asked, KAZAN)
    assert check_submission(asked, replace(KAZAN, buildings={})).location == where


def test_answers_need_a_service_type() -> None:
    """Otherwise whose questions would they answer: nobody knows."""
    with pytest.raises(AnswersWithoutTypeError):
        check_submission(SUBMITTED.model_copy(update={"service_type": None, "answers": {"floor": 1}}), KAZAN)


def test_a_service_type_is_offered_from_its_first_day_up_to_its_last_in_the_citys_own_time() -> None:
    """Kazan's 1 November begins at 21:00 UTC of the day before."""
    first = NOON.replace(month=10, day=31, hour=21)
    last = NOON.replace(year=2027, month=3, day=31, hour=21)
    for moment in (first, last - timedelta(seconds=1)):
        check_offered(KAZAN, "snow", moment)
    for moment in (first - timedelta(seconds=1), last):
        with pytest.raises(ServiceTypeNotOfferedError, match="from 2026-11-01 until 2027-04-01"):
            check_offered(KAZAN, "snow", moment)


def test_a_person_is_erased_once_by_themselves_or_an_agent() -> None:
    """And the key's end is a timer of the same commit."""
    assert erase(Person(), RESIDENT, HIMSELF) == [PersonalDataErased(person=RESIDENT, asked_by="person")]
    (fact,) = erase(Person(), RESIDENT, AGENT)
    assert fact == PersonalDataErased(person=RESIDENT, asked_by="agent")
    stream = person_at(NOON)
    erased = stream.evolve(stream.initial, fact)
    assert stream.timers(erased, [fact]) == [Set(ERASURE, "key", NOON)]
    assert erase(erased, RESIDENT, AGENT) == []
    with pytest.raises(NotYourDataError):
        erase(Person(), RESIDENT, NEIGHBOUR)


def test_a_building_is_restated_only_when_it_changed() -> None:
    """Starting again adds nothing."""
    here = BuildingRegistered(city="kazan", code="b-1", address="A 1", suburb=None, district="kirovsky", pack_version="1")
    known = BUILDING.evolve(BUILDING.initial, here)
    assert enter(BUILDING.initial, here) == [here]
    assert enter(known, here) == []


OWN_ONLY: list[tuple[str, Callable[[Request], object]]] = [
    ("confirm", lambda request: requests.confirm(request, NEIGHBOUR)),
    ("dispute", lambda request: requests.dispute(request, NEIGHBOUR, None)),
    ("withdraw", lambda request: requests.withdraw(request, NEIGHBOUR, "other")),
]


@pytest.mark.parametrize("wanted", [row[1] for row in OWN_ONLY], ids=[row[0] for row in OWN_ONLY])
def test_nobody_speaks_for_a_neighbour(wanted: Callable[[Request], object]) -> None:
    """Whatever the state would allow."""
    with pytest.raises(NotYourRequestError):
        wanted(given(*ASKED))
