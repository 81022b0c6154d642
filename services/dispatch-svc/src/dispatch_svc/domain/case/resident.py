"""The resident's part: asked for something, asked whether the work is done, not satisfied, and the end."""

from collections.abc import Sequence
from datetime import datetime

from dispatch_svc.domain.case.clock import pause_clocks, resume_clocks, start_clock, tell
from dispatch_svc.domain.case.draft import Draft
from dispatch_svc.domain.case.holder import hand_back, hand_over, hand_to_resident
from dispatch_svc.domain.case.state import Case, State
from dispatch_svc.domain.case.work import give_to
from dispatch_svc.domain.refusal import CaseNotFoundError
from dispatch_svc.domain.rulebook import Rulebook
from shared_events.dispatch import CaseClosed, CaseReopened
from shared_events.event import Event
from shared_events.request import CompletionProposed, InformationRequested, RequestClosed, RequestReopened

WORK_IS_OVER: frozenset[State] = frozenset({"reported", "asked", "impossible", "closed"})
"""Nothing the resident may still tell would change what the organisation does."""


def await_information(case: Case, asked: InformationRequested, at: datetime, rulebook: Rulebook) -> Sequence[Event]:
    """Hand the case to the resident, who was asked for something: the stages' clocks stand still, at most until the cap.

    Raises `CaseNotFoundError` when the case is not open yet.
    """
    _exists(case)
    if case.waiting or case.state in WORK_IS_OVER:
        return []
    at = case.not_before(at)
    draft = Draft(case)
    tell(draft, at)
    hand_to_resident(draft, at)
    pause_clocks(draft, at, "information_requested", asked.until, rulebook)
    return draft.facts


def end_waiting(case: Case, at: datetime, rulebook: Rulebook) -> Sequence[Event]:
    """Hand the case back when the resident has answered, or has not within the cap: the clocks go on with what was left.

    Raises `CaseNotFoundError` when the case is not open yet.
    """
    _exists(case)
    if not case.waiting:
        return []
    at = case.not_before(at)
    draft = Draft(case)
    tell(draft, at)
    hand_back(draft, at)
    resume_clocks(draft, at, rulebook)
    return draft.facts


def ask_resident(case: Case, proposed: CompletionProposed, at: datetime, rulebook: Rulebook) -> Sequence[Event]:
    """Hand the case to the resident who is asked whether the work is done; nobody else's clock runs meanwhile.

    A proposal of a round that is over, or of work nobody reported, changes nothing. Raises `CaseNotFoundError` when the case is
    not open yet.
    """
    _exists(case)
    if case.state != "reported" or proposed.round != case.round:
        return []
    at = case.not_before(at)
    draft = Draft(case)
    tell(draft, at)
    hand_to_resident(draft, at)
    pause_clocks(draft, at, "completion_proposed", proposed.consent_due, rulebook)
    return draft.facts


def reopen(case: Case, reopened: RequestReopened, at: datetime, rulebook: Rulebook) -> Sequence[Event]:
    """Take up the work again in a new round: the same organisation has it, or a dispatcher where there was none.

    The whole goes on counting, without the time in which the resident was asked or the request was closed; the stages of the work
    have clocks of the new round. Raises `CaseNotFoundError` when the case is not open yet.
    """
    _exists(case)
    if reopened.round <= case.round:
        return []
    at = case.not_before(at)
    draft = Draft(case)
    tell(draft, at)
    draft.say(CaseReopened(round=reopened.round, at=at))
    resume_clocks(draft, at, rulebook)
    if case.inputs is None:
        hand_over(draft, at)
    elif case.organisation is not None:
        give_to(draft, case.organisation, "reopening", at, rulebook)
    else:
        hand_over(draft, at)
        start_clock(draft, "accept", at, rulebook)
    return draft.facts


def close(case: Case, closed: RequestClosed, at: datetime) -> Sequence[Event]:
    """Close the case of a closed request: no clock runs and nothing more happens, unless the request is opened again.

    Raises `CaseNotFoundError` when the case is not open yet.
    """
    _exists(case)
    if case.state == "closed":
        return []
    at = case.not_before(at)
    draft = Draft(case)
    tell(draft, at)
    draft.say(CaseClosed(outcome=closed.outcome, at=at))
    return draft.facts


def watch(case: Case, by: datetime) -> Sequence[Event]:
    """State what the clocks have to state by a moment; nothing that was stated before."""
    draft = Draft(case)
    tell(draft, by)
    return draft.facts


def _exists(case: Case) -> None:
    if case.state == "unknown":
        raise CaseNotFoundError
