"""Service types with their questions, and buildings, as they now stand, by city."""

from typing import LiteralString

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from shared_chassis.postgres import Database
from shared_chassis.view import Projection, Statement
from shared_events.envelope import Recorded
from shared_events.request import BuildingRegistered, ServiceTypeDefined

TABLES = ("service_type", "building")

DEFINE: LiteralString = """
    INSERT INTO service_type (city, code, names, type_group, emergency, pack_version, parent, questions, questions_version,
        evidence_required, valid_from, valid_to)
    VALUES (%(city)s, %(code)s, %(names)s, %(group)s, %(emergency)s, %(pack_version)s, %(parent)s, %(questions)s,
        %(questions_version)s, %(evidence_required)s, %(valid_from)s, %(valid_to)s)
    ON CONFLICT (city, code) DO UPDATE SET names = excluded.names, type_group = excluded.type_group,
        emergency = excluded.emergency, pack_version = excluded.pack_version, parent = excluded.parent,
        questions = excluded.questions, questions_version = excluded.questions_version,
        evidence_required = excluded.evidence_required, valid_from = excluded.valid_from, valid_to = excluded.valid_to
"""
ENTER: LiteralString = """
    INSERT INTO building (city, code, address, suburb, district, pack_version)
    VALUES (%(city)s, %(code)s, %(address)s, %(suburb)s, %(district)s, %(pack_version)s)
    ON CONFLICT (city, code) DO UPDATE SET address = excluded.address, suburb = excluded.suburb,
        district = excluded.district, pack_version = excluded.pack_version
"""


def _define(recorded: Recorded) -> Statement:
    fact = recorded.fact
    assert isinstance(fact, ServiceTypeDefined)  # noqa: S101 - by the projection's key
    questions = Jsonb([question.model_dump(mode="json") for question in fact.questions])
    return Statement(DEFINE, {**dict(fact), "names": Jsonb(fact.names), "questions": questions})


def _enter(recorded: Recorded) -> Statement:
    fact = recorded.fact
    assert isinstance(fact, BuildingRegistered)  # noqa: S101 - by the projection's key
    return Statement(ENTER, dict(fact))


PROJECTION: Projection = {ServiceTypeDefined: _define, BuildingRegistered: _enter}

OF_CITY: LiteralString = """
    SELECT city, code, names, type_group AS "group", emergency, pack_version, parent, questions, questions_version,
        evidence_required, valid_from, valid_to
    FROM service_type WHERE city = %(city)s ORDER BY type_group, code
"""
BUILDINGS: LiteralString = """
    SELECT city, code, address, suburb, district FROM building
    WHERE city = %(city)s AND (%(wanted)s::text IS NULL OR lower(address) LIKE '%%' || lower(%(wanted)s) || '%%' ESCAPE '\\'
        OR code = %(wanted)s)
      AND (%(after)s::text IS NULL OR code > %(after)s)
    ORDER BY code LIMIT %(limit)s
"""


def of_city(database: Database, city: str) -> list[DictRow]:
    """List a city's service types, group by group."""
    return database.query(OF_CITY, {"city": city})


def buildings(database: Database, city: str, wanted: str | None, after: str | None, limit: int) -> list[DictRow]:
    """List a city's buildings whose address holds a text, or whose code it is, from after a code."""
    return database.query(BUILDINGS, {"city": city, "wanted": wanted, "after": after, "limit": limit})
