"""Who may do what in dispatch, cell by cell, at the API's edge."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from control_room import Person, TokensOfTests

from dispatch_svc.api import ERRORS, ROUTERS
from dispatch_svc.application import MAY
from dispatch_svc.domain.refusal import CaseNotFoundError
from shared_chassis.http import ANYBODY, ROLES, create_api
from shared_chassis.http.feed import feed_router

CASE = "/cases/00000000-0000-0000-0000-000000000007"
CALLS = {
    ("accept", "POST", f"{CASE}/acceptance", None): {"executor"},
    ("start", "POST", f"{CASE}/start", None): {"executor"},
    ("report_done", "POST", f"{CASE}/report", "{}"): {"executor"},
    ("assign", "POST", f"{CASE}/assignment", '{"organisation": "organisation-kazan-lifts"}'): {"dispatcher"},
    ("see_cases", "GET", CASE, None): {"agent", "dispatcher", "executor", "analyst", "auditor"},
    ("see_cases", "GET", "/cases", None): {"agent", "dispatcher", "executor", "analyst", "auditor"},
    ("see_rulebook", "GET", "/organisations", None): {*ROLES, ANYBODY},
    ("see_rulebook", "GET", "/responsibilities", None): {*ROLES, ANYBODY},
    ("read_feed", "GET", "/feed", None): {"dispatcher", "analyst", "auditor"},
}
CELLS = [(call, role) for call in CALLS for role in (*ROLES, None)]


class Behind:
    """Stands where the use cases begin: whoever gets here was let in."""

    def __getattr__(self, name: str) -> object:
        raise CaseNotFoundError


@pytest.fixture
async def api() -> AsyncIterator[httpx.AsyncClient]:
    """Give the API with nothing behind its edge."""
    behind: Any = Behind()
    routers = [*ROUTERS, feed_router(behind, MAY["read_feed"])]
    app = create_api(
        title="dispatch", service="dispatch", routers=routers, verifier=TokensOfTests(), errors=ERRORS, context=behind
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://dispatch") as client:
        yield client


@pytest.mark.parametrize(("call", "role"), CELLS)
async def test_a_use_case_is_open_to_its_roles_and_to_nobody_else(
    api: httpx.AsyncClient, call: tuple[str, str, str, str | None], role: str | None
) -> None:
    """Whoever may is let in; the others are told so, and those without an account to sign in."""
    _use_case, method, path, body = call
    headers = {} if role is None else Person(role, "organisation-kazan-lifts").headers()
    answer = await api.request(method, path, content=body, headers={**headers, "content-type": "application/json"})
    let_in = (role or ANYBODY) in CALLS[call]
    assert answer.status_code == (404 if let_in else 401 if role is None else 403)


def test_every_use_case_of_the_table_is_called_here() -> None:
    """A use case nobody tests would be open by mistake one day."""
    assert {call[0] for call in CALLS} == set(MAY)
