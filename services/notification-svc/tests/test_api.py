"""The queue and the ledger over HTTP: who may, what is answered, and that a repeated call is the first one again."""

import time
from collections.abc import AsyncIterator, Mapping
from uuid import UUID, uuid4

import city_of_tests as city
import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from notification_svc import api
from notification_svc.application import message as application
from notification_svc.application.context import MAY, Context
from notification_svc.views.request_card import AddressedNotice
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

    def __init__(self, http: httpx.AsyncClient, key: RSAKey) -> None:
        """Call over this, with tokens signed by this."""
        self._http = http
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
    ) -> httpx.Response:
        """Call as somebody with a role, or as nobody."""
        headers = {} if role is None else {"authorization": f"Bearer {self.token(subject, role)}"}
        if key is not None:
            headers["idempotency-key"] = key
        return await self._http.request(method, path, headers=headers, json=body)


@pytest.fixture
async def client(context: Context, key: RSAKey) -> AsyncIterator[Client]:
    """The API without a network, trusting one provider."""

    async def fetch(address: str) -> Mapping[str, object]:
        if address.endswith("/.well-known/openid-configuration"):
            return {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}
        return {"keys": [{**key.as_dict(private=False), "kid": "first"}]}

    verifier = Verifier(issuer=ISSUER, audience="veche", secret=SECRET, fetch=fetch)
    served = create_api(
        title="Queue",
        service="notification",
        routers=[*api.ROUTERS, feed_router(context.database, MAY["read_feed"])],
        verifier=verifier,
        errors=api.ERRORS,
        context=context,
    )
    transport = httpx.ASGITransport(app=served, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://notification") as http:
        yield Client(http, key)


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
