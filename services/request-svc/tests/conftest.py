"""What request-svc's tests on real PostgreSQL start from: its own database, the real city packs, and people of every role."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import get_args
from uuid import uuid4

import httpx
import psycopg
import pytest

from request_svc.api import ERRORS, ROUTERS
from request_svc.application import MAY, Context, adopt
from shared_chassis.http import create_api
from shared_chassis.keyring import Keyring
from shared_chassis.postgres import KeyringRight, ServiceDatabase, migrate, role_password, role_url

sys.path.insert(0, str(Path(__file__).parent))

from citizens import SECRET, TokensOfTests, open_context


@pytest.fixture(scope="module")
def request_database(postgres_admin_url: str, patience: None) -> Iterator[ServiceDatabase]:
    """A database with request-svc's tables, for one file of tests."""
    service = f"request_{uuid4().hex[:8]}"
    database = migrate(postgres_admin_url, service, "request_svc", SECRET, keyring_rights=get_args(KeyringRight))
    yield database
    with psycopg.connect(postgres_admin_url, autocommit=True, dbname="keyring") as connection:
        connection.execute(f"DROP OWNED BY {service}".encode())
    with psycopg.connect(postgres_admin_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {service} WITH (FORCE)".encode())
        connection.execute(f"DROP ROLE IF EXISTS {service}".encode())
        connection.execute(f"DROP ROLE IF EXISTS {service}_owner".encode())


@pytest.fixture(scope="module")
def context(
    postgres_admin_url: str, request_database: ServiceDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Context]:
    """What use cases work with, the packs adopted."""
    role = request_database.service
    keyring = Keyring(role_url(postgres_admin_url, role, role_password(SECRET, role), "keyring"), b"k" * 32)
    opened = open_context(request_database.app_url, role, keyring, tmp_path_factory.mktemp("objects"))
    adopt(opened)
    yield opened
    opened.database.close()
    keyring.close()


@pytest.fixture
async def api(context: Context) -> AsyncIterator[httpx.AsyncClient]:
    """A client of request-svc's API, in this process."""
    app = create_api(
        title="request", service="request", routers=ROUTERS, verifier=TokensOfTests(), errors=ERRORS, context=context, rules=MAY
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://request") as client:
        yield client
