"""analytics-svc as it is started: migrated, serving, hearing every topic and its own, stopped in order."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from uuid import uuid4

import httpx
import psycopg
import pytest
from broadcast import PATIENCE, broadcast, end_of, launch, names, said_in, until
from newsroom import Newsroom, later, named, numbered

from analytics_svc.application import Context, save_report
from analytics_svc.facts.file import FactFile
from analytics_svc.main import EVERY_TOPIC
from analytics_svc.reports.saved import PROJECTION
from local_stack import ports
from shared_chassis import kafka
from shared_chassis.mapper import EventMapper
from shared_chassis.postgres import Database, role_password, role_url
from shared_chassis.recorder import Recorder
from shared_chassis.store import Command, Store
from shared_events.catalogue import CATALOGUE
from shared_events.event import topic_of
from shared_events.ids import derive

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]

SCRIPT = str(Path(sys.executable).parent / "analytics-svc")
SECRET = "only-for-tests"
CITIES = Path(__file__).parents[3] / "cities"


@pytest.fixture
def variables(postgres_admin_url: str, patience: None, kafka_bootstrap: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Give the environment of the service, on a database that is removed afterwards."""
    _drop(postgres_admin_url)
    url = role_url(postgres_admin_url, "analytics", role_password(SECRET, "analytics"), "analytics")
    yield {
        **os.environ,
        "DATABASE_URL": postgres_admin_url,
        "DATABASE_PASSWORD": SECRET,
        "ANALYTICS_DATABASE_URL": url,
        "ANALYTICS_FILE": str(tmp_path / "facts.duckdb"),
        "ANALYTICS_CONSUMER": f"analytics-svc-{uuid4().hex[:8]}",
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "OIDC_ISSUER": "http://127.0.0.1:9",
        "CITY_SECRET": "bm90LWEtc2VjcmV0LW5vdC1hLXNlY3JldC1ub3QtYS1zZWNyZXQ=",
        "CITIES": str(CITIES),
        "HTTP_PORT": str(ports.choose({"analytics-svc": 28105}, claimant=str(tmp_path))["analytics-svc"]),
    }
    _drop(postgres_admin_url)


@asynccontextmanager
async def serving(variables: Mapping[str, str], log: Path) -> AsyncIterator[tuple[httpx.AsyncClient, "subprocess.Popen[bytes]"]]:
    """Run the service until it is ready; in the end it is asked to stop."""
    process = launch([SCRIPT, "serve"], variables, log)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{variables['HTTP_PORT']}") as client:
            await until(lambda: process.poll() is not None or _ready(variables))
            assert process.poll() is None, end_of(log)
            yield client, process
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


async def test_the_service_hears_everybody_and_itself_and_goes_on_where_it_stood(
    variables: dict[str, str], kafka_bootstrap: str, tmp_path: Path
) -> None:
    """Migrate, serve, hear four topics, keep a report and hear that too; stop, say more, start: each event once."""
    for topic in EVERY_TOPIC[:4]:
        await kafka.ensure_topic(kafka_bootstrap, topic)
    for _ in range(2):
        assert launch([SCRIPT, "migrate"], variables, tmp_path / "log").wait(timeout=PATIENCE) == 0, end_of(tmp_path / "log")
    room, city, after = Newsroom(), uuid4().hex, later()
    room.journey(named(f"{city} first"))
    first = len(room.said)
    log = tmp_path / "log"
    async with serving(variables, log) as (client, process):
        before = await _events(client, kafka_bootstrap, variables["ANALYTICS_CONSUMER"])
        await broadcast(kafka_bootstrap, numbered(room.said, after))
        _keep_a_report(variables["ANALYTICS_DATABASE_URL"])
        await _until_events(client, before + first + 1)
        stands = (await client.get("/positions")).json()
        assert set(stands[variables["ANALYTICS_CONSUMER"]]) == set(EVERY_TOPIC)
        assert (await client.get("/reports/requests")).status_code == 401
        process.terminate()
        assert process.wait(timeout=PATIENCE) == 0, end_of(log)
    room.journey(named(f"{city} second"))
    await broadcast(kafka_bootstrap, numbered(room.said, after))
    async with serving(variables, log) as (client, _process):
        await _until_events(client, before + len(room.said) + 1)
        types = {row["type"]: row["events"] for row in (await client.get("/reports/totals")).json()["types"]}
        assert types["analytics.report-saved.v1"] >= 1
    file = FactFile(Path(variables["ANALYTICS_FILE"]))
    assert file.query("SELECT count(*) = count(DISTINCT id) AS once FROM event") == [{"once": True}]
    file.close()


async def test_the_stream_processor_is_a_process_of_its_own_that_stops_in_order(
    variables: dict[str, str], kafka_bootstrap: str, tmp_path: Path
) -> None:
    """It needs no file and no database; asked to stop, it does within seconds."""
    await kafka.ensure_topic(kafka_bootstrap, topic_of("request"))
    log = tmp_path / "log"
    process = launch([SCRIPT, "streams"], variables, log)
    try:
        await until(lambda: "streams.started" in said_in(log))
        process.terminate()
        assert await asyncio.to_thread(process.wait, PATIENCE) == 0, end_of(log)
    finally:
        process.kill()
        process.wait()
    assert names(tmp_path) == [log.name]


def _keep_a_report(url: str) -> None:
    """Save a report as the API does."""
    database = Database(url, "analytics", 2)
    store = Store(database, Recorder(database, PROJECTION), EventMapper(CATALOGUE, "/tests/analytics-svc"))
    nowhere = FactFile(":memory:")
    command = Command(derive(uuid4()), "analyst:tests")
    save_report(Context(store, database, nowhere), "Mine", "totals", {}, command)
    nowhere.close()
    database.close()


def _ready(variables: Mapping[str, str]) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{variables['HTTP_PORT']}/readyz").status_code == 200
    except httpx.HTTPError:
        return False


async def _events(client: httpx.AsyncClient, bootstrap: str, consumer: str) -> int:
    """Count the events folded, once all that was there before is."""
    wanted = {(topic, str(partition)): end for topic, ends in (await kafka.end_offsets(bootstrap, EVERY_TOPIC)).items()
              for partition, end in ends.items() if end}  # fmt: skip
    async with asyncio.timeout(PATIENCE):
        while True:
            stands = (await client.get("/positions")).json().get(consumer, {})
            read = {(topic, partition): at["next_offset"] for topic, each in stands.items() for partition, at in each.items()}
            if all(read.get(place, 0) >= end for place, end in wanted.items()):
                return int((await client.get("/reports/totals")).json()["events"])
            await asyncio.sleep(0.2)


async def _until_events(client: httpx.AsyncClient, count: int) -> None:
    found, deadline = -1, monotonic() + PATIENCE
    while monotonic() < deadline:
        found = (await client.get("/reports/totals")).json()["events"]
        if found == count:
            return
        await asyncio.sleep(0.2)
    raise AssertionError(f"{found} events are folded, not {count}.")


def _drop(admin_url: str) -> None:
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS analytics WITH (FORCE)")
        for role in ("analytics", "analytics_owner"):
            connection.execute(f"DROP ROLE IF EXISTS {role}".encode())
