"""A fresh database of the sample shop for each test that asks for one."""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import structlog
from aiokafka import AIOKafkaConsumer

from shared_chassis import kafka
from shared_chassis.keyring import Keyring
from shared_chassis.postgres import ServiceDatabase, migrate, role_password, role_url
from shared_chassis.store import Store

sys.path.insert(0, str(Path(__file__).parent))

import shop
import warehouse
from broker import Broker, own_broker

SECRET = "only-for-tests"

structlog.configure(
    wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S.%f"),
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ],
)


@pytest.fixture(scope="session", autouse=True)
def _do_not_wait_for_the_disk() -> Iterator[None]:
    """Make and drop databases quickly: no test here takes the power from the database's server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGOPTIONS", "-c synchronous_commit=off")
        yield


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no stall of the machine put a consumer out of its group."""
    plain = kafka.new_consumer

    def patient(bootstrap: str, group: str) -> AIOKafkaConsumer:
        consumer = plain(bootstrap, group)
        consumer._session_timeout_ms = 120_000
        return consumer

    monkeypatch.setattr(kafka, "new_consumer", patient)


@pytest.fixture
def shop_database(postgres_admin_url: str) -> Iterator[ServiceDatabase]:
    """A migrated database with the shop's view table, dropped afterwards."""
    service = f"sample_{uuid4().hex[:8]}"
    database = migrate(postgres_admin_url, service, None, SECRET)
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute(f"SET search_path = {service}".encode())
        connection.execute(shop.VIEW_TABLE)
        connection.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON order_view TO {service}".encode())
    yield database
    with psycopg.connect(postgres_admin_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {service} WITH (FORCE)".encode())
        connection.execute(f"DROP ROLE IF EXISTS {service}".encode())
        connection.execute(f"DROP ROLE IF EXISTS {service}_owner".encode())


@pytest.fixture
def store(shop_database: ServiceDatabase) -> Iterator[Store]:
    """The shop's store, as the application's role."""
    opened = shop.open_store(shop_database)
    yield opened
    opened.database.close()


@pytest.fixture
def keyring(postgres_admin_url: str, shop_database: ServiceDatabase) -> Iterator[Keyring]:
    """A keyring that the sample shop may use whole."""
    role = shop_database.service
    migrate(postgres_admin_url, role, None, SECRET, keyring_rights=("create_key", "open_keys", "destroy_key"))
    opened = Keyring(role_url(postgres_admin_url, role, role_password(SECRET, role), "keyring"), b"k" * 32)
    yield opened
    opened.close()
    with psycopg.connect(postgres_admin_url, autocommit=True, dbname="keyring") as connection:
        connection.execute(f"DROP OWNED BY {role}".encode())


@pytest.fixture
def warehouse_database(postgres_admin_url: str) -> Iterator[ServiceDatabase]:
    """A migrated database of a service that listens to the shop, dropped afterwards."""
    service = f"warehouse_{uuid4().hex[:8]}"
    database = migrate(postgres_admin_url, service, None, SECRET)
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute(f"SET search_path = {service}".encode())
        connection.execute(warehouse.TABLES)
        connection.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON heard, order_state TO {service}".encode())
    yield database
    with psycopg.connect(postgres_admin_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {service} WITH (FORCE)".encode())
        connection.execute(f"DROP ROLE IF EXISTS {service}".encode())
        connection.execute(f"DROP ROLE IF EXISTS {service}_owner".encode())


@pytest.fixture(scope="session")
def _mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Start the broker that tests may kill, once: each has topics of its own."""
    with own_broker(tmp_path_factory.mktemp("mortal")) as ours:
        yield ours


@pytest.fixture
def broker(_mortal: Broker) -> Broker:
    """A broker to be killed, restarted and replaced; it runs."""
    _mortal.start()
    return _mortal


@pytest.fixture(name="warehouse")
def _warehouse(warehouse_database: ServiceDatabase) -> Iterator[warehouse.Warehouse]:
    """Give the warehouse, with nothing heard yet."""
    opened = warehouse.open_warehouse(warehouse_database)
    yield opened
    opened.database.close()


@pytest.fixture
async def topic(kafka_bootstrap: str) -> str:
    """Make a topic as its owner does."""
    name = f"sample-{uuid4().hex[:8]}.events"
    await kafka.ensure_topic(kafka_bootstrap, name)
    return name
