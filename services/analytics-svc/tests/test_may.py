"""Who may do what in analytics, cell by cell, at the API's edge; and the forms of its answers."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from newsroom import Newsroom, TokensOfTests, heard, named, signed_in

from analytics_svc.api import ERRORS, router
from analytics_svc.application import MAY
from analytics_svc.domain.refusal import AnalyticsError
from analytics_svc.facts.file import FactFile
from shared_chassis.http import ANYBODY, ROLES, create_api, feed_router

READERS = {"analyst", "auditor", "dispatcher"}
A_REPORT = '{"name": "Mine", "report": "requests", "parameters": {}}'
CALLS = {
    ("see_reports", "GET", "/reports/requests", None): READERS,
    ("see_reports", "GET", "/reports/holders", None): READERS,
    ("see_reports", "GET", "/reports/submissions", None): READERS,
    ("see_reports", "GET", "/reports/reconciliation", None): READERS,
    ("see_reports", "GET", "/reports/tallies", None): READERS,
    ("see_totals", "GET", "/reports/totals", None): {*ROLES, ANYBODY},
    ("see_saved_reports", "GET", "/reports/saved", None): READERS,
    ("save_report", "POST", "/reports", A_REPORT): {"analyst"},
    ("read_feed", "GET", "/feed", None): READERS,
}
CELLS = [(call, role) for call in CALLS for role in (*ROLES, None)]


class LetIn(AnalyticsError):
    """Whoever gets here was let in."""


class Behind:
    """Stands where the use cases begin."""

    def __getattr__(self, name: str) -> object:
        raise LetIn(LetIn.__doc__)


async def calling(context: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Give the API with something behind its edge."""
    behind: Any = Behind()
    app = create_api(
        title="analytics",
        service="analytics",
        routers=[router, feed_router(behind, MAY["read_feed"])],
        verifier=TokensOfTests(),
        errors=ERRORS,
        context=context,
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://analytics") as client:
        yield client


@pytest.fixture
async def edge() -> AsyncIterator[httpx.AsyncClient]:
    """Give the API with nothing behind its edge."""
    async for client in calling(Behind()):
        yield client


@pytest.fixture
async def api(facts: FactFile) -> AsyncIterator[httpx.AsyncClient]:
    """Give the API over the facts of one journey."""
    room = Newsroom()
    room.journey(named("one"))
    heard(facts, room.said)
    async for client in calling(SimpleNamespace(facts=facts)):
        yield client


@pytest.mark.parametrize(("call", "role"), CELLS)
async def test_a_use_case_is_open_to_its_roles_and_to_nobody_else(
    edge: httpx.AsyncClient, call: tuple[str, str, str, str | None], role: str | None
) -> None:
    """Whoever may is let in; the others are told so, and those without an account to sign in."""
    _use_case, method, path, body = call
    answer = await edge.request(method, path, content=body, headers={**signed_in(role), "content-type": "application/json"})
    let_in = (role or ANYBODY) in CALLS[call]
    assert answer.status_code == (422 if let_in else 401 if role is None else 403)
    if let_in:
        assert answer.json()["detail"] == LetIn.__doc__


def test_every_use_case_is_tried() -> None:
    """No row of the table is left out."""
    assert {use_case for use_case, *_ in CALLS} == set(MAY)


async def test_a_report_is_json_or_csv_by_accept_or_by_name(api: httpx.AsyncClient) -> None:
    """What the address says wins."""
    address = "/reports/requests?dimensions=day,outcome"
    as_json = await api.get(address, headers=signed_in("analyst"))
    assert as_json.json() == {
        "report": "requests",
        "as_of": None,
        "columns": ["day", "outcome", "count"],
        "rows": [{"day": "2026-03-01", "outcome": "done", "count": 1}],
        "total": {"count": 1},
    }
    text = "day,outcome,count\r\n2026-03-01,done,1\r\n"
    accepting = {**signed_in("analyst"), "accept": "text/csv"}
    assert (await api.get(address, headers=accepting)).text == text
    by_name = await api.get(f"{address}&format=csv", headers=signed_in("analyst"))
    assert (by_name.text, by_name.headers["content-type"]) == (text, "text/csv; charset=utf-8")
    assert (await api.get(f"{address}&format=json", headers=accepting)).json() == as_json.json()


async def test_a_report_is_asked_as_of_a_moment(api: httpx.AsyncClient) -> None:
    """A moment without its offset from UTC is refused."""
    before = await api.get("/reports/requests?asOf=2026-03-01T11:59:00Z", headers=signed_in("analyst"))
    assert before.json()["total"] == {"count": 0}
    vague = await api.get("/reports/requests?asOf=2026-03-01T11:59:00", headers=signed_in("analyst"))
    assert vague.status_code == 422


@pytest.mark.parametrize(
    "address", ["/reports/requests?dimensions=phone", "/reports/requests?colour=red", "/reports/holders?from=2026-01-01"]
)
async def test_what_a_report_does_not_have_is_refused(api: httpx.AsyncClient, address: str) -> None:
    """Nothing unknown is silently left out."""
    assert (await api.get(address, headers=signed_in("analyst"))).status_code == 422


async def test_every_report_answers(api: httpx.AsyncClient) -> None:
    """With nothing asked for but the report."""
    for report in ("requests", "holders", "submissions", "totals", "reconciliation", "tallies"):
        answer = await api.get(f"/reports/{report}", headers=signed_in("auditor"))
        assert answer.status_code == 200, answer.text
    assert (await api.get("/reports/totals")).json()["events"] == 14
