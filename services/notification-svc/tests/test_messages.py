"""Telling people, on a real PostgreSQL: from a fact to a file in the outbox, each exactly once."""

from datetime import timedelta
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path
from uuid import UUID, uuid4

import city_of_tests as city
import pytest

from notification_svc import application, views
from notification_svc.application import Context
from notification_svc.views.request_card import AddressedNotice
from shared_chassis.http import Actor, Forbidden
from shared_chassis.keyring import Keyring
from shared_chassis.mapper import to_document
from shared_chassis.postgres import ServiceDatabase, migrate, role_password, role_url
from shared_events.envelope import Received
from shared_events.ids import message_stream
from shared_events.notification import MessageFailed, MessageSent
from shared_events.personal import Sealed

pytestmark = pytest.mark.postgres

EMAIL = "rosa@example.org"


def due(context: Context) -> list[AddressedNotice]:
    """List what is to be sent."""
    return [AddressedNotice.model_validate(row["payload"]) for row in context.database.query("SELECT payload FROM delivery")]


def files(context: Context) -> list[Path]:
    """List the letters in the outbox."""
    return sorted(path for path in context.outbox.directory.rglob("*") if path.is_file())


def resident(person: UUID) -> Actor:
    """Sign a person in."""
    return Actor("resident", str(person), frozenset({"resident"}))


def test_a_registered_request_becomes_a_letter_and_a_fact(context: Context) -> None:
    """The person reads the number in their language; the ledger and the store say the same."""
    request, person = uuid4(), uuid4()
    for fact in (city.submitted(request, person), city.registered(request)):
        city.hear(context, fact)
    (notice,) = due(context)
    application.tell(context, notice)
    (file,) = files(context)
    cause = city.registered(request).envelope.id
    assert file.name == f"{message_stream(cause, 'file')}.eml"
    mail = message_from_bytes(file.read_bytes(), policy=SMTP)
    assert mail["Subject"] == "KZN-2026-0000001 номерлы мөрәҗәгатегез теркәлде"
    assert mail["To"] == f"person-{person}@person.invalid"
    assert mail["Date"].datetime == city.NOON
    assert "Юлдагы чокыр" in file.read_text()
    (sent,) = context.store.events(message_stream(cause, "file"))
    assert sent.fact == MessageSent(
        person=person,
        request=request,
        city="kazan",
        number="KZN-2026-0000001",
        template="request_registered",
        language="tt",
        channel="file",
        cause=cause,
        cause_type="request.request-registered.v1",
    )
    assert (sent.envelope.correlation, sent.envelope.causation) == (request, cause)


def test_a_message_sent_again_is_one_file_and_one_fact(context: Context) -> None:
    """A crash between the file and the fact, or after both, changes nothing."""
    request, person = uuid4(), uuid4()
    for fact in (city.submitted(request, person), city.registered(request), city.completion_proposed(request)):
        city.hear(context, fact)
    first, second = due(context)
    context.outbox.write(first.message, b"torn by a crash")
    for notice in (first, second, first):
        application.tell(context, notice)
    assert len(files(context)) == 2
    assert all(b"Message-ID" in path.read_bytes() for path in files(context))
    assert all(len(context.store.events(f"message-{notice.message}")) == 1 for notice in (first, second))


def test_a_language_without_templates_becomes_the_citys(context: Context) -> None:
    """Who writes French in Kazan is answered in Russian."""
    request = uuid4()
    for fact in (city.submitted(request, uuid4(), language="fr"), city.registered(request), city.closed(request)):
        city.hear(context, fact)
    for notice in due(context):
        application.tell(context, notice)
    assert {read["language"] for read in context.database.query("SELECT language FROM message")} == {"ru"}


def test_a_message_given_up_is_a_fact(context: Context) -> None:
    """It stands in the ledger as failed; if it leaves after all, as sent."""
    request, person = uuid4(), uuid4()
    for fact in (city.submitted(request, person), city.registered(request)):
        city.hear(context, fact)
    (notice,) = due(context)
    application.give_up(context, notice, 5, "disk full")
    (failed,) = context.store.events(f"message-{notice.message}")
    assert isinstance(failed.fact, MessageFailed)
    assert (failed.fact.attempts, failed.fact.error) == (5, "disk full")
    ((entry, says),) = application.messages_of(context, resident(person), person, None, 10)
    assert (entry.state, "не" in says or "прекратили" in says) == ("failed", True)
    application.tell(context, notice)
    ((entry, _),) = application.messages_of(context, resident(person), person, None, 10)
    assert entry.state == "sent"


def test_everybody_reads_their_own_ledger_and_staff_anybodys(context: Context) -> None:
    """The latest first, in the language they were told in, page by page."""
    request, person, other = uuid4(), uuid4(), uuid4()
    for fact in (city.submitted(request, person), city.registered(request), city.closed(request)):
        city.hear(context, fact)
    for notice in sorted(due(context), key=lambda each: each.template, reverse=True):
        application.tell(context, notice)
    entries = application.messages_of(context, resident(person), person, None, 10)
    assert [told.template for told, _ in entries] == ["request_closed", "request_registered"]
    assert all("KZN-2026-0000001" in says and "хәбәр иттек" in says for _, says in entries)
    last = views.message.Place(entries[0][0].at, entries[0][0].message)
    assert application.messages_of(context, resident(person), person, last, 10) == entries[1:]
    assert application.messages_of(context, resident(other), other, None, 10) == []
    with pytest.raises(Forbidden):
        application.messages_of(context, resident(other), person, None, 10)
    agent = Actor("agent", str(other), frozenset({"agent"}))
    assert len(application.messages_of(context, agent, person, None, 10)) == 2


@pytest.fixture
def citys_keyring(service_database: ServiceDatabase, postgres_admin_url: str) -> Keyring:
    """The keyring with the right to destroy keys, which this service does not have."""
    role = f"{service_database.service}_eraser"
    migrate(postgres_admin_url, role, None, city.SECRET, keyring_rights=("create_key", "open_keys", "destroy_key"))
    return Keyring(role_url(postgres_admin_url, role, role_password(city.SECRET, role), "keyring"), b"k" * 32)
