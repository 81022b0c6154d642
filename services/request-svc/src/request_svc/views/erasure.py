"""Whose data was erased: what a restored keyring is made to forget again."""

from typing import LiteralString
from uuid import UUID

from shared_chassis.postgres import Database
from shared_chassis.view import Projection, Statement
from shared_events.envelope import Recorded
from shared_events.request import PersonalDataErased

TABLES = ("erased_person",)

AT_ONCE = 1000
"""How many persons one page holds."""

ERASE: LiteralString = """
    INSERT INTO erased_person (person, erased_at) VALUES (%(person)s, %(time)s) ON CONFLICT (person) DO NOTHING
"""


def _erase(recorded: Recorded) -> Statement:
    fact = recorded.fact
    assert isinstance(fact, PersonalDataErased)  # noqa: S101 - by the projection's key
    return Statement(ERASE, {"person": fact.person, "time": recorded.envelope.time})


PROJECTION: Projection = {PersonalDataErased: _erase}

PAGE: LiteralString = """
    SELECT person FROM erased_person WHERE (%(after)s::uuid IS NULL OR person > %(after)s) ORDER BY person LIMIT %(limit)s
"""


def page(database: Database, after: UUID | None) -> list[UUID]:
    """List the erased, from after one of them."""
    return [row["person"] for row in database.query(PAGE, {"after": after, "limit": AT_ONCE})]
