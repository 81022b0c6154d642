"""Telling people, on a real PostgreSQL: from a fact to a file in the outbox, each exactly once."""

import asyncio
import time
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path
from uuid import UUID, uuid4

import city_of_tests as city
import psycopg
import pytest

from notification_svc import views, worker
from notification_svc.application import message as application
from notification_svc.application.context import Context
from notification_svc.views.request_card import AddressedNotice
from shared_chassis.consumer import Early
from shared_chassis.http import Actor, Forbidden
from shared_chassis.keyring import Keyring
from shared_chassis.sender import Sender
from shared_events.ids import message_stream, uuid_of
from shared_events.notification import MessageFailed, MessageSent

pytestmark = pytest.mark.postgres

EMAIL = "rosa@example.org"


def due(context: Context) -> list[AddressedNotice]:
    """List what is to be sent."""
    rows = context.database.query("SELECT payload FROM delivery ORDER BY delivery_id")
    return [AddressedNotice.model_validate(row["payload"]) for row in rows]


def tell(context: Context, notice: AddressedNotice) -> None:
    """Send a message and state it."""
    application.send(context, notice)
    application.state_sent(context, notice)


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
    tell(context, notice)
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
        tell(context, notice)
    assert len(files(context)) == 2
    assert all(b"Message-ID" in path.read_bytes() for path in files(context))
    assert all(len(context.store.events(f"message-{notice.message}")) == 1 for notice in (first, second))


def test_a_language_without_templates_becomes_the_citys(context: Context) -> None:
    """Who writes French in Kazan is answered in Russian."""
    request = uuid4()
    for fact in (city.submitted(request, uuid4(), language="fr"), city.registered(request), city.closed(request)):
        city.hear(context, fact)
    for notice in due(context):
        tell(context, notice)
    assert {read["language"] for read in context.database.query("SELECT language FROM message")} == {"ru"}


def test_a_message_given_up_is_a_fact(context: Context) -> None:
    """It stands in the ledger as failed; if it leaves after all, as sent."""
    request, person = uuid4(), uuid4()
    for fact in (city.submitted(request, person), city.registered(request)):
        city.hear(context, fact)
    (notice,) = due(context)
    application.state_failed(context, notice, 5, "disk full")
    (failed,) = context.store.events(f"message-{notice.message}")
    assert isinstance(failed.fact, MessageFailed)
    assert (failed.fact.attempts, failed.fact.error) == (5, "disk full")
    ((entry, says),) = application.messages_of(context, resident(person), person, None, 10)
    assert (entry.state, "не" in says or "прекратили" in says) == ("failed", True)
    tell(context, notice)
    ((entry, _),) = application.messages_of(context, resident(person), person, None, 10)
    assert entry.state == "sent"


def test_everybody_reads_their_own_ledger_and_staff_anybodys(context: Context) -> None:
    """The latest first, in the language they were told in, page by page."""
    request, person, other = uuid4(), uuid4(), uuid4()
    for fact in (city.submitted(request, person), city.registered(request), city.closed(request)):
        city.hear(context, fact)
    for notice in sorted(due(context), key=lambda each: each.template, reverse=True):
        tell(context, notice)
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


def test_the_address_is_opened_for_the_letter_alone(context: Context, postgres_admin_url: str) -> None:
    """No table holds the e-mail address in plain; once the person is erased, letters go to the pseudonym."""
    request, person = uuid4(), uuid4()
    event = city.submitted(request, person).envelope.id
    sealed = context.keyring.seal(person, event, "email", EMAIL)
    for fact in (city.submitted(request, person, email=sealed), city.registered(request), city.closed(request)):
        city.hear(context, fact)
    first, second = due(context)
    tell(context, first)
    assert EMAIL in context.outbox.path_of(first.message).read_text()
    for table in ("delivery", "request_card", "message", "stored_events"):
        rows = context.database.query(f"SELECT t::text AS row FROM {table} t")
        assert rows
        assert not any(EMAIL in row["row"] for row in rows)
    with psycopg.connect(postgres_admin_url, dbname="keyring", autocommit=True) as connection:
        connection.execute("SELECT keyring.destroy_key(%s)", [person])
    later = Keyring(context.keyring._database.url, b"k" * 32)  # one that has not just opened the key
    tell(replace(context, keyring=later), second)
    later.close()
    letter = context.outbox.path_of(second.message).read_text()
    assert EMAIL not in letter
    assert f"person-{person}@person.invalid" in letter


async def test_the_sender_tells_each_person_once(context: Context) -> None:
    """From deliveries noted by folds to letters and facts; hearing the same again sends nothing more."""
    requests = [uuid4() for _ in range(20)]
    heard = [fact for request in requests for fact in (city.submitted(request, uuid4()), city.registered(request))]
    for fact in (*heard, *heard):
        city.hear(context, fact)
    await send_everything(context)
    assert len(files(context)) == len(requests)
    letters = {path: path.stat().st_mtime_ns for path in files(context)}
    for fact in heard:
        city.hear(context, fact)
    await send_everything(context)
    assert {path: path.stat().st_mtime_ns for path in files(context)} == letters
    stated = context.database.query("SELECT originator_id FROM stored_events WHERE topic = 'notification.message-sent.v1'")
    assert {row["originator_id"] for row in stated} == {path.stem for path in letters}
    assert len(stated) == len(requests)


async def test_what_cannot_be_sent_is_given_up_and_stated(context: Context) -> None:
    """An outbox that cannot be written ends in a fact, after so many attempts."""
    request = uuid4()
    for fact in (city.submitted(request, uuid4()), city.registered(request)):
        city.hear(context, fact)
    context.outbox.directory.write_text("a file is in the way")
    await send_everything(context)
    (notice,) = due(context)
    (failed,) = context.store.events(f"message-{notice.message}")
    assert isinstance(failed.fact, MessageFailed)
    assert failed.fact.attempts == 2


async def send_everything(context: Context) -> None:
    """Let the sender run until nothing is to be sent."""
    sender = Sender(
        context.database,
        worker.CHANNELS,
        context,
        delivered=worker.when_sent_then_state_it,
        failed=worker.when_given_up_then_state_it,
        attempts=2,
        first_rest=0.01,
    )
    stop = asyncio.Event()
    running = asyncio.create_task(sender.run(stop))
    await asyncio.to_thread(wait_until_reported, context)
    stop.set()
    await running


def wait_until_reported(context: Context) -> None:
    """Wait until every delivery has come to its end, a minute at most."""
    deadline = time.monotonic() + 60
    while context.database.query("SELECT 1 FROM delivery WHERE reported_at IS NULL LIMIT 1"):
        assert time.monotonic() < deadline, "a delivery does not come to its end"
        time.sleep(0.02)


def body_of(context: Context, notice: AddressedNotice) -> str:
    """Send a message and read its text in one line."""
    tell(context, notice)
    return " ".join(context.outbox.path_of(notice.message).read_text().split())


def by_template(context: Context) -> dict[tuple[UUID, str], AddressedNotice]:
    """List what is to be sent, by person and template."""
    return {(notice.person, notice.template): notice for notice in due(context)}


def test_a_question_is_opened_for_the_letter_alone(context: Context) -> None:
    """The person reads it; no table does, and once the person is erased nobody does."""
    request, person, question = uuid4(), uuid4(), "Which of the two doors is it?"
    event = city.asked(request, person).envelope.id
    sealed = context.keyring.seal(person, event, "question", question)
    for _ in range(2):
        for fact in (
            city.submitted(request, person, language="en"),
            city.registered(request),
            city.asked(request, person, sealed),
        ):
            city.hear(context, fact)
    assert len(due(context)) == 2
    assert question in body_of(context, by_template(context)[person, "information_requested"])
    for table in ("delivery", "request_card", "message", "stored_events"):
        assert not any(question in row["row"] for row in context.database.query(f"SELECT t::text AS row FROM {table} t"))


def test_both_reporters_are_told_of_a_duplicate(context: Context) -> None:
    """Each in their own words and with the other's number; the later one is not told again that it is closed."""
    earlier, later, first, second = uuid4(), uuid4(), uuid4(), uuid4()
    for fact in (
        city.submitted(earlier, first, language="en"),
        city.registered(earlier),
        city.submitted(later, second, language="en"),
    ):
        city.hear(context, fact)
    for _ in range(2):
        city.hear(context, city.linked(later, earlier))
        city.hear(context, city.closed(later, "duplicate"))
    notices = by_template(context)
    assert set(notices) == {(first, "request_registered"), (first, "duplicate_linked"), (second, "duplicate_linked")}
    cause = city.linked(later, earlier).envelope.id
    own, original = notices[second, "duplicate_linked"], notices[first, "duplicate_linked"]
    assert own.message == uuid_of(message_stream(cause, "file")) != original.message
    assert (own.request, original.request) == (later, earlier)
    assert "had been reported before, in request KZN-2026-0000001" in body_of(context, own)
    assert "somebody else has reported the same as you did in request KZN-2026-0000001" in body_of(context, original)
    (sent,) = context.store.events(f"message-{original.message}")
    assert isinstance(sent.fact, MessageSent)
    assert (sent.fact.person, sent.fact.request, sent.fact.cause) == (first, earlier, cause)


def test_who_was_told_of_a_duplicate_is_told_that_it_is_none(context: Context) -> None:
    """The earlier one's reporter, once and with the other's number; the later one's when that is reopened."""
    earlier, later, first, second = uuid4(), uuid4(), uuid4(), uuid4()
    for fact in (city.submitted(earlier, first, language="en"), city.registered(earlier)):
        city.hear(context, fact)
    for fact in (city.submitted(later, second, language="en"), city.registered(later, number="KZN-2026-0000002")):
        city.hear(context, fact)
    for _ in range(2):
        city.hear(context, city.unlinked(later, earlier))
    (notice,) = [each for each in due(context) if each.template == "duplicate_unlinked"]
    assert (notice.person, notice.request) == (first, earlier)
    text = body_of(context, notice)
    assert "we had told you that request KZN-2026-0000002 is about the same as your request KZN-2026-0000001" in text
    assert "nothing changes for you" in text


def test_a_link_to_what_is_not_known_here_waits_for_it(context: Context) -> None:
    """Nobody is forgotten because topics are not ordered against each other."""
    request, other, incident = uuid4(), uuid4(), uuid4()
    with pytest.raises(Early, match=f"request-{request}"):
        city.hear(context, city.linked_to(request, incident))
    city.hear(context, city.submitted(request, uuid4()))
    with pytest.raises(Early, match=f"request-{other}"):
        city.hear(context, city.linked(request, other))
    with pytest.raises(Early, match=f"request-{other}"):
        city.hear(context, city.unlinked(request, other))
    assert due(context) == []
    city.hear(context, city.linked_to(request, incident))
    assert [notice.template for notice in due(context)] == ["incident_linked"]


def test_a_reopened_request_and_its_end_are_told(context: Context) -> None:
    """Reopened in words that say why; closed as done with the question how it was."""
    request, person = uuid4(), uuid4()
    for fact in (
        city.submitted(request, person, language="en"),
        city.registered(request),
        city.reopened(request),
        city.closed(request),
    ):
        city.hear(context, fact)
    notices = by_template(context)
    assert "You told us that the work is not done." in body_of(context, notices[person, "request_reopened"])
    assert "Please rate it from 1 (bad) to 5 (good)" in body_of(context, notices[person, "request_closed"])


async def test_everybody_an_incident_concerns_is_told_of_it_and_of_its_new_end(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linked before or after the prolongation arrived, each once; who was linked later or no longer is, not of that one."""
    monkeypatch.setattr(views.incident, "WAIT_SECONDS", 0.0)
    incident, later = uuid4(), city.NOON + timedelta(minutes=10)
    before, crossing, after, unlinked, nobody = (uuid4() for _ in range(5))
    persons = {request: uuid4() for request in (before, crossing, after, unlinked)}
    city.hear(context, city.declared(incident))
    for request in (before, crossing, after, unlinked, nobody):
        city.hear(context, city.submitted(request, persons.get(request), language="ru"))
        city.hear(context, city.registered(request))
    for _ in range(2):
        city.hear(context, city.linked_to(before, incident))
        city.hear(context, city.linked_to(nobody, incident))
        city.hear(context, city.linked_to(unlinked, incident))
        city.hear(context, city.unlinked_from(unlinked, incident, at=city.NOON + timedelta(minutes=5)))
        city.hear(context, city.prolonged(incident, at=later))
        city.hear(context, city.linked_to(crossing, incident))
        city.hear(context, city.linked_to(after, incident, at=later + timedelta(minutes=1)))
    await send_everything(context)
    await send_everything(context)
    sent = context.database.query("SELECT person, template FROM message WHERE template LIKE 'incident%'")
    told = sorted((row["person"], row["template"]) for row in sent)
    assert told == sorted(
        [
            *((person, "incident_linked") for person in persons.values()),
            (persons[before], "incident_prolonged"),
            (persons[crossing], "incident_prolonged"),
        ]
    )
    letters = [" ".join(path.read_text().split()) for path in files(context)]
    assert sum("Авария на водоводе" in letter for letter in letters) == len(told)


def test_a_letter_about_an_incident_waits_for_its_name(context: Context) -> None:
    """Nobody is sent a letter with a gap; it is tried again."""
    request, incident = uuid4(), uuid4()
    for fact in (city.submitted(request, uuid4()), city.linked_to(request, incident)):
        city.hear(context, fact)
    (notice,) = due(context)
    with pytest.raises(application.IncidentUnknownError):
        application.send(context, notice)
    city.hear(context, city.declared(incident))
    assert "Су үткәргечтә авария" in body_of(context, notice)


def test_an_incident_of_thousands_is_told_by_one_statement(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """5,000 linked requests: everyone's message is noted, once."""
    monkeypatch.setattr(views.incident, "WAIT_SECONDS", 0.0)
    incident = uuid4()
    context.database.execute(
        "WITH r AS (SELECT gen_random_uuid() AS request FROM generate_series(1, 5000)), c AS ("
        " INSERT INTO request_card (request, submitted, city, person, language)"
        " SELECT request, true, 'kazan', gen_random_uuid(), 'ru' FROM r)"
        " INSERT INTO incident_link (request, incident, at, linked) SELECT request, %(incident)s, %(at)s, true FROM r",
        {"incident": incident, "at": city.NOON},
    )
    city.hear(context, city.prolonged(incident, at=city.NOON))
    cause = city.prolonged(incident).envelope.id
    assert views.incident.tell_linked(context.database, cause) == 5000
    assert views.incident.tell_linked(context.database, cause) == 0
