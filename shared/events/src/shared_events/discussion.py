"""Facts of discussion-svc: a public discussion with legal force, from registration to its protocol."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from shared_events.event import Event, Value
from shared_events.personal import Personal

SubmissionKind = Literal["question", "proposal", "remark"]
Eligibility = Literal["territory_resident", "right_holder", "other"]


class DiscussionEvent(Event, service="discussion"):
    """A fact of discussion-svc."""


class SubmissionOrigin(Value):
    """Where an imported submission came from; `parent` is what it answered there, even if that was not taken over."""

    system: str
    id: str
    created: datetime | None = None
    parent: str | None = None


class DiscussionOrigin(Value):
    """Where an imported discussion came from."""

    system: str
    id: str
    created: datetime | None = None


class ProcedureAdopted(DiscussionEvent):
    """A procedure stands in a version: which subject, which statute, and how long before the opening the notice must stand."""

    city: str
    code: str
    version: str
    subject: str
    statute: str | None
    lead_days: int
    kinds: tuple[SubmissionKind, ...]
    pack_version: str


class DiscussionRegistered(DiscussionEvent):
    """A discussion is announced under a procedure, pinned in the version of that day."""

    city: str
    title: str
    subject: str
    procedure: str
    procedure_version: str
    statute: str | None
    lead_days: int
    kinds: tuple[SubmissionKind, ...]
    territory: str | None
    origin: DiscussionOrigin | None


class DocumentAttached(DiscussionEvent):
    """A document of the exposition, addressed by the SHA-256 (hex) of its bytes; size in bytes."""

    sha256: str
    name: str
    media_type: str
    size: int


class NotificationPublished(DiscussionEvent):
    """The public is told from when until when submissions are taken, to the minute (UTC)."""

    opens_at: datetime
    closes_at: datetime


class ExpositionOpened(DiscussionEvent):
    """Documents are on view and submissions are taken from now, around the clock."""

    opens_at: datetime
    closes_at: datetime


class SubmissionsClosed(DiscussionEvent):
    """The period is over: whatever happened at or after `closes_at` is late, whatever its place in the log."""

    closes_at: datetime


class ProtocolDrafted(DiscussionEvent):
    """The protocol renders to exactly these bytes (SHA-256 in hex, size in bytes), every time, from the events up to it.

    `included` is the SHA-256 (hex) over the included submissions' event hashes in the protocol's order; `template_version` pins
    the template, the language and all that the rendering reads beside the events.
    """

    sha256: str
    size: int
    media_type: Literal["text/html; charset=utf-8"]
    template_version: str
    submissions: int
    participants: int
    included: str


class _Submitted(DiscussionEvent):
    """What a question, a proposal and a remark have in common.

    The text is a public statement and stays readable for ever; the name is the person's own and is sealed.
    """

    discussion: UUID
    city: str
    person: UUID
    text: str
    in_reply_to: UUID | None
    eligibility: Eligibility
    evidence: str
    name: Personal[str] = None
    origin: SubmissionOrigin | None = None


class QuestionSubmitted(_Submitted):
    """A participant asks."""


class ProposalSubmitted(_Submitted):
    """A participant proposes."""


class RemarkSubmitted(_Submitted):
    """A participant remarks, on the documents or on another submission."""


class SubmissionRegistered(DiscussionEvent):
    """A submission stands in the register of its discussion, under a number; in the same commit as the submission."""

    discussion: UUID
    city: str
    kind: SubmissionKind
    number: str


class SubmissionSupported(DiscussionEvent):
    """A person gives a submission their voice, once."""

    discussion: UUID
    city: str
    person: UUID


EVENTS: tuple[type[Event], ...] = (
    ProcedureAdopted,
    DiscussionRegistered,
    DocumentAttached,
    NotificationPublished,
    ExpositionOpened,
    SubmissionsClosed,
    ProtocolDrafted,
    QuestionSubmitted,
    ProposalSubmitted,
    RemarkSubmitted,
    SubmissionRegistered,
    SubmissionSupported,
)
