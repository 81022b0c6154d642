"""Discussions over HTTP: organisers announce them, residents take part, anybody reads."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import quote, unquote
from uuid import UUID

from fastapi import Depends, Header, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints

from discussion_svc import application, views
from discussion_svc.application import MAY, Context
from discussion_svc.domain import refusal
from discussion_svc.domain.discussion import LONGEST_TITLE, Announcement, Period, Stage
from discussion_svc.domain.document import BEGINNINGS, Upload
from discussion_svc.domain.submission import LONGEST_NAME, Contribution, Participant
from shared_chassis import http
from shared_chassis.http import (
    Actor,
    Anybody,
    Cursor,
    IdempotentCommand,
    Limit,
    Page,
    Router,
    SignedIn,
    allow,
    read_cursor,
)
from shared_chassis.keyring import PersonErasedError
from shared_events.discussion import DiscussionOrigin, SubmissionKind, SubmissionOrigin

ERRORS: Mapping[type[Exception], int] = {
    refusal.UnknownDiscussionError: 404,
    refusal.UnknownSubmissionError: 404,
    refusal.UnknownDocumentError: 404,
    refusal.ProtocolNotDraftedError: 404,
    refusal.IdentityNotConfirmedError: 403,
    refusal.NotOpenYetError: 409,
    refusal.SubmissionTooLateError: 409,
    refusal.PeriodNotOverError: 409,
    refusal.ProtocolTooEarlyError: 409,
    refusal.NoticeStandsError: 409,
    refusal.NothingToShowError: 409,
    refusal.OwnSubmissionError: 409,
    PersonErasedError: 409,
    refusal.DocumentTooLargeError: 413,
    refusal.MediaTypeError: 415,
    refusal.ProtocolDiffersError: 500,
    refusal.DocumentDamagedError: 500,
    refusal.DiscussionError: 422,
}
"""What is refused, and as what; a refusal that is not named here is 422."""

router = Router(tags=["discussions"])

Wired = Annotated[Context, Depends(http.context)]
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=LONGEST_TITLE)]
Filter = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")]


class Body(BaseModel):
    """What a caller sends: nothing unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DiscussionSource(Body):
    """Where an imported discussion came from."""

    system: Text
    id: Text
    created: AwareDatetime | None = None


class SubmissionSource(DiscussionSource):
    """Where an imported submission came from; `parent` is what it answered there, even if that was not taken over."""

    parent: Text | None = None


class Registration(Body):
    """A discussion to be held under a city's procedure; without a subject it has its procedure's."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"city": "madrid", "title": "Limpiar las calles", "procedure": "citizen-proposals", "subject": None}]
        }
    )

    city: Text
    title: Text
    procedure: Text
    subject: Text | None = None
    territory: Text | None = None
    origin: DiscussionSource | None = None


class Notice(Body):
    """From when until when submissions are taken: full minutes, the closing one excluded."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"opens_at": "2026-03-02T06:00:00Z", "closes_at": "2026-03-20T21:00:00Z"}]}
    )

    opens_at: AwareDatetime
    closes_at: AwareDatetime


class Submission(Body):
    """What a participant says. `text` is public and kept exactly as given; `name` is the person's own and is kept sealed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"kind": "question", "text": "When will the bridge be mended?"}]})

    kind: SubmissionKind
    text: str
    in_reply_to: UUID | None = None
    name: Annotated[Text, StringConstraints(max_length=LONGEST_NAME)] | None = None
    origin: SubmissionSource | None = None


class Registered(BaseModel):
    """A discussion stands in the register."""

    id: UUID


class Document(BaseModel):
    """A document on view, addressed by the SHA-256 (hex) of its bytes; size in bytes."""

    model_config = ConfigDict(from_attributes=True)

    sha256: str
    name: str
    media_type: str
    size: int


class Announced(BaseModel):
    """The notice is published."""

    id: UUID
    opens_at: datetime
    closes_at: datetime
    version: int


class Receipt(BaseModel):
    """Where a submission stands, and the SHA-256 (hex) of the bytes that were stored: keep it, the protocol must show it."""

    model_config = ConfigDict(from_attributes=True)

    submission: UUID
    number: str
    event_id: UUID
    sha256: str
    position: int
    recorded_time: datetime


class Taken(BaseModel):
    """A submission is taken, under a register number."""

    id: UUID
    number: str
    receipt: Receipt


class Supported(BaseModel):
    """The submission has the caller's voice."""

    id: UUID


class DiscussionShown(BaseModel):
    """A discussion as the register shows it; `submissions` counts by kind, `protocol` is the SHA-256 (hex) of its bytes."""

    id: UUID
    city: str
    title: str
    subject: str
    procedure: str
    procedure_version: str
    statute: str | None
    lead_days: int
    kinds: list[SubmissionKind]
    territory: str | None
    state: Stage
    registered_at: datetime
    announced_at: datetime | None
    opens_at: datetime | None
    closes_at: datetime | None
    submissions: dict[SubmissionKind, int]
    protocol: str | None
    protocol_drafted_at: datetime | None


class DiscussionWhole(DiscussionShown):
    """A discussion with its documents."""

    documents: list[Document]


class SubmissionShown(BaseModel):
    """A submission as the register shows it; how many answered it, how many support it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    discussion: UUID
    number: str
    kind: SubmissionKind
    text: str
    in_reply_to: UUID | None
    submitted_at: datetime
    replies: int
    supports: int


async def raw_body(request: Request) -> bytes:
    """Take the body as it is; the edge has bounded it."""
    return await request.body()


RAW_BODY: dict[str, object] = {
    "requestBody": {
        "required": True,
        "content": {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in BEGINNINGS},
    }
}
"""How the API's description tells of a body that is a file."""


@router.post("/discussions", status_code=201)
def register_discussion(body: Registration, actor: SignedIn, command: IdempotentCommand, context: Wired) -> Registered:
    """Register a discussion under a procedure of the city, pinned in the version it has now."""
    allow(actor, "register_discussion", MAY)
    announcement = Announcement(
        body.title, body.subject, body.territory, DiscussionOrigin(**body.origin.model_dump()) if body.origin else None
    )
    return Registered(id=application.register(context, body.city, body.procedure, announcement, command))


@router.post("/discussions/{discussion}/documents", status_code=201, openapi_extra=RAW_BODY)
def attach_document(
    discussion: UUID,
    actor: SignedIn,
    command: IdempotentCommand,
    context: Wired,
    content: Annotated[bytes, Depends(raw_body)],
    content_type: Annotated[str, Header(max_length=200)],
    x_file_name: Annotated[str, Header(max_length=3 * LONGEST_TITLE, description="Percent-encoded UTF-8.")],
) -> Document:
    """Attach a document, its bytes as the body; not after the notice."""
    allow(actor, "attach_document", MAY)
    upload = Upload(unquote(x_file_name), content_type, content)
    return Document.model_validate(application.attach(context, discussion, upload, command))


@router.post("/discussions/{discussion}/notice")
def publish_notice(discussion: UUID, body: Notice, actor: SignedIn, command: IdempotentCommand, context: Wired) -> Announced:
    """Tell the public when submissions are taken; from here on the discussion opens, closes and is recorded by itself."""
    allow(actor, "publish_notice", MAY)
    period = Period(body.opens_at.astimezone(UTC), body.closes_at.astimezone(UTC))
    result = application.publish_notice(context, discussion, period, command)
    return Announced(id=discussion, opens_at=period.opens_at, closes_at=period.closes_at, version=result.version)


@router.post("/discussions/{discussion}/submissions", status_code=201)
def submit(discussion: UUID, body: Submission, actor: SignedIn, command: IdempotentCommand, context: Wired) -> Taken:
    """Ask, propose or remark, while the discussion is open; the answer holds a receipt."""
    allow(actor, "submit", MAY)
    contribution = Contribution(
        participant=_participant(actor),
        kind=body.kind,
        text=body.text,
        in_reply_to=body.in_reply_to,
        name=body.name,
        origin=SubmissionOrigin(**body.origin.model_dump()) if body.origin else None,
    )
    receipt = application.submit(context, discussion, contribution, command)
    return Taken(id=receipt.submission, number=receipt.number, receipt=Receipt.model_validate(receipt))


@router.post("/submissions/{submission}/supports")
def support(submission: UUID, actor: SignedIn, command: IdempotentCommand, context: Wired) -> Supported:
    """Give a submission one's voice, once; a second time changes nothing."""
    allow(actor, "support", MAY)
    application.support(context, submission, _participant(actor), command)
    return Supported(id=submission)


@router.get("/discussions")
def see_discussions(
    actor: Anybody,
    context: Wired,
    city: Filter = None,
    state: Stage | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[DiscussionShown]:
    """List discussions, the newest first."""
    allow(actor, "read", MAY)
    before = read_cursor(cursor, tuple[datetime, UUID])
    rows = views.discussions(context.database, views.DiscussionFilter(city, state), before, limit + 1)
    shown = [DiscussionShown.model_validate(_shown(row)) for row in rows]
    return Page.cut(shown, limit, lambda row: (row.registered_at, row.id))


@router.get("/discussions/{discussion}")
def see_discussion(discussion: UUID, actor: Anybody, context: Wired) -> DiscussionWhole:
    """Show a discussion: its period, its documents, how much was submitted."""
    allow(actor, "read", MAY)
    row = views.discussion(context.database, discussion)
    if row is None:
        raise refusal.UnknownDiscussionError
    documents = views.documents(context.database, discussion)
    return DiscussionWhole.model_validate({**_shown(row), "documents": [asdict(document) for document in documents]})


@router.get("/discussions/{discussion}/submissions")
def see_submissions(
    discussion: UUID,
    actor: Anybody,
    context: Wired,
    kind: SubmissionKind | None = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[SubmissionShown]:
    """List a discussion's submissions by register number, with how many answered and how many support each."""
    allow(actor, "read", MAY)
    application.check_discussion(context, discussion)
    rows = views.submissions(context.database, discussion, kind, read_cursor(cursor, int) or 0, limit + 1)
    page = Page.cut(rows, limit, lambda row: row.place)
    return Page(items=[SubmissionShown.model_validate(row) for row in page.items], next=page.next)


@router.get("/submissions")
def find_submission(
    actor: Anybody, context: Wired, number: Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")]
) -> Page[SubmissionShown]:
    """Find a submission by its register number: one, or none."""
    allow(actor, "read", MAY)
    return Page(items=[SubmissionShown.model_validate(row) for row in views.numbered(context.database, number)])


@router.get("/discussions/{discussion}/protocol", response_class=Response, responses={200: {"content": {"text/html": {}}}})
def read_protocol(discussion: UUID, actor: Anybody, context: Wired) -> Response:
    """Show the protocol, drawn up again from the log: the same bytes every time, or none."""
    allow(actor, "read", MAY)
    page = application.read_protocol(context, discussion)
    headers = {**SAFE, "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'", **_digest(page)}
    return Response(page, media_type="text/html; charset=utf-8", headers=headers)


@router.get("/discussions/{discussion}/documents/{sha256}", response_class=Response)
def read_document(discussion: UUID, sha256: str, actor: Anybody, context: Wired) -> Response:
    """Give a document's bytes as they were attached, or none."""
    allow(actor, "read", MAY)
    document, content = application.read_document(context, discussion, sha256)
    named = f"inline; filename*=UTF-8''{quote(document.name, safe='')}"
    headers = {**SAFE, "Content-Security-Policy": "sandbox", "Content-Disposition": named, **_digest(content)}
    return Response(content, media_type=document.media_type, headers=headers)


SAFE: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "public, max-age=86400, immutable",
}
"""What goes with bytes that never change and that nothing may run from."""


def _digest(content: bytes) -> Mapping[str, str]:
    """Say the SHA-256 of what is sent (RFC 9530), which is also its entity tag."""
    digest = hashlib.sha256(content)
    return {"ETag": f'"{digest.hexdigest()}"', "Repr-Digest": f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"}


def _participant(actor: Actor) -> Participant:
    """Take the caller as a participant; the token says no more of them than whether their identity is confirmed."""
    return Participant(UUID(actor.id), identity_confirmed=actor.assurance == "confirmed")


def _shown(row: views.DiscussionRow) -> dict[str, object]:
    told = asdict(row)
    return {**told, "state": row.stage, "submissions": row.counts, "protocol": row.protocol_sha256}
