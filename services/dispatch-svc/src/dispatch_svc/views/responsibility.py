"""Who is responsible for what, as it was stated: one row a grant, version after version."""

from dataclasses import dataclass
from typing import LiteralString

from psycopg.rows import DictRow

from dispatch_svc.views.statement import stating
from shared_chassis.postgres import Database
from shared_chassis.view import Projection
from shared_events.dispatch import ResponsibilityGranted

TABLES = ("responsibility",)

GRANT: LiteralString = """
    INSERT INTO responsibility
        (stream_id, version, city, service_type, district, building, organisation, valid_from, valid_to, pack_version)
    VALUES (%(stream_id)s, %(stream_version)s, %(city)s, %(service_type)s, %(district)s, %(building)s, %(organisation)s,
        %(valid_from)s, %(valid_to)s, %(pack_version)s)
    ON CONFLICT (stream_id, version) DO NOTHING
"""
PROJECTION: Projection = {ResponsibilityGranted: stating(GRANT)}

PAGE: LiteralString = """
    SELECT stream_id AS id, version, city, service_type, district, building, organisation, valid_from, valid_to,
        pack_version AS stated_by
    FROM responsibility
    WHERE (%(city)s::text IS NULL OR city = %(city)s)
      AND (%(service_type)s::text IS NULL OR service_type = %(service_type)s)
      AND (%(district)s::text IS NULL OR district = %(district)s)
      AND (%(building)s::text IS NULL OR building = %(building)s)
      AND (%(organisation)s::text IS NULL OR organisation = %(organisation)s)
      AND (%(after_id)s::text IS NULL OR (stream_id, version) > (%(after_id)s, %(after_version)s::bigint))
    ORDER BY stream_id, version LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which grants of a list; None does not choose."""

    city: str | None = None
    service_type: str | None = None
    district: str | None = None
    building: str | None = None
    organisation: str | None = None


def page(database: Database, filters: Filters, after: tuple[str, int] | None, limit: int) -> list[DictRow]:
    """List every grant ever stated, stream by stream in the order of versions, from after one of them."""
    after_id, after_version = after or (None, None)
    return database.query(
        PAGE,
        {
            "city": filters.city,
            "service_type": filters.service_type,
            "district": filters.district,
            "building": filters.building,
            "organisation": filters.organisation,
            "after_id": after_id,
            "after_version": after_version,
            "limit": limit,
        },
    )
