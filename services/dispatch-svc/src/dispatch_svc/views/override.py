"""Routing overrides in every version, and the requests they can be tried on."""

from typing import LiteralString

from psycopg.rows import DictRow

from dispatch_svc.domain.override import Overrides, ready
from dispatch_svc.views.statement import stating
from shared_chassis.postgres import Database
from shared_chassis.view import Projection
from shared_events.dispatch import RoutingRulesActivated

TABLES = ("routing_rules",)

ACTIVATE: LiteralString = """
    INSERT INTO routing_rules (city, version, rules, note, activated_at)
    VALUES (%(city)s, %(version)s, %(rules)s::jsonb, %(note)s, %(time)s)
    ON CONFLICT (city, version) DO NOTHING
"""
PROJECTION: Projection = {RoutingRulesActivated: stating(ACTIVATE, "rules")}

STANDING: LiteralString = """
    SELECT DISTINCT ON (city) city, version, rules, note FROM routing_rules ORDER BY city, version DESC
"""
PAGE: LiteralString = """
    SELECT city, version, rules, note, activated_at FROM routing_rules
    WHERE city = %(city)s AND (%(before)s::integer IS NULL OR version < %(before)s)
    ORDER BY version DESC LIMIT %(limit)s
"""
LATEST_ROUTED: LiteralString = """
    SELECT case_id, routing_inputs FROM cases
    WHERE city = %(city)s AND routing_inputs IS NOT NULL
    ORDER BY opened_at DESC, case_id DESC LIMIT %(limit)s
"""


def standing(database: Database) -> dict[str, Overrides]:
    """Read the rules in force, by city, ready to be worked out."""
    rows = database.query(STANDING)
    return {row["city"]: ready(RoutingRulesActivated.model_validate(row)) for row in rows}


def page(database: Database, city: str, before: int | None, limit: int) -> list[DictRow]:
    """List a city's versions of its rules, the newest first, from before one of them."""
    return database.query(PAGE, {"city": city, "before": before, "limit": limit})


def latest_routed(database: Database, city: str, limit: int) -> list[DictRow]:
    """Read what the routing of a city's latest requests looked at."""
    return database.query(LATEST_ROUTED, {"city": city, "limit": limit})
