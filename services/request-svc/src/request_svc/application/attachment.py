"""Photos and acts of a request: taken by what they hold, kept under the reporter's key, shown to those who may see them."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from request_svc.application.context import Context, asker_of, on_request
from request_svc.application.reading import sees_person
from request_svc.domain import request as requests
from request_svc.domain.refusal import (
    AttachmentErasedError,
    AttachmentHiddenError,
    AttachmentOfNobodyError,
    UnknownAttachmentError,
    UnknownRequestError,
)
from request_svc.domain.request import REQUEST, Request
from request_svc.outbound import clean
from request_svc.views import register as register_view
from shared_chassis.http import Actor
from shared_chassis.store import Command
from shared_events.event import Event
from shared_events.ids import request_stream
from shared_events.request import AttachmentAdded


@dataclass(frozen=True, slots=True)
class Kept:
    """An attachment that is kept, and the version of the request that it then had."""

    added: AttachmentAdded
    version: int


def attach(context: Context, request: UUID, actor: Actor, content: bytes, command: Command) -> Kept:
    """Keep a photo or an act with a request; what is refused is not kept.

    The bytes are stored before the fact that speaks of them, so that no fact speaks of nothing.
    """
    asker = asker_of(actor)
    requests.check_size(len(content))
    cleaned = clean(content)

    def sealed(person: UUID) -> tuple[bytes, AttachmentAdded]:
        stored = context.keyring.encrypt(person, _bound(request, person), cleaned.content)
        return stored, AttachmentAdded(
            person=person,
            sha256=hashlib.sha256(stored).hexdigest(),
            media_type=cleaned.media_type,
            size=len(cleaned.content),
            place_stripped=cleaned.place_stripped,
        )

    def decide(known: Request, _now: datetime) -> list[Event]:
        stored, added = sealed(requests.keeper(known, asker))
        facts = requests.attach(known, asker, added)
        if facts:
            context.objects.put(stored)
        return facts

    result = on_request(context, request, decide, command)
    person = context.store.load(REQUEST, request_stream(request)).state.person
    if person is None:
        raise AttachmentOfNobodyError
    return Kept(sealed(person)[1], result.version)


def read(context: Context, request: UUID, sha256: str, actor: Actor) -> tuple[AttachmentAdded, bytes]:
    """Give an attachment to somebody who may see the person's data."""
    row = register_view.one(context.database, request)
    if row is None:
        raise UnknownRequestError
    known = context.store.load(REQUEST, request_stream(request)).state
    added = next((each for each in known.attachments if each.sha256 == sha256), None)
    if added is None:
        raise UnknownAttachmentError
    if not sees_person(actor, known.person, row):
        raise AttachmentHiddenError
    content = context.keyring.decrypt(added.person, _bound(request, added.person), context.objects.get(sha256))
    if content is None:
        raise AttachmentErasedError
    return added, content


def _bound(request: UUID, person: UUID) -> bytes:
    """Say what an attachment's seal is bound to, beside the key."""
    return f"{request}|{person}|attachment".encode()
