"""Laws of a request's life that hold for any sequence of commands, in any order, by anybody."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from request_svc.domain.city import PinnedTerm
from request_svc.domain.refusal import RequestError
from request_svc.domain.request import (
    REQUEST,
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
from shared_events.dispatch import WorkReportedDone
from shared_events.envelope import Envelope, Recorded
from shared_events.event import Event
from shared_events.ids import derive, event_id, request_stream
from shared_events.personal import Sealed
from shared_events.request import Location, RequestClosed, RequestRegistered, RequestSubmitted

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


commands = st.one_of(
    st.builds(submits, st.sampled_from([*PERSONS, None]), st.one_of(st.none(), types)),
    st.builds(registers, types),
    st.builds(proposes, rounds),
    st.builds(confirms, askers),
    st.builds(falls_silent, rounds),
    st.builds(withdraws, askers),
    st.builds(rejects, st.sampled_from(["refused", "not_responsible"])),
)
lives = st.lists(st.tuples(commands, st.integers(0, 40)), max_size=14)


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
def test_a_request_closes_at_most_once_and_never_changes_afterwards(life: Sequence[tuple[Decide, int]]) -> None:
    """Nothing follows RequestClosed."""
    facts, _ = live(life)
    closings = [place for place, fact in enumerate(facts) if isinstance(fact, RequestClosed)]
    assert closings in ([], [len(facts) - 1])
    assert (fold(facts).state == "closed") == bool(closings)


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
        assert "CompletionProposed" in names


@settings(max_examples=200)
@given(lives)
def test_a_closed_request_leaves_no_clock_of_its_last_round_running(life: Sequence[tuple[Decide, int]]) -> None:
    """A timer was set once a round; the last is cancelled unless it closed the request itself."""
    facts, timers = live(life)
    state = fold(facts)
    keys = [timer.key for timer in timers if isinstance(timer, Set)]
    assert len(keys) == len(set(keys))
    cancelled = {timer.key for timer in timers if isinstance(timer, Cancel)}
    if state.state == "closed" and state.round and state.ending != "deemed_accepted":
        assert str(state.round) in cancelled
    else:
        assert not cancelled


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
