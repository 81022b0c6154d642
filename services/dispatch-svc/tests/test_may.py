"""Who may do what in dispatch, cell by cell, at the API's edge; every body is the example the API's description gives."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from control_room import LIFTS, Person, TokensOfTests
from fastapi import FastAPI

from dispatch_svc.api import ERRORS, ROUTERS
from dispatch_svc.application import MAY
from dispatch_svc.domain import refusal
from dispatch_svc.domain.case import TRANSITIONS
from dispatch_svc.domain.refusal import CaseNotFoundError, DispatchRefusalError
from shared_chassis.http import ANYBODY, ROLES, create_api
from shared_chassis.http.feed import feed_router

STAFF = {"agent", "dispatcher", "executor", "analyst", "auditor"}
EVERYBODY = {*ROLES, ANYBODY}
WHO: dict[str, set[str]] = {
    "accept": {"executor"},
    "decline": {"executor"},
    "schedule": {"executor"},
    "start": {"executor"},
    "report_done": {"executor"},
    "return_work": {"executor"},
    "assign": {"dispatcher"},
    "committee_decide": {"dispatcher"},
    "find_impossible": {"dispatcher"},
    "open_sub_task": {"executor", "dispatcher"},
    "finish_sub_task": {"executor"},
    "cancel_sub_task": {"executor", "dispatcher"},
    "see_cases": STAFF,
    "see_rulebook": EVERYBODY,
    "grant_responsibility": {"dispatcher"},
    "end_responsibility": {"dispatcher"},
    "see_routing_rules": EVERYBODY,
    "test_routing_rules": {"dispatcher", "analyst"},
    "activate_routing_rules": {"dispatcher"},
    "see_incidents": EVERYBODY,
    "declare_incident": {"dispatcher"},
    "dismiss_incident": {"dispatcher"},
    "prolong_incident": {"dispatcher"},
    "resolve_incident": {"dispatcher"},
    "link_to_incident": {"dispatcher"},
    "unlink_from_incident": {"dispatcher"},
    "issue_key": {"dispatcher", "executor"},
    "rotate_key": {"dispatcher", "executor"},
    "revoke_key": {"dispatcher", "executor"},
    "see_keys": {"dispatcher", "executor", "auditor"},
    "read_feed": {"dispatcher", "analyst", "auditor"},
}
"""Use case → roles, written a second time, so that a slip in the code's own table is seen."""

NAMED_OTHERWISE = {
    "see_case": "see_cases",
    "see_organisations": "see_rulebook",
    "see_responsibilities": "see_rulebook",
    "see_incident": "see_incidents",
}
"""Operations whose use case has another name."""


class Behind:
    """Stands where the use cases begin: whoever gets here was let in."""

    def __getattr__(self, name: str) -> object:
        raise CaseNotFoundError


def create() -> FastAPI:
    """Create the API with nothing behind its edge."""
    behind: Any = Behind()
    routers = [*ROUTERS, feed_router(behind, MAY["read_feed"])]
    return create_api(
        title="dispatch", service="dispatch", routers=routers, verifier=TokensOfTests(), errors=ERRORS, context=behind
    )


def calls() -> list[tuple[str, str, str, str | None]]:
    """List every operation as its use case, method, path and body, by the API's own description and its examples."""
    document = create().openapi()
    found = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            name = operation["operationId"]
            if "operation" in operation["tags"] and name != "read_feed":
                continue
            filled = path.replace("{organisation}", LIFTS).replace("{key_id}", "k1")
            for part in ("case", "sub_task", "incident", "request"):
                filled = filled.replace(f"{{{part}}}", "00000000-0000-0000-0000-000000000007")
            filled = filled.replace("{responsibility_id}", "responsibility-00000000-0000-0000-0000-000000000007")
            wanted = {parameter["name"] for parameter in operation.get("parameters", []) if parameter.get("required")}
            query = "?city=kazan" if "city" in wanted else ""
            found.append((NAMED_OTHERWISE.get(name, name), method.upper(), filled + query, _example(document, operation)))
    return found


def _example(document: Any, operation: Any) -> str | None:
    """Take the body's example; every body has one."""
    if "requestBody" not in operation:
        return None
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    return json.dumps(document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]["examples"][0])


CALLS = calls()
CELLS = [(call, role) for call in CALLS for role in (*ROLES, None)]


@pytest.fixture
async def api() -> AsyncIterator[httpx.AsyncClient]:
    """Give the API with nothing behind its edge."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create()), base_url="http://dispatch") as client:
        yield client


@pytest.mark.parametrize(("call", "role"), CELLS)
async def test_a_use_case_is_open_to_its_roles_and_to_nobody_else(
    api: httpx.AsyncClient, call: tuple[str, str, str, str | None], role: str | None
) -> None:
    """Whoever may is let in; the others are told so, and those without an account to sign in."""
    use_case, method, path, body = call
    headers = {} if role is None else Person(role, LIFTS).headers()
    answer = await api.request(method, path, content=body, headers={**headers, "content-type": "application/json"})
    let_in = (role or ANYBODY) in WHO[use_case] or ANYBODY in WHO[use_case]
    assert answer.status_code == (404 if let_in else 401 if role is None else 403), answer.text


def test_every_use_case_of_the_table_is_called_here() -> None:
    """A use case nobody tests would be open by mistake one day."""
    assert {call[0] for call in CALLS} == set(MAY) == set(WHO)
    assert {use_case: set(roles) for use_case, roles in MAY.items()} == {
        use_case: {ANYBODY} if ANYBODY in roles else roles for use_case, roles in WHO.items()
    }


async def test_the_rules_are_published_with_every_refusal_in_words(api: httpx.AsyncClient) -> None:
    """Without an account: who may do what, and in which state of a case what becomes of it."""
    shown = (await api.get("/rules")).json()
    assert {use_case: set(roles) for use_case, roles in shown["roles"].items() if use_case in MAY} == {
        use_case: set(roles) for use_case, roles in MAY.items()
    }
    assert set(shown["transitions"]) == set(TRANSITIONS)
    assert shown["transitions"]["assign"]["started"] == {
        "result": "refused",
        "refusal": "AlreadyAccepted",
        "words": "An organisation has accepted this request, so it cannot be given to another one.",
    }
    assert shown["transitions"]["accept"]["assigned"]["result"] == "done"


def test_every_refusal_has_a_status() -> None:
    """A refusal that stands in no table would be told as our own mistake."""
    refusals = [
        kind
        for kind in vars(refusal).values()
        if isinstance(kind, type) and issubclass(kind, DispatchRefusalError) and kind is not DispatchRefusalError
    ]
    assert [kind.__name__ for kind in _all_of(DispatchRefusalError) if kind not in ERRORS] == ["CalendarChangedError"]
    assert all(kind.__doc__ for kind in refusals)


def _all_of(kind: type[Exception]) -> list[type[Exception]]:
    return [inner for each in kind.__subclasses__() for inner in (each, *_all_of(each))]
