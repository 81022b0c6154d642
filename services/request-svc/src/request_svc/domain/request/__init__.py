"""A service request: its state, the table of what may happen in which state, and the rules, one file an occasion."""

from request_svc.domain.request.attachment import attach, check_size, keeper
from request_svc.domain.request.duplicate import Original, link, unlink
from request_svc.domain.request.information import Side, answer, ask, give_up_waiting
from request_svc.domain.request.lifecycle import (
    RefusalOutcome,
    check_asker,
    confirm,
    deem_accepted,
    dispute,
    find_impossible,
    propose_completion,
    reclassify,
    register,
    reject,
    submit,
    withdraw,
)
from request_svc.domain.request.rating import rate
from request_svc.domain.request.state import INFORMATION_CAP, REQUEST, SILENT_CONSENT, Ending, Request, RequestFact, State
from request_svc.domain.request.transition import TRANSITIONS, Action, Cell

__all__ = [
    "INFORMATION_CAP",
    "REQUEST",
    "SILENT_CONSENT",
    "TRANSITIONS",
    "Action",
    "Cell",
    "Ending",
    "Original",
    "RefusalOutcome",
    "Request",
    "RequestFact",
    "Side",
    "State",
    "answer",
    "ask",
    "attach",
    "check_asker",
    "check_size",
    "confirm",
    "deem_accepted",
    "dispute",
    "find_impossible",
    "give_up_waiting",
    "keeper",
    "link",
    "propose_completion",
    "rate",
    "reclassify",
    "register",
    "reject",
    "submit",
    "unlink",
    "withdraw",
]
