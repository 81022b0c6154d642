"""Service types as they now stand, by city."""

from typing import LiteralString

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from shared_chassis.postgres import Database
from shared_chassis.view import Projection, Statement
from shared_events.envelope import Recorded
from shared_events.request import ServiceTypeDefined

TABLES = ("service_type",)

DEFINE: LiteralString = """
    INSERT INTO service_type (city, code, names, type_group, emergency, pack_version)
    VALUES (%(city)s, %(code)s, %(names)s, %(group)s, %(emergency)s, %(pack_version)s)
    ON CONFLICT (city, code) DO UPDATE SET names = excluded.names, type_group = excluded.type_group,
        emergency = excluded.emergency, pack_version = excluded.pack_version
"""


def _define(recorded: Recorded) -> Statement:
    fact = recorded.fact
    assert isinstance(fact, ServiceTypeDefined)  # noqa: S101 - by the projection's key
    return Statement(DEFINE, {**dict(fact), "names": Jsonb(fact.names)})


PROJECTION: Projection = {ServiceTypeDefined: _define}

OF_CITY: LiteralString = """
    SELECT city, code, names, type_group AS "group", emergency, pack_version
    FROM service_type WHERE city = %(city)s ORDER BY type_group, code
"""


def of_city(database: Database, city: str) -> list[DictRow]:
    """List a city's service types, group by group."""
    return database.query(OF_CITY, {"city": city})
