"""What may happen to a request in which state: one table, by which the rules decide and which everybody can read."""

from collections.abc import Mapping
from typing import Literal

from request_svc.domain.refusal import (
    AlreadyClosedError,
    AlreadyRegisteredError,
    CompletionBeingAskedError,
    CompletionNotProposedError,
    InformationBeingAskedError,
    NotADuplicateError,
    NothingAskedError,
    NotRegisteredError,
    RatingNotAskedError,
    RequestError,
    UnknownRequestError,
)
from request_svc.domain.request.state import Request, State

Action = Literal[
    "register",
    "reclassify",
    "link",
    "unlink",
    "ask",
    "answer",
    "give_up_waiting",
    "attach",
    "reject",
    "withdraw",
    "propose_completion",
    "find_impossible",
    "confirm",
    "dispute",
    "deem_accepted",
    "rate",
]
Cell = State | type[RequestError] | None
"""The state that follows; or the refusal; or None where nothing happens, because it is so already or came too late."""

TRANSITIONS: Mapping[Action, Mapping[State, Cell]] = {
    "register": {
        "absent": UnknownRequestError,
        "submitted": "registered",
        "registered": AlreadyRegisteredError,
        "waiting": AlreadyRegisteredError,
        "completion_proposed": AlreadyRegisteredError,
        "closed": AlreadyClosedError,
    },
    "reclassify": {
        "absent": UnknownRequestError,
        "submitted": NotRegisteredError,
        "registered": "registered",
        "waiting": "waiting",
        "completion_proposed": CompletionBeingAskedError,
        "closed": AlreadyClosedError,
    },
    "link": {
        "absent": UnknownRequestError,
        "submitted": NotRegisteredError,
        "registered": "closed",
        "waiting": "closed",
        "completion_proposed": CompletionBeingAskedError,
        "closed": AlreadyClosedError,
    },
    "unlink": {
        "absent": UnknownRequestError,
        "submitted": NotADuplicateError,
        "registered": NotADuplicateError,
        "waiting": NotADuplicateError,
        "completion_proposed": NotADuplicateError,
        "closed": "registered",
    },
    "ask": {
        "absent": UnknownRequestError,
        "submitted": NotRegisteredError,
        "registered": "waiting",
        "waiting": InformationBeingAskedError,
        "completion_proposed": CompletionBeingAskedError,
        "closed": AlreadyClosedError,
    },
    "answer": {
        "absent": UnknownRequestError,
        "submitted": NothingAskedError,
        "registered": NothingAskedError,
        "waiting": "registered",
        "completion_proposed": NothingAskedError,
        "closed": AlreadyClosedError,
    },
    "give_up_waiting": {
        "absent": None,
        "submitted": None,
        "registered": None,
        "waiting": "registered",
        "completion_proposed": None,
        "closed": None,
    },
    "attach": {
        "absent": UnknownRequestError,
        "submitted": "submitted",
        "registered": "registered",
        "waiting": "waiting",
        "completion_proposed": "completion_proposed",
        "closed": AlreadyClosedError,
    },
    "reject": {
        "absent": UnknownRequestError,
        "submitted": "closed",
        "registered": "closed",
        "waiting": "closed",
        "completion_proposed": CompletionBeingAskedError,
        "closed": AlreadyClosedError,
    },
    "withdraw": {
        "absent": UnknownRequestError,
        "submitted": "closed",
        "registered": "closed",
        "waiting": "closed",
        "completion_proposed": "closed",
        "closed": AlreadyClosedError,
    },
    "propose_completion": {
        "absent": UnknownRequestError,
        "submitted": NotRegisteredError,
        "registered": "completion_proposed",
        "waiting": "completion_proposed",
        "completion_proposed": None,
        "closed": None,
    },
    "find_impossible": {
        "absent": UnknownRequestError,
        "submitted": "closed",
        "registered": "closed",
        "waiting": "closed",
        "completion_proposed": "closed",
        "closed": None,
    },
    "confirm": {
        "absent": UnknownRequestError,
        "submitted": CompletionNotProposedError,
        "registered": CompletionNotProposedError,
        "waiting": CompletionNotProposedError,
        "completion_proposed": "closed",
        "closed": AlreadyClosedError,
    },
    "dispute": {
        "absent": UnknownRequestError,
        "submitted": CompletionNotProposedError,
        "registered": CompletionNotProposedError,
        "waiting": CompletionNotProposedError,
        "completion_proposed": "registered",
        "closed": AlreadyClosedError,
    },
    "deem_accepted": {
        "absent": None,
        "submitted": None,
        "registered": None,
        "waiting": None,
        "completion_proposed": "closed",
        "closed": None,
    },
    "rate": {
        "absent": UnknownRequestError,
        "submitted": RatingNotAskedError,
        "registered": RatingNotAskedError,
        "waiting": RatingNotAskedError,
        "completion_proposed": RatingNotAskedError,
        "closed": "closed",
    },
}
"""Action × state. A request nobody submitted is `absent`; submitting makes it `submitted`, or `registered` when its type is
known.

Beside this table: saying again what is so already changes nothing, and only a duplicate can be unlinked.
"""


def goes_on(request: Request, action: Action) -> bool:
    """Tell whether anything happens; raises the refusal that stands in the table for this state."""
    cell = TRANSITIONS[action][request.state]
    if isinstance(cell, type):
        raise cell(_why(request, cell))
    return cell is not None


def _why(request: Request, refusal: type[RequestError]) -> str:
    if refusal is AlreadyClosedError:
        return f"Its outcome is {request.outcome}."
    if refusal is AlreadyRegisteredError:
        return f"It is registered as {request.service_type}."
    return ""
