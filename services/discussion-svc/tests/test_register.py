"""The public register on real PostgreSQL: lists, pages, documents, and views made anew from the events."""

import hashlib
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import psycopg
import pytest
from town_hall import MINUTE, ORGANISER, Hall, person

from discussion_svc import views
from discussion_svc.application import Context
from discussion_svc.domain.document import LARGEST
from discussion_svc.views import PROJECTION, TABLES
from shared_chassis.postgres import ServiceDatabase
from shared_chassis.view import project, rebuild
from shared_events.ids import discussion_stream

pytestmark = pytest.mark.postgres

PDF = b"%PDF-1.7 a plan"


def contents(context: Context) -> dict[str, list[str]]:
    """Give every row of every view."""
    rows = {table: context.database.query(f"SELECT t::text AS row FROM {table} t ORDER BY 1") for table in TABLES}
    return {table: [row["row"] for row in found] for table, found in rows.items()}


async def pages(hall: Hall, path: str, **query: object) -> list[list[dict[str, Any]]]:
    """Follow the cursor to the end."""
    found: list[list[dict[str, Any]]] = []
    cursor: dict[str, str] = {}
    while True:
        page = await hall.see(path, **query, **cursor)
        found.append(page["items"])
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}


async def test_discussions_are_listed_the_newest_first_by_city_and_state(hall: Hall) -> None:
    """Page by page, each once."""
    registered = [await hall.register(title=f"T{n}") for n in range(4)]
    opened = await hall.open(city="kazan", procedure="city-question", title="Мост")
    listed = await pages(hall, "/discussions", limit=2)
    ids = [item["id"] for page in listed for item in page]
    assert ids[:5] == [opened, *reversed(registered)]
    assert max(len(page) for page in listed) == 2
    assert next(item["id"] for item in (await hall.see("/discussions", city="kazan"))["items"]) == opened
    assert {item["state"] for item in (await hall.see("/discussions", state="open"))["items"]} == {"open"}
    assert (await hall.see("/discussions", city="los-angeles"))["items"] == []
    assert (await hall.api.get("/discussions", params={"state": "shut"})).status_code == 422
    assert (await hall.api.get("/discussions", params={"cursor": "nonsense"})).status_code == 400


async def test_submissions_are_listed_by_number_and_counted_by_kind(hall: Hall) -> None:
    """Page by page, all kinds or one."""
    discussion = await hall.open()
    taken = [await hall.submitted(discussion, kind=("question", "proposal")[n % 2], text=f"Texto {n}") for n in range(5)]
    numbers = [item["number"] for page in await pages(hall, f"/discussions/{discussion}/submissions", limit=2) for item in page]
    assert numbers == [each["number"] for each in taken]
    questions = await pages(hall, f"/discussions/{discussion}/submissions", limit=2, kind="question")
    assert [item["text"] for page in questions for item in page] == ["Texto 0", "Texto 2", "Texto 4"]
    assert (await hall.see(f"/discussions/{discussion}"))["submissions"] == {"question": 3, "proposal": 2, "remark": 0}
    listed = next(item for item in (await hall.see("/discussions"))["items"] if item["id"] == discussion)
    assert listed["submissions"] == {"question": 3, "proposal": 2, "remark": 0}
    empty = await hall.open()
    assert (await hall.see(f"/discussions/{empty}/submissions")) == {"items": [], "next": None}


async def test_each_discussion_counts_its_own_numbers(hall: Hall) -> None:
    """Both begin at 1, and no number is given twice in the city."""
    numbers = [(await hall.submitted(await hall.open()))["number"] for _ in range(2)]
    assert [number.rpartition("-")[2] for number in numbers] == ["0001", "0001"]
    assert len(set(numbers)) == 2


async def test_a_submission_is_found_by_its_number(hall: Hall) -> None:
    """Whoever holds a receipt finds it; a number nobody has finds nothing."""
    discussion = await hall.open()
    taken = await hall.submitted(discussion)
    (found,) = (await hall.see("/submissions", number=taken["number"]))["items"]
    assert (found["id"], found["discussion"]) == (taken["id"], discussion)
    assert (await hall.see("/submissions", number="MAD-D2026-000000-0001")) == {"items": [], "next": None}


async def test_a_document_is_given_out_as_it_was_attached(hall: Hall) -> None:
    """Byte for byte, under its hash, with nothing in it that could run."""
    discussion = await hall.register()
    attached = await hall.attach(discussion, PDF, "application/pdf", "%D0%BF%D0%BB%D0%B0%D0%BD%20%E2%84%961.pdf")
    assert attached.status_code == 201
    assert attached.json() == {
        "sha256": hashlib.sha256(PDF).hexdigest(),
        "name": "план №1.pdf",
        "media_type": "application/pdf",
        "size": len(PDF),
    }
    answer = await hall.api.get(f"/discussions/{discussion}/documents/{attached.json()['sha256']}")
    assert (answer.content, answer.headers["content-type"]) == (PDF, "application/pdf")
    assert answer.headers["content-disposition"].endswith("%D0%BF%D0%BB%D0%B0%D0%BD%20%E2%84%961.pdf")
    assert (answer.headers["content-security-policy"], answer.headers["x-content-type-options"]) == ("sandbox", "nosniff")
    again = await hall.attach(discussion, PDF, "application/pdf", "again.pdf")
    assert again.status_code == 201
    assert len((await hall.see(f"/discussions/{discussion}"))["documents"]) == 1


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"x" * (LARGEST + 1), "text/plain", 413),
        (b"<html>", "text/html", 415),
        (b"", "text/plain", 422),
        (b"MZ", "image/png", 422),
    ],
)
async def test_a_document_nobody_should_open_is_refused(hall: Hall, content: bytes, media_type: str, status: int) -> None:
    """Too large, of a kind that runs, empty, or not what it says."""
    assert (await hall.attach(await hall.register(), content, media_type)).status_code == status


async def test_a_damaged_document_is_not_given_out(hall: Hall) -> None:
    """The reader is told, and gets none of its bytes."""
    discussion = await hall.register()
    name = (await hall.attach(discussion, b"the plan")).json()["sha256"]
    (hall.context.objects._directory / name[:2] / name).write_bytes(b"another plan")
    answer = await hall.api.get(f"/discussions/{discussion}/documents/{name}")
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:veche:discussion:document-damaged-error")
    assert "another plan" not in answer.text


async def test_a_document_of_another_discussion_is_not_given_out(hall: Hall) -> None:
    """Whoever knows a hash learns nothing by it."""
    name = (await hall.attach(await hall.register(), b"the other plan")).json()["sha256"]
    assert (await hall.api.get(f"/discussions/{await hall.register()}/documents/{name}")).status_code == 404


async def test_a_notice_is_refused_when_it_makes_no_sense(hall: Hall) -> None:
    """Seconds, a reversed period, a time without an offset, another period than was published."""
    discussion = await hall.register()
    await hall.attach(discussion)
    now = hall.now().replace(second=0, microsecond=0)
    path = f"/discussions/{discussion}/notice"
    for opens, closes, status in (
        ((now + timedelta(seconds=1)).isoformat(), (now + 9 * MINUTE).isoformat(), 422),
        ((now + 9 * MINUTE).isoformat(), now.isoformat(), 422),
        (now.replace(tzinfo=None).isoformat(), (now + 9 * MINUTE).isoformat(), 422),
        (now.isoformat(), (now + 9 * MINUTE).isoformat(), 200),
        (now.isoformat(), (now + 9 * MINUTE).isoformat(), 200),
        (now.isoformat(), (now + 10 * MINUTE).isoformat(), 409),
    ):
        answer = await hall.post(path, ORGANISER, {"opens_at": opens, "closes_at": closes})
        assert answer.status_code == status, answer.text


async def test_views_made_anew_are_what_they_were(hall: Hall, context: Context, discussion_database: ServiceDatabase) -> None:
    """Every row of every table, from the events alone."""
    discussion = await hall.open()
    taken = await hall.submitted(discussion, name="Ana")
    await hall.submitted(discussion, kind="remark", in_reply_to=taken["id"])
    await hall.support(taken["id"], person())
    hall.close()
    before = contents(context)
    assert all(before.values())
    rebuild(discussion_database, context.store.mapper, PROJECTION, TABLES)
    assert contents(context) == before
    await hall.submitted(await hall.open())


async def test_a_view_applied_twice_is_as_applied_once(hall: Hall, context: Context) -> None:
    """Each fact of a discussion again, and no row changes."""
    discussion = await hall.open()
    taken = await hall.submitted(discussion)
    await hall.support(taken["id"], person())
    before = contents(context)
    mapper = context.store.mapper
    log = [mapper.from_document(row.state) for row in views.journey(context.database, UUID(discussion))]
    assert len(log) == 7
    with context.database.connection() as connection, connection.transaction():
        project(connection, PROJECTION, log)
    assert contents(context) == before


LONG_LOG = """
    INSERT INTO stored_events (originator_id, originator_version, topic, state)
    SELECT 'long-' || n, 1, 't', convert_to('{"correlationid": "' || gen_random_uuid() || '"}', 'UTF8')
    FROM generate_series(1, 5000) AS n
"""


async def test_the_journey_of_a_discussion_is_found_by_its_index(
    hall: Hall, context: Context, discussion_database: ServiceDatabase
) -> None:
    """However long the log is, a protocol reads only what belongs to it."""
    discussion = await hall.open()
    with psycopg.connect(discussion_database.owner_url) as connection:
        connection.execute(b"SET search_path = " + discussion_database.service.encode())
        connection.execute(LONG_LOG)
        connection.execute("ANALYZE stored_events")
        plan = connection.execute(cast("Any", f"EXPLAIN {views.JOURNEY}"), {"correlation": discussion}).fetchall()
        connection.rollback()
    assert "stored_events_correlation_idx" in str(plan)
    log = views.journey(context.database, UUID(discussion))
    assert [context.store.mapper.from_document(row.state).stream_id for row in log] == [discussion_stream(UUID(discussion))] * 4
    assert [row.position for row in log] == sorted(row.position for row in log)
