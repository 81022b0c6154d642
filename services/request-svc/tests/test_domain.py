"""The rules of a service request: given what happened, when somebody wants something, then these facts or this refusal."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from request_svc.domain.city import CityRules, PinnedTerm, TypeRules, register_number, series, year
from request_svc.domain.reference import SERVICE_TYPE, define
from request_svc.domain.refusal import (
    AlreadyClosedError,
    AlreadyRegisteredError,
    CompletionBeingAskedError,
    CompletionNotProposedError,
    DeemedAcceptedError,
    ImportsNotByThisChannelError,
    NobodyToAskError,
    NotACallersError,
    NotRegisteredError,
    NotYourRequestError,
    OnlyAgentsTakeCallsError,
    OnlyForYourselfError,
    PersonalDataOfNobodyError,
    RequestError,
    RoundNotBegunError,
    TermNotOverError,
    UnknownDistrictError,
    UnknownLanguageError,
    UnknownRequestError,
    UnknownServiceTypeError,
)
from request_svc.domain.request import (
    REQUEST,
    SILENT_CONSENT,
    Request,
    confirm,
    deem_accepted,
    propose_completion,
    register,
    reject,
    submit,
    withdraw,
)
from request_svc.domain.submission import Asker, check_channel, check_submission, person_of
from shared_calendar import Calendar, ElapsedMinutes
from shared_chassis.stream import Cancel, Set
from shared_events.dispatch import WorkReportedDone
from shared_events.event import Event
from shared_events.request import (
    CompletionConfirmed,
    CompletionDeemedAccepted,
    CompletionDisputed,
    CompletionProposed,
    Location,
    Origin,
    RatingAsked,
    RequestClosed,
    RequestRegistered,
    RequestRejected,
    RequestReopened,
    RequestSubmitted,
    RequestWithdrawn,
    ServiceTypeDefined,
)

RESIDENT = UUID("7a1d0c62-0000-8000-8000-000000000001")
NEIGHBOUR = UUID("7a1d0c62-0000-8000-8000-000000000002")
AGENT = Asker(UUID("7a1d0c62-0000-8000-8000-00000000000a"), agent=True)
HIMSELF = Asker(RESIDENT, agent=False)
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MOSCOW = ZoneInfo("Europe/Moscow")
CONSENT = PinnedTerm(ElapsedMinutes(minutes=60), Calendar(id="kazan", version="3", timezone=MOSCOW), "2026-1")
QUICK = PinnedTerm(ElapsedMinutes(minutes=5), CONSENT.calendar, "2026-1")
KAZAN = CityRules(
    slug="kazan",
    service_types={"lift": TypeRules(), "yard": TypeRules()},
    districts=frozenset({"kirovsky", "sovetsky"}),
    languages=("ru", "tt"),
    default_language="ru",
    prefix="KZN",
    zone=MOSCOW,
    consent=CONSENT,
    consent_by_service_type={"lift": QUICK},
    information=CONSENT,
)


def submitted(person: UUID | None = RESIDENT, service_type: str | None = "lift", **more: str) -> RequestSubmitted:
    """Make a submission as it stands after the edge."""
    return RequestSubmitted(
        city="kazan",
        channel="web",
        service_type=service_type,
        location=Location(district="kirovsky"),
        person=person,
        language="ru",
        **more,
    )


REGISTERED = RequestRegistered(number="KZN-2026-0000001", city="kazan", service_type="lift", district="kirovsky")
REPORTED = WorkReportedDone(organisation="organisation-kazan-lifts", round=1, evidence=("ab" * 32,))
DUE = NOON + timedelta(minutes=60)
PROPOSED = CompletionProposed(
    round=1,
    organisation="organisation-kazan-lifts",
    evidence=("ab" * 32,),
    consent_due=DUE,
    policy_version="2026-1",
    calendar="kazan",
    calendar_version="3",
)
OPEN = (submitted(), REGISTERED)
ASKED = (*OPEN, PROPOSED)
DISPUTED = (*ASKED, CompletionDisputed(round=1, person=RESIDENT), RequestReopened(round=2, because="disputed"))
RATING = RatingAsked(round=1, person=RESIDENT, organisation="organisation-kazan-lifts")
CONFIRMED = (*ASKED, CompletionConfirmed(round=1), RATING, RequestClosed(outcome="done"))
SILENT = (*ASKED, CompletionDeemedAccepted(round=1, consent_due=DUE), RATING, RequestClosed(outcome="done"))
WITHDRAWN = (*OPEN, RequestWithdrawn(reason="other"), RequestClosed(outcome="withdrawn"))
REJECTED = (*OPEN, RequestRejected(ground="A private yard.", outcome="not_responsible"), RequestClosed(outcome="not_responsible"))


def given(*facts: Event) -> Request:
    """Fold what has happened."""
    state = REQUEST.initial
    for fact in facts:
        state = REQUEST.evolve(state, fact)
    return state


def then_timers(before: Sequence[Event], events: Sequence[Event]) -> Sequence[Set | Cancel]:
    """Give the timers that follow from new events."""
    return REQUEST.timers(given(*before, *events), events)


def test_a_request_of_a_known_type_is_registered_as_it_is_submitted() -> None:
    """One commit holds both facts."""
    assert submit(given(), submitted(), "KZN-2026-0000001") == [submitted(), REGISTERED]


def test_a_request_of_an_unknown_type_waits_for_an_agent() -> None:
    """Without a type there is no number and no clock."""
    asked = submitted(service_type=None)
    assert submit(given(), asked, None) == [asked]
    assert given(asked).state == "submitted"
    assert given(asked).number is None


def test_an_agent_registers_a_waiting_request() -> None:
    """The type comes later, the district stays the submission's."""
    assert register(given(submitted(service_type=None)), "lift", "KZN-2026-0000001") == [REGISTERED]


def test_registering_again_as_the_same_type_changes_nothing() -> None:
    """Already so."""
    assert register(given(*OPEN), "lift", "KZN-2026-0000009") == []


def test_a_registered_request_does_not_become_another_type_by_registering() -> None:
    """Reclassifying is a matter of its own."""
    with pytest.raises(AlreadyRegisteredError, match="lift"):
        register(given(*OPEN), "yard", "KZN-2026-0000009")


def test_a_request_withdrawn_before_it_had_a_number_is_not_registered() -> None:
    """Closed is closed."""
    before = (submitted(service_type=None), RequestWithdrawn(reason="other"), RequestClosed(outcome="withdrawn"))
    with pytest.raises(AlreadyClosedError):
        register(given(*before), "lift", "KZN-2026-0000009")


def test_a_reported_work_is_proposed_to_the_resident_from_the_time_of_the_report() -> None:
    """The term is pinned by the versions of policy and calendar."""
    assert propose_completion(given(*OPEN), REPORTED, NOON, CONSENT) == [PROPOSED]


def test_the_silent_consent_timer_is_set_when_the_resident_is_asked() -> None:
    """Due when the term ends, once a round."""
    assert then_timers(OPEN, [PROPOSED]) == [Set(SILENT_CONSENT, "1", DUE, {"round": "1"})]


def test_the_same_round_is_not_proposed_twice() -> None:
    """A second report of one round changes nothing."""
    assert propose_completion(given(*ASKED), REPORTED, NOON, CONSENT) == []


def test_a_round_that_has_not_begun_cannot_be_reported_done() -> None:
    """Only a dispute or an unlinking begins one."""
    with pytest.raises(RoundNotBegunError):
        propose_completion(given(*OPEN), REPORTED.model_copy(update={"round": 2}), NOON, CONSENT)


@pytest.mark.parametrize("history", [CONFIRMED, SILENT, WITHDRAWN, REJECTED])
def test_work_reported_for_a_closed_request_changes_nothing(history: Sequence[Event]) -> None:
    """It was withdrawn or closed meanwhile."""
    assert propose_completion(given(*history), REPORTED.model_copy(update={"round": 2}), NOON, CONSENT) == []


def test_work_cannot_be_proposed_before_there_is_a_number() -> None:
    """All clocks start at registration."""
    with pytest.raises(NotRegisteredError):
        propose_completion(given(submitted(service_type=None)), REPORTED, NOON, CONSENT)


@pytest.mark.parametrize("asker", [HIMSELF, AGENT])
def test_the_resident_or_an_agent_for_them_confirms_and_the_request_is_closed_as_done(asker: Asker) -> None:
    """Both facts in one commit, and the clock of silence stops."""
    facts = confirm(given(*ASKED), asker)
    assert facts == list(CONFIRMED[-3:])
    assert then_timers(ASKED, facts) == [Cancel(SILENT_CONSENT, "1")]


def test_silence_closes_the_request_as_accepted_when_the_term_is_over() -> None:
    """Done by silence is told apart from done by confirmation; the fired timer is not cancelled."""
    facts = deem_accepted(given(*ASKED), 1, DUE)
    assert facts == list(SILENT[-3:])
    assert then_timers(ASKED, facts) == []
    assert given(*ASKED, *facts).ending == "deemed_accepted"


def test_silence_is_not_consent_before_the_term_is_over() -> None:
    """A clock that was set back gives the resident the time anyway."""
    with pytest.raises(TermNotOverError):
        deem_accepted(given(*ASKED), 1, DUE - timedelta(microseconds=1))


@pytest.mark.parametrize("history", [OPEN, CONFIRMED, SILENT, WITHDRAWN])
def test_a_timer_that_comes_too_late_changes_nothing(history: Sequence[Event]) -> None:
    """It fires for its own round of an open question only."""
    assert deem_accepted(given(*history), 1, DUE) == []


def test_a_timer_of_an_earlier_round_does_not_close_a_later_one() -> None:
    """Each round has its own term."""
    second = PROPOSED.model_copy(update={"round": 2})
    assert deem_accepted(given(*DISPUTED, second), 1, DUE) == []


@pytest.mark.parametrize("asker", [HIMSELF, AGENT])
def test_the_resident_or_an_agent_for_them_withdraws(asker: Asker) -> None:
    """The request is closed in the same commit."""
    assert withdraw(given(*OPEN), asker, "other") == [RequestWithdrawn(reason="other"), RequestClosed(outcome="withdrawn")]


def test_withdrawing_while_being_asked_stops_the_clock() -> None:
    """Nobody waits for an answer any more."""
    assert then_timers(ASKED, withdraw(given(*ASKED), HIMSELF, "other")) == [Cancel(SILENT_CONSENT, "1")]


def test_an_agent_withdraws_for_a_caller_who_gave_no_name() -> None:
    """There is nobody else to do it."""
    assert withdraw(given(submitted(None), REGISTERED), AGENT, "solved_itself") != []


def test_an_agent_rejects_on_a_ground() -> None:
    """A refusal is an outcome of its own."""
    assert reject(given(*OPEN), "A private yard.", "not_responsible") == list(REJECTED[2:])


def test_what_is_already_so_changes_nothing() -> None:
    """Saying it twice is saying it once."""
    assert confirm(given(*CONFIRMED), HIMSELF) == []
    assert withdraw(given(*WITHDRAWN), HIMSELF, "solved_itself") == []
    assert reject(given(*REJECTED), "A private yard.", "not_responsible") == []
    assert submit(given(*OPEN), submitted(), "KZN-2026-0000002") == []


NEIGHBOUR_ASKS = Asker(NEIGHBOUR, agent=False)
REFUSALS: list[tuple[str, Sequence[Event], Callable[[Request], object], type[RequestError]]] = [
    ("confirm what nobody submitted", (), lambda r: confirm(r, AGENT), UnknownRequestError),
    ("withdraw what nobody submitted", (), lambda r: withdraw(r, AGENT, "other"), UnknownRequestError),
    ("reject what nobody submitted", (), lambda r: reject(r, "No.", "refused"), UnknownRequestError),
    ("register what nobody submitted", (), lambda r: register(r, "lift", "KZN-2026-0000009"), UnknownRequestError),
    ("propose what nobody submitted", (), lambda r: propose_completion(r, REPORTED, NOON, CONSENT), UnknownRequestError),
    ("confirm a neighbour's", ASKED, lambda r: confirm(r, NEIGHBOUR_ASKS), NotYourRequestError),
    ("confirm a neighbour's that is confirmed", CONFIRMED, lambda r: confirm(r, NEIGHBOUR_ASKS), NotYourRequestError),
    ("withdraw a neighbour's", OPEN, lambda r: withdraw(r, NEIGHBOUR_ASKS, "other"), NotYourRequestError),
    ("confirm nobody's as a resident", (submitted(None),), lambda r: confirm(r, HIMSELF), NotYourRequestError),
    ("confirm for nobody", (submitted(None), REGISTERED, PROPOSED), lambda r: confirm(r, AGENT), NobodyToAskError),
    ("confirm what nobody reported done", OPEN, lambda r: confirm(r, HIMSELF), CompletionNotProposedError),
    ("confirm after silence", SILENT, lambda r: confirm(r, HIMSELF), DeemedAcceptedError),
    ("confirm what was withdrawn", WITHDRAWN, lambda r: confirm(r, HIMSELF), AlreadyClosedError),
    ("withdraw what is done", CONFIRMED, lambda r: withdraw(r, HIMSELF, "other"), AlreadyClosedError),
    ("withdraw what is done by silence", SILENT, lambda r: withdraw(r, HIMSELF, "other"), AlreadyClosedError),
    ("reject what is done", CONFIRMED, lambda r: reject(r, "No.", "refused"), AlreadyClosedError),
    ("reject with another outcome", REJECTED, lambda r: reject(r, "No.", "refused"), AlreadyClosedError),
    ("reject while the resident is asked", ASKED, lambda r: reject(r, "No.", "refused"), CompletionBeingAskedError),
]


@pytest.mark.parametrize(("history", "wanted", "refusal"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
def test_what_may_not_be_is_refused_by_name(
    history: Sequence[Event], wanted: Callable[[Request], object], refusal: type[RequestError]
) -> None:
    """Each refusal says why in words."""
    with pytest.raises(refusal) as refused:
        wanted(given(*history))
    assert type(refused.value) is refusal
    assert str(refused.value).startswith(str(refusal.__doc__))


def test_what_the_pack_does_not_know_is_refused_with_what_it_knows() -> None:
    """The caller learns what is allowed."""
    with pytest.raises(UnknownServiceTypeError, match=r"Allowed: lift, yard\."):
        check_submission(submitted(service_type="volcano"), KAZAN)
    with pytest.raises(UnknownDistrictError, match=r"Allowed: kirovsky, sovetsky\."):
        check_submission(submitted().model_copy(update={"location": Location(district="Atlantis")}), KAZAN)
    with pytest.raises(UnknownLanguageError, match=r"Allowed: ru, tt\."):
        check_submission(submitted().model_copy(update={"language": "la"}), KAZAN)


def test_a_district_nobody_knows_is_accepted_as_none() -> None:
    """Four real rows have none."""
    check_submission(submitted().model_copy(update={"location": Location()}), KAZAN)


def test_personal_data_needs_a_person() -> None:
    """The refusal names the fields and not their values."""
    with pytest.raises(PersonalDataOfNobodyError, match=r"Given: description, phone\.") as refused:
        check_submission(submitted(None, description="Ivan lives here", phone="+7 900 000-00-00"), KAZAN)
    assert "Ivan" not in str(refused.value)


def test_a_resident_submits_for_nobody_else() -> None:
    """Only an agent answers for a caller, or for nobody."""
    assert person_of(HIMSELF, "self", None, NEIGHBOUR) == RESIDENT
    with pytest.raises(OnlyForYourselfError):
        person_of(HIMSELF, "caller", None, NEIGHBOUR)
    with pytest.raises(OnlyForYourselfError):
        person_of(HIMSELF, "none", None, NEIGHBOUR)


def test_an_agent_submits_for_a_known_caller_for_a_stranger_or_for_nobody() -> None:
    """Or for themselves."""
    assert person_of(AGENT, "caller", RESIDENT, NEIGHBOUR) == RESIDENT
    assert person_of(AGENT, "caller", None, NEIGHBOUR) == NEIGHBOUR
    assert person_of(AGENT, "none", None, NEIGHBOUR) is None
    assert person_of(AGENT, "self", None, NEIGHBOUR) == AGENT.id


@pytest.mark.parametrize("asker", [HIMSELF, AGENT])
def test_on_behalf_of_is_for_callers_only(asker: Asker) -> None:
    """A resident cannot put a request in a neighbour's name."""
    with pytest.raises(NotACallersError):
        person_of(asker, "self", NEIGHBOUR, NEIGHBOUR)


def test_only_an_agent_submits_a_call() -> None:
    """The call centre's numbers are the call centre's."""
    call = submitted().model_copy(update={"channel": "call_centre"})
    check_channel(AGENT, call)
    with pytest.raises(OnlyAgentsTakeCallsError):
        check_channel(HIMSELF, call)


def test_where_a_request_came_from_is_said_by_agents_or_over_the_citys_own_channels() -> None:
    """Not over Open311, where anybody's program speaks."""
    imported = submitted().model_copy(update={"origin": Origin(system="MyLA311", id="1-1")})
    check_channel(HIMSELF, imported)
    foreign = imported.model_copy(update={"channel": "open311"})
    check_channel(AGENT, foreign)
    with pytest.raises(ImportsNotByThisChannelError):
        check_channel(HIMSELF, foreign)


def test_the_number_is_of_the_year_the_citys_clocks_show() -> None:
    """Kazan's year begins three hours before UTC's."""
    eve = datetime(2026, 12, 31, 20, 59, 59, tzinfo=UTC)
    assert register_number(series(KAZAN, year(KAZAN, eve)), 1234) == "KZN-2026-0001234"
    assert series(KAZAN, year(KAZAN, eve + timedelta(seconds=1))) == "KZN-2027"


def test_a_service_type_may_have_its_own_term_of_silence() -> None:
    """All others have the city's."""
    assert KAZAN.consent_for("lift") is QUICK
    assert KAZAN.consent_for("yard") is CONSENT
    assert KAZAN.consent_for(None) is CONSENT


def test_a_service_type_is_restated_only_when_its_definition_changed() -> None:
    """Starting again adds nothing."""
    lift = ServiceTypeDefined(city="kazan", code="lift", names={"ru": "Лифт"}, group="house", emergency=True, pack_version="1+a")
    known = SERVICE_TYPE.evolve(SERVICE_TYPE.initial, lift)
    assert define(SERVICE_TYPE.initial, lift) == [lift]
    assert define(known, lift) == []
    newer = lift.model_copy(update={"pack_version": "2+b"})
    assert define(known, newer) == [newer]
