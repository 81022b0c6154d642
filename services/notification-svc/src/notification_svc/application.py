"""What can be done with the queue and with messages: one function a use case. Load, decide, append."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from notification_svc import domain, views
from notification_svc.domain import MESSAGE, WORK_ITEM, Message, Telling, WorkItem
from notification_svc.outbound import LAST_RESORT, Letter, Outbox, Texts, compose
from notification_svc.views.case_fact import COMPLETES, OPENS, Settling
from notification_svc.views.message import Told
from notification_svc.views.request_card import CHANNEL, NOTHING_SAID, AddressedNotice, Card
from notification_svc.views.work_item import Row, Wanted
from shared_chassis.consumer import Invalid
from shared_chassis.http import ROLES, Actor, Rules, allow
from shared_chassis.http.feed import READERS
from shared_chassis.keyring import Keyring
from shared_chassis.postgres import Database
from shared_chassis.store import Command, Result, Store
from shared_city import City, ServiceType
from shared_events.envelope import Received
from shared_events.event import Event
from shared_events.ids import derive, uuid_of, work_item_stream
from shared_events.notification import WorkItemOpened

SERVICE: Final = "notification-svc"

CANDIDATES: Final = 32
"""Items one look at the queue offers a claim."""

LOOKS: Final = 20
"""How often a claim looks at the queue anew, when all it was offered was taken by others meanwhile."""

STAFF: Final = frozenset({"agent", "dispatcher"})

MAY: Rules = {
    "claim_work_item": STAFF,
    "release_work_item": STAFF,
    "defer_work_item": STAFF,
    "complete_work_item": STAFF,
    "read_queue": STAFF | {"auditor"},
    "read_own_messages": frozenset(ROLES),
    "read_messages_of_others": STAFF | {"auditor"},
    "read_feed": READERS,
}
"""Who may: use case → roles."""


class QueueBusyError(domain.NotificationError):
    """So many are taking items at this moment that none could be got; try again."""


class CityUnknownError(domain.NotificationError):
    """This city is not served here."""


@dataclass(frozen=True)
class Context:
    """What the use cases work with; `lease` is how long a claimed item is held, `mail_domain` where letters come from."""

    store: Store
    database: Database
    keyring: Keyring
    cities: Mapping[str, City]
    texts: Texts
    outbox: Outbox
    lease: timedelta
    mail_domain: str
    service_types: Mapping[tuple[str, str], ServiceType] = field(init=False)

    def __post_init__(self) -> None:
        """Lay the service types out by city and code: every message names one."""
        types = {(city.slug, each.code): each for city in self.cities.values() for each in city.service_types}
        object.__setattr__(self, "service_types", types)


def claim_next(context: Context, wanted: Wanted, command: Command) -> Row | None:
    """Give the caller the most urgent item that fits, with a lease; None when nothing waits.

    Items are chosen without a lock and claimed one after another until one was free, so two callers never get the same. The same
    command gets the same item again. Raises `QueueBusyError`.
    """
    earlier = views.work_item.claimed_by(context.database, command.id)
    if earlier is not None:
        return _row(context, context.store.handle(WORK_ITEM, earlier, lambda _item, _now: [], command))
    for _ in range(LOOKS):
        candidates = views.work_item.next_items(context.database, wanted, CANDIDATES)
        if not candidates:
            return None
        for candidate in candidates:
            claimed = _claim(context, candidate, command)
            if claimed is not None:
                return _row(context, claimed)
    raise QueueBusyError


def _claim(context: Context, candidate: views.work_item.Candidate, command: Command) -> Result | None:
    """Claim an item; None when it is no longer free."""

    def decide(item: WorkItem, now: datetime) -> Sequence[Event]:
        return domain.claim(item, command.actor, context.lease, now)

    try:
        return context.store.handle(WORK_ITEM, _stream(candidate.item), decide, replace(command, correlation=candidate.request))
    except (domain.AlreadyClaimedError, domain.AlreadyCompletedError, domain.StillDeferredError):
        return None


def release(context: Context, item: UUID, command: Command) -> Row:
    """Give an item back undone."""
    return _act(context, item, lambda state, _now: domain.release(state, command.actor), command)


def defer(context: Context, item: UUID, until: datetime, reason: str, command: Command) -> Row:
    """Put an item off to a later moment."""
    return _act(context, item, lambda state, now: domain.defer(state, command.actor, until, reason, now), command)


def complete(context: Context, item: UUID, note: str, command: Command) -> Row:
    """Take a person's word that nothing is left to do."""
    return _act(context, item, lambda state, now: domain.complete(state, command.actor, note, now), command)


def expire_lease(context: Context, stream_id: str, command: Command) -> None:
    """Put an item back whose lease has run out."""
    request = context.store.load(WORK_ITEM, stream_id).state.request
    context.store.handle(WORK_ITEM, stream_id, domain.expire, replace(command, correlation=request))


def open_item(context: Context, received: Received, due: datetime | None, said: Card = NOTHING_SAID) -> None:
    """Put an item into the queue because of a fact of a case; completed at once, if what settles it was here before.

    What the fact itself has not `said` of its request is taken from the request's card, as far as it is known by now.
    """
    cause, kind, request = received.envelope, OPENS[type(received.fact)], _request_of(received)
    settling = views.case_fact.settled_since(context.database, request, kind, received.recorded.version)
    known = views.request_card.card_of(context.database, request)
    city, district, service_type, language = (own or carded for own, carded in zip(said, known, strict=True))
    emergency = _is_emergency(context, city, service_type)

    def decide(item: WorkItem, now: datetime) -> Sequence[Event]:
        opening = WorkItemOpened(
            kind=kind,
            cause=cause.id,
            cause_type=cause.type,
            request=request,
            city=city,
            district=district,
            service_type=service_type,
            language=language,
            priority=domain.priority(kind, emergency=emergency, due=due, now=now),
            due=due,
        )
        opened = domain.open_item(item, opening)
        if not opened or settling is None:
            return opened
        return [*opened, *domain.complete_because(WORK_ITEM.evolve(item, opening), settling.cause, settling.cause_type)]

    command = Command.because_of(received, "open-work-item", SERVICE)
    context.store.handle(WORK_ITEM, work_item_stream(cause.id), decide, command)


def complete_items(context: Context, received: Received) -> None:
    """Complete the items of a request for which a fact of its case leaves nothing to do."""
    settling = Settling(received.envelope.id, received.envelope.type)
    kinds = COMPLETES[type(received.fact)]
    for trouble in views.case_fact.troubles_before(context.database, _request_of(received), kinds, received.recorded.version):
        stream_id = work_item_stream(trouble)
        command = Command.because_of(received, f"complete-{stream_id}", SERVICE)
        context.store.handle(WORK_ITEM, stream_id, lambda item, _now: domain.complete_because(item, *settling), command)


def _stream(item: UUID) -> str:
    return f"work-item-{item}"


def _act(context: Context, item: UUID, decide: Callable[[WorkItem, datetime], Sequence[Event]], command: Command) -> Row:
    """Decide on one item, in its request's journey."""
    request = context.store.load(WORK_ITEM, _stream(item)).state.request
    return _row(context, context.store.handle(WORK_ITEM, _stream(item), decide, replace(command, correlation=request)))


def _row(context: Context, result: Result) -> Row:
    """Show the item a command was about, as it is now."""
    return read_item(context, uuid_of(result.stream_id))


def read_item(context: Context, item: UUID | None) -> Row:
    """Show an item. Raises `WorkItemUnknownError`."""
    row = None if item is None else views.work_item.item(context.database, item)
    if row is None:
        raise domain.WorkItemUnknownError
    return row


def _request_of(received: Received) -> UUID:
    """Name the request of a case: they share their uuid."""
    request = uuid_of(received.stream_id)
    if request is None:
        raise Invalid(f"{received.stream_id} is no case of a request.")
    return request


def _is_emergency(context: Context, city: str | None, service_type: str | None) -> bool:
    found = context.service_types.get((city or "", service_type or ""))
    return found is not None and found.emergency


def send(context: Context, notice: AddressedNotice) -> None:
    """Put the letter to a person into the outbox; the same letter again takes its own place.

    Personal data is opened here, for the letter alone. Raises `CityUnknownError`.
    """
    context.outbox.write(notice.message, compose(_letter(context, notice), context.mail_domain))


def state_sent(context: Context, notice: AddressedNotice) -> None:
    """State that a person was told; safe to repeat."""
    telling, language = _telling(notice), _language(context, notice)

    def decide(message: Message, _now: datetime) -> Sequence[Event]:
        return domain.tell(message, telling, language)

    context.store.handle(MESSAGE, f"message-{notice.message}", decide, _command(notice, "sent"))


def state_failed(context: Context, notice: AddressedNotice, attempts: int, error: str) -> None:
    """State that a person could not be told after so many attempts; safe to repeat."""
    telling = _telling(notice)

    def decide(message: Message, _now: datetime) -> Sequence[Event]:
        return domain.give_up(message, telling, attempts, error)

    context.store.handle(MESSAGE, f"message-{notice.message}", decide, _command(notice, "failed"))


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
    city, language = _city(context, notice.city), _language(context, notice)
    facts = {
        "number": notice.number or "",
        "about": _name_of(context, city, notice.service_type, language),
        "city": city.names.get(language, city.names[city.default_language]),
        "outcome": notice.outcome,
        "consent_due": notice.consent_due,
    }
    return Letter(
        message=notice.message,
        person=notice.person,
        email=None if notice.email is None else context.keyring.open([notice.email])[notice.email],
        date=notice.at.astimezone(city.timezone),
        language=language,
        text=context.texts.message(notice.template, language, city.timezone, facts),
    )


def _language(context: Context, notice: AddressedNotice) -> str:
    return context.texts.language_for(notice.language, _city(context, notice.city).default_language)


def _city(context: Context, slug: str) -> City:
    """Find a city. Raises `CityUnknownError`."""
    city = context.cities.get(slug)
    if city is None:
        raise CityUnknownError
    return city


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
