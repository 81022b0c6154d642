"""Organisations' keys at the edge: which open what, and in which words the others are refused."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from fastapi import FastAPI
from provider import ISSUER, SECRET, Issuer, Lines, MakeApi, calling
from psycopg.sql import SQL, Identifier, Literal

from shared_chassis import api_key
from shared_chassis.api_key import Keys, KeyShapeError, NewKey, hash_of, issue, issued, key_id_of, revoked
from shared_chassis.http import IdempotentCommand, Router, SignedIn, Verifier, allow, needs_scope
from shared_chassis.postgres import Database, ServiceDatabase

WATER = "organisation-kazan-water"
ALL = ("read", "work", "ask")
RULES = {"work": frozenset({"executor"}), "assign": frozenset({"dispatcher"})}


@pytest.fixture
def database(shop_database: ServiceDatabase) -> Iterator[Database]:
    """The sample service's database, as its application's role."""
    opened = Database(shop_database.app_url, shop_database.service, 4)
    yield opened
    opened.close()


@pytest.fixture
def keys(database: Database, monkeypatch: pytest.MonkeyPatch) -> Keys:
    """A finder that remembers nothing, unless a test says so."""
    monkeypatch.setattr(api_key, "REMEMBERED_SECONDS", 0)
    return Keys(database)


@pytest.fixture
def api(issuer: Issuer, make_api: MakeApi, keys: Keys) -> FastAPI:
    """Routes for executors: one reads, one works, one forgot to ask for a scope, one is for dispatchers."""
    router = Router()

    @router.get("/cases")
    def read(actor: SignedIn) -> dict[str, object]:
        needs_scope(actor, "read")
        return {"actor": str(actor), "organisation": actor.organisation, "roles": sorted(actor.roles)}

    @router.post("/cases/start")
    def work(actor: SignedIn, command: IdempotentCommand) -> dict[str, str]:
        allow(actor, "work", RULES)
        needs_scope(actor, "work")
        return {"actor": command.actor}

    @router.post("/cases/forgotten")
    def forgotten(actor: SignedIn) -> dict[str, str]:
        allow(actor, "work", RULES)
        return {}

    @router.post("/cases/assignment")
    def assign(actor: SignedIn) -> dict[str, str]:
        allow(actor, "assign", RULES)
        return {}

    verifier = Verifier(issuer=ISSUER, audience="veche", secret=SECRET, fetch=issuer.fetch, clock=issuer.clock, keys=keys)
    return make_api(routers=[router], verifier=verifier)


def note(database: Database, key: NewKey, scopes: tuple[str, ...] = ALL, valid_until: datetime | None = None) -> None:
    """Take note of a key, as a fold does."""
    statement = issued(sha256=key.sha256, key_id=key.key_id, organisation=WATER, scopes=scopes, valid_until=valid_until)
    database.execute(statement.sql, statement.params)


def withdraw(database: Database, key: NewKey, at: datetime) -> None:
    """Take note of a revocation."""
    statement = revoked(organisation=WATER, key_id=key.key_id, at=at)
    database.execute(statement.sql, statement.params)


def bearer(key: NewKey) -> dict[str, str]:
    """Show a key."""
    return {"authorization": f"Bearer {key.key}"}


def now() -> datetime:
    """Read the machine's clock, which is the database's."""
    return datetime.now(UTC)


def test_a_key_says_its_id_and_nothing_stored_opens_anything() -> None:
    """Written as documented; every key is another one, and its hash is not its secret."""
    first, second = issue("a1b2"), issue("a1b2")
    assert first.key.startswith("vk_a1b2_")
    assert len(first.key) == len("vk_a1b2_") + 43
    assert key_id_of(first.key) == "a1b2"
    assert first.key != second.key
    assert first.sha256 == hash_of(first.key)
    assert issue("a1b2", b"s" * 32).key == "vk_a1b2_c3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3Nzc3M"


@pytest.mark.parametrize(
    "key", ["", "vk_", "vk_a1b2", "vk_a1b2_short", "vk_A_" + "s" * 43, "xk_a_" + "s" * 43, "vk_a_" + "ы" * 43]
)
def test_what_is_no_key_has_no_id(key: str) -> None:
    """Nobody asks the database about it."""
    assert key_id_of(key) is None


@pytest.mark.parametrize(
    ("key_id", "secret"), [("", b"s" * 32), ("a_b", b"s" * 32), ("A", None), ("a", b"short"), ("a" * 65, None)]
)
def test_a_key_that_could_not_be_read_again_is_not_made(key_id: str, secret: bytes | None) -> None:
    """An id with an underscore would end elsewhere; a short secret could be guessed."""
    with pytest.raises(KeyShapeError):
        issue(key_id, secret)


@pytest.mark.postgres
async def test_a_program_acts_for_its_organisation(api: FastAPI, database: Database) -> None:
    """It is an executor under an id of its own, the same each time, and another key is another one."""
    first, second = issue("first"), issue("second")
    note(database, first)
    note(database, second)
    async with calling(api) as client:
        told = (await client.get("/cases", headers=bearer(first))).json()
        again = (await client.post("/cases/start", headers=bearer(first))).json()
        other = (await client.get("/cases", headers=bearer(second))).json()
    assert (told["organisation"], told["roles"]) == (WATER, ["executor"])
    assert told["actor"].startswith("executor:")
    assert again["actor"] == told["actor"] != other["actor"]


@pytest.mark.postgres
async def test_refused_keys_are_refused_in_words(api: FastAPI, database: Database, lines: Lines) -> None:
    """Unknown, expired and revoked are three things, each 401; no key stands in a log line."""
    unknown, expired, withdrawn, coming = (issue(each) for each in ("unknown", "expired", "withdrawn", "coming"))
    note(database, expired, valid_until=now() - timedelta(seconds=1))
    note(database, withdrawn)
    withdraw(database, withdrawn, now())
    note(database, coming, valid_until=now() + timedelta(hours=1))
    withdraw(database, coming, now() + timedelta(hours=1))
    said = {}
    async with calling(api) as client:
        for key in (unknown, expired, withdrawn):
            answer = await client.get("/cases", headers=bearer(key))
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            said[key.key_id] = (answer.json()["type"], answer.json()["title"])
        assert (await client.get("/cases", headers=bearer(coming))).status_code == 200
        broken = await client.get("/cases", headers={"authorization": "Bearer vk_nonsense"})
    assert (broken.status_code, broken.json()["type"]) == (401, "urn:veche:sample:key-refused")
    assert said == {
        "unknown": (
            "urn:veche:sample:key-refused",
            "This key is not known here. A key just issued is known everywhere within seconds.",
        ),
        "expired": ("urn:veche:sample:key-expired", "This key has expired; the organisation needs a new one."),
        "withdrawn": ("urn:veche:sample:key-revoked", "This key was revoked; the organisation needs a new one."),
    }
    assert not any(key.key in lines.text for key in (unknown, expired, withdrawn, coming))


@pytest.mark.postgres
async def test_a_key_does_what_its_scopes_say(api: FastAPI, database: Database, issuer: Issuer) -> None:
    """Without the scope 403, naming it; a person has every scope, and a key never another role."""
    reader, asker, worker = issue("reader"), issue("asker"), issue("worker")
    note(database, reader, ("read",))
    note(database, asker, ("ask",))
    note(database, worker, ("read", "work"))
    async with calling(api) as client:
        for key in (reader, asker):
            answer = await client.post("/cases/start", headers=bearer(key))
            assert (answer.status_code, answer.json()["type"]) == (403, "urn:veche:sample:scope-missing")
            assert answer.json()["detail"] == "This key does not have the scope `work`."
        assert (await client.get("/cases", headers=bearer(asker))).status_code == 403
        assert (await client.get("/cases", headers=bearer(reader))).status_code == 200
        assert (await client.post("/cases/start", headers=bearer(worker))).status_code == 200
        assert (await client.post("/cases/assignment", headers=bearer(worker))).status_code == 403
        person = issuer.headers(roles=["executor"], organisation=WATER)
        assert (await client.post("/cases/start", headers=person)).status_code == 200


@pytest.mark.postgres
async def test_a_reading_key_changes_nothing_where_a_route_forgot_to_ask(api: FastAPI, database: Database) -> None:
    """The edge itself refuses every call but a reading one."""
    reader = issue("reader")
    note(database, reader, ("read",))
    async with calling(api) as client:
        answer = await client.post("/cases/forgotten", headers=bearer(reader))
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:veche:sample:scope-missing")


async def test_a_service_that_takes_no_keys_says_so(make_api: MakeApi) -> None:
    """Most of the city is for people."""
    router = Router()

    @router.get("/me")
    def me(actor: SignedIn) -> dict[str, str]:
        return {"actor": str(actor)}

    async with calling(make_api(routers=[router])) as client:
        answer = await client.get("/me", headers=bearer(issue("first")))
    assert (answer.status_code, answer.json()["title"]) == (401, "Organisations' keys are not taken here; sign in.")


@pytest.mark.postgres
def test_a_fact_heard_again_changes_nothing(database: Database, keys: Keys) -> None:
    """Issued twice, also after the revocation; of two revocations the earlier counts."""
    key = issue("first")
    note(database, key)
    withdraw(database, key, now() + timedelta(hours=2))
    withdraw(database, key, now() - timedelta(hours=2))
    withdraw(database, key, now() + timedelta(hours=3))
    note(database, key)
    found = keys.find(key.key)
    assert found is not None
    assert (found.state, found.organisation, found.scopes) == ("revoked", WATER, frozenset(ALL))
    assert keys.find(key.key[:-1] + ("A" if key.key[-1] != "A" else "B")) is None


@pytest.mark.postgres
def test_whether_a_key_still_opens_is_asked_of_the_databases_clock(
    shop_database: ServiceDatabase, database: Database, keys: Keys
) -> None:
    """Every rule has one clock."""
    key = issue("first")
    note(database, key, valid_until=now() + timedelta(hours=1))
    assert keys.find(key.key) is not None
    with psycopg.connect(shop_database.owner_url, autocommit=True) as connection:
        connection.execute(
            SQL(
                "CREATE OR REPLACE FUNCTION {}.rule_now() RETURNS timestamptz LANGUAGE sql VOLATILE"
                " AS $$ SELECT clock_timestamp() + make_interval(secs => {}) $$"
            ).format(Identifier(shop_database.service), Literal(3601))
        )
    found = keys.find(key.key)
    assert found is not None
    assert found.state == "expired"


@pytest.mark.postgres
def test_a_revocation_takes_effect_within_seconds(database: Database) -> None:
    """A key found is remembered for a few, an unknown one not at all."""
    keys, key = Keys(database), issue("first")
    assert keys.find(key.key) is None
    note(database, key)
    assert keys.remembered(key.key) is None
    found = keys.find(key.key)
    assert keys.remembered(key.key) is found
    assert keys._found.ttl == api_key.REMEMBERED_SECONDS <= 5
