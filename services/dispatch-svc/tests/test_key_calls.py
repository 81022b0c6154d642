"""Organisations' keys over HTTP on real PostgreSQL: shown once, stored as a hash, rotated without a gap, revoked at once."""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta

import httpx
import psycopg
import pytest
from control_room import AUDITOR, DISPATCHER, LIFT_FITTER, LIFTS, MINUTE, PIPE_FITTER, PIPES, ControlRoom, Person

from dispatch_svc.api import ERRORS, ROUTERS
from dispatch_svc.application import MAY, Context
from dispatch_svc.domain.organisation import MOST_KEYS
from shared_chassis.api_key import Keys, hash_of
from shared_chassis.http import Verifier, create_api
from shared_chassis.postgres import ServiceDatabase

pytestmark = pytest.mark.postgres
WANTED = {"label": "Orders", "scopes": ["work", "read"]}


@pytest.fixture
async def programs(context: Context) -> AsyncIterator[httpx.AsyncClient]:
    """Give a dispatch-svc that takes organisations' keys, as the real one does."""
    verifier = Verifier(issuer="http://issuer", audience="veche", secret=b"s" * 32, keys=Keys(context.database))
    app = create_api(
        title="dispatch", service="dispatch", routers=ROUTERS, verifier=verifier, errors=ERRORS, context=context, rules=MAY
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://dispatch") as client:
        yield client


async def issue(
    room: ControlRoom, who: Person = LIFT_FITTER, organisation: str = LIFTS, key: str | None = None, **changes: object
) -> httpx.Response:
    """Ask for a key."""
    body = {**WANTED, **changes}
    return await room.api.post(f"/organisations/{organisation}/keys", json=body, headers=who.headers(key))


async def change(room: ControlRoom, key_id: str, what: str, body: Mapping[str, object] | None = None) -> httpx.Response:
    """Rotate or revoke a key as its organisation's person."""
    path = f"/organisations/{LIFTS}/keys/{key_id}/{what}"
    return await room.api.post(path, json=body, headers=LIFT_FITTER.headers())


async def listed(room: ControlRoom, key_id: str, who: Person = AUDITOR) -> dict[str, object]:
    """Read a key of the list."""
    answer = await room.api.get(f"/organisations/{LIFTS}/keys", headers=who.headers())
    (found,) = [each for each in answer.json()["items"] if each["key_id"] == key_id]
    assert isinstance(found, dict)
    return found


async def test_a_key_is_shown_once_and_only_its_hash_is_anywhere(
    room: ControlRoom, programs: httpx.AsyncClient, dispatch_database: ServiceDatabase
) -> None:
    """It opens what its scopes say; no table, view or event holds it; the same call again shows nothing."""
    answer = await issue(room, key="first-key")
    assert answer.status_code == 201, answer.text
    shown = answer.json()
    key, secret = shown["key"], shown["key"].split("_", 2)[2]
    assert key.startswith(f"vk_{shown['key_id']}_")
    assert len(secret) == 43
    cases = await programs.get("/cases", headers={"authorization": f"Bearer {key}"})
    assert cases.status_code == 200, cases.text
    again = await issue(room, key="first-key")
    assert (again.status_code, again.json()["type"]) == (409, "urn:veche:dispatch:key-shown-already-error")
    told = await listed(room, shown["key_id"])
    assert (told["label"], told["scopes"], told["state"]) == ("Orders", ["read", "work"], "good")
    assert told["issued_by"] == f"executor:{LIFT_FITTER.id}"
    found_hash = False
    with psycopg.connect(dispatch_database.owner_url) as connection:
        connection.execute(b"SET search_path = " + dispatch_database.service.encode())
        tables = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
        ).fetchall()
        for (table,) in tables:
            for (row,) in connection.execute(f"SELECT t::text FROM {table} t".encode()).fetchall():
                assert secret not in row, table
                assert secret.encode().hex() not in row, table
                found_hash |= hash_of(key) in row
    assert found_hash


async def test_a_rotated_key_opens_beside_its_successor_until_the_overlap_is_over(room: ControlRoom, context: Context) -> None:
    """Then the old one is revoked, and cannot be rotated again."""
    old = (await issue(room)).json()
    answer = await change(room, old["key_id"], "rotation", {"overlap_minutes": 10})
    assert answer.status_code == 201, answer.text
    new = answer.json()
    assert [state(context, each["key"]) for each in (old, new)] == ["good", "good"]
    again = await change(room, old["key_id"], "rotation", {"overlap_minutes": 10})
    assert (again.status_code, again.json()["type"]) == (409, "urn:veche:dispatch:key-is-over-error")
    room.clock.put_forward(11 * MINUTE)
    assert [state(context, each["key"]) for each in (old, new)] == ["revoked", "good"]
    assert (await listed(room, old["key_id"]))["state"] == "revoked"


def state(context: Context, key: str) -> str | None:
    """Say what a key opens, as every service asks its own table."""
    found = Keys(context.database).find(key)
    return None if found is None else found.state


async def test_a_revoked_key_opens_nothing_at_once_also_during_an_overlap(room: ControlRoom, context: Context) -> None:
    """Revoking twice is harmless."""
    key = (await issue(room)).json()
    await change(room, key["key_id"], "rotation", {"overlap_minutes": 1000})
    for _ in range(2):
        assert (await change(room, key["key_id"], "revocation")).status_code == 200
        assert state(context, key["key"]) == "revoked"


async def test_a_key_expires(room: ControlRoom, context: Context) -> None:
    """From its last moment on."""
    until = room.now() + timedelta(minutes=5)
    key = (await issue(room, valid_until=until.isoformat())).json()
    assert state(context, key["key"]) == "good"
    room.clock.put_forward(6 * MINUTE)
    assert state(context, key["key"]) == "expired"
    assert (await listed(room, key["key_id"]))["state"] == "expired"


async def test_a_key_neither_issues_nor_rotates_nor_sees_keys(room: ControlRoom, programs: httpx.AsyncClient) -> None:
    """Whoever steals a key cannot make itself another one."""
    key = (await issue(room)).json()
    headers = {"authorization": f"Bearer {key['key']}"}
    path = f"/organisations/{LIFTS}/keys"
    calls = [
        await programs.post(path, json=WANTED, headers=headers),
        await programs.get(path, headers=headers),
        await programs.post(f"{path}/{key['key_id']}/rotation", json={"overlap_minutes": 1}, headers=headers),
        await programs.post(f"{path}/{key['key_id']}/revocation", headers=headers),
    ]
    assert [(call.status_code, call.json()["type"]) for call in calls] == [
        (403, "urn:veche:dispatch:keys-need-a-person-error")
    ] * 4


async def test_only_its_own_people_and_dispatchers_handle_an_organisations_keys(room: ControlRoom) -> None:
    """An auditor sees them all."""
    assert (await issue(room, PIPE_FITTER, PIPES)).status_code == 201
    assert (await issue(room, DISPATCHER, PIPES)).status_code == 201
    other = await issue(room, PIPE_FITTER, LIFTS)
    assert (other.status_code, other.json()["type"]) == (403, "urn:veche:dispatch:not-your-organisation-error")
    path = f"/organisations/{LIFTS}/keys"
    statuses = [(await room.api.get(path, headers=who.headers())).status_code for who in (PIPE_FITTER, DISPATCHER, AUDITOR)]
    assert statuses == [403, 200, 200]


async def test_what_cannot_be_is_refused_in_words(room: ControlRoom) -> None:
    """No such organisation, no such key, an end in the past, a scope nobody knows, too many."""
    nobody = "organisation-kazan-none"
    assert (await issue(room, DISPATCHER, nobody)).json()["title"] == "No organisation is known under this id."
    assert (await room.api.get(f"/organisations/{nobody}/keys", headers=DISPATCHER.headers())).status_code == 404
    assert (await change(room, "none", "revocation")).json()["title"] == "The organisation has no key with this id."
    past = await issue(room, valid_until="2020-01-01T00:00:00Z")
    assert (past.status_code, past.json()["title"]) == (422, "A key is valid until a moment to come.")
    for wrong in ({"scopes": ["everything"]}, {"scopes": []}, {"label": ""}, {"valid_until": "2030-01-01T00:00:00"}):
        assert (await issue(room, **wrong)).status_code == 422
    statuses = [(await issue(room, DISPATCHER, PIPES)).status_code for _ in range(MOST_KEYS + 1)]
    assert statuses[-1] == 409
