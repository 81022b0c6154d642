"""Requests in every state, and every command on them, for tests of the rules."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import get_args
from uuid import UUID
from zoneinfo import ZoneInfo

from request_svc.domain import request as requests
from request_svc.domain.city import PinnedTerm
from request_svc.domain.question import Answers
from request_svc.domain.request import REQUEST, Action, Original, Request, State
from request_svc.domain.submission import Asker
from shared_calendar import Calendar, ElapsedMinutes
from shared_events.dispatch import WorkFoundImpossible, WorkReportedDone
from shared_events.event import Event
from shared_events.request import (
    AttachmentAdded,
    CompletionConfirmed,
    CompletionProposed,
    InformationRequested,
    Location,
    RatingAsked,
    RequestClosed,
    RequestLinkedAsDuplicate,
    RequestRegistered,
    RequestSubmitted,
)

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DUE = NOON + timedelta(minutes=60)
RESIDENT = UUID("7a1d0c62-0000-8000-8000-000000000001")
THIS = UUID("7a1d0c62-0000-5000-8000-0000000000aa")
OTHER = UUID("7a1d0c62-0000-5000-8000-0000000000bb")
HIMSELF = Asker(RESIDENT, agent=False)
NEIGHBOUR = Asker(UUID("7a1d0c62-0000-8000-8000-000000000002"), agent=False)
AGENT = Asker(UUID("7a1d0c62-0000-8000-8000-00000000000a"), agent=True)
LIFTS = "organisation-kazan-lifts"
TERM = PinnedTerm(ElapsedMinutes(minutes=60), Calendar(id="kazan", version="3", timezone=ZoneInfo("Europe/Moscow")), "2026-1")
SUBMITTED = RequestSubmitted(
    city="kazan",
    channel="web",
    service_type="lift",
    location=Location(district="kirovsky", building="b-1"),
    person=RESIDENT,
    language="ru",
)
REGISTERED = RequestRegistered(number="KZN-2026-0000001", city="kazan", service_type="lift", district="kirovsky", building="b-1")
QUESTION = InformationRequested(
    number=1,
    person=RESIDENT,
    question="Which entrance?",
    by="call_centre",
    until=DUE,
    policy_version="2026-1",
    calendar="kazan",
    calendar_version="3",
)
PROPOSED = CompletionProposed(
    round=1,
    organisation=LIFTS,
    evidence=("ab" * 32,),
    consent_due=DUE,
    policy_version="2026-1",
    calendar="kazan",
    calendar_version="3",
)
ADDED = AttachmentAdded(person=RESIDENT, sha256="cd" * 32, media_type="image/png", size=12, place_stripped=False)
REPORTED = WorkReportedDone(organisation=LIFTS, round=1, evidence=("ab" * 32,))
FOUND = WorkFoundImpossible(organisation=LIFTS, round=1, ground="The riser is private.", outcome="impossible")
OPEN: Sequence[Event] = (SUBMITTED, REGISTERED)
LINKED: Sequence[Event] = (*OPEN, RequestLinkedAsDuplicate(of=OTHER), RequestClosed(outcome="duplicate"))
DONE: Sequence[Event] = (
    *OPEN,
    PROPOSED,
    CompletionConfirmed(round=1),
    RatingAsked(round=1, person=RESIDENT, organisation=LIFTS),
    RequestClosed(outcome="done"),
)
REFUSED: Sequence[Event] = (*OPEN, RequestClosed(outcome="not_responsible"))
IN_STATE: Mapping[State, Sequence[Event]] = {
    "absent": (),
    "submitted": (SUBMITTED.model_copy(update={"service_type": None}),),
    "registered": OPEN,
    "waiting": (*OPEN, QUESTION),
    "completion_proposed": (*OPEN, PROPOSED),
    "closed": REFUSED,
}
"""A life that leads to each state; closed by a refusal that is not this request's own."""

assert set(IN_STATE) == set(get_args(State))


def given(*facts: Event) -> Request:
    """Fold what has happened."""
    state = REQUEST.initial
    for fact in facts:
        state = REQUEST.evolve(state, fact)
    return state


ORIGINAL = Original(OTHER, given(*OPEN))
LATER = DUE + timedelta(seconds=1)

COMMANDS: Mapping[Action, Callable[[Request], list[Event]]] = {
    "register": lambda request: requests.register(request, "yard", "KZN-2026-0000009"),
    "reclassify": lambda request: requests.reclassify(request, "yard", Answers({}), "It is the yard's."),
    "link": lambda request: requests.link(request, THIS, ORIGINAL),
    "unlink": lambda request: requests.unlink(request, "Another entrance."),
    "ask": lambda request: requests.ask(request, "Which entrance?", "call_centre", NOON, TERM),
    "answer": lambda request: requests.answer(request, AGENT, "The third."),
    "give_up_waiting": lambda request: requests.give_up_waiting(request, 1, LATER),
    "attach": lambda request: requests.attach(request, AGENT, ADDED),
    "reject": lambda request: requests.reject(request, "A private yard.", "refused"),
    "withdraw": lambda request: requests.withdraw(request, AGENT, "other"),
    "propose_completion": lambda request: requests.propose_completion(request, REPORTED, NOON, TERM),
    "find_impossible": lambda request: requests.find_impossible(request, FOUND),
    "confirm": lambda request: requests.confirm(request, AGENT),
    "dispute": lambda request: requests.dispute(request, AGENT, "Still broken."),
    "deem_accepted": lambda request: requests.deem_accepted(request, 1, LATER),
    "rate": lambda request: requests.rate(request, AGENT, 4, None),
}
"""Every command, in a way that nothing but the state speaks against."""

assert set(COMMANDS) == set(get_args(Action))
