"""Versions over HTTP: a read tells its own, a command is refused when its reader saw another."""

import pytest
from fastapi import FastAPI
from provider import MakeApi, calling

from shared_chassis.http import ConditionalCommand, IfMatch, Router, Tagged, etag
from shared_chassis.http.problem import EVERYWHERE
from shared_chassis.store import EXISTING, PreconditionFailed

BUILT: list[str] = []


@pytest.fixture
def api(make_api: MakeApi) -> FastAPI:
    """A lamp at version 7, which others say something about."""
    BUILT.clear()
    router = Router()

    @router.get("/lamps/{lamp}")
    def read_lamp(lamp: str, tagged: Tagged) -> dict[str, str]:
        tagged(7)
        BUILT.append(lamp)
        return {"lamp": lamp}

    @router.get("/lamps/{lamp}/story")
    def read_story(lamp: str, tagged: Tagged, told: str = "on") -> dict[str, str]:
        tagged(7, told)
        return {"lamp": lamp, "told": told}

    @router.post("/lamps/{lamp}/switch")
    def switch(command: ConditionalCommand, tagged: Tagged) -> dict[str, int | None]:
        if command.expected not in (None, EXISTING, 7):
            raise PreconditionFailed(command.expected or 0, 7)
        tagged(8)
        return {"expected": command.expected}

    @router.post("/lamps/{lamp}/removal")
    def remove(lamp: str, expected: IfMatch) -> dict[str, int | None]:
        raise PreconditionFailed(expected or 0, 0)

    return make_api(routers=[router])


async def test_a_read_tells_the_version_it_shows(api: FastAPI) -> None:
    """As a strong tag, for this reader, asked about each time."""
    async with calling(api) as client:
        answer = await client.get("/lamps/a")
    assert answer.headers["etag"] == '"7"' == etag(7)
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["vary"] == "Authorization"


@pytest.mark.parametrize("known", ['"7"', 'W/"7"', '"3", "7"', "*"])
async def test_who_has_the_version_gets_no_body(api: FastAPI, known: str) -> None:
    """304, with the tag, and nothing was built for it."""
    async with calling(api) as client:
        answer = await client.get("/lamps/a", headers={"if-none-match": known})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", '"7"')
    assert "content-type" not in answer.headers
    assert BUILT == []


@pytest.mark.parametrize("known", ['"6"', '"77"', "7", '"7-0011223344556677"', "nonsense"])
async def test_who_has_another_version_gets_this_one(api: FastAPI, known: str) -> None:
    """Only the tag itself counts."""
    async with calling(api) as client:
        answer = await client.get("/lamps/a", headers={"if-none-match": known})
    assert (answer.status_code, answer.json()) == (200, {"lamp": "a"})


async def test_what_else_an_answer_shows_is_in_its_tag(api: FastAPI) -> None:
    """The stream stood still and another service spoke: the answer is another one, the version to act on is the same."""
    async with calling(api) as client:
        lit = await client.get("/lamps/a/story")
        again = await client.get("/lamps/a/story", headers={"if-none-match": lit.headers["etag"]})
        dark = await client.get("/lamps/a/story", params={"told": "off"}, headers={"if-none-match": lit.headers["etag"]})
        switched = await client.post("/lamps/a/switch", headers={"if-match": lit.headers["etag"]})
    assert (lit.status_code, again.status_code, dark.status_code) == (200, 304, 200)
    assert lit.headers["etag"] != dark.headers["etag"]
    assert switched.json() == {"expected": 7}


@pytest.mark.parametrize(("given", "expected"), [('"7"', 7), (' "7" ', 7), ("*", EXISTING), (None, None)])
async def test_a_command_carries_the_version_it_was_decided_on(api: FastAPI, given: str | None, expected: int | None) -> None:
    """And its answer tells the new one; If-None-Match is for reads alone."""
    headers = {"if-none-match": "*", **({} if given is None else {"if-match": given})}
    async with calling(api) as client:
        answer = await client.post("/lamps/a/switch", headers=headers)
    assert (answer.status_code, answer.json(), answer.headers["etag"]) == (200, {"expected": expected}, '"8"')


async def test_a_stale_command_is_refused_in_words_that_name_the_present_version(api: FastAPI) -> None:
    """412, as a problem, with the present tag to read again by."""
    async with calling(api) as client:
        answer = await client.post("/lamps/a/switch", headers={"if-match": '"6"'})
        missing = await client.post("/lamps/a/removal", headers={"if-match": "*"})
    assert (answer.status_code, answer.json()["type"]) == (412, "urn:veche:sample:precondition-failed")
    assert answer.json()["title"] == "This has changed since you read it."
    assert answer.json()["detail"] == "It is at version 7 now, not at 6; read it again and decide anew."
    assert answer.headers["etag"] == '"7"'
    assert missing.status_code == 412
    assert missing.json()["detail"] == "It does not exist; read it again and decide anew."
    assert "etag" not in missing.headers
    assert EVERYWHERE[PreconditionFailed] == 412


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ('W/"7"', "A weak tag"),
        ('"7", "8"', "one tag"),
        ("7", "one tag"),
        ('"-1"', "one tag"),
        ('"07"', "one tag"),
        ('"9223372036854775808"', "one tag"),
        ('"seven"', "one tag"),
        ("", "one tag"),
    ],
)
async def test_what_is_no_tag_of_ours_is_refused_in_words(api: FastAPI, given: str, words: str) -> None:
    """Nothing is guessed: a command whose condition cannot be read is not done."""
    async with calling(api) as client:
        answer = await client.post("/lamps/a/switch", headers={"if-match": given})
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:veche:sample:bad-header")
    assert words in answer.json()["detail"]


async def test_several_conditions_are_refused(api: FastAPI) -> None:
    """Nobody could say which one counts."""
    async with calling(api) as client:
        answer = await client.post("/lamps/a/switch", headers=[("if-match", '"7"'), ("if-match", '"8"')])
    assert (answer.status_code, answer.json()["detail"]) == (400, "Send one If-Match, not several.")


async def test_the_description_names_the_headers_and_the_empty_answer(api: FastAPI) -> None:
    """Clients are generated from it."""
    async with calling(api) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
    read, act = paths["/lamps/{lamp}"]["get"], paths["/lamps/{lamp}/switch"]["post"]
    assert {"If-None-Match"} < {each["name"] for each in read["parameters"]}
    assert "If-Match" in {each["name"] for each in act["parameters"]}
    assert set(read["responses"]) == {"200", "304", "default"}
