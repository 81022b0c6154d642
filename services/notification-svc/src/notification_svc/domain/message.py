"""The rules of telling people: each message once, and what could not be sent is stated."""

from dataclasses import dataclass
from typing import Final, Literal, assert_never, cast
from uuid import UUID

from shared_chassis.stream import Stream
from shared_events.event import Event
from shared_events.notification import MessageChannel, MessageFailed, MessageSent, Template

MessageFact = MessageSent | MessageFailed
MessageStatus = Literal["untold", "sent", "failed"]


@dataclass(frozen=True, slots=True)
class Telling:
    """Whom a message is for, about what, and the event that it is because of."""

    person: UUID
    request: UUID
    city: str
    number: str | None
    template: Template
    channel: MessageChannel
    cause: UUID
    cause_type: str


@dataclass(frozen=True, slots=True)
class Message:
    """A message to a person about one event over one channel."""

    status: MessageStatus = "untold"


def evolve_message(_: Message, fact: Event) -> Message:
    """Fold a fact of a message."""
    match cast("MessageFact", fact):  # no other fact is ever written to this stream
        case MessageSent():
            return Message("sent")
        case MessageFailed():
            return Message("failed")
        case _ as never:
            assert_never(never)


MESSAGE: Final = Stream("message", Message(), evolve_message)


def tell(message: Message, telling: Telling, language: str) -> list[Event]:
    """State that the person was told, in a language; once."""
    if message.status == "sent":
        return []
    return [
        MessageSent(
            person=telling.person,
            request=telling.request,
            city=telling.city,
            number=telling.number,
            template=telling.template,
            language=language,
            channel=telling.channel,
            cause=telling.cause,
            cause_type=telling.cause_type,
        )
    ]


def give_up(message: Message, telling: Telling, attempts: int, error: str) -> list[Event]:
    """State that the person could not be told after so many attempts."""
    if message.status != "untold":
        return []
    return [
        MessageFailed(
            person=telling.person,
            request=telling.request,
            city=telling.city,
            template=telling.template,
            channel=telling.channel,
            cause=telling.cause,
            attempts=attempts,
            error=error,
        )
    ]
