"""The edge: correlation ids, the one line a call, the metrics; and nothing of a person's in any of them."""

import asyncio

import pytest
from fastapi import FastAPI
from prometheus_client import REGISTRY
from provider import Issuer, Lines, MakeApi, calling
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from shared_chassis.http import Anybody, Router, SignedIn
from shared_chassis.http.call import Edge
from shared_chassis.http.problem import Problems

ID = "6f1c2a52-7d3c-4a43-9f0e-1f1d3a2b4c5d"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def api(make_api: MakeApi) -> FastAPI:
    """Make an API with two routes, one that asks who calls."""
    router = Router()

    @router.get("/persons/{person}")
    def read(person: str, caller: Anybody) -> str:
        return person

    @router.post("/mine")
    def write(caller: SignedIn) -> str:
        return caller.id

    return make_api(routers=[router])


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-correlation-id": ID}, ID),
        ({"x-correlation-id": ID.upper()}, ID),
        ({"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}, "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"),
        ({"x-correlation-id": ID, "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}, ID),
        (
            {"x-correlation-id": "mine\u00e4", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"},
            "4bf92f35-77b3-4da6-a3ce-929d0e0e4736",
        ),
    ],
)
async def test_the_callers_correlation_id_is_taken_and_echoed(
    api: FastAPI, lines: Lines, headers: dict[str, str], expected: str
) -> None:
    """Ours goes before the standard's, and both before a new one."""
    async with calling(api) as client:
        answer = await client.get("/persons/1", headers={key: value.encode("latin-1") for key, value in headers.items()})
    assert answer.headers["x-correlation-id"] == expected
    assert lines("request.answered")[-1]["correlation"] == expected


@pytest.mark.parametrize("headers", [{}, {"x-correlation-id": "x"}, {"traceparent": "00-zz-1-01"}])
async def test_a_call_without_a_readable_one_gets_a_new_one(api: FastAPI, headers: dict[str, str]) -> None:
    """A tracing header is never a reason to refuse a call."""
    async with calling(api) as client:
        first = await client.get("/persons/1", headers=headers)
        second = await client.get("/persons/1", headers=headers)
    assert first.status_code == 200
    assert len(first.headers["x-correlation-id"]) == 36
    assert first.headers["x-correlation-id"] != second.headers["x-correlation-id"]


async def test_one_line_a_call_tells_what_happened_and_nothing_of_a_person(api: FastAPI, lines: Lines, issuer: Issuer) -> None:
    """The template instead of the path, the kind instead of the actor, no query, no body."""
    async with calling(api) as client:
        await client.get("/persons/+79170000000?name=Alsu", headers={"authorization": f"Bearer {issuer.token()}"})
        await client.post("/mine", content=b"Alsu")
    first, second = lines("request.answered")
    assert first.items() >= {"method": "GET", "route": "/persons/{person}", "status": 200, "actor": "resident"}.items()
    assert first["ms"] > 0
    assert second.items() >= {"method": "POST", "route": "/mine", "status": 401, "actor": "anonymous"}.items()
    assert set(first) == {"event", "method", "route", "status", "ms", "actor", "correlation", "level", "timestamp", "service"}
    assert "7917" not in lines.text
    assert "Alsu" not in lines.text


async def test_calls_at_once_keep_their_own_correlation_ids(api: FastAPI, lines: Lines) -> None:
    """Also in the threads that do the work."""
    ids = [f"{number:08d}-7d3c-4a43-9f0e-1f1d3a2b4c5d" for number in range(50)]
    async with calling(api) as client:
        answers = await asyncio.gather(*(client.get("/persons/1", headers={"x-correlation-id": each}) for each in ids))
    assert [answer.headers["x-correlation-id"] for answer in answers] == ids
    assert sorted(line["correlation"] for line in lines("request.answered")) == ids


async def test_probes_are_told_quietly(api: FastAPI, lines: Lines) -> None:
    """A probe every second would drown everything else."""
    async with calling(api) as client:
        await client.get("/healthz")
    assert lines("request.answered")[-1]["level"] == "debug"


async def test_calls_are_counted_by_template_and_not_by_what_callers_invent(api: FastAPI) -> None:
    """Labels are few: nobody can fill our memory with addresses or methods."""

    def count(route: str, method: str, status: str) -> float:
        labels = {"route": route, "method": method, "status": status}
        return REGISTRY.get_sample_value("veche_http_requests_total", labels) or 0.0

    before = count("/persons/{person}", "GET", "200"), count("unknown", "GET", "404"), count("/mine", "other", "405")
    async with calling(api) as client:
        for number in range(3):
            await client.get(f"/persons/{number}")
            await client.get(f"/invented/{number}")
            await client.request(f"INVENT{number}", "/mine")
    after = count("/persons/{person}", "GET", "200"), count("unknown", "GET", "404"), count("/mine", "other", "405")
    assert [late - early for late, early in zip(after, before, strict=True)] == [3, 3, 3]


async def test_a_failure_after_the_answer_began_is_logged_and_not_answered_twice(lines: Lines) -> None:
    """Half an answer cannot become a problem document."""
    sent = []

    async def broken(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("half way")

    async def send(message: Message) -> None:
        sent.append(message["type"])

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    with pytest.raises(RuntimeError, match="half way"):
        await Edge(broken, Problems("sample", {}).answer)(scope, receive, send)
    assert sent == ["http.response.start"]
    assert lines("request.failed")[-1]["error"] == "RuntimeError: half way"
    assert lines("request.answered")[-1]["status"] == 200


async def test_a_caller_who_hung_up_is_no_failure_of_ours(lines: Lines) -> None:
    """It is told as 499 and nothing is answered."""

    async def reading(scope: Scope, receive: Receive, _send: Send) -> None:
        await Request(scope, receive).body()

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(_message: Message) -> None:
        raise AssertionError("nobody listens")

    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}
    await Edge(reading, Problems("sample", {}).answer)(scope, receive, send)
    assert lines("request.answered")[-1]["status"] == 499
    assert lines("request.failed") == []
