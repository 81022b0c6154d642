"""In which state of a case what may be done: one table, obeyed by every command, published, and tested cell by cell."""

from collections.abc import Mapping
from typing import Literal

from dispatch_svc.domain.case.state import Case, State
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

UseCase = Literal[
    "assign",
    "committee_decide",
    "accept",
    "decline",
    "schedule",
    "start",
    "report_done",
    "return_work",
    "find_impossible",
    "open_sub_task",
    "finish_sub_task",
    "cancel_sub_task",
    "link_incident",
    "unlink_incident",
]
"""What people do about a case."""

Cell = Literal["done", "so already"] | type[DispatchRefusalError]
"""What becomes of a command in a state: it is done, it was done before, or it is refused and why."""

_NOBODY: Mapping[State, Cell] = {
    "unknown": CaseNotFoundError,
    "opened": NotYourCaseError,
    "unrouted": NotYourCaseError,
    "declined": NotYourCaseError,
    "returned": NotYourCaseError,
    "reopened": NotYourCaseError,
    "impossible": FoundImpossibleError,
    "closed": CaseIsClosedError,
}
"""What an executor is told where nobody is assigned, or nothing is left to do."""

_STAFF: Mapping[State, Cell] = {
    "unknown": CaseNotFoundError,
    "opened": NotRegisteredYetError,
    "unrouted": "done",
    "assigned": "done",
    "declined": "done",
    "returned": "done",
    "reopened": "done",
    "accepted": "done",
    "started": "done",
    "reported": WorkIsReportedError,
    "asked": WorkIsReportedError,
    "impossible": FoundImpossibleError,
    "closed": CaseIsClosedError,
}
"""What staff may do while the work is not over."""

_TO_WHOM: Mapping[State, Cell] = {**_STAFF, "accepted": AlreadyAcceptedError, "started": AlreadyAcceptedError}
_PARTS: Mapping[State, Cell] = {
    **_STAFF,
    **dict.fromkeys(("unrouted", "assigned", "declined", "returned", "reopened"), AcceptFirstError),
}
_ANY_OPEN: Mapping[State, Cell] = {**_STAFF, "reported": "done", "asked": "done", "impossible": "done"}

TRANSITIONS: Mapping[UseCase, Mapping[State, Cell]] = {
    "assign": _TO_WHOM,
    "committee_decide": _TO_WHOM,
    "accept": {
        **_NOBODY,
        "assigned": "done",
        "accepted": "so already",
        "started": "so already",
        "reported": "so already",
        "asked": "so already",
    },
    "decline": {
        **_NOBODY,
        "assigned": "done",
        "accepted": ReturnInsteadError,
        "started": ReturnInsteadError,
        "reported": WorkIsReportedError,
        "asked": WorkIsReportedError,
    },
    "schedule": {
        **_NOBODY,
        "assigned": NotAcceptedYetError,
        "accepted": "done",
        "started": "done",
        "reported": WorkIsReportedError,
        "asked": WorkIsReportedError,
    },
    "start": {
        **_NOBODY,
        "assigned": NotAcceptedYetError,
        "accepted": "done",
        "started": "so already",
        "reported": "so already",
        "asked": "so already",
    },
    "report_done": {
        **_NOBODY,
        "assigned": "done",
        "accepted": "done",
        "started": "done",
        "reported": "so already",
        "asked": "so already",
    },
    "return_work": {
        **_NOBODY,
        "assigned": DeclineInsteadError,
        "accepted": "done",
        "started": "done",
        "reported": WorkIsReportedError,
        "asked": WorkIsReportedError,
    },
    "find_impossible": _STAFF,
    "open_sub_task": _PARTS,
    "finish_sub_task": _ANY_OPEN,
    "cancel_sub_task": _ANY_OPEN,
    "link_incident": _ANY_OPEN,
    "unlink_incident": _ANY_OPEN,
}
"""Command × state. Beside it stand the rules about more than the state: whose case it is, evidence, sub-tasks, the committee."""


def permit(case: Case, use_case: UseCase) -> bool:
    """Let a command pass in the case's state: True when it is to be done, False when it is so already.

    Raises the refusal the table names.
    """
    cell = TRANSITIONS[use_case][case.state]
    if isinstance(cell, type):
        raise cell
    return cell == "done"


def permit_assigned(case: Case, use_case: UseCase, organisation: str | None) -> bool:
    """Let only the assigned organisation pass, and in the case's state only what the table allows."""
    if case.state != "unknown" and (organisation is None or organisation != case.organisation):
        raise NotYourCaseError
    return permit(case, use_case)
