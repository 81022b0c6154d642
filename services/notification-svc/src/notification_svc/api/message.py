"""The ledger over HTTP: what a person was told."""

from datetime import datetime
from typing import Annotated, Literal, cast
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel

from notification_svc import views
from notification_svc.api.call import Wired
from notification_svc.application import message as application
from shared_chassis import http
from shared_chassis.http import Cursor, Limit, Page, SignedIn, read_cursor
from shared_events.notification import MessageChannel, Template

router = http.Router(tags=["messages"])


class Message(BaseModel):
    """An entry of a person's ledger; `says` in the language the person was told in."""

    id: UUID
    state: Literal["sent", "failed"]
    at: datetime
    says: str
    template: Template
    language: str | None
    channel: MessageChannel
    request: UUID
    number: str | None
    city: str
    cause: UUID


@router.get("/messages")
def list_messages(
    actor: SignedIn,
    context: Wired,
    person: Annotated[UUID | None, Query(description="Whose ledger; left out: the caller's own.")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[Message]:
    """List what a person was told, the latest first: everybody their own, staff anybody's."""
    after = read_cursor(cursor, views.message.Place)
    entries = application.messages_of(context, actor, person or UUID(actor.id), after, limit + 1)
    page = Page[tuple[views.message.Told, str]].cut(
        entries, limit, lambda entry: views.message.Place(entry[0].at, entry[0].message)
    )
    return Page[Message](items=[_entry(told, says) for told, says in page.items], next=page.next)


def _entry(told: views.message.Told, says: str) -> Message:
    return Message(
        id=told.message,
        state="sent" if told.state == "sent" else "failed",
        at=told.at,
        says=says,
        template=cast("Template", told.template),  # written from a fact's own field
        language=told.language,
        channel=cast("MessageChannel", told.channel),  # as above
        request=told.request,
        number=told.number,
        city=told.city,
        cause=told.cause,
    )
