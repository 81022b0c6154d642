"""The same asked twice: a request is linked to the first one and closes; unlinked, it goes on by itself."""

from dataclasses import dataclass
from uuid import UUID

from request_svc.domain.refusal import (
    DuplicateElsewhereError,
    DuplicateOfItselfError,
    LinkedElsewhereError,
    NotADuplicateError,
    OriginalIsDuplicateError,
    OriginalUnknownError,
)
from request_svc.domain.request.state import Request
from request_svc.domain.request.transition import goes_on
from shared_events.event import Event
from shared_events.request import RequestClosed, RequestLinkedAsDuplicate, RequestReopened, RequestUnlinked


@dataclass(frozen=True, slots=True)
class Original:
    """The request that another one repeats, as it now stands."""

    id: UUID
    request: Request


def link(request: Request, itself: UUID, original: Original) -> list[Event]:
    """Say that the request repeats another of the same city, and close it; both reporters are told."""
    if request.duplicate_of == original.id:
        return []
    if request.duplicate_of is not None:
        raise LinkedElsewhereError(f"It is linked to {request.duplicate_of}.")
    goes_on(request, "link")
    if original.id == itself:
        raise DuplicateOfItselfError
    if original.request.state == "absent":
        raise OriginalUnknownError
    if original.request.city != request.city:
        raise DuplicateElsewhereError
    if original.request.duplicate_of is not None:
        raise OriginalIsDuplicateError(f"That is {original.request.duplicate_of}.")
    return [RequestLinkedAsDuplicate(of=original.id), RequestClosed(outcome="duplicate")]


def unlink(request: Request, reason: str) -> list[Event]:
    """Say that it was not the same after all: the request goes on in a new round; both reporters are told."""
    goes_on(request, "unlink")
    if request.duplicate_of is None:
        raise NotADuplicateError
    return [
        RequestUnlinked(of=request.duplicate_of, reason=reason),
        RequestReopened(round=request.round + 1, because="unlinked"),
    ]
