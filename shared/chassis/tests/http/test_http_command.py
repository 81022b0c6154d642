"""Commands: the same key names the same command, and what is asked for is part of it."""

import hashlib
from uuid import UUID

import pytest
from fastapi import FastAPI, Request
from provider import Issuer, MakeApi, calling
from pydantic import BaseModel

from shared_chassis.http import Anybody, IdempotentCommand, Router, SignedIn, command_id
from shared_events.ids import derive

KEY = "0b1f6a0e-3f0f-5a51-9e0b-0d8f3b8f9b11"


class Form(BaseModel):
    """What is sent."""

    city: str


@pytest.fixture
def api(make_api: MakeApi) -> FastAPI:
    """Routes that tell the command they were given."""
    router = Router()

    def told(command: IdempotentCommand) -> dict[str, str]:
        return {"id": str(command.id), "actor": command.actor, "hash": (command.body_hash or b"").hex()}

    @router.post("/requests")
    def submit(form: Form, command: IdempotentCommand, actor: Anybody) -> dict[str, str]:
        return {**told(command), "city": form.city, "caller": str(actor)}

    @router.post("/requests/{request}/confirmation")
    def confirm(request: str, command: IdempotentCommand, actor: SignedIn) -> dict[str, str]:
        return told(command)

    @router.post("/documents")
    async def attach(request: Request, command: IdempotentCommand) -> dict[str, str]:
        return {**told(command), "body": (await request.body()).hex()}

    return make_api(routers=[router])


@pytest.mark.parametrize("key", [KEY, KEY.upper(), "row 17, step 2", "x" * 200])
async def test_the_command_id_derives_from_the_key_exactly_as_sent(api: FastAPI, key: str) -> None:
    """One rule for every key, so that whoever sends it can compute what follows from it."""
    async with calling(api) as client:
        answer = await client.post("/requests", json={"city": "kazan"}, headers={"idempotency-key": key})
    assert answer.json()["id"] == str(derive("sample", "command", key)) == str(command_id("sample", key))


async def test_without_a_key_every_call_is_its_own_command(api: FastAPI) -> None:
    """Callers who send none can not be repeated by accident."""
    async with calling(api) as client:
        ids = {(await client.post("/requests", json={"city": "kazan"})).json()["id"] for _ in range(3)}
    assert len(ids) == 3
    assert {UUID(each).version for each in ids} == {4}


@pytest.mark.parametrize(
    "headers", [[("idempotency-key", "")], [("idempotency-key", "x" * 201)], [("idempotency-key", "caf\xe9")]]
)
async def test_a_key_that_cannot_be_one_is_refused(api: FastAPI, headers: dict[str, str]) -> None:
    """Before anything is done."""
    async with calling(api) as client:
        answer = await client.post("/requests", json={"city": "kazan"}, headers=[(k, v.encode("latin-1")) for k, v in headers])
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:veche:sample:bad-header")
    assert "1 to 200 printable ASCII characters" in answer.json()["detail"]


async def test_two_keys_are_refused(api: FastAPI) -> None:
    """Nobody could say which one counts."""
    async with calling(api) as client:
        headers = [("idempotency-key", "a"), ("idempotency-key", "b")]
        answer = await client.post("/requests", json={"city": "kazan"}, headers=headers)
    assert (answer.status_code, answer.json()["detail"]) == (400, "Send one Idempotency-Key, not several.")


async def test_the_hash_covers_method_path_and_body(api: FastAPI, issuer: Issuer) -> None:
    """Whatever differs makes another command of the same key, which the store refuses."""
    signed_in = {**issuer.headers(), "idempotency-key": KEY}
    async with calling(api) as client:
        first = (await client.post("/requests", content=b'{"city":"kazan"}', headers=signed_in | JSON)).json()
        again = (await client.post("/requests", content=b'{"city":"kazan"}', headers=signed_in | JSON)).json()
        body = (await client.post("/requests", content=b'{"city":"madrid"}', headers=signed_in | JSON)).json()
        path = (await client.post("/documents", content=b'{"city":"kazan"}', headers=signed_in | JSON)).json()
    assert first == again
    assert first["hash"] == hashlib.sha256(b'POST /requests\n{"city":"kazan"}').hexdigest()
    assert first["city"] == "kazan"
    assert len({first["hash"], body["hash"], path["hash"]}) == 3
    assert {first["id"], body["id"], path["id"]} == {first["id"]}


JSON = {"content-type": "application/json"}


async def test_paths_with_ids_are_told_apart(api: FastAPI, issuer: Issuer) -> None:
    """The same empty body to two requests is two commands."""
    async with calling(api) as client:
        one = (await client.post("/requests/1/confirmation", headers=issuer.headers())).json()
        two = (await client.post("/requests/2/confirmation", headers=issuer.headers())).json()
    assert one["hash"] != two["hash"]


async def test_raw_bodies_can_still_be_read_by_the_route(api: FastAPI) -> None:
    """Hashing a body does not use it up."""
    async with calling(api) as client:
        answer = await client.post("/documents", content=b"\x00\x01pdf")
    assert answer.json()["body"] == b"\x00\x01pdf".hex()


async def test_a_command_carries_the_actor_as_envelopes_name_it(api: FastAPI, issuer: Issuer) -> None:
    """The same in both places, and the same every time for the same person."""
    async with calling(api) as client:
        first = (await client.post("/requests", json={"city": "kazan"}, headers=issuer.headers())).json()
        again = (await client.post("/requests", json={"city": "kazan"}, headers=issuer.headers())).json()
    assert first["actor"] == first["caller"] == again["actor"]
    assert first["actor"].startswith("resident:")


async def test_a_caller_without_an_account_is_somebody_new_each_time_unless_the_call_is_repeated(api: FastAPI) -> None:
    """A lost answer is asked for again by the same person; the store must not see a stranger using the key."""
    async with calling(api) as client:
        one = (await client.post("/requests", json={"city": "kazan"})).json()
        two = (await client.post("/requests", json={"city": "kazan"})).json()
        first = (await client.post("/requests", json={"city": "kazan"}, headers={"idempotency-key": KEY})).json()
        again = (await client.post("/requests", json={"city": "kazan"}, headers={"idempotency-key": KEY})).json()
        other = (await client.post("/requests", json={"city": "kazan"}, headers={"idempotency-key": "other"})).json()
    assert one["actor"] == one["caller"]
    assert one["actor"].startswith("anonymous:")
    assert len({one["actor"], two["actor"], first["actor"], other["actor"]}) == 4
    assert first == again
    assert first["actor"] == first["caller"]


async def test_who_must_be_signed_in_is_refused_without_an_account(api: FastAPI, issuer: Issuer) -> None:
    """A key gives no account."""
    async with calling(api) as client:
        refused = await client.post("/requests/1/confirmation", headers={"idempotency-key": KEY})
        accepted = await client.post("/requests/1/confirmation", headers=issuer.headers())
    assert (refused.status_code, refused.json()["type"]) == (401, "urn:veche:sample:not-signed-in")
    assert accepted.status_code == 200


@pytest.mark.parametrize(
    ("value", "kind"), [("Basic abc", "token-refused"), ("Bearer x.y.z", "token-refused"), ("Bearer", "token-refused")]
)
async def test_who_shows_a_bad_token_is_not_taken_for_nobody(api: FastAPI, value: str, kind: str) -> None:
    """Also where anybody may call: the caller thinks to be signed in."""
    async with calling(api) as client:
        answer = await client.post("/requests", json={"city": "kazan"}, headers={"authorization": value})
    assert (answer.status_code, answer.json()["type"]) == (401, f"urn:veche:sample:{kind}")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_an_expired_token_is_told_so(api: FastAPI, issuer: Issuer) -> None:
    """Programs then get a new one and repeat."""
    async with calling(api) as client:
        answer = await client.post("/requests", json={"city": "kazan"}, headers=issuer.headers(exp=1))
    assert (answer.status_code, answer.json()["type"]) == (401, "urn:veche:sample:token-expired")


async def test_a_provider_that_is_away_is_a_503_and_no_refusal(api: FastAPI, issuer: Issuer) -> None:
    """Robots repeat a 503; a 401 would make them give up."""
    issuer.down = True
    async with calling(api) as client:
        answer = await client.post("/requests", json={"city": "kazan"}, headers=issuer.headers())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_a_text_that_cannot_be_stored_is_refused_at_the_edge(api: FastAPI) -> None:
    """PostgreSQL knows no NUL; raw documents may hold what they like."""
    async with calling(api) as client:
        escaped = await client.post("/requests", content=b'{"city":"a\\u0000b"}', headers=JSON)
        query = await client.get("/requests?city=%00")
        path = await client.post("/requests/%00/confirmation")
        document = await client.post("/documents", content=b'"\\u0000"', headers={"content-type": "application/pdf"})
    for answer in (escaped, query, path):
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
        assert "NUL" in answer.json()["detail"]
    assert document.status_code == 200
