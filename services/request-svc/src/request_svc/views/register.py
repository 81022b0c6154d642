"""The register of requests: a public row each, found by every filter through an index, newest first."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg.rows import DictRow

from shared_chassis.postgres import Database
from shared_chassis.view import Projection, Statement
from shared_events.envelope import Recorded
from shared_events.ids import uuid_of
from shared_events.request import (
    CompletionConfirmed,
    CompletionDeemedAccepted,
    CompletionProposed,
    RequestClosed,
    RequestRegistered,
    RequestRejected,
    RequestSubmitted,
    RequestWithdrawn,
)

TABLES = ("request",)

SUBMIT: LiteralString = """
    INSERT INTO request (request_id, position, version, city, channel, service_type, district, building, address, latitude,
        longitude, person, state, submitted_at)
    SELECT %(request)s, e.notification_id, %(version)s, %(city)s, %(channel)s, %(service_type)s, %(district)s, %(building)s,
        %(address)s, %(latitude)s, %(longitude)s, %(person)s, 'submitted', %(time)s
    FROM stored_events e WHERE e.originator_id = %(stream)s AND e.originator_version = %(version)s
    ON CONFLICT (request_id) DO NOTHING
"""
REGISTER: LiteralString = """
    UPDATE request SET version = %(version)s, state = 'registered', number = %(number)s, service_type = %(service_type)s,
        registered_at = %(time)s
    WHERE request_id = %(request)s AND version < %(version)s
"""
PROPOSE: LiteralString = """
    UPDATE request SET version = %(version)s, state = 'completion_proposed', consent_due = %(consent_due)s
    WHERE request_id = %(request)s AND version < %(version)s
"""
END: LiteralString = """
    UPDATE request SET version = %(version)s, ending = %(ending)s WHERE request_id = %(request)s AND version < %(version)s
"""
CLOSE: LiteralString = """
    UPDATE request SET version = %(version)s, state = 'closed', outcome = %(outcome)s, closed_at = %(time)s
    WHERE request_id = %(request)s AND version < %(version)s
"""


def _place(recorded: Recorded) -> dict[str, object]:
    return {
        "request": uuid_of(recorded.stream_id),
        "version": recorded.version,
        "time": recorded.envelope.time,
    }


def _submit(recorded: Recorded) -> Statement:
    """Enter the row; its position is the one the store has just given this very event."""
    fact = recorded.fact
    assert isinstance(fact, RequestSubmitted)  # noqa: S101 - by the projection's key
    where = fact.location
    return Statement(
        SUBMIT,
        {
            **_place(recorded),
            "stream": recorded.stream_id,
            "city": fact.city,
            "channel": fact.channel,
            "service_type": fact.service_type,
            "district": where.district,
            "building": where.building,
            "address": where.address,
            "latitude": where.latitude,
            "longitude": where.longitude,
            "person": fact.person,
        },
    )


def _stating(sql: LiteralString, *fields: str) -> Callable[[Recorded], Statement]:
    """Make the statement of a fact from its place and the named fields."""

    def state(recorded: Recorded) -> Statement:
        return Statement(sql, {**_place(recorded), **{field: getattr(recorded.fact, field) for field in fields}})

    return state


def _ending(ending: str) -> Callable[[Recorded], Statement]:
    """Make the statement of how a request came to its end."""
    return lambda recorded: Statement(END, {**_place(recorded), "ending": ending})


PROJECTION: Projection = {
    RequestSubmitted: _submit,
    RequestRegistered: _stating(REGISTER, "number", "service_type"),
    CompletionProposed: _stating(PROPOSE, "consent_due"),
    CompletionConfirmed: _ending("confirmed"),
    CompletionDeemedAccepted: _ending("deemed_accepted"),
    RequestRejected: _ending("rejected"),
    RequestWithdrawn: _ending("withdrawn"),
    RequestClosed: _stating(CLOSE, "outcome"),
}

PAGE: LiteralString = """
    SELECT r.request_id AS id, r.position, r.version, r.number, r.city, r.channel, r.service_type, r.district, r.building,
        r.address, r.latitude, r.longitude, r.state, r.ending, r.outcome, r.submitted_at, r.registered_at, r.consent_due,
        r.closed_at, s.organisation, s.progress, s.holder, s.holder_organisation, s.held_since, s.stage, s.stage_due,
        coalesce(s.breaches, 0) AS breaches
    FROM request r LEFT JOIN case_status s USING (request_id)
    WHERE (%(city)s::text IS NULL OR r.city = %(city)s)
      AND (%(district)s::text IS NULL OR r.district = %(district)s)
      AND (%(service_type)s::text IS NULL OR r.service_type = %(service_type)s)
      AND (%(state)s::text IS NULL OR r.state = %(state)s)
      AND (%(outcome)s::text IS NULL OR r.outcome = %(outcome)s)
      AND (%(person)s::uuid IS NULL OR r.person = %(person)s)
      AND (%(number)s::text IS NULL OR r.number = %(number)s)
      AND (%(before)s::bigint IS NULL OR r.position < %(before)s)
    ORDER BY r.position DESC LIMIT %(limit)s
"""
ONE: LiteralString = """
    SELECT r.request_id AS id, r.position, r.version, r.number, r.city, r.channel, r.service_type, r.district, r.building,
        r.address, r.latitude, r.longitude, r.state, r.ending, r.outcome, r.submitted_at, r.registered_at, r.consent_due,
        r.closed_at, s.organisation, s.progress, s.holder, s.holder_organisation, s.held_since, s.stage, s.stage_due,
        coalesce(s.breaches, 0) AS breaches
    FROM request r LEFT JOIN case_status s USING (request_id) WHERE r.request_id = %(request)s
"""


@dataclass(frozen=True, slots=True)
class Filters:
    """Which requests of the register; None does not choose."""

    city: str | None = None
    district: str | None = None
    service_type: str | None = None
    state: str | None = None
    outcome: str | None = None
    number: str | None = None
    person: UUID | None = None


def page(database: Database, filters: Filters, before: int | None, limit: int) -> list[DictRow]:
    """List requests, the newest first, from before a position.

    Not prepared: the plan must know which filters are given, or it walks the whole register for a rare one.
    """
    with database.connection() as connection:
        params = {**asdict(filters), "before": before, "limit": limit}
        return connection.execute(PAGE, params, prepare=False).fetchall()


def one(database: Database, request: UUID) -> DictRow | None:
    """Read the row of a request; None when there is none."""
    return database.query_one(ONE, {"request": request})


LOOKED_AT_ONCE = 10_000
"""How many drawn numbers one page of voids looks at, so that a page costs the same in a register of any size."""

VOIDS: LiteralString = """
    WITH looked AS (
        SELECT number, drawn_at, series || '-' || lpad(number::text, greatest(7, length(number::text)), '0') AS spelt
        FROM register_draw
        WHERE series = %(series)s AND number > %(after)s AND drawn_at < rule_now() - interval '1 hour'
        ORDER BY number LIMIT %(window)s
    )
    SELECT whole.last, whole.looked, void.spelt, void.drawn_at
    FROM (SELECT max(number) AS last, count(*) AS looked FROM looked) AS whole
        LEFT JOIN looked AS void ON NOT EXISTS (SELECT 1 FROM request r WHERE r.number = void.spelt)
    ORDER BY void.number
"""


@dataclass(frozen=True, slots=True)
class Void:
    """A number that was drawn over an hour ago and stands in no row."""

    number: str
    drawn_at: datetime


def voids(database: Database, series: str, after: int, window: int = LOOKED_AT_ONCE) -> tuple[list[Void], int | None]:
    """List the void numbers among the next `window` draws of a series after a place; and the place to go on from, if any."""
    rows = database.query(VOIDS, {"series": series, "after": after, "window": window})
    found = [Void(row["spelt"], row["drawn_at"]) for row in rows if row["spelt"] is not None]
    return found, rows[0]["last"] if rows[0]["looked"] == window else None
