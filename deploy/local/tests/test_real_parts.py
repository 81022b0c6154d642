"""The embedded parts are the real ones, and serve."""

import psycopg
import pytest

from local_stack import kafka


@pytest.mark.postgres
def test_postgres_is_18_and_durable(postgres_admin_url: str) -> None:
    """What commits is on the disk, text sorts by code point, and just-in-time compilation is off."""
    with psycopg.connect(postgres_admin_url) as connection:
        settings: dict[str, str] = dict(
            connection.execute(
                "SELECT name, setting FROM pg_settings WHERE name IN "
                "('synchronous_commit', 'fsync', 'full_page_writes', 'jit', 'server_encoding', 'max_connections')"
            ).fetchall()
        )
        assert connection.info.server_version // 10_000 >= 18
    assert settings == {
        "synchronous_commit": "on",
        "fsync": "on",
        "full_page_writes": "on",
        "jit": "off",
        "server_encoding": "UTF8",
        "max_connections": "200",
    }


@pytest.mark.kafka
def test_kafka_answers(kafka_bootstrap: str) -> None:
    """The broker is reached at the address that tests are given."""
    assert kafka.trouble(kafka_bootstrap) is None
