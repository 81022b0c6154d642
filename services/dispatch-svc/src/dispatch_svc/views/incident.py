"""Incidents as people look for them, which cases they explain, and whose turn is next when many are linked or resolved."""

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg.rows import DictRow

from dispatch_svc.domain.rulebook import ActiveIncident
from dispatch_svc.views.case import beside_the_row
from dispatch_svc.views.statement import stating
from shared_chassis.postgres import Database
from shared_chassis.view import Projection
from shared_events.dispatch import (
    IncidentDeclared,
    IncidentDismissed,
    IncidentProlonged,
    IncidentResolved,
    IncidentScope,
    IncidentSuggested,
    RequestLinkedToIncident,
    RequestUnlinkedFromIncident,
)

TABLES = ("incident", "incident_case")

SUGGEST: LiteralString = """
    INSERT INTO incident (incident_id, version, city, state, service_types, districts, began_at, surge, known_at)
    VALUES (%(stream_uuid)s, %(stream_version)s, %(city)s, 'suggested', ARRAY[%(service_type)s],
        array_remove(ARRAY[%(district)s::text], NULL), %(window_start)s,
        jsonb_build_object('window_start', %(window_start)s::timestamptz, 'window_end', %(window_end)s::timestamptz,
            'count', %(count)s::integer, 'average', %(average)s::float8),
        %(time)s)
    ON CONFLICT (incident_id) DO NOTHING
"""
DECLARE: LiteralString = """
    INSERT INTO incident (incident_id, version, city, state, names, service_types, districts, buildings, organisation, began_at,
        expected_end, known_at)
    VALUES (%(stream_uuid)s, %(stream_version)s, %(city)s, 'declared', %(names)s::jsonb, %(scope_service_types)s::text[],
        %(scope_districts)s::text[], %(scope_buildings)s::text[], %(organisation)s, %(began_at)s, %(expected_end)s, %(time)s)
    ON CONFLICT (incident_id) DO UPDATE SET
        version = excluded.version, state = excluded.state, names = excluded.names, service_types = excluded.service_types,
        districts = excluded.districts, buildings = excluded.buildings, organisation = excluded.organisation,
        began_at = excluded.began_at, expected_end = excluded.expected_end
        WHERE incident.version < excluded.version
"""
DISMISS: LiteralString = """
    UPDATE incident SET version = %(stream_version)s, state = 'dismissed', reason = %(reason)s, ended_at = %(time)s
    WHERE incident_id = %(stream_uuid)s AND version < %(stream_version)s
"""
PROLONG: LiteralString = """
    UPDATE incident SET version = %(stream_version)s, expected_end = %(expected_end)s, reason = %(reason)s
    WHERE incident_id = %(stream_uuid)s AND version < %(stream_version)s
"""
RESOLVE: LiteralString = """
    UPDATE incident SET version = %(stream_version)s, state = 'resolved', ended_at = %(at)s, reason = %(note)s,
        evidence = %(evidence)s::text[]
    WHERE incident_id = %(stream_uuid)s AND version < %(stream_version)s
"""
LINK: LiteralString = """
    INSERT INTO incident_case (incident_id, case_id) VALUES (%(incident)s, %(stream_uuid)s) ON CONFLICT DO NOTHING
"""
UNLINK: LiteralString = """
    DELETE FROM incident_case WHERE incident_id = %(incident)s AND case_id = %(stream_uuid)s
"""

PROJECTION: Projection = {
    IncidentSuggested: stating(SUGGEST),
    IncidentDeclared: stating(DECLARE),
    IncidentDismissed: stating(DISMISS),
    IncidentProlonged: stating(PROLONG),
    IncidentResolved: stating(RESOLVE),
    RequestLinkedToIncident: beside_the_row(LINK),
    RequestUnlinkedFromIncident: beside_the_row(UNLINK),
}

ACTIVE: LiteralString = """
    SELECT incident_id, city, service_types, districts, buildings, organisation, expected_end, began_at FROM incident
    WHERE state = 'declared' ORDER BY began_at, incident_id
"""
COVERING: LiteralString = """
    SELECT incident_id FROM incident
    WHERE city = %(city)s AND state IN ('suggested', 'declared') AND %(service_type)s = ANY (service_types)
      AND (districts = '{}' OR %(district)s::text = ANY (districts))
      AND (buildings = '{}' OR state = 'suggested')
    LIMIT 1
"""
SHOWN: LiteralString = """
    SELECT i.incident_id AS id, i.version, i.city, i.state, i.names, i.service_types, i.districts, i.buildings, i.organisation,
        i.began_at, i.expected_end, i.surge, i.ended_at, i.reason, i.evidence, i.known_at,
        (SELECT count(*) FROM incident_case l WHERE l.incident_id = i.incident_id) AS linked,
        (SELECT count(*) FROM incident_case l JOIN cases c USING (case_id)
            WHERE l.incident_id = i.incident_id AND c.closed_at IS NULL) AS linked_open
    FROM incident i
"""
ONE: LiteralString = SHOWN + " WHERE i.incident_id = %(incident)s"
PAGE: LiteralString = (
    SHOWN
    + """
    WHERE (%(city)s::text IS NULL OR i.city = %(city)s) AND (%(state)s::text IS NULL OR i.state = %(state)s)
      AND (%(before_time)s::timestamptz IS NULL OR (i.known_at, i.incident_id) < (%(before_time)s, %(before_id)s::uuid))
    ORDER BY i.known_at DESC, i.incident_id DESC LIMIT %(limit)s
"""
)
TO_LINK: LiteralString = """
    SELECT case_id FROM cases
    WHERE city = %(city)s AND closed_at IS NULL AND service_type = ANY (%(service_types)s)
      AND NOT EXISTS (SELECT FROM incident_case l WHERE l.incident_id = %(incident)s AND l.case_id = cases.case_id)
      AND (%(districts)s::text[] = '{}' OR district = ANY (%(districts)s))
      AND (%(buildings)s::text[] = '{}' OR building = ANY (%(buildings)s))
      AND (routing_inputs ->> 'at')::timestamptz >= %(since)s
      AND (%(after)s::uuid IS NULL OR case_id > %(after)s)
    ORDER BY case_id LIMIT %(limit)s
"""
LINKED: LiteralString = """
    SELECT l.case_id FROM incident_case l JOIN cases c USING (case_id)
    WHERE l.incident_id = %(incident)s AND c.closed_at IS NULL AND (%(after)s::uuid IS NULL OR l.case_id > %(after)s)
    ORDER BY l.case_id LIMIT %(limit)s
"""


def active(database: Database) -> list[ActiveIncident]:
    """Read the incidents that were declared and are not over, the longest lasting first."""
    return [
        ActiveIncident(
            row["incident_id"],
            row["city"],
            IncidentScope(service_types=row["service_types"], districts=row["districts"], buildings=row["buildings"]),
            row["organisation"],
            row["expected_end"],
            row["began_at"],
        )
        for row in database.query(ACTIVE)
    ]


def is_known(database: Database, city: str, service_type: str, district: str | None) -> bool:
    """Say whether people were already asked about, or declared, an incident that explains such requests."""
    return database.query_one(COVERING, {"city": city, "service_type": service_type, "district": district}) is not None


def one(database: Database, incident: UUID) -> DictRow | None:
    """Read an incident with how many requests it explains, and how many of them are open; None when there is none."""
    return database.query_one(ONE, {"incident": incident})


def page(
    database: Database, city: str | None, state: str | None, before: tuple[datetime, UUID] | None, limit: int
) -> list[DictRow]:
    """List incidents, the latest known first, from before a place (when known, which)."""
    before_time, before_id = before or (None, None)
    return database.query(
        PAGE, {"city": city, "state": state, "before_time": before_time, "before_id": before_id, "limit": limit}
    )


def to_link(database: Database, incident: ActiveIncident, since: datetime, after: UUID | None, limit: int) -> Sequence[UUID]:
    """Find open cases in an incident's scope, registered since a moment and not linked to it, in the order of their ids."""
    rows = database.query(
        TO_LINK,
        {
            "incident": incident.id,
            "city": incident.city,
            "service_types": list(incident.scope.service_types),
            "districts": list(incident.scope.districts),
            "buildings": list(incident.scope.buildings),
            "since": since,
            "after": after,
            "limit": limit,
        },
    )
    return [row["case_id"] for row in rows]


def linked(database: Database, incident: UUID, after: UUID | None, limit: int) -> Sequence[UUID]:
    """Find the open cases an incident explains, in the order of their ids."""
    rows = database.query(LINKED, {"incident": incident, "after": after, "limit": limit})
    return [row["case_id"] for row in rows]
