"""The rulebook made of what the store holds, kept in memory.

Routing a request costs no query: the rulebook is loaded once and used until the store holds another one. Every replica asks at
most once a second whether facts were added to it (by this replica or another, whoever adopted a pack) and loads it anew then.
"""

import time
from collections.abc import Callable, Iterable
from threading import Lock
from typing import LiteralString
from uuid import UUID

from psycopg.rows import DictRow

from dispatch_svc.domain.responsibility import Grant, Territory
from dispatch_svc.domain.rulebook import Organisation, Rulebook, ServiceType
from dispatch_svc.views import incident, override, policy, service_type
from shared_chassis.postgres import Database
from shared_city.model import City

COUNT_FACTS: LiteralString = """
    SELECT (SELECT coalesce(sum(version), 0) FROM organisation)
         + (SELECT count(*) FROM responsibility)
         + (SELECT count(*) FROM term_policy)
         + (SELECT count(*) FROM calendar)
         + (SELECT count(*) FROM routing_rules)
         + (SELECT coalesce(sum(version), 0) FROM incident WHERE state <> 'suggested')
         + (SELECT coalesce(sum(version), 0) FROM service_type) AS facts
"""
ORGANISATIONS = "SELECT stream_id, city, name, kind, calendar FROM organisation"
GRANTS: LiteralString = """
    SELECT stream_id, version, city, service_type, district, building, organisation, valid_from, valid_to
    FROM responsibility ORDER BY stream_id, version
"""
HANDLED = "SELECT 1 FROM command WHERE command_id = %(command)s"

AGE = 1.0
"""Seconds for which a rulebook is used without asking whether the store holds another one."""


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
        calendars = policy.calendars(self._database)
        policies = policy.policies(self._database, calendars)
        cities = self._cities.values()
        return Rulebook(
            zones={city.slug: city.timezone for city in cities},
            organisations={
                row["stream_id"]: Organisation(row["stream_id"], row["city"], row["name"], row["kind"], row["calendar"])
                for row in self._database.query(ORGANISATIONS)
            },
            grants=_grants(self._database.query(GRANTS)),
            policies={city: each for (city, _), each in policies.items()},
            former=policies,
            calendars=calendars,
            evidence=service_type.evidence_required(self._database),
            incidents=incident.active(self._database),
            overrides=override.standing(self._database),
            types={
                (city.slug, each.code): ServiceType(each.group, each.emergency) for city in cities for each in city.service_types
            },
            suburbs={(city.slug, each.code): each.suburb for city in cities for each in city.buildings},
        )


def _grants(rows: Iterable[DictRow]) -> dict[Territory, tuple[Grant, ...]]:
    """Gather the grants of each territory; a later one replaces the one with the same first day."""
    grants: dict[Territory, tuple[Grant, ...]] = {}
    for row in rows:
        territory = Territory(row["city"], row["service_type"], row["district"], row["building"])
        granted = Grant(row["stream_id"], row["version"], row["organisation"], row["valid_from"], row["valid_to"])
        earlier = (each for each in grants.get(territory, ()) if each.valid_from != granted.valid_from)
        grants[territory] = (*earlier, granted)
    return grants


def was_handled(database: Database, command: UUID) -> bool:
    """Say whether a command was handled before, by any replica."""
    return database.query_one(HANDLED, {"command": command}) is not None
