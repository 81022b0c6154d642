"""Incidents as far as people are told of them: what one is called, which requests it explains, and that it lasts longer.

A request's link stands in its case's stream, the incident's facts in another, so they arrive in any order and at the same time.
A link finds the prolongations that are here before it. A prolongation finds the links some seconds after it was noted
(`tell_linked`), when whatever was being noted at that moment has long been committed. So each finds the other, and both together
tell a person once.
"""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, LiteralString, cast
from uuid import UUID

from notification_svc.views.request_card import CHANNEL, DELIVERED, noted
from notification_svc.views.trouble import SETTLED, settling
from notification_svc.views.webhook import CALLED, called
from shared_chassis.consumer import Folds
from shared_chassis.postgres import Database
from shared_chassis.view import Statement
from shared_events.dispatch import (
    IncidentDeclared,
    IncidentProlonged,
    RequestLinkedToIncident,
    RequestUnlinkedFromIncident,
)
from shared_events.envelope import Received
from shared_events.ids import uuid_of

TELL_LINKED: Final = "incident"
"""The channel of the one delivery a prolongation causes: to tell all that are linked by then."""

_DECLARED: LiteralString = """
    WITH declared AS (
        INSERT INTO incident (incident, names) VALUES (%(subject)s, %(names)s::jsonb) ON CONFLICT (incident) DO NOTHING
    )
"""
DECLARED: LiteralString = _DECLARED + SETTLED

_LINKED: LiteralString = """,
    link AS (
        INSERT INTO incident_link AS l (request, incident, at, linked) VALUES (%(request)s, %(incident)s, %(at)s, true)
        ON CONFLICT (incident, request) DO UPDATE SET linked = true, at = excluded.at WHERE l.at < excluded.at
    ), card AS (
        SELECT city, service_type, person, language, email, number FROM request_card WHERE request = %(request)s AND submitted
    ), prolonged AS (
        INSERT INTO delivery (delivery_id, cause, channel, payload)
        SELECT derived(concat_ws('|', p.cause, %(request)s::text, %(channel)s::text)),
            derived(concat_ws('|', p.cause, %(request)s::text)), %(channel)s,
            p.notice || jsonb_build_object(
                'message', derived(concat_ws('|', p.cause, %(request)s::text, %(channel)s::text)),
                'request', %(request)s::text, 'city', c.city, 'service_type', c.service_type, 'person', c.person,
                'language', c.language, 'email', c.email, 'number', c.number)
        FROM incident_prolonged p CROSS JOIN card c
        WHERE p.incident = %(incident)s AND p.at > %(at)s AND c.person IS NOT NULL
          AND NOT EXISTS (SELECT 1 FROM incident_link u
              WHERE u.incident = p.incident AND u.request = %(request)s AND NOT u.linked AND u.at > %(at)s)
        ON CONFLICT (cause, channel) DO NOTHING
    )
"""
LINKED: LiteralString = "WITH " + CALLED + _LINKED + DELIVERED

_UNLINKED: LiteralString = """
    UPDATE incident_link SET linked = false, at = %(at)s WHERE incident = %(incident)s AND request = %(request)s AND at < %(at)s
"""
UNLINKED: LiteralString = "WITH " + CALLED + _UNLINKED

PROLONGED: LiteralString = """
    WITH prolonged AS (
        INSERT INTO incident_prolonged (cause, incident, at, notice)
        VALUES (%(cause)s, %(incident)s, %(at)s, %(notice)s::jsonb)
        ON CONFLICT (cause) DO NOTHING
    )
    INSERT INTO delivery (delivery_id, cause, channel, payload, next_at)
    VALUES (%(delivery)s, %(cause)s, %(tell_linked)s, jsonb_build_object('cause', %(cause)s::text),
        clock_timestamp() + make_interval(secs => %(wait)s))
    ON CONFLICT (cause, channel) DO NOTHING
"""

WAIT_SECONDS: Final = 6.0
"""How long after a prolongation those linked by then are told: no transaction lasts that long (`shared_chassis.postgres`)."""

TOLD: LiteralString = """
    INSERT INTO delivery (delivery_id, cause, channel, payload)
    SELECT derived(concat_ws('|', p.cause, c.request, %(channel)s::text)), derived(concat_ws('|', p.cause, c.request)),
        %(channel)s,
        p.notice || jsonb_build_object(
            'message', derived(concat_ws('|', p.cause, c.request, %(channel)s::text)), 'request', c.request, 'city', c.city,
            'service_type', c.service_type, 'person', c.person, 'language', c.language, 'email', c.email, 'number', c.number)
    FROM incident_prolonged p
        JOIN incident_link l ON l.incident = p.incident AND l.linked AND l.at <= p.at
        JOIN request_card c ON c.request = l.request AND c.submitted AND c.person IS NOT NULL
    WHERE p.cause = %(cause)s
    ON CONFLICT (cause, channel) DO NOTHING
"""

NAMES: LiteralString = "SELECT names FROM incident WHERE incident = %(incident)s"


def _declared(received: Received) -> Statement:
    fact = cast("IncidentDeclared", received.fact)
    return Statement(DECLARED, {**settling(received), "names": json.dumps(fact.names)})


def _linked(received: Received) -> Statement:
    fact = cast("RequestLinkedToIncident", received.fact)
    told = noted(received, "incident_linked", incident=fact.incident, expected_end=fact.expected_end)
    return Statement(LINKED, {**told, **called(received), **_place(received, fact.incident)})


def _unlinked(received: Received) -> Statement:
    fact = cast("RequestUnlinkedFromIncident", received.fact)
    return Statement(UNLINKED, {**called(received), **_place(received, fact.incident)})


def _prolonged(received: Received) -> Statement:
    fact = cast("IncidentProlonged", received.fact)
    incident = uuid_of(received.stream_id)
    told = noted(received, "incident_prolonged", incident=incident, expected_end=fact.expected_end)
    return Statement(
        PROLONGED,
        {
            **_place(received, incident),
            "cause": received.envelope.id,
            "notice": told["notice"],
            "delivery": told["message"],
            "tell_linked": TELL_LINKED,
            "wait": WAIT_SECONDS,
        },
    )


def _place(received: Received, incident: UUID | None) -> dict[str, object]:
    return {"incident": incident, "at": received.envelope.time}


FOLDS: Folds = MappingProxyType(
    {
        IncidentDeclared: _declared,
        RequestLinkedToIncident: _linked,
        RequestUnlinkedFromIncident: _unlinked,
        IncidentProlonged: _prolonged,
    }
)


def tell_linked(database: Database, prolongation: UUID) -> int:
    """Have every reporter told whose request the incident explains since before it was prolonged; how many more that are."""
    return database.execute(TOLD, {"cause": prolongation, "channel": CHANNEL})


def names_of(database: Database, incident: UUID) -> Mapping[str, str] | None:
    """Read what an incident is called, by language; None while its declaration has not arrived here."""
    row = database.query_one(NAMES, {"incident": incident})
    return None if row is None else row["names"]
