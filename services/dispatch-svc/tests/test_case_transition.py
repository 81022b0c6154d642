"""The table of what may be done in which state, cell by cell: what it says is what happens."""

from collections.abc import Callable, Mapping, Sequence
from typing import get_args
from uuid import UUID

import pytest
from case_file import (
    ACCEPTED,
    ASKED,
    CLOSED,
    DECLINED,
    LIFTS,
    OPENED,
    PIPES,
    PROOF,
    REASON,
    REPORTED,
    ROUTED,
    RULEBOOK,
    STARTED,
    UNROUTED,
    at,
    given,
    held_by,
    policy,
    rulebook,
)

from dispatch_svc.domain import case
from dispatch_svc.domain.case import TRANSITIONS, Case, Plan, State
from dispatch_svc.domain.case.transition import UseCase
from dispatch_svc.domain.refusal import (
    AcceptFirstError,
    AlreadyAcceptedError,
    CaseIsClosedError,
    CaseNotFoundError,
    DeclineInsteadError,
    DispatchRefusalError,
    FoundImpossibleError,
    NotAcceptedYetError,
    NotRegisteredYetError,
    NotYourCaseError,
    ReturnInsteadError,
    WorkIsReportedError,
)
from shared_events.dispatch import (
    CaseReopened,
    HolderChanged,
    RequestLinkedToIncident,
    SubTaskOpened,
    WorkFoundImpossible,
    WorkReturned,
)
from shared_events.event import Event

TASK, OTHER_TASK, INCIDENT = UUID(int=11), UUID(int=13), UUID(int=12)
RETURNED = (
    WorkReturned(organisation=LIFTS, round=1, reason="other", note="no", proposes=None),
    HolderChanged(holder=case.DISPATCHER, at=at(9)),
)
REOPENED = (CaseReopened(round=2, at=at(30)), HolderChanged(holder=held_by(LIFTS), at=at(30)))
IMPOSSIBLE = (WorkFoundImpossible(organisation=LIFTS, round=1, ground="taken down", outcome="impossible"),)
PARTS = (
    SubTaskOpened(sub_task=TASK, round=1, organisation=LIFTS, title="riser"),
    RequestLinkedToIncident(incident=INCIDENT, by="scope", expected_end=None),
)
STATES: Mapping[State, Case] = {
    "unknown": given(),
    "opened": given(OPENED),
    "unrouted": given(OPENED, UNROUTED, PARTS),
    "assigned": given(OPENED, ROUTED, PARTS[1:]),
    "declined": given(OPENED, ROUTED, DECLINED, PARTS),
    "returned": given(OPENED, ROUTED, ACCEPTED, RETURNED, PARTS),
    "reopened": given(OPENED, ROUTED, DECLINED, CLOSED, REOPENED, PARTS),
    "accepted": given(OPENED, ROUTED, ACCEPTED, PARTS[1:]),
    "started": given(OPENED, ROUTED, ACCEPTED, STARTED, PARTS[1:]),
    "reported": given(OPENED, ROUTED, ACCEPTED, STARTED, REPORTED, PARTS),
    "asked": given(OPENED, ROUTED, ACCEPTED, STARTED, REPORTED, ASKED, PARTS),
    "impossible": given(OPENED, ROUTED, ACCEPTED, IMPOSSIBLE, PARTS),
    "closed": given(OPENED, ROUTED, CLOSED, PARTS),
}
NO_REFUSALS = rulebook(policy(most_declines=0))
"""A city whose committee may decide at once."""

COMMANDS: Mapping[UseCase, Callable[[Case], Sequence[Event]]] = {
    "assign": lambda known: case.assign(known, PIPES, at(40), RULEBOOK),
    "committee_decide": lambda known: case.committee_decide(known, PIPES, "its own", at(40), NO_REFUSALS),
    "accept": lambda known: case.accept(known, LIFTS, at(40), RULEBOOK),
    "decline": lambda known: case.decline(known, LIFTS, REASON, at(40), RULEBOOK),
    "schedule": lambda known: case.schedule(known, LIFTS, Plan(at(50), at(60)), at(40)),
    "start": lambda known: case.start(known, LIFTS, at(40)),
    "report_done": lambda known: case.report_done(known, LIFTS, PROOF, at(40), RULEBOOK),
    "return_work": lambda known: case.return_work(known, LIFTS, REASON, at(40), RULEBOOK),
    "find_impossible": lambda known: case.find_impossible(known, "taken down", "impossible", at(40)),
    "open_sub_task": lambda known: case.open_sub_task(known, OTHER_TASK, PIPES, "riser", None, RULEBOOK, staff=True),
    "finish_sub_task": lambda known: case.finish_sub_task(known, TASK, LIFTS, ()),
    "cancel_sub_task": lambda known: case.cancel_sub_task(known, TASK, "no", None, staff=True),
    "link_incident": lambda known: case.link_incident(known, TASK, "dispatcher", None),
    "unlink_incident": lambda known: case.unlink_incident(known, INCIDENT, "no"),
}
SAYS = {
    "+": "done",
    "=": "so already",
    "?": CaseNotFoundError,
    "n": NotRegisteredYetError,
    "y": NotYourCaseError,
    "a": NotAcceptedYetError,
    "f": AcceptFirstError,
    "b": AlreadyAcceptedError,
    "r": WorkIsReportedError,
    "g": ReturnInsteadError,
    "d": DeclineInsteadError,
    "i": FoundImpossibleError,
    "c": CaseIsClosedError,
}
ORDER: tuple[State, ...] = get_args(State)
WRITTEN: Mapping[UseCase, str] = {
    # unknown opened unrouted assigned declined returned reopened accepted started reported asked impossible closed
    "assign": "? n + + + + + b b r r i c",
    "committee_decide": "? n + + + + + b b r r i c",
    "accept": "? y y + y y y = = = = i c",
    "decline": "? y y + y y y g g r r i c",
    "schedule": "? y y a y y y + + r r i c",
    "start": "? y y a y y y + = = = i c",
    "report_done": "? y y + y y y + + = = i c",
    "return_work": "? y y d y y y + + r r i c",
    "find_impossible": "? n + + + + + + + r r i c",
    "open_sub_task": "? n f f f f f + + r r i c",
    "finish_sub_task": "? n + + + + + + + + + + c",
    "cancel_sub_task": "? n + + + + + + + + + + c",
    "link_incident": "? n + + + + + + + + + + c",
    "unlink_incident": "? n + + + + + + + + + + c",
}
CELLS = [
    (use_case, state, SAYS[sign]) for use_case, row in WRITTEN.items() for state, sign in zip(ORDER, row.split(), strict=True)
]


def test_the_table_has_every_command_and_every_state() -> None:
    """A cell nobody wrote down would be open, or closed, by mistake."""
    assert set(TRANSITIONS) == set(WRITTEN) == set(COMMANDS) == set(get_args(UseCase))
    assert all(set(row) == set(ORDER) for row in TRANSITIONS.values())
    assert set(STATES) == set(ORDER)
    assert [known.state for known in STATES.values()] == list(STATES)


@pytest.mark.parametrize(("use_case", "state", "outcome"), CELLS)
def test_what_the_table_says_is_what_happens(use_case: UseCase, state: State, outcome: str | type[DispatchRefusalError]) -> None:
    """Done, so already, or refused by the name and in the words that are published."""
    assert TRANSITIONS[use_case][state] == outcome
    known = STATES[state]
    if use_case in {"finish_sub_task", "cancel_sub_task"} and state in {"assigned", "accepted", "started"}:
        known = case.CASE.evolve(known, PARTS[0])
    if isinstance(outcome, str):
        assert bool(COMMANDS[use_case](known)) == (outcome == "done")
        return
    with pytest.raises(outcome) as refused:
        COMMANDS[use_case](known)
    assert str(refused.value) == outcome.__doc__
