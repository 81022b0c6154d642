"""The queue and the ledger over HTTP: who may, what is answered, and that a repeated call is the first one again."""

import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from uuid import UUID, uuid4

import city_of_tests as city
import httpx
import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import RSAKey

from notification_svc import api
from notification_svc.application import message as application
from notification_svc.application.context import MAY, Context
from notification_svc.outbound.webhook import Programs
from notification_svc.views.request_card import AddressedNotice
from shared_chassis.api_key import Keys, issue, issued
from shared_chassis.http import ROLES, Verifier, create_api, pseudonym
from shared_chassis.http.feed import feed_router

pytestmark = pytest.mark.postgres

ISSUER = "https://id.example/realms/city"
SECRET = b"s" * 32


@pytest.fixture(scope="module")
def key() -> RSAKey:
    """Make the identity provider's key once: it takes a tenth of a second."""
    return RSAKey.generate_key(2048)


class Client:
    """Calls the service as somebody."""

    def __init__(self, served: FastAPI, http: httpx.AsyncClient, key: RSAKey) -> None:
        """Call this over that, with tokens signed by this."""
        self.served = served
        self.http = http
        self._key = key

    def token(self, subject: str, role: str, organisation: str | None = city.ROADS) -> str:
        """Sign a token of somebody with a role; an executor acts for an organisation."""
        claims = {"iss": ISSUER, "sub": subject, "aud": "veche", "exp": int(time.time()) + 300, "roles": [role]}
        if role == "executor" and organisation is not None:
            claims["organisation"] = organisation
        return jwt.encode({"alg": "RS256", "kid": "first"}, claims, self._key)

    async def call(
        self,
        method: str,
        path: str,
        role: str | None = "agent",
        subject: str = "anna",
        body: object = None,
        key: str | None = None,
        match: str | None = None,
    ) -> httpx.Response:
        """Call as somebody with a role, or as nobody; a key of an organisation stands for a role."""
        shown = role if role is None or role.startswith("vk_") else self.token(subject, role)
        headers = {} if shown is None else {"authorization": f"Bearer {shown}"}
        if key is not None:
            headers["idempotency-key"] = key
        if match is not None:
            headers["if-match"] = match
        return await self.http.request(method, path, headers=headers, json=body)


@pytest.fixture
async def client(context: Context, key: RSAKey) -> AsyncIterator[Client]:
    """The API without a network, trusting one provider."""

    async def fetch(address: str) -> Mapping[str, object]:
        if address.endswith("/.well-known/openid-configuration"):
            return {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}
        return {"keys": [{**key.as_dict(private=False), "kid": "first"}]}

    verifier = Verifier(issuer=ISSUER, audience="veche", secret=SECRET, fetch=fetch, keys=Keys(context.database))
    served = create_api(
        title="Queue",
        service="notification",
        routers=[*api.ROUTERS, feed_router(context.database, MAY["read_feed"])],
        verifier=verifier,
        errors=api.ERRORS,
        context=context,
        rules=MAY,
    )
    transport = httpx.ASGITransport(app=served, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://notification") as http:
        yield Client(served, http, key)


NOWHERE = UUID(int=0)
WANTED = {"url": "https://roads.example/hooks", "events": ["dispatch.request-assigned.v1"]}
CALLS: Mapping[str, tuple[str, str, object]] = {
    "claim_work_item": ("POST", "/work-items/claim", {}),
    "release_work_item": ("POST", f"/work-items/{NOWHERE}/release", None),
    "defer_work_item": ("POST", f"/work-items/{NOWHERE}/deferral", {"until": "2999-01-01T00:00:00Z", "reason": "later"}),
    "complete_work_item": ("POST", f"/work-items/{NOWHERE}/completion", {"note": "done"}),
    "read_queue": ("GET", "/work-items", None),
    "read_own_messages": ("GET", "/messages", None),
    "read_messages_of_others": ("GET", f"/messages?person={NOWHERE}", None),
    "manage_subscriptions": ("POST", "/subscriptions", WANTED),
    "read_subscriptions": ("GET", "/subscriptions", None),
    "resend_webhook": ("POST", f"/webhooks/{NOWHERE}/resend", None),
    "read_feed": ("GET", "/feed", None),
}


async def test_each_cell_of_who_may(client: Client) -> None:
    """Every use case for every role, and for nobody."""
    assert set(CALLS) == set(MAY)
    for use_case, (method, path, body) in CALLS.items():
        assert (await client.call(method, path, None, body=body)).status_code == 401, use_case
        for role in ROLES:
            status = (await client.call(method, path, role, body=body)).status_code
            assert (status != 403) == (role in MAY[use_case]), (use_case, role, status)
            assert status in (200, 201, 204, 403, 404), (use_case, role, status)
    others = {
        ("GET", "/work-items/wall"): "read_queue",
        ("GET", f"/work-items/{NOWHERE}"): "read_queue",
        ("POST", f"/subscriptions/{NOWHERE}/rotation"): "manage_subscriptions",
        ("POST", f"/subscriptions/{NOWHERE}/ending"): "manage_subscriptions",
        ("GET", f"/subscriptions/{NOWHERE}"): "read_subscriptions",
        ("GET", f"/subscriptions/{NOWHERE}/deliveries"): "read_subscriptions",
    }
    for (method, path), use_case in others.items():
        assert (await client.call(method, path, None)).status_code == 401
        for role in ROLES:
            status = (await client.call(method, path, role)).status_code
            assert (status != 403) == (role in MAY[use_case]), (path, role, status)


async def test_an_agent_takes_explains_defers_and_completes_an_item(client: Client, context: Context) -> None:
    """A shift in calls."""
    assert (await client.call("POST", "/work-items/claim", body={})).status_code == 204
    request = uuid4()
    for fact in (city.submitted(request, None), city.routing_failed(request, service_type="burst-pipe")):
        city.hear(context, fact)
    claimed = await client.call("POST", "/work-items/claim", body={"kinds": ["unrouted_request"], "city": "kazan"}, key="one")
    assert claimed.status_code == 200
    item = claimed.json()
    assert (item["request"], item["state"], item["priority"]) == (str(request), "claimed", 360)
    assert item["agent"] == f"agent:{pseudonym(SECRET, ISSUER, 'anna')}"
    assert [(reason["because"], reason["points"]) for reason in item["because"]] == [("kind", 120), ("emergency", 240)]
    again = await client.call("POST", "/work-items/claim", body={"kinds": ["unrouted_request"], "city": "kazan"}, key="one")
    assert again.json()["id"] == item["id"]
    reused = await client.call("POST", "/work-items/claim", body={}, key="one")
    assert reused.status_code == 422
    path = f"/work-items/{item['id']}"
    taken = await client.call("POST", f"{path}/release", subject="boris")
    assert (taken.status_code, taken.json()["title"]) == (409, "You do not hold this item, or no longer do: claim it first.")
    past = {"until": "2020-01-01T00:00:00Z", "reason": "later"}
    assert (await client.call("POST", f"{path}/deferral", body=past)).status_code == 422
    deferred = await client.call("POST", f"{path}/deferral", body={"until": "2999-01-01T00:00:00+03:00", "reason": "later"})
    assert (deferred.json()["state"], deferred.json()["until"]) == ("deferred", "2998-12-31T21:00:00Z")
    assert (await client.call("POST", "/work-items/claim", body={})).status_code == 204
    assert (await client.call("POST", f"{path}/completion", body={"note": " "})).status_code == 422
    completed = await client.call("POST", f"{path}/completion", "dispatcher", "vera", body={"note": "called back"})
    assert completed.json()["state"] == "completed"
    shown = (await client.call("GET", path)).json()
    assert [fact["type"].split(".")[1] for fact in shown["history"]] == [
        "work-item-opened",
        "work-item-claimed",
        "work-item-deferred",
        "work-item-completed",
    ]
    assert shown["history"][-1]["actor"].startswith("dispatcher:")
    assert shown["history"][-1]["data"]["note"] == "called back"
    assert {str(each.envelope.correlation) for each in context.store.events(f"work-item-{item['id']}")} == {str(request)}
    assert (await client.call("POST", f"{path}/release")).status_code == 409
    assert (await client.call("POST", f"/work-items/{NOWHERE}/release")).status_code == 404


async def test_lists_are_pages_with_filters(client: Client, context: Context) -> None:
    """Every item once, the most urgent first; a cursor that was edited is refused."""
    for _ in range(3):
        city.hear(context, city.routing_failed(uuid4()))
    city.hear(context, city.breached(uuid4()))
    found, cursor = [], ""
    while cursor is not None:
        page = (
            await client.call("GET", f"/work-items?state=waiting&limit=3&cursor={cursor}" if cursor else "/work-items?limit=3")
        ).json()
        found += [item["kind"] for item in page["items"]]
        cursor = page["next"]
    assert found.count("unrouted_request") == 3
    assert found.count("deadline_breach") == 1
    assert (
        len((await client.call("GET", "/work-items?city=kazan&kind=unrouted_request&district=vakhitovsky")).json()["items"]) == 3
    )
    assert (await client.call("GET", "/work-items?city=madrid")).json() == {"items": [], "next": None}
    assert (await client.call("GET", "/work-items?cursor=broken")).status_code == 400
    wall = (await client.call("GET", "/work-items/wall")).json()
    assert (wall["waiting"], wall["claimed"], len(wall["by_kind_and_district"])) == (4, 0, 2)


async def test_a_resident_reads_what_they_were_told(client: Client, context: Context) -> None:
    """Their own by default, another's never."""
    person, request = pseudonym(SECRET, ISSUER, "rosa"), uuid4()
    for fact in (city.submitted(request, person, language="en"), city.registered(request)):
        city.hear(context, fact)
    for row in context.database.query("SELECT payload FROM delivery"):
        notice = AddressedNotice.model_validate(row["payload"])
        application.send(context, notice)
        application.state_sent(context, notice)
    (entry,) = (await client.call("GET", "/messages", "resident", "rosa")).json()["items"]
    assert entry["says"].startswith("We told you at ")
    assert entry["says"].endswith(" that your request KZN-2026-0000001 is registered.")
    assert (await client.call("GET", f"/messages?person={person}", "resident", "rosa")).json()["items"] == [entry]
    assert (await client.call("GET", f"/messages?person={person}", "agent")).json()["items"] == [entry]
    assert (await client.call("GET", f"/messages?person={person}", "resident", "karl")).status_code == 403
    assert (await client.call("GET", "/messages", "resident", "karl")).json()["items"] == []


async def test_an_item_is_worked_on_as_it_was_read(client: Client, context: Context) -> None:
    """The tag of what was read goes with the command; when the item has moved on, nothing is done."""
    city.hear(context, city.routing_failed(uuid4()))
    item = (await client.call("POST", "/work-items/claim", body={})).json()["id"]
    read = await client.call("GET", f"/work-items/{item}")
    tag = read.headers["etag"]
    assert tag.startswith('"2')
    assert (await client.call("POST", f"/work-items/{item}/release", match=tag)).status_code == 200
    late = await client.call("POST", f"/work-items/{item}/completion", body={"note": "done"}, match=tag)
    assert late.status_code == 412
    assert (await client.call("GET", f"/work-items/{item}")).json()["state"] == "waiting"


async def test_an_incident_is_shown_without_a_request(client: Client, context: Context) -> None:
    """And why it is as urgent as it is."""
    city.hear(context, city.suggested(uuid4()))
    (item,) = (await client.call("GET", "/work-items?kind=incident")).json()["items"]
    assert (item["request"], item["delivery"], item["city"]) == (None, None, "kazan")
    assert item["because"][0]["says"] == "Far more requests come than usual; perhaps it is an incident."


def key_with(context: Context, *scopes: str, organisation: str = city.ROADS) -> str:
    """Issue a key of an organisation."""
    key = issue(uuid4().hex)
    statement = issued(sha256=key.sha256, key_id=key.key_id, organisation=organisation, scopes=scopes, valid_until=None)
    context.database.execute(statement.sql, statement.params)
    return key.key


async def test_a_program_subscribes_rotates_and_ends(client: Client, context: Context) -> None:
    """A life of a subscription in calls of a key; a repeated call gives the same secret again."""
    key = key_with(context, "read", "work")
    made = await client.call("POST", "/subscriptions", key, body=WANTED, key="one")
    assert made.status_code == 201
    first = made.json()
    assert first["secret"].startswith("whsec_")
    assert (await client.call("POST", "/subscriptions", key, body=WANTED, key="one")).json() == first
    path = f"/subscriptions/{first['id']}"
    shown = await client.call("GET", path, key)
    assert shown.json() == {name: value for name, value in first.items() if name != "secret"}
    assert shown.headers["etag"] == '"1"'
    assert (await client.call("POST", f"{path}/rotation", key, match='"7"')).status_code == 412
    second = (await client.call("POST", f"{path}/rotation", key, match='"1"')).json()
    assert (second["secret_version"], second["secret"] != first["secret"]) == (2, True)
    assert second["rotated_at"] is not None
    for role in (key, "dispatcher", "auditor"):
        assert [each["id"] for each in (await client.call("GET", "/subscriptions", role)).json()["items"]] == [first["id"]]
    assert (await client.call("GET", f"{path}/deliveries", key)).json() == {"items": [], "next": None}
    ended = await client.call("POST", f"{path}/ending", key)
    assert (ended.status_code, ended.json()["active"]) == (200, False)
    assert (await client.call("POST", f"{path}/rotation", key)).status_code == 409


async def test_deliveries_are_pages_and_are_sent_again(client: Client, context: Context) -> None:
    """Each once, the latest first, by state; one that ended is sent again by its organisation or by staff."""
    key = key_with(context, "read", "work")
    body = {**WANTED, "events": ["dispatch.request-assigned.v1", "dispatch.assignment-accepted.v1"]}
    subscription = (await client.call("POST", "/subscriptions", key, body=body)).json()["id"]
    context.database.execute("UPDATE subscription SET since = '2020-01-01'")
    for _ in range(3):
        city.hear(context, city.assigned(uuid4()))
    path, found, cursor = f"/subscriptions/{subscription}/deliveries", [], ""
    while cursor is not None:
        page = (await client.call("GET", f"{path}?limit=2{f'&cursor={cursor}' if cursor else ''}", key)).json()
        found += [each["id"] for each in page["items"]]
        cursor = page["next"]
    assert len(set(found)) == len(found) == 3
    assert len((await client.call("GET", f"{path}?state=waiting", key)).json()["items"]) == 3
    assert (await client.call("GET", f"{path}?state=failed", key)).json()["items"] == []
    busy = await client.call("POST", f"/webhooks/{found[0]}/resend", key)
    assert (busy.status_code, busy.json()["type"]) == (409, "urn:veche:notification:still-under-way-error")
    context.database.execute("UPDATE delivery SET reported_at = now(), failed_at = now(), attempts = 12, error = 'no'")
    for role in (key, "dispatcher"):
        again = await client.call("POST", f"/webhooks/{found.pop()}/resend", role)
        assert (again.status_code, again.json()["state"], again.json()["attempts"]) == (202, "waiting", 0)


async def test_every_refusal_about_programs_is_named(client: Client, context: Context) -> None:
    """Its own type, its status and its words."""
    key, others = key_with(context, "read", "work"), key_with(context, "read", "work", organisation=city.WATER)
    subscription = (await client.call("POST", "/subscriptions", key, body=WANTED)).json()["id"]
    secured = replace(context, programs=Programs())
    client.served.state.wiring = replace(client.served.state.wiring, context=secured)
    refused = [
        (key, "/subscriptions", {**WANTED, "events": []}, 422, "nothing-wanted-error"),
        (key, "/subscriptions", {**WANTED, "events": ["request.request-submitted.v1"]}, 422, "event-not-told-error"),
        (key, "/subscriptions", {**WANTED, "url": "what"}, 422, "target-unreadable-error"),
        (key, "/subscriptions", {**WANTED, "url": "http://roads.example/"}, 422, "target-not-secure-error"),
        (key, "/subscriptions", {**WANTED, "url": "https://169.254.169.254/"}, 422, "target-private-error"),
        (others, f"/subscriptions/{subscription}/rotation", None, 404, "subscription-unknown-error"),
        (others, f"/subscriptions/{subscription}/ending", None, 404, "subscription-unknown-error"),
        (key, f"/webhooks/{NOWHERE}/resend", None, 404, "delivery-unknown-error"),
        (key_with(context, "read"), "/subscriptions", WANTED, 403, "scope-missing"),
        (key_with(context, "ask"), f"/webhooks/{NOWHERE}/resend", None, 403, "scope-missing"),
        ("vk_nonsense", "/subscriptions", WANTED, 401, "key-refused"),
    ]
    for role, path, body, status, name in refused:
        answer = await client.call("POST", path, role, body=body)
        assert (answer.status_code, answer.json()["type"]) == (status, f"urn:veche:notification:{name}"), path
        assert answer.json()["title"].endswith(".")
    assert (await client.call("GET", "/subscriptions", key_with(context, "work"))).status_code == 403
    assert (await client.call("GET", f"/subscriptions/{subscription}", others)).status_code == 404
    assert (await client.call("POST", "/work-items/claim", key, body={})).status_code == 403
    nowhere = {"authorization": f"Bearer {client.token('ivan', 'executor', None)}"}
    assert (await client.http.post("/subscriptions", headers=nowhere, json=WANTED)).status_code == 403
    for _ in range(9):
        assert (await client.call("POST", "/subscriptions", key, body=WANTED)).status_code == 201
    many = await client.call("POST", "/subscriptions", key, body=WANTED)
    assert (many.status_code, many.json()["type"]) == (409, "urn:veche:notification:too-many-subscriptions-error")


async def test_the_description_has_an_example_for_every_body(client: Client) -> None:
    """Whoever reads the description sees what is sent and what comes back, and every operation has a sentence."""
    document = (await client.http.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation.get("description"), path
            if "requestBody" in operation:
                sent = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
                assert schemas[sent]["examples"], sent
    for name in ("WorkItem", "Subscription", "SubscriptionWithSecret", "Delivery"):
        assert schemas[name]["examples"], name
