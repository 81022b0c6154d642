"""Laws of a request's life that hold for any sequence of commands, in any order, by anybody."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from request_svc.domain import request as requests
from request_svc.domain.city import PinnedTerm
from request_svc.domain.question import Answers
from request_svc.domain.refusal import RequestError
from request_svc.domain.request import (
    INFORMATION_CAP,
    REQUEST,
    SILENT_CONSENT,
    Original,
    Request,
    confirm,
    deem_accepted,
    propose_completion,
    register,
    reject,
    submit,
    withdraw,
)
from request_svc.domain.submission import Asker
from shared_calendar import Calendar, ElapsedMinutes
from shared_chassis.mapper import EventMapper, to_document
from shared_chassis.stream import Cancel, Set
from shared_events.catalogue import CATALOGUE
from shared_events.dispatch import WorkFoundImpossible, WorkReportedDone
from shared_events.envelope import Envelope, Recorded
from shared_events.event import Event
from shared_events.ids import derive, event_id, request_stream
from shared_events.personal import Sealed
from shared_events.request import (
    AttachmentAdded,
    CompletionDeemedAccepted,
    InformationNotReceived,
    Location,
    RequestClosed,
    RequestRated,
    RequestRegistered,
    RequestReopened,
    RequestSubmitted,
    RequestUnlinked,
)

Decide = Callable[[Request, datetime], list[Event]]

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PERSONS = [UUID(int=1), UUID(int=2)]
CONSENT = PinnedTerm(ElapsedMinutes(minutes=30), Calendar(id="kazan", version="1", timezone=ZoneInfo("Europe/Moscow")), "1")


def submission(person: UUID | None, service_type: str | None) -> RequestSubmitted:
    """Make a submission with personal data where there is a person."""
    return RequestSubmitted(
        city="kazan",
        channel="web",
        service_type=service_type,
        location=Location(district="kirovsky"),
        person=person,
        language="ru",
        description="Вода капает" if person else None,
    )


askers = st.builds(Asker, id=st.sampled_from(PERSONS), agent=st.booleans())
types = st.sampled_from(["lift", "yard"])
rounds = st.integers(1, 3)


def submits(person: UUID | None, service_type: str | None) -> Decide:
    """Submit."""
    return lambda request, _now: submit(request, submission(person, service_type), "KZN-2026-0000001" if service_type else None)


def registers(service_type: str) -> Decide:
    """Register."""
    return lambda request, _now: register(request, service_type, "KZN-2026-0000002")


def proposes(asked: int) -> Decide:
    """Report the work of a round done."""
    report = WorkReportedDone(organisation="organisation-kazan-lifts", round=asked, evidence=())
    return lambda request, now: propose_completion(request, report, now, CONSENT)


def confirms(asker: Asker) -> Decide:
    """Confirm."""
    return lambda request, _now: confirm(request, asker)


def falls_silent(asked: int) -> Decide:
    """Let the timer of a round fire."""
    return lambda request, now: deem_accepted(request, asked, now)


def withdraws(asker: Asker) -> Decide:
    """Withdraw."""
    return lambda request, _now: withdraw(request, asker, "other")


def rejects(outcome: str) -> Decide:
    """Reject."""
    return lambda request, _now: reject(request, "No.", "refused" if outcome == "refused" else "not_responsible")


def disputes(asker: Asker) -> Decide:
    """Dispute."""
    return lambda request, _now: requests.dispute(request, asker, "Вода капает" if request.person else None)


def reclassifies(service_type: str) -> Decide:
    """Reclassify."""
    return lambda request, _now: requests.reclassify(request, service_type, Answers({}), "So it is.")


def links(other: UUID) -> Decide:
    """Link as a duplicate of a request that stands."""
    original = Original(other, Request(state="registered", city="kazan"))
    return lambda request, _now: requests.link(request, UUID(int=9), original)


def unlinks() -> Decide:
    """Unlink."""
    return lambda request, _now: requests.unlink(request, "Another one.")


def asks(minutes: int) -> Decide:
    """Ask the resident, who has so many minutes."""
    term = PinnedTerm(ElapsedMinutes(minutes=minutes), CONSENT.calendar, "1")
    return lambda request, now: requests.ask(request, "Который подъезд?", "call_centre", now, term)


def answers(asker: Asker) -> Decide:
    """Answer."""
    return lambda request, _now: requests.answer(request, asker, "Третий")


def gives_up(number: int) -> Decide:
    """Let the cap of a question's pause pass."""
    return lambda request, now: requests.give_up_waiting(request, number, now)


def is_impossible(of_round: int) -> Decide:
    """Find the work impossible."""
    found = WorkFoundImpossible(organisation=None, round=of_round, ground="So it is.", outcome="planned_works")
    return lambda request, _now: requests.find_impossible(request, found)


def rates(asker: Asker, rating: int) -> Decide:
    """Rate."""
    return lambda request, _now: requests.rate(request, asker, rating, "Хорошо")


def attaches(asker: Asker, place: int) -> Decide:
    """Attach."""
    added = AttachmentAdded(person=PERSONS[0], sha256=f"{place:064x}", media_type="image/png", size=1, place_stripped=False)
    return lambda request, _now: requests.attach(request, asker, added)


commands = st.one_of(
    st.builds(submits, st.sampled_from([*PERSONS, None]), st.one_of(st.none(), types)),
    st.builds(registers, types),
    st.builds(reclassifies, types),
    st.builds(proposes, rounds),
    st.builds(confirms, askers),
    st.builds(disputes, askers),
    st.builds(falls_silent, rounds),
    st.builds(asks, st.integers(1, 60)),
    st.builds(answers, askers),
    st.builds(gives_up, rounds),
    st.builds(links, st.sampled_from([UUID(int=5), UUID(int=6)])),
    st.builds(unlinks),
    st.builds(is_impossible, rounds),
    st.builds(rates, askers, st.integers(1, 5)),
    st.builds(attaches, askers, st.integers(0, 3)),
    st.builds(withdraws, askers),
    st.builds(rejects, st.sampled_from(["refused", "not_responsible"])),
)
beginnings = st.builds(submits, st.sampled_from([*PERSONS, PERSONS[0], None]), st.one_of(types, types, st.none()))
minutes = st.integers(0, 40)
lives = st.builds(lambda first, rest: [(first, 0), *rest], beginnings, st.lists(st.tuples(commands, minutes), max_size=24))


def live(life: Sequence[tuple[Decide, int]]) -> tuple[list[Event], list[Set | Cancel]]:
    """Do what is asked, minutes apart, leaving out what is refused; the facts and the timers that came of it."""
    state, now = REQUEST.initial, START
    facts: list[Event] = []
    timers: list[Set | Cancel] = []
    for decide, minutes in life:
        now += timedelta(minutes=minutes)
        try:
            decided = decide(state, now)
        except RequestError:
            continue
        for fact in decided:
            state = REQUEST.evolve(state, fact)
        facts += decided
        timers += REQUEST.timers(state, decided)
    return facts, timers


def fold(facts: Sequence[Event]) -> Request:
    """Fold facts from the start."""
    state = REQUEST.initial
    for fact in facts:
        state = REQUEST.evolve(state, fact)
    return state


@settings(max_examples=200)
@given(lives)
def test_after_closing_there_is_a_rating_or_an_unlinking_and_nothing_else(life: Sequence[tuple[Decide, int]]) -> None:
    """A request closes once, and again only after it was reopened."""
    facts, _ = live(life)
    closed = False
    for fact in facts:
        if closed:
            assert isinstance(fact, RequestRated | RequestUnlinked | RequestReopened)
        closed = isinstance(fact, RequestClosed) or (closed and not isinstance(fact, RequestReopened))
    assert (fold(facts).state == "closed") == closed


@settings(max_examples=200)
@given(lives)
def test_rounds_follow_each_other_and_each_is_proposed_confirmed_and_rated_at_most_once(
    life: Sequence[tuple[Decide, int]],
) -> None:
    """Whatever is said of a round is said within it."""
    facts, _ = live(life)
    present = 1
    said: list[tuple[str, int]] = []
    for fact in facts:
        if isinstance(fact, RequestReopened):
            assert fact.round == present + 1
            present = fact.round
        elif (of := getattr(fact, "round", None)) is not None:
            assert of == present
            said.append((type(fact).__name__, of))
    assert len(said) == len(set(said))
    assert fold(facts).round == present


@settings(max_examples=200)
@given(lives)
def test_a_request_has_a_number_exactly_when_it_was_registered_and_it_never_changes(life: Sequence[tuple[Decide, int]]) -> None:
    """One registration a life, and a first fact that is the submission."""
    facts, _ = live(life)
    numbers = [fact.number for fact in facts if isinstance(fact, RequestRegistered)]
    assert len(numbers) <= 1
    assert fold(facts).number == (numbers[0] if numbers else None)
    assert [place for place, fact in enumerate(facts) if isinstance(fact, RequestSubmitted)] == ([0] if facts else [])


@settings(max_examples=200)
@given(lives)
def test_work_is_proposed_only_under_a_number_and_done_only_after_a_proposal(life: Sequence[tuple[Decide, int]]) -> None:
    """The order of the facts is the order of the domain."""
    facts, _ = live(life)
    names = [type(fact).__name__ for fact in facts]
    if "CompletionProposed" in names:
        assert "RequestRegistered" in names[: names.index("CompletionProposed")]
    if fold(facts).outcome == "done":
        assert names.count("CompletionConfirmed") + names.count("CompletionDeemedAccepted") == 1
        assert names.count("CompletionDisputed") == names.count("CompletionProposed") - 1
        assert "CompletionProposed" in names


@settings(max_examples=300)
@given(lives)
def test_exactly_the_clock_of_what_the_resident_is_asked_runs(life: Sequence[tuple[Decide, int]]) -> None:
    """Of silence while completion is proposed, of the cap while something is asked; no other, and none of a closed request."""
    facts, timers = live(life)
    fired = {(SILENT_CONSENT, str(fact.round)) for fact in facts if isinstance(fact, CompletionDeemedAccepted)}
    fired |= {(INFORMATION_CAP, str(fact.number)) for fact in facts if isinstance(fact, InformationNotReceived)}
    running: list[tuple[str, str]] = []
    for timer in timers:
        key = (timer.kind, timer.key)
        if isinstance(timer, Set):
            assert key not in running
            running.append(key)
        elif key in running:
            running.remove(key)
    state = fold(facts)
    expected = [(SILENT_CONSENT, str(state.round))] if state.state == "completion_proposed" else []
    if state.state == "waiting":
        expected = [(INFORMATION_CAP, str(state.asking))]
    assert [key for key in running if key not in fired] == expected


class FakeSealer:
    """Seals without a database: the box is the text itself."""

    def seal(self, person: UUID, event: UUID, field: str, value: str) -> Sealed:
        """Seal a value."""
        return Sealed(event=event, person=person, field=field, box=value)


@given(lives)
def test_stored_bytes_fold_as_objects_do(life: Sequence[tuple[Decide, int]]) -> None:
    """What is read back from the store leads to the state that was decided on."""
    facts, _ = live(life)
    mapper = EventMapper(CATALOGUE, "/kazan/request-svc", FakeSealer())
    request = derive("a request")
    documents = []
    for place, fact in enumerate(facts, 1):
        envelope = Envelope(event_id(request, place), mapper.source, fact.TYPE, START, START, "agent:1", request, request)
        documents.append(to_document(mapper.seal(Recorded(request_stream(request), place, envelope, fact))))
    assert fold([mapper.from_document(document).fact for document in documents]) == fold(facts)
