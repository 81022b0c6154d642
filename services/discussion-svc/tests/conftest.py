"""What discussion-svc's tests on real PostgreSQL start from: its own database, the real city packs, and a hall to meet in."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg
import pytest

from discussion_svc.api import ERRORS, router
from discussion_svc.application import MAY, Context, adopt
from shared_chassis.http import create_api
from shared_chassis.keyring import Keyring
from shared_chassis.postgres import ServiceDatabase, migrate, role_password, role_url

sys.path.insert(0, str(Path(__file__).parent))

from town_hall import Clock, Hall, TokensOfTests, open_context

SECRET = "only-for-tests"


@pytest.fixture(scope="module")
def discussion_database(postgres_admin_url: str, patience: None) -> Iterator[ServiceDatabase]:
    """A database with discussion-svc's tables, for one file of tests."""
    service = f"discussion_{uuid4().hex[:8]}"
    database = migrate(postgres_admin_url, service, "discussion_svc", SECRET, keyring_rights=("create_key", "open_keys"))
    yield database
    with psycopg.connect(postgres_admin_url, autocommit=True, dbname="keyring") as connection:
        connection.execute(f"DROP OWNED BY {service}".encode())
    with psycopg.connect(postgres_admin_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {service} WITH (FORCE)".encode())
        connection.execute(f"DROP ROLE IF EXISTS {service}".encode())
        connection.execute(f"DROP ROLE IF EXISTS {service}_owner".encode())


@pytest.fixture(scope="module")
def keyring(postgres_admin_url: str, discussion_database: ServiceDatabase) -> Iterator[Keyring]:
    """The keyring, as discussion-svc may use it."""
    role = discussion_database.service
    opened = Keyring(role_url(postgres_admin_url, role, role_password(SECRET, role), "keyring"), b"k" * 32)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def clock(discussion_database: ServiceDatabase) -> Clock:
    """The clock of every rule in this file's database."""
    return Clock(discussion_database)


@pytest.fixture(scope="module")
def context(
    discussion_database: ServiceDatabase, keyring: Keyring, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Context]:
    """What use cases work with, the packs adopted."""
    opened = open_context(discussion_database, keyring, tmp_path_factory.mktemp("objects"))
    adopt(opened)
    yield opened
    opened.database.close()


@pytest.fixture
async def hall(context: Context, clock: Clock) -> AsyncIterator[Hall]:
    """A discussion-svc to call, in this process."""
    app = create_api(
        title="discussion",
        service="discussion",
        routers=[router],
        verifier=TokensOfTests(),
        errors=ERRORS,
        context=context,
        rules=MAY,
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://discussion") as client:
        yield Hall(client, context, clock)
