"""Probes: a process that lives, one that can serve, one that stops; and what it counts."""

import asyncio
import threading

import pytest
from fastapi import FastAPI
from provider import MakeApi, calling

from shared_chassis.http import age_check, database_check, health, migrations_check
from shared_chassis.postgres import Database


async def test_a_living_process_says_so_whatever_its_checks_find(make_api: MakeApi) -> None:
    """A restart does not mend a database that is away."""
    async with calling(make_api(checks={"database": lambda: "It is gone."})) as client:
        alive = await client.get("/healthz")
    assert (alive.status_code, alive.json()) == (200, {"status": "alive", "service": "sample"})


async def test_a_process_is_ready_when_no_check_finds_anything(make_api: MakeApi) -> None:
    """Without checks at once."""
    async with calling(make_api(checks={"database": lambda: None})) as client:
        ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "problems": {}})


async def test_what_is_wrong_is_listed_by_check(make_api: MakeApi) -> None:
    """A check that fails is a finding, told without a trace."""

    def broken() -> str | None:
        raise ConnectionError("refused\nDETAIL: secret")

    checks = {"fine": lambda: None, "migrations": lambda: "0002 is missing.", "database": broken}
    async with calling(make_api(checks=checks)) as client:
        ready = await client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["problems"] == {"migrations": "0002 is missing.", "database": "ConnectionError: refused"}


async def test_a_check_that_hangs_is_a_finding(make_api: MakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """The probe answers in time, also while the check still hangs."""
    monkeypatch.setattr(health, "CHECK_TIMEOUT", 0.1)
    hanging, ended = threading.Event(), threading.Event()

    def slow() -> None:
        hanging.wait(120)
        ended.set()

    async with calling(make_api(checks={"slow": slow})) as client:
        ready = await client.get("/readyz")
    assert not ended.is_set()
    hanging.set()
    assert ready.json()["problems"] == {"slow": "No answer within 0.1 seconds."}


async def test_probes_that_come_often_ask_once_a_second(make_api: MakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may probe; nobody may make us open connections at will."""
    monkeypatch.setattr(health, "REMEMBERED", 3600.0)
    asked = []
    api = make_api(checks={"counted": lambda: asked.append(1)})
    async with calling(api) as client:
        await asyncio.gather(*(client.get("/readyz") for _ in range(20)))
        assert len(asked) == 1
        monkeypatch.setattr(health, "REMEMBERED", -1.0)
        await client.get("/readyz")
    assert len(asked) == 2


async def test_a_draining_process_is_not_ready_but_alive(make_api: MakeApi) -> None:
    """A load balancer turns away, the orchestrator does not kill."""
    api = make_api()
    async with calling(api) as client:
        assert (await client.get("/readyz")).status_code == 200
        api.state.wiring.health.draining.set()
        ready = await client.get("/readyz")
        assert (await client.get("/healthz")).status_code == 200
    assert (ready.status_code, ready.json()["problems"]) == (503, {"draining": "The process is stopping."})


def test_events_that_wait_too_long_to_be_published_are_a_finding() -> None:
    """The age of the oldest, not their number."""
    assert age_check(lambda: 30.0, 30)() is None
    assert age_check(lambda: 31.0, 30)() == "The oldest unpublished event is 31 s old; 30 s are allowed."


def test_a_database_that_is_away_is_found_within_a_moment() -> None:
    """The check has a connection of its own, with a short patience."""
    database = Database("postgresql://nobody:x@127.0.0.1:1/nowhere", "sample", 1)
    with pytest.raises(Exception, match="connection"):
        database_check(database)()
    with pytest.raises(Exception, match="connection"):
        migrations_check(database, None)()


async def test_metrics_are_told_with_a_sentence_each(make_api: MakeApi) -> None:
    """All of the chassis' metrics, and the process's own."""
    async with calling(make_api()) as client:
        await client.get("/healthz")
        metrics = (await client.get("/metrics")).text
    assert "# HELP veche_http_requests_total Requests answered, by route template, method and status." in metrics
    assert 'veche_http_requests_total{method="GET",route="/healthz",status="200"}' in metrics
    assert "process_cpu_seconds_total" in metrics
    assert "process_resident_memory_bytes" in metrics


async def test_health_is_part_of_no_api_version(make_api: MakeApi) -> None:
    """Probes stand in the description too, under their own heading."""
    api: FastAPI = make_api()
    assert api.openapi()["paths"]["/readyz"]["get"]["tags"] == ["operation"]
