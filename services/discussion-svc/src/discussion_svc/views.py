"""What anybody may look up: discussions, their documents, what was submitted in them; and the log a protocol is made from.

No personal data stands in these tables: texts are public statements, names stay sealed in the events.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString, NamedTuple, TypeVar, cast
from uuid import UUID

from psycopg.rows import DictRow

from shared_chassis.consumer.reaction import Folds
from shared_chassis.postgres import Database
from shared_chassis.view import Projection, Statement
from shared_events.discussion import (
    DiscussionRegistered,
    DocumentAttached,
    ExpositionOpened,
    NotificationPublished,
    ProposalSubmitted,
    ProtocolDrafted,
    QuestionSubmitted,
    RemarkSubmitted,
    SubmissionKind,
    SubmissionRegistered,
    SubmissionsClosed,
    SubmissionSupported,
)
from shared_events.envelope import Recorded
from shared_events.event import Event
from shared_events.ids import uuid_of

TABLES: Final = ("discussion", "document", "submission", "support")
"""The tables made anew from this service's own events."""

FOLDS: Folds = {}
"""Others' facts that stand in these views: none yet."""

E_ = TypeVar("E_", bound=Event)

REGISTER: LiteralString = """
    INSERT INTO discussion (id, city, title, subject, procedure, procedure_version, statute, lead_days, kinds, territory, stage,
        registered_at)
    VALUES (%(id)s, %(city)s, %(title)s, %(subject)s, %(procedure)s, %(version)s, %(statute)s, %(lead_days)s, %(kinds)s,
        %(territory)s, 'registered', %(at)s)
    ON CONFLICT (id) DO NOTHING
"""
ATTACH: LiteralString = """
    INSERT INTO document (discussion, sha256, name, media_type, size, attached_at, version)
    VALUES (%(discussion)s, %(sha256)s, %(name)s, %(media_type)s, %(size)s, %(at)s, %(version)s)
    ON CONFLICT (discussion, sha256) DO NOTHING
"""
ANNOUNCE: LiteralString = """
    UPDATE discussion SET stage = 'announced', opens_at = %(opens_at)s, closes_at = %(closes_at)s, announced_at = %(at)s
    WHERE id = %(id)s
"""
OPEN: LiteralString = "UPDATE discussion SET stage = 'open' WHERE id = %(id)s"
CLOSE: LiteralString = "UPDATE discussion SET stage = 'closed' WHERE id = %(id)s"
PUT_ON_RECORD: LiteralString = """
    UPDATE discussion SET stage = 'protocol_drafted', protocol_sha256 = %(sha256)s, protocol_drafted_at = %(at)s
    WHERE id = %(id)s
"""
SUBMIT: LiteralString = """
    INSERT INTO submission (id, discussion, kind, text, in_reply_to, submitted_at)
    VALUES (%(id)s, %(discussion)s, %(kind)s, %(text)s, %(in_reply_to)s, %(at)s)
    ON CONFLICT (id) DO NOTHING
"""
NUMBER: LiteralString = "UPDATE submission SET number = %(number)s, place = %(place)s WHERE id = %(id)s"
SUPPORT: LiteralString = """
    WITH voice AS (
        INSERT INTO support (submission, person) VALUES (%(id)s, %(person)s) ON CONFLICT DO NOTHING RETURNING submission)
    UPDATE submission SET supports = supports + 1 WHERE id IN (SELECT submission FROM voice)
"""


def _id(recorded: Recorded) -> UUID:
    """Give the uuid of a fact's stream; every stream these views fold has one."""
    return cast("UUID", uuid_of(recorded.stream_id))  # None only for streams with slugs: procedures


def _registered(recorded: Recorded) -> Statement:
    fact = _fact(recorded, DiscussionRegistered)
    params = {
        "id": _id(recorded),
        "city": fact.city,
        "title": fact.title,
        "subject": fact.subject,
        "procedure": fact.procedure,
        "version": fact.procedure_version,
        "statute": fact.statute,
        "lead_days": fact.lead_days,
        "kinds": list(fact.kinds),
        "territory": fact.territory,
        "at": recorded.envelope.time,
    }
    return Statement(REGISTER, params)


def _attached(recorded: Recorded) -> Statement:
    fact = _fact(recorded, DocumentAttached)
    at = {"discussion": _id(recorded), "at": recorded.envelope.time, "version": recorded.version}
    return Statement(ATTACH, {**fact.model_dump(), **at})


def _announced(recorded: Recorded) -> Statement:
    fact = _fact(recorded, NotificationPublished)
    return Statement(ANNOUNCE, {**fact.model_dump(), "id": _id(recorded), "at": recorded.envelope.time})


def _drafted(recorded: Recorded) -> Statement:
    fact = _fact(recorded, ProtocolDrafted)
    return Statement(PUT_ON_RECORD, {"id": _id(recorded), "sha256": fact.sha256, "at": recorded.envelope.time})


def _submitted(kind: SubmissionKind, recorded: Recorded) -> Statement:
    fact = recorded.fact
    if not isinstance(fact, QuestionSubmitted | ProposalSubmitted | RemarkSubmitted):
        raise TypeError(type(fact))
    params = {
        "id": _id(recorded),
        "discussion": fact.discussion,
        "kind": kind,
        "text": fact.text,
        "in_reply_to": fact.in_reply_to,
        "at": recorded.envelope.time,
    }
    return Statement(SUBMIT, params)


def _numbered(recorded: Recorded) -> Statement:
    number = _fact(recorded, SubmissionRegistered).number
    return Statement(NUMBER, {"id": _id(recorded), "number": number, "place": int(number.rpartition("-")[2])})


def _supported(recorded: Recorded) -> Statement:
    return Statement(SUPPORT, {"id": _id(recorded), "person": _fact(recorded, SubmissionSupported).person})


def _fact(recorded: Recorded, kind: type[E_]) -> E_:
    if not isinstance(recorded.fact, kind):
        raise TypeError(type(recorded.fact))
    return recorded.fact


PROJECTION: Projection = {
    DiscussionRegistered: _registered,
    DocumentAttached: _attached,
    NotificationPublished: _announced,
    ExpositionOpened: lambda recorded: Statement(OPEN, {"id": _id(recorded)}),
    SubmissionsClosed: lambda recorded: Statement(CLOSE, {"id": _id(recorded)}),
    ProtocolDrafted: _drafted,
    QuestionSubmitted: lambda recorded: _submitted("question", recorded),
    ProposalSubmitted: lambda recorded: _submitted("proposal", recorded),
    RemarkSubmitted: lambda recorded: _submitted("remark", recorded),
    SubmissionRegistered: _numbered,
    SubmissionSupported: _supported,
}


# ---- questions anybody may ask

DISCUSSIONS: LiteralString = """
    SELECT id, city, title, subject, procedure, procedure_version, statute, lead_days, kinds, territory, stage,
        registered_at, announced_at, opens_at, closes_at, protocol_sha256, protocol_drafted_at
    FROM discussion
    WHERE (%(city)s::text IS NULL OR city = %(city)s)
      AND (%(stage)s::text IS NULL OR stage = %(stage)s)
      AND (%(before)s::timestamptz IS NULL OR (registered_at, id) < (%(before)s, %(before_id)s))
    ORDER BY registered_at DESC, id DESC
    LIMIT %(limit)s
"""
DISCUSSION: LiteralString = """
    SELECT id, city, title, subject, procedure, procedure_version, statute, lead_days, kinds, territory, stage,
        registered_at, announced_at, opens_at, closes_at, protocol_sha256, protocol_drafted_at
    FROM discussion WHERE id = %(id)s
"""
COUNTS: LiteralString = """
    SELECT discussion, kind, count(*) AS count FROM submission
    WHERE discussion = ANY (%(discussions)s) GROUP BY discussion, kind
"""
DOCUMENTS: LiteralString = """
    SELECT sha256, name, media_type, size, attached_at FROM document WHERE discussion = %(discussion)s ORDER BY version
"""
SUBMISSIONS: LiteralString = """
    SELECT s.id, s.discussion, s.kind, s.number, s.place, s.text, s.in_reply_to, s.submitted_at, s.supports,
        (SELECT count(*) FROM submission r WHERE r.in_reply_to = s.id) AS replies
    FROM submission s
    WHERE s.discussion = %(discussion)s AND s.place > %(after)s AND (%(kind)s::text IS NULL OR s.kind = %(kind)s)
    ORDER BY s.place
    LIMIT %(limit)s
"""
NUMBERED: LiteralString = """
    SELECT s.id, s.discussion, s.kind, s.number, s.place, s.text, s.in_reply_to, s.submitted_at, s.supports,
        (SELECT count(*) FROM submission r WHERE r.in_reply_to = s.id) AS replies
    FROM submission s
    WHERE s.number = %(number)s
"""
JOURNEY: LiteralString = """
    SELECT notification_id AS position, state FROM stored_events
    WHERE event_document(state) ->> 'correlationid' = %(correlation)s
    ORDER BY notification_id
"""
STREAM: LiteralString = """
    SELECT notification_id AS position, state FROM stored_events
    WHERE originator_id = %(stream)s AND originator_version BETWEEN %(first)s AND %(last)s
    ORDER BY originator_version
"""


@dataclass(frozen=True, slots=True)
class DiscussionRow:
    """A discussion as the register shows it; `counts` are its submissions by kind."""

    id: UUID
    city: str
    title: str
    subject: str
    procedure: str
    procedure_version: str
    statute: str | None
    lead_days: int
    kinds: Sequence[SubmissionKind]
    territory: str | None
    stage: str
    registered_at: datetime
    announced_at: datetime | None
    opens_at: datetime | None
    closes_at: datetime | None
    protocol_sha256: str | None
    protocol_drafted_at: datetime | None
    counts: dict[SubmissionKind, int]


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document on view."""

    sha256: str
    name: str
    media_type: str
    size: int
    attached_at: datetime


@dataclass(frozen=True, slots=True)
class SubmissionRow:
    """A submission as the register shows it: no word of who made it; `place` is where it stands in its discussion."""

    id: UUID
    discussion: UUID
    kind: SubmissionKind
    number: str
    place: int
    text: str
    in_reply_to: UUID | None
    submitted_at: datetime
    supports: int
    replies: int


@dataclass(frozen=True, slots=True)
class DiscussionFilter:
    """Which discussions are asked for."""

    city: str | None = None
    stage: str | None = None


class StoredRow(NamedTuple):
    """A stored event: its position in this service's log, and its bytes."""

    position: int
    state: bytes


def discussions(
    database: Database, wanted: DiscussionFilter, before: tuple[datetime, UUID] | None, limit: int
) -> list[DiscussionRow]:
    """List discussions, the newest first, from the one registered before a place on."""
    params = {
        "city": wanted.city,
        "stage": wanted.stage,
        "before": before[0] if before else None,
        "before_id": before[1] if before else None,
        "limit": limit,
    }
    return _counted(database, database.query(DISCUSSIONS, params))


def discussion(database: Database, discussion_id: UUID) -> DiscussionRow | None:
    """Look a discussion up; None when there is none such."""
    return next(iter(_counted(database, database.query(DISCUSSION, {"id": discussion_id}))), None)


def documents(database: Database, discussion_id: UUID) -> list[DocumentRow]:
    """List a discussion's documents in the order they were attached."""
    return [DocumentRow(**row) for row in database.query(DOCUMENTS, {"discussion": discussion_id})]


def submissions(
    database: Database, discussion_id: UUID, kind: SubmissionKind | None, after: int, limit: int
) -> list[SubmissionRow]:
    """List a discussion's submissions by register number, from the one after a place on."""
    params = {"discussion": discussion_id, "kind": kind, "after": after, "limit": limit}
    return [SubmissionRow(**row) for row in database.query(SUBMISSIONS, params)]


def numbered(database: Database, number: str) -> list[SubmissionRow]:
    """Look a submission up by its register number: one, or none."""
    return [SubmissionRow(**row) for row in database.query(NUMBERED, {"number": number})]


def journey(database: Database, correlation: UUID) -> list[StoredRow]:
    """Read everything that ever happened in a discussion, its submissions included, as stored and in the log's order."""
    return _stored(database.query(JOURNEY, {"correlation": str(correlation)}))


def stretch(database: Database, stream_id: str, first: int, last: int) -> list[StoredRow]:
    """Read events of a stream from one version to another, as stored."""
    return _stored(database.query(STREAM, {"stream": stream_id, "first": first, "last": last}))


def _counted(database: Database, rows: Sequence[DictRow]) -> list[DiscussionRow]:
    """Count the submissions of all these discussions by one query."""
    counts: dict[UUID, dict[SubmissionKind, int]] = {row["id"]: {"question": 0, "proposal": 0, "remark": 0} for row in rows}
    if counts:
        for row in database.query(COUNTS, {"discussions": list(counts)}):
            counts[row["discussion"]][row["kind"]] = row["count"]
    return [DiscussionRow(**row, counts=counts[row["id"]]) for row in rows]


def _stored(rows: Sequence[DictRow]) -> list[StoredRow]:
    return [StoredRow(row["position"], bytes(row["state"])) for row in rows]
