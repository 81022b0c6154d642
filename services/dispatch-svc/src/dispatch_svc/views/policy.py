"""Terms and calendars in every version ever adopted: what a clock was started by can be counted by for good."""

from collections.abc import Mapping
from typing import LiteralString

from pydantic import TypeAdapter

from dispatch_svc.domain.policy import calendar_of
from dispatch_svc.domain.rulebook import Policy
from dispatch_svc.views.statement import stating
from shared_calendar import Calendar
from shared_chassis.postgres import Database
from shared_chassis.view import Projection
from shared_events.dispatch import CalendarAdopted, EscalationStep, PauseCause, Stage, TermPolicyAdopted, TermStated

TABLES = ("term_policy", "calendar")

ADOPT_TERMS: LiteralString = """
    INSERT INTO term_policy (stream_id, stream_version, city, version, calendar, calendar_version, terms, warn_percent, ladder,
        statutory_pauses, most_declines)
    VALUES (%(stream_id)s, %(stream_version)s, %(city)s, %(version)s, %(calendar)s, %(calendar_version)s, %(terms)s::jsonb,
        %(warn_percent)s, %(ladder)s::jsonb, %(statutory_pauses)s, %(most_declines)s)
    ON CONFLICT (stream_id, stream_version) DO NOTHING
"""
ADOPT_CALENDAR: LiteralString = """
    INSERT INTO calendar (stream_id, stream_version, city, calendar, version, timezone, week, days, pack_version)
    VALUES (%(stream_id)s, %(stream_version)s, %(city)s, %(calendar)s, %(version)s, %(timezone)s, %(week)s::jsonb,
        %(days)s::jsonb, %(pack_version)s)
    ON CONFLICT (stream_id, stream_version) DO NOTHING
"""
PROJECTION: Projection = {TermPolicyAdopted: stating(ADOPT_TERMS, "ladder"), CalendarAdopted: stating(ADOPT_CALENDAR)}

POLICIES: LiteralString = """
    SELECT city, version, calendar, calendar_version, terms, warn_percent, ladder, statutory_pauses, most_declines
    FROM term_policy ORDER BY stream_id, stream_version
"""
CALENDARS: LiteralString = """
    SELECT city, calendar, version, timezone, week, days, pack_version FROM calendar ORDER BY stream_id, stream_version
"""

_TERMS = TypeAdapter(dict[str, dict[Stage, TermStated]])
_LADDER = TypeAdapter(tuple[EscalationStep, ...])
_PAUSES = TypeAdapter(tuple[PauseCause, ...])


def calendars(database: Database) -> dict[tuple[str, str, str], Calendar]:
    """Read every calendar ever adopted, by (city, id, version), in the order of adoption."""
    return {
        (row["city"], row["calendar"], row["version"]): calendar_of(CalendarAdopted.model_validate(row))
        for row in database.query(CALENDARS)
    }


def policies(database: Database, known: Mapping[tuple[str, str, str], Calendar]) -> dict[tuple[str, str], Policy]:
    """Read every policy ever adopted, by (city, version), the newest last; each with the calendar it names."""
    read: dict[tuple[str, str], Policy] = {}
    for row in database.query(POLICIES):
        key = (row["city"], row["version"])
        read.pop(key, None)
        read[key] = Policy(
            row["version"],
            known[row["city"], row["calendar"], row["calendar_version"]],
            _TERMS.validate_python(row["terms"]),
            row["warn_percent"],
            _LADDER.validate_python(row["ladder"]),
            _PAUSES.validate_python(row["statutory_pauses"]),
            row["most_declines"],
        )
    return read
