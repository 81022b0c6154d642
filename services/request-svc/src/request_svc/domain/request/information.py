"""What the resident is asked while the work waits: one question at a time, with a cap on the waiting."""

from datetime import datetime
from typing import Literal

from request_svc.domain.city import PinnedTerm
from request_svc.domain.refusal import NobodyToAskError, NothingAskedError, TermNotOverError
from request_svc.domain.request.lifecycle import check_asker
from request_svc.domain.request.state import Request
from request_svc.domain.request.transition import goes_on
from request_svc.domain.submission import Asker
from shared_calendar import due
from shared_events.event import Event
from shared_events.request import InformationNotReceived, InformationReceived, InformationRequested

Side = Literal["call_centre", "dispatcher", "organisation"]
"""Who asks."""


def ask(request: Request, question: str, by: Side, now: datetime, term: PinnedTerm) -> list[Event]:
    """Ask the resident for what is missing; the clocks stand still until the answer, at most for the city's term."""
    goes_on(request, "ask")
    if request.person is None:
        raise NobodyToAskError
    return [
        InformationRequested(
            number=request.asked + 1,
            person=request.person,
            question=question,
            by=by,
            until=due(now, term.term, term.calendar),
            policy_version=term.policy_version,
            calendar=term.calendar.id,
            calendar_version=term.calendar.version,
        )
    ]


def answer(request: Request, asker: Asker, text: str) -> list[Event]:
    """Take the resident's answer, or an agent's on their behalf; the clocks go on."""
    check_asker(request, asker)
    goes_on(request, "answer")
    if request.asking is None or request.person is None:
        raise NothingAskedError
    return [InformationReceived(number=request.asking, person=request.person, answer=text)]


def give_up_waiting(request: Request, number: int, now: datetime) -> list[Event]:
    """When the cap of the pause is reached without an answer, let the clocks go on."""
    if not goes_on(request, "give_up_waiting") or request.asking != number or request.information_due is None:
        return []
    if now < request.information_due:
        raise TermNotOverError
    return [InformationNotReceived(number=number, until=request.information_due)]
