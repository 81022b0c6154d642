"""Reports people keep, on real PostgreSQL: stated once, listed in order, drawn by their address, rebuilt from the events."""

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import httpx
import psycopg
import pytest
from newsroom import PERSON, TokensOfTests, signed_in

from analytics_svc.api import ERRORS, router
from analytics_svc.application import MAY, Context
from analytics_svc.facts.file import FactFile
from analytics_svc.reports.saved import PROJECTION, TABLES
from shared_chassis.http import create_api, feed_router
from shared_chassis.mapper import EventMapper
from shared_chassis.postgres import Database, ServiceDatabase, migrate
from shared_chassis.recorder import Recorder
from shared_chassis.store import Store
from shared_chassis.view import rebuild
from shared_events.catalogue import CATALOGUE

pytestmark = pytest.mark.postgres

WISH = {"name": "Bulky items", "report": "requests", "parameters": {"dimensions": "district,day", "city": "los-angeles"}}
MAPPER = EventMapper(CATALOGUE, "/tests/analytics-svc")


@pytest.fixture(scope="module")
def service(postgres_admin_url: str, patience: None) -> Iterator[ServiceDatabase]:
    """Give a database with analytics-svc's tables, for this file of tests."""
    name = f"analytics_{uuid4().hex[:8]}"
    yield migrate(postgres_admin_url, name, "analytics_svc", "only-for-tests")
    with psycopg.connect(postgres_admin_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
        connection.execute(f"DROP ROLE IF EXISTS {name}".encode())
        connection.execute(f"DROP ROLE IF EXISTS {name}_owner".encode())


@pytest.fixture
async def api(service: ServiceDatabase, facts: FactFile) -> AsyncIterator[httpx.AsyncClient]:
    """Give an analytics-svc to call, in this process."""
    database = Database(service.app_url, service.service, 4)
    context = Context(Store(database, Recorder(database, PROJECTION), MAPPER), database, facts)
    app = create_api(
        title="analytics",
        service="analytics",
        routers=[router, feed_router(database, MAY["read_feed"])],
        verifier=TokensOfTests(),
        errors=ERRORS,
        context=context,
        rules=MAY,
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://analytics") as client:
        yield client
    database.close()


async def listed(api: httpx.AsyncClient, limit: int = 100) -> list[dict[str, object]]:
    """Read all saved reports, page by page."""
    items: list[dict[str, object]] = []
    cursor: str | None = None
    while True:
        page = await api.get(
            "/reports/saved", params={"limit": limit, **({"cursor": cursor} if cursor else {})}, headers=signed_in("auditor")
        )
        items += page.json()["items"]
        cursor = page.json()["next"]
        if cursor is None:
            return items


async def test_a_report_is_saved_once_listed_and_drawn_by_its_address(api: httpx.AsyncClient) -> None:
    """The same call again gives the same answer; the fact names who saved it."""
    before = len(await listed(api))
    first = await api.post("/reports", json=WISH, headers=signed_in("analyst", "key-1"))
    again = await api.post("/reports", json=WISH, headers=signed_in("analyst", "key-1"))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert first.json()["address"] == "/reports/requests?dimensions=district%2Cday&city=los-angeles"
    kept = (await listed(api))[before:]
    assert [(row["id"], row["name"], row["saved_by"]) for row in kept] == [
        (first.json()["id"], "Bulky items", f"analyst:{PERSON}")
    ]
    drawn = await api.get(str(kept[0]["address"]), headers=signed_in("analyst"))
    assert drawn.json()["columns"][:3] == ["district", "day", "count"]
    feed = await api.get("/feed", params={"subject": f"report-{first.json()['id']}"}, headers=signed_in("auditor"))
    (event,) = (row["event"] for row in feed.json()["events"])
    assert (event["type"], event["data"]["parameters"]) == ("analytics.report-saved.v1", WISH["parameters"])


async def test_the_same_key_for_another_report_is_refused(api: httpx.AsyncClient) -> None:
    """An Idempotency-Key is of one call."""
    await api.post("/reports", json=WISH, headers=signed_in("analyst", "key-2"))
    other = await api.post("/reports", json={**WISH, "name": "Other"}, headers=signed_in("analyst", "key-2"))
    assert other.status_code == 422


@pytest.mark.parametrize(
    "wish",
    [
        {**WISH, "report": "secrets"},
        {**WISH, "parameters": {"phone": "1"}},
        {**WISH, "parameters": {"asOf": "yesterday"}},
        {**WISH, "name": " "},
        {**WISH, "colour": "red"},
    ],
)
async def test_what_cannot_be_drawn_is_not_kept(api: httpx.AsyncClient, wish: dict[str, object]) -> None:
    """Refused with words, and nothing is stated."""
    before = len(await listed(api))
    refused = await api.post("/reports", json=wish, headers=signed_in("analyst"))
    assert refused.status_code == 422, refused.text
    assert len(await listed(api)) == before


async def test_the_list_comes_in_pages_in_the_order_of_saving(api: httpx.AsyncClient) -> None:
    """No row twice, none left out."""
    for place in range(5):
        await api.post("/reports", json={**WISH, "name": f"Report {place}"}, headers=signed_in("analyst"))
    whole = await listed(api)
    assert [row["name"] for row in whole[-5:]] == [f"Report {place}" for place in range(5)]
    assert await listed(api, limit=2) == whole


async def test_the_list_is_rebuilt_from_the_events(api: httpx.AsyncClient, service: ServiceDatabase) -> None:
    """The view holds nothing the events do not say."""
    await api.post("/reports", json=WISH, headers=signed_in("analyst"))
    before = await listed(api)
    with psycopg.connect(service.owner_url, autocommit=True) as connection:
        connection.execute(f"TRUNCATE {service.service}.saved_report".encode())
    assert await listed(api) == []
    rebuild(service, MAPPER, PROJECTION, TABLES)
    assert await listed(api) == before
