"""Who may do what in analytics, cell by cell, at the API's edge; and the forms of its answers."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from newsroom import NOON, Newsroom, TokensOfTests, heard, named, signed_in

from analytics_svc.api import ERRORS, router
from analytics_svc.api.wanted import WANTED
from analytics_svc.application import MAY
from analytics_svc.domain.refusal import AnalyticsError
from analytics_svc.facts.file import IN_MEMORY, FactFile
from shared_chassis.http import ANYBODY, ROLES, create_api, feed_router

READERS = {"analyst", "auditor", "dispatcher"}
A_REPORT = '{"name": "Mine", "report": "requests", "parameters": {}}'
CALLS = {
    ("see_reports", "GET", "/reports/requests", None): READERS,
    ("see_reports", "GET", "/reports/holders", None): READERS,
    ("see_reports", "GET", "/reports/deadlines", None): READERS,
    ("see_reports", "GET", "/reports/ratings", None): READERS,
    ("see_reports", "GET", "/reports/submissions", None): READERS,
    ("see_reports", "GET", "/facts/ids", None): READERS,
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
    room.contribute(named("question"), named("discussion"))
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
    address = "/reports/submissions?dimensions=day,kind"
    as_json = await api.get(address, headers=signed_in("analyst"))
    assert as_json.json() == {
        "report": "submissions",
        "as_of": None,
        "columns": ["kind", "day", "count"],
        "rows": [{"kind": "question", "day": "2026-03-01", "count": 1}],
        "total": {"count": 1},
        "next": None,
    }
    text = "kind,day,count\r\nquestion,2026-03-01,1\r\n"
    accepting = {**signed_in("analyst"), "accept": "text/csv"}
    assert (await api.get(address, headers=accepting)).text == text
    by_name = await api.get(f"{address}&format=csv", headers=signed_in("analyst"))
    assert (by_name.text, by_name.headers["content-type"]) == (text, "text/csv; charset=utf-8")
    assert (await api.get(f"{address}&format=json", headers=accepting)).json() == as_json.json()


async def test_a_report_is_asked_as_of_a_moment(api: httpx.AsyncClient) -> None:
    """A moment without its offset from UTC is refused."""
    before = await api.get("/reports/requests?asOf=2026-03-01T11:59:00Z", headers=signed_in("analyst"))
    assert before.json()["total"]["count"] == 0
    vague = await api.get("/reports/requests?asOf=2026-03-01T11:59:00", headers=signed_in("analyst"))
    assert vague.status_code == 422


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("requests?dimensions=phone", "There is no phone here"),
        ("requests?colour=red", "colour"),
        ("holders?from=2026-01-01", "from"),
        ("requests?city=atlantis", "There is no such city here. There are: kazan, los-angeles, madrid."),
        ("tallies?city=atlantis", "There is no such city here."),
        ("requests?from=2026-03-02&to=2026-03-02", "is to come before"),
        ("deadlines?stage=never", "stage"),
        ("deadlines?organisation=bos", "organisation"),
        ("ratings?type=", "type"),
        ("holders?kind=nobody", "kind"),
        ("requests?ending=deemed", "ending"),
        ("requests?outcome=fixed", "outcome"),
        ("requests?channel=fax", "channel"),
        ("requests?limit=0", "limit"),
        ("ratings?limit=10001", "limit"),
        ("submissions?discussion=1", "discussion"),
        ("deadlines?asOf=today", "asOf"),
        ("requests?cursor=!", "This cursor is broken"),
        ("requests?cursor=WzFd", "This cursor is of another report"),
        ("requests?cursor=WyJhIl0", "This cursor is of another report"),
        ("requests?dimensions=rounds&cursor=WyJhIl0", "This cursor is of another report"),
    ],
)
async def test_what_a_report_does_not_have_is_refused_in_words(api: httpx.AsyncClient, address: str, says: str) -> None:
    """Nothing unknown is silently left out."""
    refused = await api.get(f"/reports/{address}", headers=signed_in("analyst"))
    assert refused.status_code in {400, 422}, refused.text
    assert says in refused.text


async def test_a_long_report_comes_in_pages_and_its_total_is_of_the_whole(api: httpx.AsyncClient, facts: FactFile) -> None:
    """In the order of the dimensions, those without a value last; no row twice, none left out, however many come meanwhile."""
    room = Newsroom()
    for place in range(7):
        room.submit(named(f"request {place}"), district=f"cd-{place}")
    room.hold(named("unknown"), "dispatcher", NOON)
    heard(facts, room.said)
    for address in ("requests?dimensions=district,rounds,day", "holders?dimensions=district,kind", "requests?dimensions="):
        whole = (await api.get(f"/reports/{address}", headers=signed_in("analyst"))).json()
        assert whole["next"] is None
        shown, cursor = [], ""
        for _ in range(20):
            answer = await api.get(f"/reports/{address}&limit=2{cursor}", headers=signed_in("analyst"))
            assert [{**answer.json()["total"], "minutes": 0, "microseconds": 0}] == [
                {**whole["total"], "minutes": 0, "microseconds": 0}
            ]
            assert len(answer.json()["rows"]) <= 2
            shown += answer.json()["rows"]
            if answer.json()["next"] is None:
                break
            cursor = f"&cursor={answer.json()['next']}"
        assert [list(row.values())[:2] for row in shown] == [list(row.values())[:2] for row in whole["rows"]]


async def test_an_empty_report_is_an_answer_too() -> None:
    """No rows, and a total of nothing."""
    file = FactFile(IN_MEMORY, threads=1)
    async for api in calling(SimpleNamespace(facts=file)):
        for report in WANTED:
            answer = await api.get(f"/reports/{report}", headers=signed_in("analyst"))
            assert answer.status_code == 200, answer.text
            if report in {"requests", "holders", "deadlines", "ratings", "submissions"}:
                assert (answer.json()["rows"], answer.json()["next"]) == ([], None)
                assert not any(answer.json()["total"].values())
    file.close()


async def test_every_report_is_documented_with_an_example_of_its_own_columns(api: httpx.AsyncClient) -> None:
    """What the description shows is what a caller gets."""
    paths = (await api.get("/openapi.json")).json()["paths"]
    for report in WANTED:
        described = paths[f"/reports/{report}"]["get"]["responses"]["200"]["content"]["application/json"]["example"]
        drawn = "total" in described
        wanted = [column for column in described["columns"] if column not in described["total"]] if drawn else []
        query = f"?dimensions={','.join(wanted)}" if drawn else ""
        answer = (await api.get(f"/reports/{report}{query}", headers=signed_in("analyst"))).json()
        assert set(described) | ({"as_of", "next"} if drawn else set()) == set(answer)
        if drawn:
            assert described["columns"] == answer["columns"]
            assert set(described["total"]) == set(answer["total"])
