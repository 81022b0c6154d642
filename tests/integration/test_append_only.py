"""Acceptance: as a service's own role nobody can change or remove what happened; the owner's hand is held by a trigger."""

import psycopg
import pytest
from city_alive import City
from psycopg.errors import InsufficientPrivilege

from veche.demo.logs import SERVICES

pytestmark = [pytest.mark.stack, pytest.mark.postgres]

CHANGES = (
    "UPDATE stored_events SET state = state",
    "UPDATE stored_events SET originator_version = originator_version + 1 WHERE notification_id = 1",
    "DELETE FROM stored_events WHERE notification_id = 1",
    "DELETE FROM stored_events",
    "TRUNCATE stored_events",
    "MERGE INTO stored_events s USING (SELECT 1) AS one ON true WHEN MATCHED THEN DELETE",
)
AROUND = (
    "DROP TABLE stored_events",
    "ALTER TABLE stored_events DISABLE TRIGGER ALL",
    "DROP TRIGGER stored_events_append_only ON stored_events",
    "CREATE TABLE another (id int)",
    "SET session_replication_role = 'replica'",
    "CREATE OR REPLACE FUNCTION rule_now() RETURNS timestamptz LANGUAGE sql AS 'SELECT now()'",
)

KEPT = """
    SELECT count(*), max(notification_id), md5(string_agg(state, '' ORDER BY notification_id)) FROM stored_events
    WHERE notification_id <= %s
"""
END_OF_LOG = 2**62
"""Higher than every position; what is appended meanwhile is none of the test's business."""


@pytest.mark.parametrize("service", SERVICES)
def test_the_application_can_neither_change_nor_remove_an_event(city: City, service: str) -> None:
    """Nor can it take away what forbids it."""
    before = city.rows(service, KEPT, END_OF_LOG)
    end = before[0][1]
    with psycopg.connect(city.role_url(service, service), autocommit=True) as connection:
        connection.execute(f"SET search_path = {service}".encode())
        for statement in (*CHANGES, *AROUND):
            with pytest.raises(InsufficientPrivilege, match=r"permission denied|must be owner"):
                connection.execute(statement.encode())
    assert city.rows(service, KEPT, end or 0) == before


@pytest.mark.parametrize("service", SERVICES)
def test_the_owner_is_refused_by_a_trigger(city: City, service: str) -> None:
    """Who migrates and rebuilds views does not rewrite history by mistake."""
    with psycopg.connect(city.role_url(f"{service}_owner", service), autocommit=True) as connection:
        connection.execute(f"SET search_path = {service}".encode())
        for statement in CHANGES:
            with pytest.raises(InsufficientPrivilege, match="Events are never changed or removed"):
                connection.execute(statement.encode())


def test_no_service_can_read_anothers_store_or_the_keys(city: City) -> None:
    """Each has its own database; keys are reached by functions alone."""
    for service in SERVICES:
        for other in set(SERVICES) - {service}:
            with pytest.raises(psycopg.OperationalError, match="permission denied"):
                psycopg.connect(city.role_url(service, other)).close()
    with (
        psycopg.connect(city.role_url("request", "keyring"), autocommit=True) as connection,
        pytest.raises(InsufficientPrivilege),
    ):
        connection.execute("SELECT wrapped FROM keyring.person_key")
