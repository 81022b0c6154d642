"""What dispatch-svc's tests on real PostgreSQL start from: its own database, a small city, and people of every role."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg
import pytest

from dispatch_svc.api import ERRORS, ROUTERS
from dispatch_svc.application import MAY, Context
from shared_chassis.http import create_api
from shared_chassis.postgres import ServiceDatabase, migrate

sys.path.insert(0, str(Path(__file__).parent))

from control_room import Clock, ControlRoom, TokensOfTests, adopted, pack


@pytest.fixture
def empty_database(postgres_admin_url: str, patience: None) -> Iterator[ServiceDatabase]:
    """Give a database with dispatch-svc's tables and nothing in them, for one test."""
    yield from _database(postgres_admin_url)


@pytest.fixture(scope="module")
def dispatch_database(postgres_admin_url: str, patience: None) -> Iterator[ServiceDatabase]:
    """Give a database with dispatch-svc's tables, for one file of tests."""
    yield from _database(postgres_admin_url)


@pytest.fixture(scope="module")
def clock(dispatch_database: ServiceDatabase) -> Clock:
    """Give the clock of every rule in this file's database."""
    return Clock(dispatch_database)


@pytest.fixture(scope="module")
def context(dispatch_database: ServiceDatabase) -> Iterator[Context]:
    """Give what use cases work with, the small city's pack adopted."""
    opened = adopted(dispatch_database, pack())
    yield opened
    opened.database.close()


@pytest.fixture
async def room(context: Context, clock: Clock) -> AsyncIterator[ControlRoom]:
    """Give a dispatch-svc to call, in this process."""
    tokens = TokensOfTests()
    app = create_api(
        title="dispatch",
        service="dispatch",
        routers=ROUTERS,
        verifier=tokens,
        errors=ERRORS,
        context=context,
        rules=MAY,
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://dispatch") as client:
        yield ControlRoom(client, context, clock)


def _database(admin_url: str) -> Iterator[ServiceDatabase]:
    service = f"dispatch_{uuid4().hex[:8]}"
    yield migrate(admin_url, service, "dispatch_svc", "only-for-tests")
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {service} WITH (FORCE)".encode())
        connection.execute(f"DROP ROLE IF EXISTS {service}".encode())
        connection.execute(f"DROP ROLE IF EXISTS {service}_owner".encode())
