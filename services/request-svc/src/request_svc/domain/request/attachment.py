"""Photos and acts of a request: how many, how large, whose, and who may add them."""

from uuid import UUID

from request_svc.domain.refusal import (
    AttachmentEmptyError,
    AttachmentOfNobodyError,
    AttachmentTooLargeError,
    TooManyAttachmentsError,
)
from request_svc.domain.request.lifecycle import check_asker
from request_svc.domain.request.state import Request
from request_svc.domain.request.transition import goes_on
from request_svc.domain.submission import Asker
from shared_events.event import Event
from shared_events.request import AttachmentAdded

MOST_ATTACHMENTS = 10
"""How many attachments a request may have."""

LARGEST_ATTACHMENT = 10 * 1024 * 1024
"""Bytes an attachment may have as it is sent."""


def check_size(size: int) -> None:
    """Refuse an attachment of no bytes or too many."""
    if not size:
        raise AttachmentEmptyError
    if size > LARGEST_ATTACHMENT:
        raise AttachmentTooLargeError(f"It may have {LARGEST_ATTACHMENT} bytes at most.")


def keeper(request: Request, asker: Asker) -> UUID:
    """Say under whose key a further attachment is kept; refuse where none may be added."""
    check_asker(request, asker)
    goes_on(request, "attach")
    if request.person is None:
        raise AttachmentOfNobodyError
    return request.person


def attach(request: Request, asker: Asker, added: AttachmentAdded) -> list[Event]:
    """Keep an attachment with the request; the same one again changes nothing."""
    keeper(request, asker)
    if any(known.sha256 == added.sha256 for known in request.attachments):
        return []
    if len(request.attachments) >= MOST_ATTACHMENTS:
        raise TooManyAttachmentsError(f"That is {MOST_ATTACHMENTS}.")
    return [added]
