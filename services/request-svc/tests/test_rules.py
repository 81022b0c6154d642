"""Who may do what, what may happen in which state, and what the API says of itself; on real PostgreSQL."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args
from uuid import uuid4

import httpx
import pytest
from citizens import LIFTS, asked, person

from request_svc.application import MAY
from request_svc.domain.request import TRANSITIONS, Action, State
from shared_chassis.http.position import PARKING_RULES
from shared_chassis.http.problem import refusal_name

pytestmark = pytest.mark.postgres

ROLES = ("organiser", "dispatcher", "agent", "executor", "analyst", "auditor", "resident")
ABOUT = f"/requests/{uuid4()}"
USES: Mapping[str, tuple[str, str, Mapping[str, object] | None]] = {
    "submit": ("POST", "/requests", asked()),
    "register": ("POST", f"{ABOUT}/registration", {"service_type": "roof-leak"}),
    "reclassify": ("POST", f"{ABOUT}/reclassification", {"service_type": "roof-leak", "reason": "So it is."}),
    "link": ("POST", f"{ABOUT}/duplicate", {"of": str(uuid4())}),
    "unlink": ("POST", f"{ABOUT}/unlinking", {"reason": "No."}),
    "ask": ("POST", f"{ABOUT}/information-requests", {"question": "Where?"}),
    "answer": ("POST", f"{ABOUT}/information", {"answer": "There."}),
    "attach": ("POST", f"{ABOUT}/attachments", {}),
    "confirm": ("POST", f"{ABOUT}/confirmation", {}),
    "dispute": ("POST", f"{ABOUT}/dispute", {}),
    "withdraw": ("POST", f"{ABOUT}/withdrawal", {"reason": "other"}),
    "reject": ("POST", f"{ABOUT}/rejection", {"ground": "No.", "outcome": "refused"}),
    "rate": ("POST", f"{ABOUT}/rating", {"rating": 3}),
    "erase": ("POST", "/persons/me/erasure", {}),
    "read": ("GET", "/requests?limit=1", None),
    "read_attachment": ("GET", f"{ABOUT}/attachments/{'ab' * 32}", None),
    "list_own": ("GET", "/requests?limit=1&person=me", None),
    "list_of_anybody": ("GET", f"/requests?limit=1&person={uuid4()}", None),
}
ELSEWHERE = {"read_persons", "read_pseudonyms", "read_feed"}
"""What is no call of its own: tested with what is read, and with the chassis' feed."""


@pytest.mark.parametrize("role", [*ROLES, None])
@pytest.mark.parametrize("use_case", USES)
async def test_each_role_may_do_what_the_table_says_and_nothing_else(
    api: httpx.AsyncClient, use_case: str, role: str | None
) -> None:
    """Cell by cell, and who is not signed in is asked to; what is refused further on is refused by another name."""
    method, path, body = USES[use_case]
    headers = person(role, LIFTS).headers() if role else {}
    answer = await api.request(method, path, json=body, headers=headers)
    name = answer.json().get("type", "") if isinstance(answer.json(), dict) else ""
    if "anybody" in MAY[use_case] or (role is not None and role in MAY[use_case]):
        assert not name.endswith((":forbidden", ":not-signed-in")), answer.text
    else:
        wanted = (401, "not-signed-in") if role is None else (403, "forbidden")
        assert (answer.status_code, name.rpartition(":")[2]) == wanted


def test_no_use_case_is_forgotten() -> None:
    """Each is tested by its call, or with what it is part of."""
    assert set(USES) | ELSEWHERE == set(MAY)


async def test_the_rules_are_published_as_they_are(api: httpx.AsyncClient) -> None:
    """Roles, states, and the words of every refusal."""
    rules = (await api.get("/rules")).json()
    assert rules["may"] == {name: sorted(roles) for name, roles in {**MAY, **PARKING_RULES}.items()}
    assert set(rules["transitions"]) == set(get_args(Action))
    for action, cells in TRANSITIONS.items():
        assert set(rules["transitions"][action]) == set(get_args(State))
        for state, cell in cells.items():
            told = rules["transitions"][action][state]
            named = refusal_name(cell) if isinstance(cell, type) else None
            assert told == {"then": None if named else cell, "refusal": named}
            assert named is None or named in rules["refusals"]


async def test_the_api_shows_an_example_of_everything_it_takes_and_gives(api: httpx.AsyncClient) -> None:
    """Of every body and every answer of a request's own routes, and every example is what its schema says."""
    document = (await api.get("/openapi.json")).json()
    without: list[str] = []
    for path, method, operation in _operations(document):
        content = [("body", operation.get("requestBody", {}).get("content", {}))]
        content += [(status, told.get("content", {})) for status, told in operation["responses"].items() if status < "3"]
        for part, media in content:
            schema = media.get("application/json", {}).get("schema")
            if schema is not None and not _has_example(schema, document):
                without.append(f"{method} {path} {part}")
    assert without == []


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if "operation" not in operation.get("tags", ()):
                yield path, method, operation


def _has_example(schema: dict[str, Any], document: dict[str, Any]) -> bool:
    """Look for an example of a schema, or of what it is a list or a page of."""
    if "$ref" in schema:
        return _has_example(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    if "examples" in schema:
        return True
    inner = [schema["items"]] if "items" in schema else []
    inner += [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if "items" in schema.get("properties", {}):
        inner.append(schema["properties"]["items"])
    return bool(inner) and all(_has_example(each, document) for each in inner)
