"""What each event is as facts: a row in `event` for every one, and for some a row beside.

Rows are handed over in batches, one JSON parameter a statement. Each table is a set by key, and each column comes from one fact of one
stream, so the same events give the same facts in whatever order and however often they come.
"""

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Final, LiteralString, cast
from uuid import UUID

from duckdb import DuckDBPyConnection

from analytics_svc.facts.file import as_json
from shared_chassis.consumer import Folds, Invalid
from shared_chassis.view import Statement
from shared_events.catalogue import CATALOGUE
from shared_events.discussion import ProposalSubmitted, QuestionSubmitted, RemarkSubmitted, SubmissionKind
from shared_events.dispatch import CaseClosed, CaseOpened, HolderChanged, RequestAssigned
from shared_events.envelope import Received
from shared_events.event import Event, topic_of
from shared_events.ids import uuid_of
from shared_events.notification import MessageFailed, MessageSent, WorkItemOpened
from shared_events.request import CompletionProposed, RequestClosed, RequestRegistered, RequestSubmitted

EVENTS: LiteralString = """
    INSERT INTO event (id, topic, type, subject, version, position, happened, known, correlation, cause, aspect, folded_at)
    SELECT r.id, r.topic, r.type, r.subject, r.version, r.position, r.happened, r.known, r.correlation, r.cause, r.aspect, now()
    FROM (SELECT unnest(from_json($rows::JSON, '[{
        "id": "UUID", "topic": "VARCHAR", "type": "VARCHAR", "subject": "VARCHAR", "version": "BIGINT", "position": "BIGINT",
        "happened": "TIMESTAMPTZ", "known": "TIMESTAMPTZ", "correlation": "UUID", "cause": "UUID", "aspect": "VARCHAR"}]')) AS r)
    ON CONFLICT DO NOTHING
"""
SUBMITTED: LiteralString = """
    INSERT INTO request (request, city, district, submitted_type, channel, person_known, submitted_at, submitted_known)
    SELECT r.request, any_value(r.city), any_value(r.district), any_value(r.type), any_value(r.channel),
           any_value(r.person_known), any_value(r.happened), any_value(r.known)
    FROM (SELECT unnest(from_json($rows::JSON, '[{
        "request": "UUID", "city": "VARCHAR", "district": "VARCHAR", "type": "VARCHAR", "channel": "VARCHAR",
        "person_known": "BOOLEAN", "happened": "TIMESTAMPTZ", "known": "TIMESTAMPTZ"}]')) AS r)
    GROUP BY r.request
    ON CONFLICT (request) DO UPDATE SET
        city = excluded.city, district = excluded.district, submitted_type = excluded.submitted_type, channel = excluded.channel,
        person_known = excluded.person_known, submitted_at = excluded.submitted_at, submitted_known = excluded.submitted_known
"""
REGISTERED: LiteralString = """
    INSERT INTO request (
        request, number, registered_city, registered_type, registered_district, registered_at, registered_known)
    SELECT r.request, any_value(r.number), any_value(r.city), any_value(r.type), any_value(r.district),
           any_value(r.happened), any_value(r.known)
    FROM (SELECT unnest(from_json($rows::JSON, '[{
        "request": "UUID", "number": "VARCHAR", "city": "VARCHAR", "type": "VARCHAR", "district": "VARCHAR",
        "happened": "TIMESTAMPTZ", "known": "TIMESTAMPTZ"}]')) AS r)
    GROUP BY r.request
    ON CONFLICT (request) DO UPDATE SET
        number = excluded.number, registered_city = excluded.registered_city, registered_type = excluded.registered_type,
        registered_district = excluded.registered_district, registered_at = excluded.registered_at,
        registered_known = excluded.registered_known
"""
CLOSED: LiteralString = """
    INSERT INTO request (request, outcome, closed_at, closed_known)
    SELECT r.request, any_value(r.outcome), any_value(r.happened), any_value(r.known)
    FROM (SELECT unnest(from_json($rows::JSON, '[{
        "request": "UUID", "outcome": "VARCHAR", "happened": "TIMESTAMPTZ", "known": "TIMESTAMPTZ"}]')) AS r)
    GROUP BY r.request
    ON CONFLICT (request) DO UPDATE SET
        outcome = excluded.outcome, closed_at = excluded.closed_at, closed_known = excluded.closed_known
"""
HOLDINGS: LiteralString = """
    INSERT INTO holding (case_id, version, kind, organisation, since, known)
    SELECT r.case_id, r.version, r.kind, r.organisation, r.since, r.known
    FROM (SELECT unnest(from_json($rows::JSON, '[{
        "case_id": "UUID", "version": "BIGINT", "kind": "VARCHAR", "organisation": "VARCHAR", "since": "TIMESTAMPTZ",
        "known": "TIMESTAMPTZ"}]')) AS r)
    ON CONFLICT DO NOTHING
"""
CLOSINGS: LiteralString = """
    INSERT INTO case_closing (case_id, happened, known)
    SELECT r.case_id, r.happened, r.known
    FROM (SELECT unnest(from_json($rows::JSON, '[{"case_id": "UUID", "happened": "TIMESTAMPTZ", "known": "TIMESTAMPTZ"}]')) AS r)
    ON CONFLICT DO NOTHING
"""
SUBMISSIONS: LiteralString = """
    INSERT INTO submission (submission, discussion, city, kind, happened, known)
    SELECT r.submission, r.discussion, r.city, r.kind, r.happened, r.known
    FROM (SELECT unnest(from_json($rows::JSON, '[{
        "submission": "UUID", "discussion": "UUID", "city": "VARCHAR", "kind": "VARCHAR", "happened": "TIMESTAMPTZ",
        "known": "TIMESTAMPTZ"}]')) AS r)
    ON CONFLICT DO NOTHING
"""

KINDS: Final[Mapping[type[Event], SubmissionKind]] = {
    QuestionSubmitted: "question",
    ProposalSubmitted: "proposal",
    RemarkSubmitted: "remark",
}


def fold(cursor: DuckDBPyConnection, statements: Iterable[Statement]) -> None:
    """Write a batch of facts, each kind of row at once, in the cursor's transaction."""
    batch = list(statements)
    if events := [each.params["event"] for each in batch if "event" in each.params]:
        cursor.execute(EVENTS, {"rows": as_json(events)})
    beside = sorted((each for each in batch if each.sql is not EVENTS), key=_kind)
    for sql, group in groupby(beside, key=_kind):
        cursor.execute(sql, {"rows": as_json([each.params["fact"] for each in group])})


def _kind(statement: Statement) -> LiteralString:
    return statement.sql


def _event(received: Received, cause: UUID | None = None, aspect: str | None = None) -> dict[str, object]:
    """Spell the row that every event is."""
    recorded, envelope = received.recorded, received.envelope
    return {
        "id": envelope.id,
        "topic": topic_of(recorded.fact.SERVICE),
        "type": recorded.fact.TYPE,
        "subject": recorded.originator_id,
        "version": recorded.originator_version,
        "position": received.position,
        "happened": envelope.time,
        "known": envelope.recorded_time,
        "correlation": envelope.correlation,
        "cause": cause or envelope.causation,
        "aspect": aspect,
    }


def _counted(received: Received) -> Statement:
    """Count an event that is nothing else here."""
    return Statement(EVENTS, {"event": _event(received)})


def _effect(received: Received) -> Statement:
    """Count an event that must happen once for its cause."""
    fact = received.fact
    match fact:
        case CaseOpened():
            row = _event(received, fact.request)
        case WorkItemOpened():
            row = _event(received, fact.cause)
        case MessageSent() | MessageFailed():
            row = _event(received, fact.cause, fact.channel)
        case RequestAssigned() | CompletionProposed():
            row = _event(received, aspect=str(fact.round))
        case _:
            raise Invalid(f"A {type(fact).__name__} is no effect of anything.")
    return Statement(EVENTS, {"event": row})


def _submitted(received: Received) -> Statement:
    fact = cast("RequestSubmitted", received.fact)
    row = {
        "request": _uuid(received),
        "city": fact.city,
        "district": fact.location.district,
        "type": fact.service_type,
        "channel": fact.channel,
        "person_known": fact.person is not None,
    }
    return _beside(SUBMITTED, received, row)


def _registered(received: Received) -> Statement:
    fact = cast("RequestRegistered", received.fact)
    row = {
        "request": _uuid(received),
        "number": fact.number,
        "city": fact.city,
        "type": fact.service_type,
        "district": fact.district,
    }
    return _beside(REGISTERED, received, row)


def _closed(received: Received) -> Statement:
    fact = cast("RequestClosed", received.fact)
    return _beside(CLOSED, received, {"request": _uuid(received), "outcome": fact.outcome})


def _held(received: Received) -> Statement:
    fact = cast("HolderChanged", received.fact)
    row = {
        "case_id": _uuid(received),
        "version": received.recorded.version,
        "kind": fact.holder.kind,
        "organisation": fact.holder.organisation,
        "since": fact.at,
    }
    return _beside(HOLDINGS, received, row)


def _case_closed(received: Received) -> Statement:
    return _beside(CLOSINGS, received, {"case_id": _uuid(received)})


def _contributed(received: Received) -> Statement:
    fact = cast("QuestionSubmitted | ProposalSubmitted | RemarkSubmitted", received.fact)
    row = {"submission": _uuid(received), "discussion": fact.discussion, "city": fact.city, "kind": KINDS[type(fact)]}
    return _beside(SUBMISSIONS, received, row)


def _beside(sql: LiteralString, received: Received, row: Mapping[str, object]) -> Statement:
    """Give a row beside the event's own, with when it happened and when it was known."""
    times = {"happened": received.envelope.time, "known": received.envelope.recorded_time}
    return Statement(sql, {"event": _event(received), "fact": {**row, **times}})


def _uuid(received: Received) -> UUID:
    """Give the uuid of what the event's stream is about."""
    about = uuid_of(received.stream_id)
    if about is None:
        raise Invalid(f"{received.stream_id} does not end in a uuid.")
    return about


FOLDS: Final[Folds] = {
    **dict.fromkeys(CATALOGUE.values(), _counted),
    **dict.fromkeys((CaseOpened, WorkItemOpened, MessageSent, MessageFailed, RequestAssigned, CompletionProposed), _effect),
    **dict.fromkeys(KINDS, _contributed),
    RequestSubmitted: _submitted,
    RequestRegistered: _registered,
    RequestClosed: _closed,
    HolderChanged: _held,
    CaseClosed: _case_closed,
}
"""Every event of every service, and what it is here."""
