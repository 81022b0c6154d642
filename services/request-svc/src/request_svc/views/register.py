"""The register of requests: a public row each, found by every filter through an index, newest first."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import LiteralString
from uuid import UUID

from psycopg.rows import DictRow

from shared_chassis.postgres import Database
from shared_chassis.view import Projection, Statement
from shared_events.envelope import Recorded
from shared_events.ids import uuid_of
from shared_events.request import (
    AttachmentAdded,
    CompletionConfirmed,
    CompletionDeemedAccepted,
    CompletionDisputed,
    CompletionProposed,
    InformationNotReceived,
    InformationReceived,
    InformationRequested,
    RequestClosed,
    RequestLinkedAsDuplicate,
    RequestRated,
    RequestReclassified,
    RequestRegistered,
    RequestRejected,
    RequestReopened,
    RequestSubmitted,
    RequestUnlinked,
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
RECLASSIFY: LiteralString = """
    UPDATE request SET version = %(version)s, service_type = %(service_type)s
    WHERE request_id = %(request)s AND version < %(version)s
"""
ASK: LiteralString = """
    UPDATE request SET version = %(version)s, state = 'waiting', information_due = %(until)s
    WHERE request_id = %(request)s AND version < %(version)s
"""
GO_ON: LiteralString = """
    UPDATE request SET version = %(version)s, state = 'registered', information_due = NULL
    WHERE request_id = %(request)s AND version < %(version)s
"""
PROPOSE: LiteralString = """
    UPDATE request SET version = %(version)s, state = 'completion_proposed', consent_due = %(consent_due)s,
        information_due = NULL
    WHERE request_id = %(request)s AND version < %(version)s
"""
LINK: LiteralString = """
    UPDATE request SET version = %(version)s, ending = 'linked', duplicate_of = %(of)s
    WHERE request_id = %(request)s AND version < %(version)s
"""
UNLINK: LiteralString = """
    UPDATE request SET version = %(version)s, duplicate_of = NULL WHERE request_id = %(request)s AND version < %(version)s
"""
REOPEN: LiteralString = """
    UPDATE request SET version = %(version)s, state = 'registered', round = %(round)s, consent_due = NULL, ending = NULL,
        outcome = NULL, closed_at = NULL
    WHERE request_id = %(request)s AND version < %(version)s
"""
RATE: LiteralString = """
    UPDATE request SET version = %(version)s, rating = %(rating)s WHERE request_id = %(request)s AND version < %(version)s
"""
TOUCH: LiteralString = """
    UPDATE request SET version = %(version)s WHERE request_id = %(request)s AND version < %(version)s
"""
END: LiteralString = """
    UPDATE request SET version = %(version)s, ending = %(ending)s WHERE request_id = %(request)s AND version < %(version)s
"""
CLOSE: LiteralString = """
    UPDATE request SET version = %(version)s, state = 'closed', outcome = %(outcome)s, closed_at = %(time)s,
        information_due = NULL,
        ending = CASE WHEN %(outcome)s IN ('impossible', 'planned_works') THEN 'found_impossible' ELSE ending END
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
    RequestReclassified: _stating(RECLASSIFY, "service_type"),
    RequestLinkedAsDuplicate: _stating(LINK, "of"),
    RequestUnlinked: _stating(UNLINK),
    InformationRequested: _stating(ASK, "until"),
    InformationReceived: _stating(GO_ON),
    InformationNotReceived: _stating(GO_ON),
    AttachmentAdded: _stating(TOUCH),
    CompletionProposed: _stating(PROPOSE, "consent_due"),
    CompletionDisputed: _stating(TOUCH),
    RequestReopened: _stating(REOPEN, "round"),
    CompletionConfirmed: _ending("confirmed"),
    CompletionDeemedAccepted: _ending("deemed_accepted"),
    RequestRejected: _ending("rejected"),
    RequestWithdrawn: _ending("withdrawn"),
    RequestClosed: _stating(CLOSE, "outcome"),
    RequestRated: _stating(RATE, "rating"),
}
"""`RatingAsked` stands before `RequestClosed` in one commit and has no statement of its own: the register does not show it."""

PAGE: LiteralString = """
    SELECT r.request_id AS id, r.position, r.version, r.number, r.city, r.channel, r.service_type, r.district, r.building,
        r.address, r.latitude, r.longitude, r.state, r.round, r.ending, r.outcome, r.duplicate_of, r.rating, r.submitted_at,
        r.registered_at, r.information_due, r.consent_due, r.closed_at, s.organisation, s.progress, s.holder,
        s.holder_organisation, s.held_since, coalesce(s.breaches, 0) AS breaches,
        coalesce(s.clocks, '{}') AS clocks, coalesce(s.escalation, 0) AS escalation, s.planned_from, s.planned_until,
        s.incident, s.incident_until, s.impossible_ground, coalesce(s.position, 0) AS heard
    FROM request r LEFT JOIN case_status s USING (request_id)
"""
NEWEST_FIRST: LiteralString = " ORDER BY r.position DESC LIMIT %(limit)s"
ONE: LiteralString = """
    SELECT r.request_id AS id, r.position, r.version, r.number, r.city, r.channel, r.service_type, r.district, r.building,
        r.address, r.latitude, r.longitude, r.state, r.round, r.ending, r.outcome, r.duplicate_of, r.rating, r.submitted_at,
        r.registered_at, r.information_due, r.consent_due, r.closed_at, s.organisation, s.progress, s.holder,
        s.holder_organisation, s.held_since, coalesce(s.breaches, 0) AS breaches,
        coalesce(s.clocks, '{}') AS clocks, coalesce(s.escalation, 0) AS escalation, s.planned_from, s.planned_until,
        s.incident, s.incident_until, s.impossible_ground, coalesce(s.position, 0) AS heard
    FROM request r LEFT JOIN case_status s USING (request_id) WHERE r.request_id = %(request)s
"""


CHOOSES: Mapping[str, LiteralString] = {
    "city": "r.city = %(city)s",
    "district": "r.district = %(district)s",
    "service_type": "r.service_type = %(service_type)s",
    "state": "r.state = %(state)s",
    "outcome": "r.outcome = %(outcome)s",
    "person": "r.person = %(person)s",
    "number": "r.number = %(number)s",
    "before": "r.position < %(before)s",
}
"""Only what is given stands in the statement of a page."""


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

    A list is not prepared: its plan must know which values are given, or it walks the whole register for a rare one. That one
    number is one row needs no such thought.
    """
    sql, params = statement_of(filters, before, limit)
    with database.connection() as connection:
        return connection.execute(sql, params, prepare=filters.number is not None).fetchall()


def statement_of(filters: Filters, before: int | None, limit: int) -> tuple[LiteralString, Mapping[str, object]]:
    """Write the statement of a page."""
    given = {name: value for name, value in {**asdict(filters), "before": before}.items() if value is not None}
    where: LiteralString = "WHERE " + " AND ".join(CHOOSES[name] for name in given) if given else ""
    return PAGE + where + NEWEST_FIRST, {**given, "limit": limit}


def one(database: Database, request: UUID) -> DictRow | None:
    """Read the row of a request; None when there is none."""
    return database.query_one(ONE, {"request": request})


MOST_SIMILAR = 10
"""How many requests are offered at most as being the same."""

SIMILAR: LiteralString = """
    SELECT r.request_id AS id, r.number, r.state, r.district, r.building, r.address, r.submitted_at, s.incident
    FROM request r LEFT JOIN case_status s USING (request_id)
    WHERE r.state <> 'closed' AND r.city = %(city)s AND r.service_type = %(service_type)s
      AND r.submitted_at > rule_now() - %(within)s::interval
      AND (r.building = %(building)s::text
        OR lower(btrim(regexp_replace(r.address, '[^[:alnum:]]+', ' ', 'g')))
            = lower(btrim(regexp_replace(%(address)s::text, '[^[:alnum:]]+', ' ', 'g'))))
    ORDER BY r.submitted_at DESC, r.position DESC LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Similar:
    """An open request that may be the same as what is about to be asked; nothing of its text is looked at."""

    id: UUID
    number: str | None
    state: str
    district: str | None
    building: str | None
    address: str | None
    submitted_at: datetime
    incident: UUID | None


def similar(
    database: Database, city: str, service_type: str, building: str | None, address: str | None, within: timedelta
) -> list[Similar]:
    """Find open requests of a type since a while, at a building or an address, case and punctuation aside; newest first."""
    params = {
        "city": city,
        "service_type": service_type,
        "building": building,
        "address": address,
        "within": within,
        "limit": MOST_SIMILAR,
    }
    return [Similar(**row) for row in database.query(SIMILAR, params)]


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
