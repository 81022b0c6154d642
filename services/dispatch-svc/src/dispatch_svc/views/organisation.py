"""Organisations as people look for them, and their keys: what they are called and may do, never what opens anything."""

from typing import LiteralString, cast

from psycopg.rows import DictRow

from dispatch_svc.views.statement import stating
from shared_chassis import api_key
from shared_chassis.postgres import Database
from shared_chassis.view import Projection, Statement
from shared_events.dispatch import OrganisationKeyIssued, OrganisationKeyRevoked, OrganisationRegistered
from shared_events.envelope import Recorded

TABLES = ("organisation", "organisation_key", "api_key")

REGISTER: LiteralString = """
    INSERT INTO organisation (stream_id, version, city, slug, name, kind, calendar)
    VALUES (%(stream_id)s, %(stream_version)s, %(city)s, %(slug)s, %(name)s, %(kind)s, %(calendar)s)
    ON CONFLICT (stream_id) DO UPDATE
        SET version = excluded.version, name = excluded.name, kind = excluded.kind, calendar = excluded.calendar
        WHERE organisation.version < excluded.version
"""
NAME_KEY: LiteralString = """
    WITH named AS (
        INSERT INTO organisation_key (organisation, key_id, label, scopes, issued_at, issued_by, valid_until)
        VALUES (%(organisation)s, %(key_id)s, %(label)s, %(scopes)s, %(issued_at)s, %(issued_by)s, %(valid_until)s)
        ON CONFLICT DO NOTHING
    )
"""
END_KEY: LiteralString = """
    WITH ended AS (
        UPDATE organisation_key SET revoked_at = least(revoked_at, %(at)s)
        WHERE organisation = %(organisation)s AND key_id = %(key_id)s
    )
"""
ISSUE_KEY: LiteralString = NAME_KEY + api_key.ISSUED
REVOKE_KEY: LiteralString = END_KEY + api_key.REVOKED

PAGE: LiteralString = """
    SELECT stream_id AS id, version, city, slug, name, kind, calendar FROM organisation
    WHERE (%(city)s::text IS NULL OR city = %(city)s) AND (%(after)s::text IS NULL OR stream_id > %(after)s)
    ORDER BY stream_id LIMIT %(limit)s
"""
KEYS: LiteralString = """
    SELECT key_id, label, scopes, issued_at, issued_by, valid_until, revoked_at,
        CASE WHEN revoked_at <= n.now THEN 'revoked' WHEN valid_until <= n.now THEN 'expired' ELSE 'good' END AS state
    FROM (SELECT rule_now() AS now) n, organisation_key
    WHERE organisation = %(organisation)s ORDER BY issued_at, key_id
"""


def _key_issued(recorded: Recorded) -> Statement:
    fact = cast("OrganisationKeyIssued", recorded.fact)  # the projection says so
    opens = api_key.issued(
        sha256=fact.sha256,
        key_id=fact.key_id,
        organisation=fact.organisation,
        scopes=fact.scopes,
        valid_until=fact.valid_until,
    )
    named = {"label": fact.label, "issued_at": recorded.envelope.recorded_time, "issued_by": recorded.envelope.actor}
    return Statement(ISSUE_KEY, {**opens.params, **named})


def _key_revoked(recorded: Recorded) -> Statement:
    fact = cast("OrganisationKeyRevoked", recorded.fact)  # the projection says so
    return Statement(REVOKE_KEY, api_key.revoked(organisation=fact.organisation, key_id=fact.key_id, at=fact.at).params)


PROJECTION: Projection = {
    OrganisationRegistered: stating(REGISTER),
    OrganisationKeyIssued: _key_issued,
    OrganisationKeyRevoked: _key_revoked,
}


def page(database: Database, city: str | None, after: str | None, limit: int) -> list[DictRow]:
    """List organisations by their ids, from after one of them."""
    return database.query(PAGE, {"city": city, "after": after, "limit": limit})


def keys(database: Database, organisation: str) -> list[DictRow]:
    """List the keys of an organisation in the order of their issue, also those that open nothing any more."""
    return database.query(KEYS, {"organisation": organisation})
