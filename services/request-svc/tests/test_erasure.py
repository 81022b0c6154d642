"""Erasing a person: nothing of theirs can be read afterwards, here or from a keyring of yesterday; on real PostgreSQL."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from citizens import AGENT, Person, person, refusal, report_done, say, submit, submitted
from files import picture
from psycopg.sql import SQL, Identifier
from structlog.testing import capture_logs

from request_svc import worker
from request_svc.application import Context, erasure
from request_svc.domain.person import ERASURE, person_at
from shared_chassis.keyring import Keyring, KeyringLockedError
from shared_chassis.postgres import KEYRING
from shared_chassis.stream import timer_id
from shared_chassis.timer import DueTimer
from shared_events.ids import person_stream

pytestmark = pytest.mark.postgres

SAID = {
    "description": "Тайная протечка у Шуралеевых",
    "apartment": "кв. 12 Шуралеевых",
    "phone": "+7 900 555-44-33",
    "email": "shuraleeva@example.org",
}
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = %(schema)s"
QUESTION, ANSWER, REASON, COMMENT = "Шуралеева ли Вы?", "Да, Шуралеева", "Шуралеева недовольна", "Шуралеева: два"
SECRETS = [*SAID.values(), QUESTION, ANSWER, REASON, COMMENT]


async def live_a_life(api: httpx.AsyncClient, context: Context, who: Person) -> tuple[UUID, str]:
    """Say everything of a person that can be said here."""
    request = await submitted(api, who, **SAID)
    assert (await say(api, AGENT, request, "information-requests", {"question": QUESTION})).status_code == 200
    assert (await say(api, who, request, "information", {"answer": ANSWER})).status_code == 200
    report_done(context, request)
    assert (await say(api, who, request, "dispute", {"reason": REASON})).status_code == 200
    attached = await api.post(f"/requests/{request}/attachments", content=picture(), headers=who.headers())
    report_done(context, request, work_round=2)
    assert (await say(api, who, request, "confirmation", {})).status_code == 200
    assert (await say(api, who, request, "rating", {"rating": 2, "comment": COMMENT})).status_code == 200
    return request, attached.json()["sha256"]


def fire_erasure(context: Context, who: UUID) -> None:
    """Let the timer of an erasure fire, as stored."""
    stream_id = person_stream(who)
    row = context.database.query_one("SELECT timer_id, due_at FROM timer WHERE stream_id = %(id)s", {"id": stream_id})
    assert row is not None
    assert row["timer_id"] == timer_id(stream_id, ERASURE, "key")
    worker.TIMERS[ERASURE](context, DueTimer(row["timer_id"], row["due_at"], stream_id, ERASURE, {}))


def everything(context: Context) -> Iterator[tuple[str, bytes]]:
    """Read every row of every table, and every object."""
    tables = context.database.query(
        "SELECT tablename FROM pg_tables WHERE schemaname = %(schema)s", {"schema": context.database.schema}
    )
    assert {"stored_events", "request", "timer", "parked_event", "erased_person"} <= {row["tablename"] for row in tables}
    with context.database.connection() as connection:
        for row in tables:
            found = connection.execute(SQL("SELECT t::text AS row FROM {} AS t").format(Identifier(row["tablename"]))).fetchall()
            yield from ((row["tablename"], each["row"].encode()) for each in found)
        events = connection.execute("SELECT state FROM stored_events").fetchall()
    yield from (("stored_events", bytes(event["state"])) for event in events)
    directory: Path = context.objects._directory
    yield from ((file.name, file.read_bytes()) for file in directory.rglob("*") if file.is_file())


def readable(found: Sequence[tuple[str, bytes]]) -> list[tuple[str, str]]:
    """Find the places where something of the person's can be read, as text or as PostgreSQL writes bytes."""
    return [
        (place, secret)
        for place, content in found
        for secret in [*SECRETS, "Шуралеев"]
        if secret.encode() in content or secret.encode().hex().encode() in content
    ]


async def seen_by(api: httpx.AsyncClient, request: UUID, who: Person) -> list[str]:
    """Tell which of the secrets a reader is shown."""
    text = (await api.get(f"/requests/{request}", headers=who.headers())).text
    return [secret for secret in SECRETS if secret in text]


async def test_after_an_erasure_nothing_of_the_person_can_be_read_anywhere(api: httpx.AsyncClient, context: Context) -> None:
    """No table, event, object or log line; the request and its evidence stay, and nothing new is kept under the name."""
    who = person("resident")
    with capture_logs() as logs:
        request, sha256 = await live_a_life(api, context, who)
        assert await seen_by(api, request, AGENT) == SECRETS
        tagged = (await api.get(f"/requests/{request}", headers=AGENT.headers())).headers["etag"]
        answer = await api.post(f"/persons/{who.id}/erasure", headers=AGENT.headers())
        assert (answer.status_code, answer.json()) == (202, {"person": str(who.id), "version": 1})
        fire_erasure(context, who.id)
        fire_erasure(context, who.id)
        assert await seen_by(api, request, AGENT) == await seen_by(api, request, who) == []
    assert readable(list(everything(context))) == []
    assert readable([("log", repr(logs).encode())]) == []
    attachment = await api.get(f"/requests/{request}/attachments/{sha256}", headers=AGENT.headers())
    assert refusal(attachment) == (410, "attachment-erased-error")
    seen = await api.get(f"/requests/{request}", headers={**AGENT.headers(), "if-none-match": tagged})
    assert seen.status_code == 200
    assert (seen.json()["state"], seen.json()["rating"], len(seen.json()["history"])) == ("closed", 2, 13)
    assert refusal(await submit(api, who, description="Ещё")) == (409, "person-erased-error")
    again = await api.post("/persons/me/erasure", headers=who.headers())
    assert (again.status_code, again.json()["version"]) == (202, 1)


async def test_only_the_person_or_an_agent_erases(api: httpx.AsyncClient) -> None:
    """A neighbour does not."""
    answer = await api.post(f"/persons/{uuid4()}/erasure", headers=person("resident").headers())
    assert refusal(answer) == (403, "not-your-data-error")


@pytest.fixture
def admin(postgres_admin_url: str) -> Iterator[psycopg.Connection]:
    """The keyring's database, as who makes and restores its copies."""
    with psycopg.connect(postgres_admin_url, dbname=KEYRING, autocommit=True) as connection:
        yield connection


async def test_who_was_erased_stays_erased_when_yesterdays_keyring_is_restored(
    api: httpx.AsyncClient, context: Context, admin: psycopg.Connection
) -> None:
    """T38: the erasures are applied again before the keyring opens, to keys it has and to keys it never had."""
    erased, made_later, kept = person("resident"), person("resident"), person("resident")
    request = await submitted(api, erased, **SAID)
    other = await submitted(api, kept, **SAID)
    copy = admin.execute("SELECT person, wrapped FROM keyring.person_key WHERE person = %s", [erased.id]).fetchone()
    assert copy is not None
    await submitted(api, made_later, **SAID)
    for who in (erased, made_later):
        assert (await api.post("/persons/me/erasure", headers=who.headers())).status_code == 202
        fire_erasure(context, who.id)
    admin.execute("UPDATE keyring.person_key SET wrapped = %s, destroyed_at = NULL WHERE person = %s", [copy[1], erased.id])
    admin.execute("DELETE FROM keyring.person_key WHERE person = %s", [made_later.id])
    context.keyring._keys.clear()
    assert await seen_by(api, request, AGENT) == list(SAID.values())
    context.keyring._keys.clear()
    context.keyring.lock()
    locked = await api.get(f"/requests/{request}", headers=AGENT.headers())
    assert refusal(locked) == (503, "keyring-locked-error")
    assert refusal(await submit(api, kept, **SAID)) == (503, "keyring-locked-error")
    with pytest.raises(KeyringLockedError):
        context.keyring.decrypt(erased.id, b"", b"")
    assert erasure.apply_erasures(context) >= 2
    assert await seen_by(api, request, AGENT) == []
    assert refusal(await submit(api, made_later, **SAID)) == (409, "person-erased-error")
    assert await seen_by(api, other, AGENT) == list(SAID.values())


async def test_a_crash_between_the_fact_and_the_key_loses_no_erasure(api: httpx.AsyncClient, context: Context) -> None:
    """The timer stands in the commit of the fact, due at once."""
    who = person("resident")
    assert (await api.post("/persons/me/erasure", headers=who.headers())).status_code == 202
    row = context.database.query_one(
        "SELECT due_at <= rule_now() AS due, fired_at FROM timer WHERE stream_id = %(id)s", {"id": person_stream(who.id)}
    )
    assert row == {"due": True, "fired_at": None}
    assert context.store.load(person_at(context.store.now()), person_stream(who.id)).state.erased


def test_a_file_is_bound_to_what_it_is_of(context: Context) -> None:
    """Moved to another request, or damaged, it does not open; of the same it gives the same bytes."""
    keyring: Keyring = context.keyring
    who = uuid4()
    stored = keyring.encrypt(who, b"here", b"content")
    assert keyring.encrypt(who, b"here", b"content") == stored
    assert keyring.encrypt(who, b"there", b"content")[:12] != stored[:12]
    assert keyring.encrypt(uuid4(), b"here", b"content")[:12] != stored[:12]
    assert keyring.decrypt(who, b"here", stored) == b"content"
    for bound, bytes_ in ((b"there", stored), (b"here", stored[:-1] + bytes([stored[-1] ^ 1]))):
        with pytest.raises(ValueError, match="damaged"):
            keyring.decrypt(who, bound, bytes_)
