"""What request-svc says of service types, as far as a case asks for it."""

from typing import LiteralString, cast

from shared_chassis.consumer import Folds
from shared_chassis.postgres import Database
from shared_chassis.view import Statement
from shared_events.envelope import Received
from shared_events.request import ServiceTypeDefined

DEFINE: LiteralString = """
    INSERT INTO service_type (city, code, version, evidence_required)
    VALUES (%(city)s, %(code)s, %(version)s, %(evidence_required)s)
    ON CONFLICT (city, code) DO UPDATE SET version = excluded.version, evidence_required = excluded.evidence_required
        WHERE service_type.version < excluded.version
"""
EVIDENCE = "SELECT city, code, evidence_required FROM service_type WHERE evidence_required > 0"


def define(received: Received) -> Statement:
    """Note how many photos or acts a report of done work needs."""
    fact = cast("ServiceTypeDefined", received.fact)  # the table of folds says so
    return Statement(
        DEFINE,
        {
            "city": fact.city,
            "code": fact.code,
            "version": received.recorded.version,
            "evidence_required": fact.evidence_required,
        },
    )


FOLDS: Folds = {ServiceTypeDefined: define}
"""Facts of request-svc → one statement each; not rebuilt from own facts."""


def evidence_required(database: Database) -> dict[tuple[str, str], int]:
    """Read how many hashes a report needs, by (city, service type); types that need none are left out."""
    return {(row["city"], row["code"]): row["evidence_required"] for row in database.query(EVIDENCE)}
