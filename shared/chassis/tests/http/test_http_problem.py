"""Refusals and failures: every one is a problem document in words, and a failure of ours gives nothing away."""

from collections.abc import AsyncIterator
from typing import Annotated

import psycopg
import pytest
from fastapi import FastAPI, HTTPException
from provider import Lines, MakeApi, calling
from psycopg_pool import PoolTimeout
from pydantic import BaseModel, Field

from shared_chassis.http import Forbidden, IssuerUnavailable, NotSignedIn, Router
from shared_chassis.store import Conflict, KeyReusedError


class RequestError(Exception):
    """This request cannot be changed so."""


class RequestClosedError(RequestError):
    """The request is closed.

    This paragraph is for programmers.
    """


class UnwordedError(RequestError):  # noqa: D101 - the case is an error without words
    pass


ERRORS = {RequestError: 409, RequestClosedError: 410}


class Place(BaseModel):
    """Where."""

    latitude: float
    kind: Annotated[str, Field(max_length=3)] = "a"


class Form(BaseModel, extra="forbid"):
    """What is sent."""

    city: str
    count: int
    location: Place


@pytest.fixture
def api(make_api: MakeApi) -> FastAPI:
    """Make an API whose routes fail in every way."""
    router = Router()
    failing = {
        "closed": RequestClosedError("It was closed on Monday."),
        "base": RequestError(),
        "unworded": UnwordedError(),
        "secret": RuntimeError("password=hunter2"),
        "forbidden": Forbidden(),
        "anonymous": NotSignedIn(),
        "conflict": Conflict("Somebody else was faster."),
        "reused": KeyReusedError(),
        "issuer": IssuerUnavailable(),
        "database": psycopg.OperationalError("connection to server at 10.0.0.1 failed"),
        "pool": PoolTimeout("couldn't get a connection"),
        "teapot": HTTPException(404, "No such request."),
    }

    @router.get("/fail/{way}")
    def fail(way: str) -> None:
        raise failing[way]

    @router.post("/forms")
    def take(form: Form) -> Form:
        return form

    @router.get("/rows")
    def rows(limit: int = 1) -> int:
        return limit

    return make_api(routers=[router], errors=ERRORS)


async def test_an_unknown_address_and_method_are_told_in_words(api: FastAPI) -> None:
    """Also what the framework refuses is a problem document."""
    async with calling(api) as client:
        missing = await client.get("/nothing", headers={"x-correlation-id": "6f1c2a52-7d3c-4a43-9f0e-1f1d3a2b4c5d"})
        wrong = await client.put("/forms")
    assert missing.headers["content-type"] == "application/problem+json"
    assert missing.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "There is nothing at this address.",
        "instance": "/nothing",
        "correlation_id": "6f1c2a52-7d3c-4a43-9f0e-1f1d3a2b4c5d",
    }
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert wrong.json()["detail"] == "This address does not answer to PUT."
    assert wrong.headers["content-type"] == "application/problem+json"


async def test_every_wrong_field_is_listed_in_plain_words(api: FastAPI) -> None:
    """A form comes back with what to mend, and without what was sent."""
    async with calling(api) as client:
        form = {"count": "many", "location": {"latitude": "north", "kind": "abcd"}, "extra": "+7 917 000 00 00"}
        answer = await client.post("/forms", json=form)
        query = await client.get("/rows?limit=x")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == "urn:veche:sample:invalid"
    assert {(error["field"], error["problem"]) for error in problem["errors"]} == {
        ("city", "is required"),
        ("count", "must be a whole number"),
        ("location.latitude", "must be a number"),
        ("location.kind", "must have at most 3 characters"),
        ("extra", "is not known here"),
    }
    assert "917" not in answer.text
    assert "many" not in answer.text
    assert query.json()["errors"] == [{"field": "limit", "problem": "must be a whole number"}]


async def test_a_missing_body_and_broken_json_are_told_apart(api: FastAPI) -> None:
    """The one is a form not filled in, the other no form at all."""
    async with calling(api) as client:
        missing = await client.post("/forms")
        broken = await client.post("/forms", content=b'{"city": ', headers={"content-type": "application/json"})
    assert (missing.status_code, missing.json()["errors"]) == (422, [{"field": "body", "problem": "is required"}])
    assert (broken.status_code, broken.json()["detail"]) == (400, "The body is not JSON.")


@pytest.mark.parametrize(
    ("way", "status", "kind", "title", "detail"),
    [
        ("closed", 410, "request-closed-error", "The request is closed.", "It was closed on Monday."),
        ("base", 409, "request-error", "This request cannot be changed so.", "This request cannot be changed so."),
        ("unworded", 409, "unworded-error", "Unworded error", "Unworded error"),
        ("forbidden", 403, "forbidden", "Your role does not allow this.", "Your role does not allow this."),
        ("anonymous", 401, "not-signed-in", "Sign in first: this needs an account.", "Sign in first: this needs an account."),
        ("conflict", 409, "conflict", Conflict.__doc__, "Somebody else was faster."),
        ("reused", 422, "key-reused-error", KeyReusedError.__doc__, KeyReusedError.__doc__),
    ],
)
async def test_a_refusal_is_told_by_its_docstring_and_its_message(
    api: FastAPI, way: str, status: int, kind: str, title: str, detail: str
) -> None:
    """The nearest class in the table decides about the status."""
    async with calling(api) as client:
        answer = await client.get(f"/fail/{way}")
    problem = answer.json()
    assert answer.status_code == problem["status"] == status
    assert problem["type"] == f"urn:veche:sample:{kind}"
    assert (problem["title"], problem["detail"]) == (title, detail)


async def test_who_is_not_signed_in_is_told_how(api: FastAPI) -> None:
    """A 401 names the scheme (RFC 9110, 11.6.1)."""
    async with calling(api) as client:
        answer = await client.get("/fail/anonymous")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("way", ["issuer", "database", "pool"])
async def test_what_is_away_for_a_moment_is_worth_trying_again(api: FastAPI, way: str) -> None:
    """A 503 says when, and nothing about where the database is."""
    async with calling(api) as client:
        answer = await client.get(f"/fail/{way}")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "10.0.0.1" not in answer.text
    assert "try again" in answer.json()["title"]


async def test_a_mistake_of_ours_is_logged_and_gives_nothing_away(api: FastAPI, lines: Lines) -> None:
    """The caller gets the correlation id, the operator the rest."""
    async with calling(api) as client:
        answer = await client.get("/fail/secret")
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (500, "about:blank")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "hunter2" not in answer.text
    assert "RuntimeError" not in answer.text
    [failed] = lines("request.failed")
    assert failed["error"] == "RuntimeError: password=hunter2"
    assert failed["correlation"] == problem["correlation_id"] == answer.headers["x-correlation-id"]
    assert any("test_http_problem.py" in frame for frame in failed["trace"])
    assert lines("request.answered")[-1]["status"] == 500


async def test_a_routes_own_words_are_kept(api: FastAPI) -> None:
    """A route may refuse as the framework's users do."""
    async with calling(api) as client:
        answer = await client.get("/fail/teapot")
    assert (answer.status_code, answer.json()["detail"]) == (404, "No such request.")


async def test_a_service_may_give_a_drivers_error_its_own_status(make_api: MakeApi) -> None:
    """The service's table goes before the chassis' own."""
    router = Router()

    @router.get("/")
    def fail() -> None:
        raise psycopg.OperationalError

    async with calling(make_api(routers=[router], errors={psycopg.OperationalError: 507})) as client:
        assert (await client.get("/")).status_code == 507


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(make_api: MakeApi) -> None:
    """By its announced length, and, where none is announced, as soon as it has grown too large."""
    router = Router()

    @router.post("/forms")
    def take(form: dict[str, str]) -> int:
        return len(form)

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 100

    async with calling(make_api(routers=[router], largest_body=500)) as client:
        fits = await client.post("/forms", json={"a": "b"})
        announced = await client.post("/forms", json={"a": "b" * 500})
        grown = await client.post("/forms", content=endless(), headers={"content-type": "application/json"})
    assert fits.json() == 1
    for answer in (announced, grown):
        assert (answer.status_code, answer.json()["detail"]) == (413, "A body may have 500 bytes at most.")
