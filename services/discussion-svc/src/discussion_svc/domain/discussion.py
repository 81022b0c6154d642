"""A public discussion: registered, documented, announced, open, closed by itself at its minute, put on record."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal, assert_never, cast

from discussion_svc.domain.procedure import Procedure
from discussion_svc.domain.refusal import (
    NothingToShowError,
    NoticeStandsError,
    NoticeTooLateError,
    NotOpenYetError,
    NotWholeMinutesError,
    PeriodNotOverError,
    PeriodReversedError,
    ProtocolTooEarlyError,
    SubmissionTooLateError,
    TextMissingError,
    TextTooLongError,
    TextUnreadableError,
    UnknownDiscussionError,
    UnknownProcedureError,
)
from shared_chassis.stream import Cancel, Set, Stream
from shared_events.discussion import (
    DiscussionOrigin,
    DiscussionRegistered,
    DocumentAttached,
    ExpositionOpened,
    NotificationPublished,
    ProtocolDrafted,
    SubmissionKind,
    SubmissionsClosed,
)
from shared_events.event import Event

DiscussionFact = (
    DiscussionRegistered | DocumentAttached | NotificationPublished | ExpositionOpened | SubmissionsClosed | ProtocolDrafted
)
Stage = Literal["unknown", "registered", "announced", "open", "closed", "protocol_drafted"]

OPENING: Final = "opening"
CLOSING: Final = "closing"
PROTOCOL: Final = "protocol"
"""The kinds of a discussion's timers; each stands once, under its kind as key."""

PROTOCOL_AFTER: Final = timedelta(seconds=60)
"""How long after the closing the protocol is drawn up, so that commits under way are in."""

AT_ONCE: Final = timedelta(minutes=5)
"""How far back the opening may lie where the procedure asks for no lead: the minute it was written down in, and some way."""

LONGEST_TITLE: Final = 1_000
"""Characters a title, a subject, a territory or a document's name may have."""

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
"""What no database and no encoding can keep: the null character, and halves of a character that JSON lets through."""


@dataclass(frozen=True, slots=True)
class Period:
    """When submissions are taken: from `opens_at` up to, not including, `closes_at` (UTC, whole minutes)."""

    opens_at: datetime
    closes_at: datetime

    def covers(self, moment: datetime) -> bool:
        """Say whether something of this moment is in time."""
        return self.opens_at <= moment < self.closes_at


@dataclass(frozen=True, slots=True)
class Discussion:
    """What a discussion has come to."""

    stage: Stage = "unknown"
    city: str = ""
    procedure: str = ""
    lead_days: int = 0
    kinds: tuple[SubmissionKind, ...] = ()
    documents: tuple[DocumentAttached, ...] = ()
    period: Period | None = None
    protocol: ProtocolDrafted | None = None


def evolve_discussion(known: Discussion, fact: DiscussionFact) -> Discussion:
    """Take in one fact."""
    match fact:
        case DiscussionRegistered():
            return Discussion("registered", fact.city, fact.procedure, fact.lead_days, fact.kinds)
        case DocumentAttached():
            return replace(known, documents=(*known.documents, fact))
        case NotificationPublished():
            return replace(known, stage="announced", period=Period(fact.opens_at, fact.closes_at))
        case ExpositionOpened():
            return replace(known, stage="open")
        case SubmissionsClosed():
            return replace(known, stage="closed")
        case ProtocolDrafted():
            return replace(known, stage="protocol_drafted", protocol=fact)
        case _:
            assert_never(fact)


def timers(known: Discussion, facts: Sequence[Event]) -> Sequence[Set | Cancel]:
    """Let the notice start the clocks: to open, unless it opened at once, to close, and to draw the protocol up."""
    if known.period is None or not any(isinstance(fact, NotificationPublished) for fact in facts):
        return ()
    opens_at, closes_at = known.period.opens_at, known.period.closes_at
    opening = (Set(OPENING, OPENING, opens_at),) if known.stage == "announced" else ()
    return (*opening, Set(CLOSING, CLOSING, closes_at), Set(PROTOCOL, PROTOCOL, closes_at + PROTOCOL_AFTER))


DISCUSSION = Stream(
    "discussion",
    Discussion(),
    cast("Callable[[Discussion, Event], Discussion]", evolve_discussion),  # a discussion's stream holds these facts alone
    timers,
)


@dataclass(frozen=True, slots=True)
class Announcement:
    """What an organiser says of a discussion when registering it; without a subject it has its procedure's."""

    title: str
    subject: str | None = None
    territory: str | None = None
    origin: DiscussionOrigin | None = None


def check_text(text: str, longest: int) -> None:
    """Refuse a text without anything in it, a longer one than `longest` characters, and one no database can keep."""
    if not text.strip():
        raise TextMissingError
    if len(text) > longest:
        raise TextTooLongError(f"It has {len(text)} characters; {longest} are allowed.")
    if _UNSTORABLE.search(text):
        raise TextUnreadableError


def check_known(known: Discussion) -> None:
    """Refuse what is asked of a discussion nobody registered."""
    if known.stage == "unknown":
        raise UnknownDiscussionError


def register(known: Discussion, announcement: Announcement, procedure: Procedure) -> list[Event]:
    """Register a discussion under a procedure, pinned in the version it has now."""
    if known.stage != "unknown":
        return []
    if procedure.adopted is None:
        raise UnknownProcedureError
    for text in (announcement.title, announcement.subject, announcement.territory):
        if text is not None:
            check_text(text, LONGEST_TITLE)
    adopted = procedure.adopted
    return [
        DiscussionRegistered(
            city=adopted.city,
            title=announcement.title.strip(),
            subject=adopted.subject if announcement.subject is None else announcement.subject.strip(),
            procedure=adopted.code,
            procedure_version=adopted.version,
            statute=adopted.statute,
            lead_days=adopted.lead_days,
            kinds=adopted.kinds,
            territory=None if announcement.territory is None else announcement.territory.strip(),
            origin=announcement.origin,
        )
    ]


def attach(known: Discussion, document: DocumentAttached) -> list[Event]:
    """Put a document on view; the same bytes stand there once. Its bytes are in the object store by now."""
    check_known(known)
    if any(document.sha256 == other.sha256 for other in known.documents):
        return []
    if known.period is not None:
        raise NoticeStandsError
    return [document]


def publish_notice(known: Discussion, period: Period, now: datetime) -> list[Event]:
    """Tell the public when submissions are taken; where the opening is now, the exposition opens with it.

    The notice stands as many whole days of 24 hours before the opening as the procedure asks for.
    """
    check_known(known)
    if known.period == period:
        return []
    if known.period is not None:
        raise NoticeStandsError
    if not known.documents:
        raise NothingToShowError
    if any(moment.second or moment.microsecond for moment in (period.opens_at, period.closes_at)):
        raise NotWholeMinutesError
    if not max(period.opens_at, now) < period.closes_at:
        raise PeriodReversedError
    earliest = now + timedelta(days=known.lead_days) if known.lead_days else now - AT_ONCE
    if period.opens_at < earliest:
        raise NoticeTooLateError(f"It asks for {known.lead_days}; the earliest opening is now {earliest.isoformat()}.")
    notice = NotificationPublished(opens_at=period.opens_at, closes_at=period.closes_at)
    return [notice] if now < period.opens_at else [notice, _opened(period)]


def open_exposition(known: Discussion, now: datetime) -> list[Event]:
    """Open the exposition at its minute. Raises `NotOpenYetError` before it."""
    period = _announced(known)
    if known.stage != "announced":
        return []
    if now < period.opens_at:
        raise NotOpenYetError
    return [_opened(period)]


def close_submissions(known: Discussion, now: datetime) -> list[Event]:
    """End the period at its minute; `closes_at` is as published, however late the closing is stated.

    An opening that nobody came to state is stated first. Raises `PeriodNotOverError` before the minute.
    """
    period = _announced(known)
    if known.stage in {"closed", "protocol_drafted"}:
        return []
    if now < period.closes_at:
        raise PeriodNotOverError
    closed = SubmissionsClosed(closes_at=period.closes_at)
    return [_opened(period), closed] if known.stage == "announced" else [closed]


def draft_protocol(known: Discussion, protocol: ProtocolDrafted, now: datetime) -> list[Event]:
    """Put the protocol on record, once; a closing that nobody came to state is stated first.

    Raises `ProtocolTooEarlyError` sooner than a minute after the closing.
    """
    if known.stage == "protocol_drafted":
        return []
    check_over(known, now)
    return [*close_submissions(known, now), protocol]


def check_over(known: Discussion, now: datetime) -> Period:
    """Refuse what may only be done when all that was in time is in: a minute after the closing. Gives the period."""
    period = _announced(known)
    if now < period.closes_at + PROTOCOL_AFTER:
        raise ProtocolTooEarlyError
    return period


def check_open(known: Discussion, now: datetime) -> None:
    """Refuse what is not of the published period, whatever has been stated of its opening and closing so far."""
    check_known(known)
    if known.period is None:
        raise NotOpenYetError
    if known.period.covers(now):
        return
    if now < known.period.opens_at:
        raise NotOpenYetError(f"The discussion opens at {known.period.opens_at.isoformat()}.")
    raise SubmissionTooLateError(f"The discussion closed at {known.period.closes_at.isoformat()}.")


def _announced(known: Discussion) -> Period:
    check_known(known)
    if known.period is None:
        raise NotOpenYetError
    return known.period


def _opened(period: Period) -> ExpositionOpened:
    return ExpositionOpened(opens_at=period.opens_at, closes_at=period.closes_at)
