"""Organisations, responsibilities and terms as the store holds them, and the rulebook made of them, kept in memory.

Routing a request costs no query: the rulebook is loaded once and used until the store holds another one. Every replica asks at
most once a second whether facts were added to it (by this replica or another, whoever adopted a pack) and loads it anew then.
"""

import time
from collections.abc import Callable, Iterable
from threading import Lock
from typing import LiteralString
from uuid import UUID

from psycopg.rows import DictRow
from pydantic import TypeAdapter

from dispatch_svc.domain.rulebook import Grant, Organisation, Policy, Rulebook, Territory
from dispatch_svc.views.statement import stating
from shared_calendar import Calendar
from shared_chassis.postgres import Database
from shared_chassis.view import Projection
from shared_city.model import City
from shared_events.dispatch import OrganisationRegistered, ResponsibilityGranted, Stage, TermPolicyAdopted

TABLES = ("organisation", "responsibility", "term_policy")

REGISTER_ORGANISATION: LiteralString = """
    INSERT INTO organisation (stream_id, version, city, slug, name, kind)
    VALUES (%(stream_id)s, %(stream_version)s, %(city)s, %(slug)s, %(name)s, %(kind)s)
    ON CONFLICT (stream_id) DO UPDATE
        SET version = excluded.version, name = excluded.name, kind = excluded.kind
        WHERE organisation.version < excluded.version
"""
GRANT_RESPONSIBILITY: LiteralString = """
    INSERT INTO responsibility (stream_id, version, city, service_type, district, organisation, valid_from, valid_to)
    VALUES (%(stream_id)s, %(stream_version)s, %(city)s, %(service_type)s, %(district)s, %(organisation)s,
        %(valid_from)s, %(valid_to)s)
    ON CONFLICT (stream_id, version) DO NOTHING
"""
ADOPT_TERMS: LiteralString = """
    INSERT INTO term_policy (stream_id, stream_version, city, version, calendar, calendar_version, minutes)
    VALUES (%(stream_id)s, %(stream_version)s, %(city)s, %(version)s, %(calendar)s, %(calendar_version)s, %(minutes)s::jsonb)
    ON CONFLICT (stream_id, stream_version) DO NOTHING
"""

PROJECTION: Projection = {
    OrganisationRegistered: stating(REGISTER_ORGANISATION),
    ResponsibilityGranted: stating(GRANT_RESPONSIBILITY),
    TermPolicyAdopted: stating(ADOPT_TERMS),
}

COUNT_FACTS: LiteralString = """
    SELECT (SELECT coalesce(sum(version), 0) FROM organisation)
         + (SELECT count(*) FROM responsibility)
         + (SELECT count(*) FROM term_policy) AS facts
"""
ORGANISATIONS = "SELECT stream_id, city, name, kind FROM organisation"
GRANTS: LiteralString = """
    SELECT stream_id, version, city, service_type, district, organisation, valid_from, valid_to
    FROM responsibility ORDER BY stream_id, version
"""
POLICIES = "SELECT city, version, calendar, calendar_version, minutes FROM term_policy ORDER BY stream_id, stream_version"

ORGANISATIONS_PAGE: LiteralString = """
    SELECT stream_id AS id, city, slug, name, kind FROM organisation
    WHERE (%(city)s::text IS NULL OR city = %(city)s) AND (%(after)s::text IS NULL OR stream_id > %(after)s)
    ORDER BY stream_id LIMIT %(limit)s
"""
RESPONSIBILITIES_PAGE: LiteralString = """
    SELECT stream_id AS id, version, city, service_type, district, organisation, valid_from, valid_to FROM responsibility
    WHERE (%(city)s::text IS NULL OR city = %(city)s)
      AND (%(after_id)s::text IS NULL OR (stream_id, version) > (%(after_id)s, %(after_version)s::bigint))
    ORDER BY stream_id, version LIMIT %(limit)s
"""
HANDLED = "SELECT 1 FROM command WHERE command_id = %(command)s"

AGE = 1.0
"""Seconds for which a rulebook is used without asking whether the store holds another one."""

_MINUTES = TypeAdapter(dict[str, dict[Stage, int]])


class Rulebooks:
    """The rulebook as the store holds it, at most a second old; safe to ask from many threads."""

    def __init__(self, database: Database, cities: Iterable[City], clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._cities = {city.slug: city for city in cities}
        self._clock = clock
        self._asking = Lock()
        self._asked_at = float("-inf")
        self._facts = -1
        self._rulebook = Rulebook({}, {}, {}, {})

    def latest(self) -> Rulebook:
        """Give the rulebook; while one thread asks for a newer one, the others go on with the one there is.

        The driver's own errors come through when the database is away, and the next caller asks again.
        """
        if self._clock() - self._asked_at >= AGE and self._asking.acquire(blocking=self._facts < 0):
            try:
                self._refresh()
            finally:
                self._asking.release()
        return self._rulebook

    def forget(self) -> None:
        """Ask the store again at the next call, however short ago it was asked."""
        self._asked_at = float("-inf")

    def _refresh(self) -> None:
        asked_at = self._clock()
        if asked_at - self._asked_at < AGE:
            return
        row = self._database.query_one(COUNT_FACTS)
        facts = int(row["facts"]) if row is not None else 0
        if facts != self._facts:
            self._rulebook = self._load()
            self._facts = facts
        self._asked_at = asked_at

    def _load(self) -> Rulebook:
        return Rulebook(
            zones={slug: city.timezone for slug, city in self._cities.items()},
            organisations={
                row["stream_id"]: Organisation(row["stream_id"], row["city"], row["name"], row["kind"])
                for row in self._database.query(ORGANISATIONS)
            },
            grants=_grants(self._database.query(GRANTS)),
            policies=self._policies(self._database.query(POLICIES)),
        )

    def _policies(self, rows: Iterable[DictRow]) -> dict[str, Policy]:
        """Take of each city the newest policy whose calendar this process has: a newer pack may have come with a newer one."""
        policies = {}
        for row in rows:
            calendar = self._calendar(row["city"])
            if calendar is not None and (calendar.id, str(calendar.version)) == (row["calendar"], row["calendar_version"]):
                policies[row["city"]] = Policy(row["version"], calendar, _MINUTES.validate_python(row["minutes"]))
        return policies

    def _calendar(self, city: str) -> Calendar | None:
        pack = self._cities.get(city)
        return pack.terms.calendar if pack is not None and pack.terms is not None else None


def _grants(rows: Iterable[DictRow]) -> dict[Territory, tuple[Grant, ...]]:
    """Gather the grants of each territory; a later one replaces the one with the same first day."""
    grants: dict[Territory, tuple[Grant, ...]] = {}
    for row in rows:
        territory = Territory(row["city"], row["service_type"], row["district"])
        granted = Grant(row["stream_id"], row["version"], row["organisation"], row["valid_from"], row["valid_to"])
        earlier = (each for each in grants.get(territory, ()) if each.valid_from != granted.valid_from)
        grants[territory] = (*earlier, granted)
    return grants


def organisations(database: Database, city: str | None, after: str | None, limit: int) -> list[DictRow]:
    """List organisations by their ids, from after one of them."""
    return database.query(ORGANISATIONS_PAGE, {"city": city, "after": after, "limit": limit})


def responsibilities(database: Database, city: str | None, after: tuple[str, int] | None, limit: int) -> list[DictRow]:
    """List every grant ever stated, stream by stream in the order of versions, from after one of them."""
    after_id, after_version = after or (None, None)
    return database.query(
        RESPONSIBILITIES_PAGE, {"city": city, "after_id": after_id, "after_version": after_version, "limit": limit}
    )


def was_handled(database: Database, command: UUID) -> bool:
    """Say whether a command was handled before, by any replica."""
    return database.query_one(HANDLED, {"command": command}) is not None
