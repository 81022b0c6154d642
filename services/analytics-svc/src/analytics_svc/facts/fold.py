"""What each event is as facts: a row in `event` for every one, and for some a row beside.

Rows are handed over in batches, a list a column. Each table is a set by key, and each column comes from one fact of one
stream, so the same events give the same facts in whatever order and however often they come.
"""

from collections.abc import Iterable, Mapping
from typing import Final, LiteralString, cast
from uuid import UUID

from duckdb import DuckDBPyConnection

from analytics_svc.facts.file import Row, columns
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
    SELECT unnest($id::UUID[]), unnest($topic::VARCHAR[]), unnest($type::VARCHAR[]), unnest($subject::VARCHAR[]),
           unnest($version::BIGINT[]), unnest($position::BIGINT[]), unnest($happened::TIMESTAMPTZ[]),
           unnest($known::TIMESTAMPTZ[]), unnest($correlation::UUID[]), unnest($cause::UUID[]), unnest($aspect::VARCHAR[]), now()
    ON CONFLICT DO NOTHING
"""
SUBMITTED: LiteralString = """
    INSERT INTO request (request, city, district, submitted_type, channel, person_known, submitted_at, submitted_known)
    SELECT unnest($request::UUID[]), unnest($city::VARCHAR[]), unnest($district::VARCHAR[]), unnest($type::VARCHAR[]),
           unnest($channel::VARCHAR[]), unnest($person_known::BOOLEAN[]), unnest($happened::TIMESTAMPTZ[]),
           unnest($known::TIMESTAMPTZ[])
    ON CONFLICT (request) DO UPDATE SET
        city = excluded.city, district = excluded.district, submitted_type = excluded.submitted_type, channel = excluded.channel,
        person_known = excluded.person_known, submitted_at = excluded.submitted_at, submitted_known = excluded.submitted_known
"""
REGISTERED: LiteralString = """
    INSERT INTO request (
        request, number, registered_city, registered_type, registered_district, registered_at, registered_known)
    SELECT unnest($request::UUID[]), unnest($number::VARCHAR[]), unnest($city::VARCHAR[]), unnest($type::VARCHAR[]),
           unnest($district::VARCHAR[]), unnest($happened::TIMESTAMPTZ[]), unnest($known::TIMESTAMPTZ[])
    ON CONFLICT (request) DO UPDATE SET
        number = excluded.number, registered_city = excluded.registered_city, registered_type = excluded.registered_type,
        registered_district = excluded.registered_district, registered_at = excluded.registered_at,
        registered_known = excluded.registered_known
"""
CLOSED: LiteralString = """
    INSERT INTO request (request, outcome, closed_at, closed_known)
    SELECT unnest($request::UUID[]), unnest($outcome::VARCHAR[]), unnest($happened::TIMESTAMPTZ[]), unnest($known::TIMESTAMPTZ[])
    ON CONFLICT (request) DO UPDATE SET
        outcome = excluded.outcome, closed_at = excluded.closed_at, closed_known = excluded.closed_known
"""
HOLDINGS: LiteralString = """
    INSERT INTO holding (case_id, version, kind, organisation, since, known)
    SELECT unnest($case_id::UUID[]), unnest($version::BIGINT[]), unnest($kind::VARCHAR[]), unnest($organisation::VARCHAR[]),
           unnest($since::TIMESTAMPTZ[]), unnest($known::TIMESTAMPTZ[])
    ON CONFLICT DO NOTHING
"""
CLOSINGS: LiteralString = """
    INSERT INTO case_closing (case_id, ended_at, known)
    SELECT unnest($case_id::UUID[]), unnest($ended_at::TIMESTAMPTZ[]), unnest($known::TIMESTAMPTZ[])
    ON CONFLICT DO NOTHING
"""
SUBMISSIONS: LiteralString = """
    INSERT INTO submission (submission, discussion, city, kind, happened, known)
    SELECT unnest($submission::UUID[]), unnest($discussion::UUID[]), unnest($city::VARCHAR[]), unnest($kind::VARCHAR[]),
           unnest($happened::TIMESTAMPTZ[]), unnest($known::TIMESTAMPTZ[])
    ON CONFLICT DO NOTHING
"""

KINDS: Final[Mapping[type[Event], SubmissionKind]] = {
    QuestionSubmitted: "question",
    ProposalSubmitted: "proposal",
    RemarkSubmitted: "remark",
}


def fold(cursor: DuckDBPyConnection, statements: Iterable[Statement]) -> None:
    """Write a batch of facts, each kind of row by one statement, in the cursor's transaction."""
    batches: dict[LiteralString, list[Row]] = {EVENTS: []}
    for each in statements:
        if isinstance(row := each.params.get("event"), dict):
            batches[EVENTS].append(row)
        if isinstance(row := each.params.get("fact"), dict):
            batches.setdefault(each.sql, []).append(row)
    for sql, batch in batches.items():
        if batch:
            cursor.execute(sql, columns(batch))


def _event(received: Received, cause: UUID | None = None, aspect: str | None = None) -> Row:
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
    row: Row = {
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
    row: Row = {
        "request": _uuid(received),
        "number": fact.number,
        "city": fact.city,
        "type": fact.service_type,
        "district": fact.district,
    }
    return _beside(REGISTERED, received, row)


def _closed(received: Received) -> Statement:
    row: Row = {"request": _uuid(received), "outcome": cast("RequestClosed", received.fact).outcome}
    return _beside(CLOSED, received, row)


def _held(received: Received) -> Statement:
    fact = cast("HolderChanged", received.fact)
    row: Row = {
        "case_id": _uuid(received),
        "version": received.recorded.version,
        "kind": fact.holder.kind,
        "organisation": fact.holder.organisation,
        "since": fact.at,
        "known": received.envelope.recorded_time,
    }
    return Statement(HOLDINGS, {"event": _event(received), "fact": row})


def _case_closed(received: Received) -> Statement:
    closed = cast("CaseClosed", received.fact)
    row: Row = {"case_id": _uuid(received), "ended_at": closed.at, "known": received.envelope.recorded_time}
    return Statement(CLOSINGS, {"event": _event(received), "fact": row})


def _contributed(received: Received) -> Statement:
    fact = cast("QuestionSubmitted | ProposalSubmitted | RemarkSubmitted", received.fact)
    row: Row = {"submission": _uuid(received), "discussion": fact.discussion, "city": fact.city, "kind": KINDS[type(fact)]}
    return _beside(SUBMISSIONS, received, row)


def _beside(sql: LiteralString, received: Received, row: Row) -> Statement:
    """Give a row beside the event's own, with when it happened and when it was known."""
    row["happened"] = received.envelope.time
    row["known"] = received.envelope.recorded_time
    return Statement(sql, {"event": _event(received), "fact": row})


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
