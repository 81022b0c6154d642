"""The service over a fresh database of its own, with a city of two service types and an outbox in a temporary folder."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import web

from shared_chassis.postgres import ServiceDatabase

sys.path.insert(0, str(Path(__file__).parent))

import city_of_tests as city
from program_of_tests import Program

from notification_svc.application.context import Context


@pytest.fixture
def service_database(postgres_admin_url: str, patience: None) -> Iterator[ServiceDatabase]:
    """A migrated database, dropped afterwards."""
    with city.fresh_database(postgres_admin_url) as database:
        yield database


@pytest.fixture
def context(service_database: ServiceDatabase, tmp_path: Path) -> Iterator[Context]:
    """What the use cases work with, as the application's role."""
    opened = city.open_context(service_database, tmp_path / "outbox")
    yield opened
    opened.database.close()
    opened.keyring.close()


@pytest.fixture
async def program() -> AsyncIterator[Program]:
    """A program that listens on this machine."""
    running = Program()
    app = web.Application()
    app.router.add_post("/hooks", running.take)
    app.router.add_route("*", "/elsewhere", running.go_elsewhere)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0]
    running.url = f"http://{host}:{port}/hooks"
    yield running
    await runner.cleanup()
