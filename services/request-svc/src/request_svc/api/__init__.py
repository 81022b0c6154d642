"""request over HTTP: residents and agents submit, register, confirm, withdraw and reject; anybody reads the register."""

from collections.abc import Mapping

from request_svc.api.route import router
from request_svc.domain.refusal import (
    AlreadyClosedError,
    AlreadyRegisteredError,
    CompletionBeingAskedError,
    CompletionNotProposedError,
    DeemedAcceptedError,
    NobodyToAskError,
    NotYourRequestError,
    OnlyAgentsTakeCallsError,
    OnlyForYourselfError,
    RequestError,
    UnknownRequestError,
)
from shared_chassis.keyring import PersonErasedError

ERRORS: Mapping[type[Exception], int] = {
    RequestError: 422,
    UnknownRequestError: 404,
    OnlyForYourselfError: 403,
    OnlyAgentsTakeCallsError: 403,
    NotYourRequestError: 403,
    AlreadyRegisteredError: 409,
    NobodyToAskError: 409,
    CompletionNotProposedError: 409,
    CompletionBeingAskedError: 409,
    DeemedAcceptedError: 409,
    AlreadyClosedError: 409,
    PersonErasedError: 409,
}
"""Refusals by status; whatever stands here under no name of its own is refused input."""

__all__ = ["ERRORS", "router"]
