"""Pages and cursors: nothing shown twice, nothing left out, and no trust in what comes back."""

from datetime import UTC, datetime

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from provider import MakeApi, calling

from shared_chassis.http import BrokenCursor, Cursor, Limit, Page, Router, read_cursor, write_cursor

ROWS = [("a", 1), ("a", 2), ("b", 1), ("c", 1), ("c", 2)]
Place = tuple[str, int]


@pytest.fixture
def api(make_api: MakeApi) -> FastAPI:
    """List the rows a page at a time."""
    router = Router()

    @router.get("/rows")
    def rows(cursor: Cursor = None, limit: Limit = 2) -> Page[Place]:
        after = read_cursor(cursor, Place)
        found = [row for row in ROWS if after is None or row > after]
        return Page.cut(found[: limit + 1], limit, place=lambda row: row)

    return make_api(routers=[router])


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 1000])
async def test_pages_show_every_row_once(api: FastAPI, limit: int) -> None:
    """Whatever the size of a page; the last one says that it is the last."""
    seen: list[list[object]] = []
    cursor = ""
    pages = 0
    async with calling(api) as client:
        while cursor is not None:
            page = (await client.get(f"/rows?limit={limit}{cursor and f'&cursor={cursor}'}")).json()
            seen += page["items"]
            cursor = page["next"]
            pages += 1
    assert [tuple(row) for row in seen] == ROWS
    assert pages == -(-len(ROWS) // limit)


@pytest.mark.parametrize("cursor", ["x", "####", "bm90IGpzb24", "WzEsMl0", "W10", "\u0439", "#WyJhIiwxXQ", "WyJhIiwxXQ####"])
async def test_a_broken_cursor_is_refused_in_words(api: FastAPI, cursor: str) -> None:
    """Rubbish, another shape, another list's cursor, one that was edited."""
    async with calling(api) as client:
        answer = await client.get("/rows", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:veche:sample:broken-cursor")
    assert answer.json()["title"].startswith("This cursor is broken")


async def test_padding_is_forgiven(api: FastAPI) -> None:
    """Some clients write base64 as they learnt it."""
    async with calling(api) as client:
        answers = [await client.get("/rows", params={"cursor": cursor}) for cursor in ("WyJhIiwxXQ", "WyJhIiwxXQ==")]
    assert [answer.json()["items"] for answer in answers] == [[["a", 2], ["b", 1]]] * 2


@pytest.mark.parametrize("limit", [0, 1001, "many"])
async def test_a_page_has_a_size(api: FastAPI, limit: object) -> None:
    """From one row to a thousand."""
    async with calling(api) as client:
        assert (await client.get(f"/rows?limit={limit}")).status_code == 422


@given(st.tuples(st.datetimes(timezones=st.just(UTC)), st.text(), st.integers()))
def test_a_place_comes_back_as_it_was_written(place: tuple[datetime, str, int]) -> None:
    """Whatever rows are ordered by, to the microsecond."""
    cursor = write_cursor(place)
    assert cursor.isascii()
    assert not set(cursor) & set("+/=&? ")
    assert read_cursor(cursor, tuple[datetime, str, int]) == place


def test_no_cursor_is_the_start() -> None:
    """And a cursor of another shape is not."""
    assert read_cursor(None, Place) is None
    with pytest.raises(BrokenCursor):
        read_cursor(write_cursor(["a"]), Place)
