"""The feed: every stored event once, in order, byte for byte, to those who may; and news without asking again and again."""

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from uuid import uuid4

import psycopg
import pytest
from fastapi import FastAPI
from provider import Issuer, Lines, MakeApi, calling

from shared_chassis.http import feed_router
from shared_chassis.http.feed import END, LOOK_AGAIN
from shared_chassis.postgres import Database, migrate


class MemoryLog:
    """A log in memory that counts how often it is asked where it ends."""

    def __init__(self) -> None:
        """Start empty."""
        self.events: list[tuple[int, str, bytes]] = []
        self.looks = 0
        self.asked_after: list[object] = []
        self.broken = False

    def append(self, subject: str, state: bytes = b"{}") -> None:
        """Store an event; positions have gaps, as after conflicts."""
        self.events.append((2 * len(self.events) + 1, subject, state))

    def query(self, sql: str, params: Mapping[str, object] | None = None) -> list[dict[str, object]]:
        """Answer the feed's three statements."""
        if self.broken:
            raise psycopg.OperationalError("gone")
        if sql == END:
            self.looks += 1
            return [{"position": self.events[-1][0] if self.events else 0}]
        assert params is not None
        self.asked_after.append(params["after"])
        rows = [
            {"position": position, "state": state}
            for position, subject, state in self.events
            if params["after"] < position <= params["end"] and (not params["subjects"] or subject in params["subjects"])
        ]
        return rows[: params["limit"]]


async def looked(log: MemoryLog, times: int) -> None:
    """Wait until the log was asked so often where it ends: once by each reader, and then for all who wait."""
    while log.looks < times:  # noqa: ASYNC110 - the log sets no event
        await asyncio.sleep(LOOK_AGAIN / 10)


@pytest.fixture
def log() -> MemoryLog:
    """Start an empty log."""
    return MemoryLog()


@pytest.fixture
def api(make_api: MakeApi, log: MemoryLog) -> FastAPI:
    """Make an API that serves the log."""
    return make_api(routers=[feed_router(log)])


@pytest.fixture
def auditor(issuer: Issuer) -> dict[str, str]:
    """Sign in as an auditor."""
    return issuer.headers(roles=["auditor"])


async def test_the_stored_bytes_are_served_as_they_are(api: FastAPI, log: MemoryLog, auditor: dict[str, str]) -> None:
    """Neither spaces nor the order of keys nor the writing of numbers may change: the bytes are what is sealed."""
    stored = b'{"z":1.0,  "a":"\\u0041", "n":1e3}'
    log.append("request-1", stored)
    async with calling(api) as client:
        answer = await client.get("/feed", headers=auditor)
    assert answer.content == b'{"events":[{"position":1,"event":' + stored + b'}],"next":1}'
    assert answer.headers["content-type"] == "application/json"


async def test_pages_follow_each_other_without_gap_or_repetition(api: FastAPI, log: MemoryLog, auditor: dict[str, str]) -> None:
    """`next` of one page is `after` of the next, until a page is empty."""
    for number in range(10):
        log.append("request-1", b"%d" % number)
    seen: list[int] = []
    after = 0
    async with calling(api) as client:
        while True:
            page = (await client.get(f"/feed?after={after}&limit=3", headers=auditor)).json()
            seen += [event["event"] for event in page["events"]]
            if not page["events"]:
                break
            after = page["next"]
    assert seen == list(range(10))
    assert after == page["next"] == 19


async def test_a_reader_of_one_subject_advances_past_all_others(api: FastAPI, log: MemoryLog, auditor: dict[str, str]) -> None:
    """Else it would read the whole log again and again (trap T20)."""
    log.append("request-1", b'"mine"')
    for _ in range(50):
        log.append("request-2")
    log.append("request-3", b'"too"')
    async with calling(api) as client:
        page = (await client.get("/feed?subject=request-1&subject=request-3&limit=1", headers=auditor)).json()
        rest = (await client.get(f"/feed?subject=request-1&after={page['next']}", headers=auditor)).json()
        both = (await client.get("/feed?subject=request-1&subject=request-3", headers=auditor)).json()
    assert page == {"events": [{"position": 1, "event": "mine"}], "next": 1}
    assert rest == {"events": [], "next": 103}
    assert [event["event"] for event in both["events"]] == ["mine", "too"]


async def test_an_end_that_lies_behind_the_reader_does_not_take_it_back(api: FastAPI, auditor: dict[str, str]) -> None:
    """A replica that lags, or a restored store, must not make a reader start over."""
    async with calling(api) as client:
        page = (await client.get("/feed?after=7", headers=auditor)).json()
    assert page == {"events": [], "next": 7}


@pytest.mark.parametrize(
    ("role", "status"), [("auditor", 200), ("analyst", 200), ("dispatcher", 200), ("resident", 403), ("agent", 403)]
)
async def test_only_some_roles_read_the_feed(api: FastAPI, issuer: Issuer, role: str, status: int) -> None:
    """It holds everybody's journeys, though no plain personal data."""
    async with calling(api) as client:
        assert (await client.get("/feed", headers=issuer.headers(roles=[role]))).status_code == status
        assert (await client.get("/feed")).status_code == 401


@pytest.mark.parametrize("query", ["after=-1", "limit=0", "limit=1001", "wait=21", "after=x"])
async def test_impossible_questions_are_refused(api: FastAPI, auditor: dict[str, str], query: str) -> None:
    """In words, by the name of the parameter."""
    async with calling(api) as client:
        answer = await client.get(f"/feed?{query}", headers=auditor)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, query.split("=", maxsplit=1)[0])


async def test_who_waits_hears_of_news_soon(api: FastAPI, log: MemoryLog, auditor: dict[str, str]) -> None:
    """Without asking again, and not later than the next look."""
    log.append("request-1")
    async with calling(api) as client:
        waiting = asyncio.create_task(client.get("/feed?after=1&wait=20", headers=auditor))
        await looked(log, 3)
        assert not waiting.done()
        log.append("request-1", b'"news"')
        before = log.looks
        page = (await waiting).json()
    assert page == {"events": [{"position": 3, "event": "news"}], "next": 3}
    assert log.looks - before <= 3  # the next look, perhaps one that was under way, and the reader's own


async def test_who_waits_for_one_subject_is_not_woken_by_others_for_good(
    api: FastAPI, log: MemoryLog, auditor: dict[str, str]
) -> None:
    """News of others moves the place, and the waiting goes on."""
    async with calling(api) as client:
        waiting = asyncio.create_task(client.get("/feed?subject=request-1&wait=20", headers=auditor))
        await looked(log, 2)
        log.append("request-2")
        await looked(log, 4)
        assert not waiting.done()
        log.append("request-1", b'"mine"')
        page = (await waiting).json()
    assert page == {"events": [{"position": 3, "event": "mine"}], "next": 3}
    assert log.asked_after == [0, 1]


async def test_who_waits_in_vain_hears_how_far_the_log_is(api: FastAPI, log: MemoryLog, auditor: dict[str, str]) -> None:
    """When the time is over."""
    log.append("request-2")
    async with calling(api) as client:
        page = (await client.get("/feed?subject=request-1&wait=0.3", headers=auditor)).json()
    assert page == {"events": [], "next": 1}


async def test_many_who_wait_cost_one_look(api: FastAPI, log: MemoryLog, auditor: dict[str, str]) -> None:
    """A look every 200 ms for all of them, however long that takes here, and none once nobody waits."""
    began = time.monotonic()
    async with calling(api) as client:
        await asyncio.gather(*(client.get("/feed?wait=1", headers=auditor) for _ in range(30)))
        looks, seconds = log.looks, time.monotonic() - began
        await asyncio.sleep(3 * LOOK_AGAIN)
    assert looks - 2 * 30 <= seconds / LOOK_AGAIN + 2
    assert log.looks <= looks + 1


async def test_a_store_that_is_away_for_a_moment_does_not_end_the_looking(
    api: FastAPI, log: MemoryLog, auditor: dict[str, str], lines: Lines
) -> None:
    """The reader hears of news once the store is back."""
    async with calling(api) as client:
        waiting = asyncio.create_task(client.get("/feed?wait=20", headers=auditor))
        await looked(log, 2)
        log.broken = True
        while not lines("feed.cannot_look"):  # noqa: ASYNC110 - a log sets no event
            await asyncio.sleep(LOOK_AGAIN / 10)
        log.broken = False
        log.append("request-1")
        page = (await waiting).json()
    assert page["next"] == 1


async def test_a_draining_process_lets_nobody_wait(api: FastAPI, log: MemoryLog, auditor: dict[str, str]) -> None:
    """Stopping must not take twenty seconds because a reader waits."""
    async with calling(api) as client:
        waiting = asyncio.create_task(client.get("/feed?wait=20", headers=auditor))
        await looked(log, 2)
        api.state.wiring.health.draining.set()
        before = log.looks
        assert (await waiting).status_code == 200
        assert (await client.get("/feed?wait=20", headers=auditor)).status_code == 200
    assert log.looks - before <= 4  # the next look, perhaps one that was under way, and the readers' own


INSERT = "INSERT INTO stored_events (originator_id, originator_version, topic, state) VALUES (%s, %s, 'sample.thing-done.v1', %s)"


@pytest.fixture
def stored(postgres_admin_url: str) -> Iterator[Database]:
    """Open a fresh database of a service."""
    name = f"feed_{uuid4().hex[:8]}"
    database = Database(migrate(postgres_admin_url, name, None, "only-for-tests").app_url, name, 4)
    yield database
    database.close()
    with psycopg.connect(postgres_admin_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
        connection.execute(f"DROP ROLE IF EXISTS {name}".encode())
        connection.execute(f"DROP ROLE IF EXISTS {name}_owner".encode())


@pytest.mark.postgres
async def test_the_feed_reads_a_real_store(stored: Database, make_api: MakeApi, auditor: dict[str, str]) -> None:
    """The statements are right: order, bounds, subjects, bytes."""
    document = '{"a":"Сүз",  "n":1.0}'.encode()
    with stored.connection() as connection, connection.transaction():
        for version in range(1, 6):
            connection.execute(INSERT, ["request-1", version, document])
            connection.execute(INSERT, ["request-2", version, b"{}"])
    async with calling(make_api(routers=[feed_router(stored)])) as client:
        first = await client.get("/feed?limit=4", headers=auditor)
        rest = (await client.get(f"/feed?after={first.json()['next']}", headers=auditor)).json()
        one = (await client.get("/feed?subject=request-2&limit=2", headers=auditor)).json()
    positions = [event["position"] for event in first.json()["events"] + rest["events"]]
    assert positions == sorted(set(positions))
    assert len(positions) == 10
    assert b'"event":' + document + b"}" in first.content
    assert [event["event"] for event in one["events"]] == [{}, {}]


@pytest.mark.postgres
async def test_a_journey_is_read_by_its_correlation(stored: Database, make_api: MakeApi, auditor: dict[str, str]) -> None:
    """Whatever streams it went through, a page at a time; with subjects, of these alone; another journey is not in it."""
    journeys = [str(uuid4()), str(uuid4())]
    with stored.connection() as connection, connection.transaction():
        for version in range(1, 4):
            for number, journey in enumerate(journeys):
                for kind in ("request", "message"):
                    document = json.dumps({"correlationid": journey, "said": f"{kind} {version}"}).encode()
                    connection.execute(INSERT, [f"{kind}-{number}", version, document])
    async with calling(make_api(routers=[feed_router(stored)])) as client:
        path, read = f"/feed?correlation={journeys[1]}&limit=4", []
        for after in (0, 7, 12):
            page = (await client.get(f"{path}&after={after}", headers=auditor)).json()
            read += [event["event"]["said"] for event in page["events"]]
        one = (await client.get(f"{path}&subject=message-1", headers=auditor)).json()
        wrong = await client.get("/feed?correlation=KZN-1", headers=auditor)
    assert sorted(set(read)) == ["message 1", "message 2", "message 3", "request 1", "request 2", "request 3"]
    assert [event["event"]["said"] for event in one["events"]] == ["message 1", "message 2", "message 3"]
    assert wrong.status_code == 422


@pytest.mark.postgres
async def test_a_page_never_skips_a_position_that_commits_later(
    stored: Database, make_api: MakeApi, auditor: dict[str, str]
) -> None:
    """Who writes second waits for who drew the first position, so nothing can be seen behind it (trap T1)."""

    def write_second() -> None:
        with stored.connect() as second:
            second.execute(INSERT, ["request-2", 1, b'"second"'])

    async with calling(make_api(routers=[feed_router(stored)])) as client:
        with stored.connect() as first:
            first.execute("BEGIN")
            first.execute(INSERT, ["request-1", 1, b'"first"'])
            writing = asyncio.create_task(asyncio.to_thread(write_second))
            await asyncio.sleep(0.3)
            before = (await client.get("/feed", headers=auditor)).json()
            first.execute("COMMIT")
            await writing
        after = (await client.get(f"/feed?after={before['next']}", headers=auditor)).json()
    assert before == {"events": [], "next": 0}
    assert [event["event"] for event in after["events"]] == ["first", "second"]
    assert json.dumps(after["next"]) == str(after["events"][-1]["position"])
