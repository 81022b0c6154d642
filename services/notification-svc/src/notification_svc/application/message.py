"""What can be done with messages: one function a use case. Compose, send, state."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from notification_svc import views
from notification_svc.application.context import MAY, SERVICE, Context
from notification_svc.application.work_item import complete_failed_deliveries, open_failed_delivery
from notification_svc.domain import message as rules
from notification_svc.domain.message import MESSAGE, Message, Telling
from notification_svc.outbound.letter import Letter, compose
from notification_svc.outbound.text import LAST_RESORT
from notification_svc.views.message import Told
from notification_svc.views.request_card import CHANNEL, AddressedNotice
from shared_chassis.http import Actor, allow
from shared_chassis.store import Command
from shared_city import City
from shared_events.event import Event
from shared_events.ids import derive


class IncidentUnknownError(Exception):
    """What this incident is called is not known here yet; the letter is written in a moment."""


def send(context: Context, notice: AddressedNotice) -> None:
    """Put the letter to a person into the outbox; the same letter again takes its own place.

    Personal data is opened here, for the letter alone. Raises `CityUnknownError`, `IncidentUnknownError`.
    """
    context.outbox.write(notice.message, compose(_letter(context, notice), context.mail_domain))


def state_sent(context: Context, notice: AddressedNotice) -> None:
    """State that a person was told, and complete what lay in the queue because they could not be; safe to repeat."""
    telling, language, stream_id = _telling(notice), _language(context, notice), f"message-{notice.message}"
    found: list[Message] = []

    def decide(message: Message, _now: datetime) -> Sequence[Event]:
        found.append(message)
        return rules.tell(message, telling, language)

    result = context.store.handle(MESSAGE, stream_id, decide, _command(notice, "sent"))
    if result.repeated or found[-1].status == "failed":
        complete_failed_deliveries(context, stream_id, context.store.events(stream_id)[-1])


def state_failed(context: Context, notice: AddressedNotice, attempts: int, error: str) -> None:
    """State that a person could not be told after so many attempts, and have somebody look; safe to repeat."""
    telling, stream_id = _telling(notice), f"message-{notice.message}"

    def decide(message: Message, _now: datetime) -> Sequence[Event]:
        return rules.give_up(message, telling, attempts, error)

    result = context.store.handle(MESSAGE, stream_id, decide, _command(notice, "failed"))
    if result.count:
        failure = context.store.events(stream_id)[result.first_version - 1]
        open_failed_delivery(context, failure, notice.request, notice.city)


def messages_of(
    context: Context, actor: Actor, person: UUID, after: views.message.Place | None, limit: int
) -> Sequence[tuple[Told, str]]:
    """List what a person was told, the latest first, each with a sentence in the language it was told in.

    Everybody may read their own; raises `Forbidden` for another's without a role that may.
    """
    allow(actor, "read_own_messages" if str(person) == actor.id else "read_messages_of_others", MAY)
    return [(told, _sentence(context, told)) for told in views.message.ledger(context.database, person, after, limit)]


def _sentence(context: Context, told: Told) -> str:
    """Say an entry in words; of a city no longer served in English and UTC, unless the message itself was in another language."""
    city = context.cities.get(told.city)
    default, zone = (LAST_RESORT, ZoneInfo("UTC")) if city is None else (city.default_language, city.timezone)
    facts = {"sent": told.state == "sent", "at": told.at, "template": told.template, "number": told.number}
    return context.texts.sentence("ledger", context.texts.language_for(told.language, default), zone, facts)


def _letter(context: Context, notice: AddressedNotice) -> Letter:
    """Write a letter; a person's values are opened here, by one question to the keyring.

    Raises `CityUnknownError`, `IncidentUnknownError`.
    """
    city, language = context.city(notice.city), _language(context, notice)
    sealed = [token for token in (notice.email, notice.question) if token is not None]
    opened = context.keyring.open(sealed) if sealed else {}
    facts = {
        "number": notice.number or "",
        "about": _name_of(context, city, notice.service_type, language),
        "city": city.names.get(language, city.names[city.default_language]),
        "outcome": notice.outcome,
        "consent_due": notice.consent_due,
        "question": None if notice.question is None else opened[notice.question],
        "until": notice.until,
        "because": notice.because,
        "linked": notice.linked,
        "other": None if notice.other is None else views.request_card.number_of(context.database, notice.other),
        "incident": None if notice.incident is None else _incident(context, notice.incident, city, language),
        "expected_end": notice.expected_end,
    }
    return Letter(
        message=notice.message,
        person=notice.person,
        email=None if notice.email is None else opened[notice.email],
        date=notice.at.astimezone(city.timezone),
        language=language,
        text=context.texts.message(notice.template, language, city.timezone, facts),
    )


def _incident(context: Context, incident: UUID, city: City, language: str) -> str:
    """Say what an incident is called: in the language, else in the city's own, else in whatever there is.

    Raises `IncidentUnknownError`.
    """
    names = views.incident.names_of(context.database, incident)
    if names is None:
        raise IncidentUnknownError(IncidentUnknownError.__doc__)
    return names.get(language) or names.get(city.default_language) or next(iter(names.values()), "")


def _language(context: Context, notice: AddressedNotice) -> str:
    return context.texts.language_for(notice.language, context.city(notice.city).default_language)


def _name_of(context: Context, city: City, service_type: str | None, language: str) -> str | None:
    """Name a service type in a language, or as the city itself does; by its code if the city no longer has it."""
    found = context.service_types.get((city.slug, service_type or ""))
    return service_type if found is None else found.names.get(language, found.names[city.default_language])


def _telling(notice: AddressedNotice) -> Telling:
    return Telling(
        person=notice.person,
        request=notice.request,
        city=notice.city,
        number=notice.number,
        template=notice.template,
        channel=CHANNEL,
        cause=notice.cause,
        cause_type=notice.cause_type,
    )


def _command(notice: AddressedNotice, word: str) -> Command:
    """Name the command that states what became of a message: sending it again repeats the command."""
    return Command(derive(notice.message, word), f"service:{SERVICE}", correlation=notice.request, causation=notice.cause)
