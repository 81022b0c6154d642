"""What can be done with discussions: one function a use case. Load, decide, append."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from discussion_svc import outbound, views
from discussion_svc.domain import discussion as discussions
from discussion_svc.domain import procedure as procedures
from discussion_svc.domain import submission as submissions
from discussion_svc.domain.discussion import DISCUSSION, Announcement, Discussion, Period, check_known
from discussion_svc.domain.document import Upload, describe
from discussion_svc.domain.procedure import PROCEDURE, Procedure
from discussion_svc.domain.protocol import TEMPLATE, Edition, Protocol, Stored, compose, offsets_of
from discussion_svc.domain.refusal import (
    DiscussionError,
    DocumentDamagedError,
    NotOpenYetError,
    ProtocolDiffersError,
    ProtocolNotDraftedError,
    UnknownCityError,
    UnknownDocumentError,
)
from discussion_svc.domain.submission import SUBMISSION, Contribution, Hearing, Participant, Submission
from shared_chassis.http import ANYBODY
from shared_chassis.object_store import ObjectDamagedError, ObjectMissingError, ObjectStore
from shared_chassis.postgres import Database
from shared_chassis.register import draw
from shared_chassis.store import Command, Result, Store
from shared_city import City
from shared_city import procedure as procedure_of
from shared_events.discussion import DocumentAttached, ProcedureAdopted, ProtocolDrafted, SubmissionRegistered
from shared_events.event import Event
from shared_events.ids import derive, discussion_stream, procedure_stream, submission_stream

SERVICE: Final = "discussion-svc"

MAY: Final[Mapping[str, frozenset[str]]] = {
    "register_discussion": frozenset({"organiser"}),
    "attach_document": frozenset({"organiser"}),
    "publish_notice": frozenset({"organiser"}),
    "submit": frozenset({"resident"}),
    "support": frozenset({"resident"}),
    "read": frozenset({ANYBODY}),
}
"""Who may do what."""


@dataclass(frozen=True)
class Context:
    """What use cases work with."""

    store: Store
    database: Database
    cities: Mapping[str, City]
    objects: ObjectStore


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a participant holds in hand: where the submission stands, and the SHA-256 (hex) of what was stored."""

    submission: UUID
    number: str
    event_id: UUID
    sha256: str
    position: int
    recorded_time: datetime


def adopt(context: Context) -> None:
    """Let the procedures of every city's pack stand; a pack that says the same again changes nothing."""
    for city in context.cities.values():
        for item in city.procedures:
            stream_id = procedure_stream(city.slug, item.code)
            version = ProcedureAdopted(
                city=city.slug,
                code=item.code,
                version=item.version,
                subject=item.subject,
                statute=item.statute,
                lead_days=item.lead_days,
                kinds=item.submissions,
                pack_version=city.pack_version,
            )

            def decide(known: Procedure, _now: datetime, version: ProcedureAdopted = version) -> Sequence[Event]:
                return procedures.adopt(known, version)

            command = Command(derive(stream_id, city.pack_version, "adopt"), f"service:{SERVICE}")
            context.store.handle(PROCEDURE, stream_id, decide, command)


def register(context: Context, city: str, code: str, announcement: Announcement, command: Command) -> UUID:
    """Register a discussion under a city's procedure; its id."""
    if city not in context.cities:
        raise UnknownCityError
    under = context.store.load(PROCEDURE, procedure_stream(city, code)).state
    discussion = derive(command.id)
    context.store.handle(
        DISCUSSION,
        discussion_stream(discussion),
        lambda known, _now: discussions.register(known, announcement, under),
        command,
    )
    return discussion


def attach(context: Context, discussion: UUID, upload: Upload, command: Command) -> DocumentAttached:
    """Put a document on view: first its bytes where they stay, then the fact."""
    document = describe(upload)
    check_discussion(context, discussion)
    context.objects.put(upload.content)
    context.store.handle(
        DISCUSSION, discussion_stream(discussion), lambda known, _now: discussions.attach(known, document), command
    )
    return document


def publish_notice(context: Context, discussion: UUID, period: Period, command: Command) -> Result:
    """Tell the public when submissions are taken; from here on the discussion opens, closes and is recorded by itself."""
    return context.store.handle(
        DISCUSSION,
        discussion_stream(discussion),
        lambda known, now: discussions.publish_notice(known, period, now),
        command,
    )


def open_exposition(context: Context, stream_id: str, command: Command) -> Result:
    """Open the exposition at its minute."""
    return context.store.handle(DISCUSSION, stream_id, discussions.open_exposition, command)


def close_submissions(context: Context, stream_id: str, command: Command) -> Result:
    """End the period at its minute."""
    return context.store.handle(DISCUSSION, stream_id, discussions.close_submissions, command)


def submit(context: Context, discussion: UUID, contribution: Contribution, command: Command) -> Receipt:
    """Take a contribution, number it, and give its receipt.

    A number is drawn only for what can be taken, so that refusals leave no holes in the register. Either way the store is
    asked, for a repeated call is answered as it was the first time, also after the closing.
    """
    answered = _submission(context, contribution.in_reply_to) if contribution.in_reply_to is not None else None
    hearing = Hearing(discussion, _discussion(context, discussion), answered)
    refusal, number = None, ""
    try:
        submissions.admit(hearing, contribution, context.store.now())
        number = _draw_number(context, hearing, command)
    except DiscussionError as error:
        refusal = error

    def decide(known: Submission, now: datetime) -> Sequence[Event]:
        if refusal is not None:
            raise refusal
        return submissions.submit(known, hearing, contribution, number, now)

    submission = derive(command.id)
    context.store.handle(SUBMISSION, submission_stream(submission), decide, replace(command, correlation=discussion))
    return receipt(context, submission)


def receipt(context: Context, submission: UUID) -> Receipt:
    """Write the receipt of a submission from what is stored."""
    submitted, registered = views.stretch(context.database, submission_stream(submission), 1, 2)
    envelope = context.store.mapper.from_document(submitted.state).envelope
    fact = context.store.mapper.from_document(registered.state).fact
    if not isinstance(fact, SubmissionRegistered):
        raise TypeError(type(fact))
    return Receipt(
        submission=submission,
        number=fact.number,
        event_id=envelope.id,
        sha256=hashlib.sha256(submitted.state).hexdigest(),
        position=submitted.position,
        recorded_time=envelope.recorded_time,
    )


def support(context: Context, submission: UUID, participant: Participant, command: Command) -> Result:
    """Give a submission one's voice."""
    stream_id = submission_stream(submission)
    discussion = submissions.discussion_of(_submission(context, submission))
    state = _discussion(context, discussion)
    return context.store.handle(
        SUBMISSION,
        stream_id,
        lambda known, now: submissions.support(known, state, participant, now),
        replace(command, correlation=discussion),
    )


def check_discussion(context: Context, discussion: UUID) -> None:
    """Refuse a discussion nobody registered."""
    check_known(_discussion(context, discussion))


def read_document(context: Context, discussion: UUID, sha256: str) -> tuple[DocumentAttached, bytes]:
    """Give a document as it was attached, or not at all."""
    known = _discussion(context, discussion)
    check_known(known)
    found = next((each for each in known.documents if each.sha256 == sha256), None)
    if found is None:
        raise UnknownDocumentError
    try:
        return found, context.objects.get(sha256)
    except (ObjectMissingError, ObjectDamagedError) as error:
        raise DocumentDamagedError from error


def draft_protocol(context: Context, discussion: UUID, command: Command) -> Result:
    """Draw the protocol up from the log and put its hash on record."""
    state = _discussion(context, discussion)
    period = discussions.check_over(state, context.store.now())
    log = _log(context, discussion)
    protocol = compose(discussion, log, _edition(context, state, log[0].recorded.envelope.time, period.closes_at))
    page = _render(protocol)
    drafted = ProtocolDrafted(
        sha256=hashlib.sha256(page).hexdigest(),
        size=len(page),
        media_type="text/html; charset=utf-8",
        template_version=str(protocol.edition),
        submissions=len(protocol.entries),
        participants=protocol.participants,
        included=protocol.included,
    )
    return context.store.handle(
        DISCUSSION,
        discussion_stream(discussion),
        lambda known, now: discussions.draft_protocol(known, drafted, now),
        command,
    )


def read_protocol(context: Context, discussion: UUID) -> bytes:
    """Draw the protocol up again, from the events up to its drafting; the same bytes, or none.

    Raises `ProtocolDiffersError` when they come out differently.
    """
    check_discussion(context, discussion)
    log = _log(context, discussion)
    for place, stored in enumerate(log):
        if isinstance(drafted := stored.recorded.fact, ProtocolDrafted):
            page = _render(compose(discussion, log[:place], Edition.parse(drafted.template_version)))
            if hashlib.sha256(page).hexdigest() != drafted.sha256:
                raise ProtocolDiffersError
            return page
    raise ProtocolNotDraftedError


def _discussion(context: Context, discussion: UUID) -> Discussion:
    return context.store.load(DISCUSSION, discussion_stream(discussion)).state


def _submission(context: Context, submission: UUID) -> Submission:
    return context.store.load(SUBMISSION, submission_stream(submission)).state


def _draw_number(context: Context, hearing: Hearing, command: Command) -> str:
    if hearing.state.period is None:
        raise NotOpenYetError
    city = context.cities[hearing.state.city]
    series = submissions.series(city.register_prefix, hearing.discussion, hearing.state.period, city.timezone)
    return submissions.number(series, draw(context.database, series, command.id))


def _log(context: Context, discussion: UUID) -> list[Stored]:
    """Read everything that happened in a discussion from the log, with the hash of each event as it is stored."""
    return [
        Stored(row.position, hashlib.sha256(row.state).hexdigest(), context.store.mapper.from_document(row.state))
        for row in views.journey(context.database, discussion)
    ]


def _edition(context: Context, state: Discussion, since: datetime, until: datetime) -> Edition:
    """Pin what a protocol needs beside its facts, so that a later change of the city's pack changes no protocol."""
    city = context.cities[state.city]
    language = outbound.language_of(TEMPLATE, city.default_language)
    under = procedure_of(city, state.procedure)
    return Edition(
        template=TEMPLATE,
        language=language,
        city=_named(city.names, language, city.slug),
        procedure=_named(under.names if under is not None else {}, language, state.procedure),
        offsets=offsets_of(city.timezone, since, until),
    )


def _named(names: Mapping[str, str], language: str, otherwise: str) -> str:
    return names.get(language) or next(iter(names.values()), otherwise)


def _render(protocol: Protocol) -> bytes:
    return outbound.render(protocol.edition.template, protocol.edition.language, {"protocol": protocol})
