"""What is put on record of a discussion: composed from stored facts alone, so that it comes out the same for ever.

Nothing here looks at a clock, a city pack or a time zone database. What is not in the facts (language, the city's name, its
offset from UTC) is pinned in the edition, whose text stands in `ProtocolDrafted.template_version`.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from itertools import groupby
from typing import Final, Self, TypeVar
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from discussion_svc.domain.discussion import Period
from discussion_svc.domain.refusal import UnknownDiscussionError
from discussion_svc.domain.submission import Submitted
from shared_events.discussion import (
    DiscussionRegistered,
    DocumentAttached,
    NotificationPublished,
    ProposalSubmitted,
    QuestionSubmitted,
    RemarkSubmitted,
    SubmissionKind,
    SubmissionRegistered,
    SubmissionSupported,
)
from shared_events.envelope import Recorded
from shared_events.ids import submission_stream

TEMPLATE: Final = "protocol"
"""The template protocols are drawn up by. Once released it is never edited: another is added, and it stays for those it made."""

_KINDS: Final[Mapping[type[Submitted], SubmissionKind]] = {
    QuestionSubmitted: "question",
    ProposalSubmitted: "proposal",
    RemarkSubmitted: "remark",
}
_HALF_HOUR: Final = timedelta(minutes=30)

F = TypeVar("F", DiscussionRegistered, NotificationPublished)


@dataclass(frozen=True, slots=True)
class Stored:
    """A fact as it stands in this service's log: its position there, and the SHA-256 (hex) of its stored bytes."""

    position: int
    sha256: str
    recorded: Recorded


@dataclass(frozen=True, slots=True)
class Edition:
    """How a protocol is worded, beside its facts: by which template, in which language, with which names of city and procedure.

    `offsets` are the city's minutes from UTC, each from a moment on, the first for all time before the second too.
    """

    template: str
    language: str
    city: str
    procedure: str
    offsets: tuple[tuple[datetime, int], ...]

    def __str__(self) -> str:
        """Spell the edition: `protocol?language=es&city=Madrid&procedure=Propuestas&offset=2026-05-01T10:00:00%2B00:00/120`."""
        names = [("language", self.language), ("city", self.city), ("procedure", self.procedure)]
        offsets = [("offset", f"{since.isoformat()}/{minutes}") for since, minutes in self.offsets]
        return f"{self.template}?{urlencode(names + offsets, safe=':/')}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an edition back."""
        template, _, rest = text.partition("?")
        parts = parse_qsl(rest, strict_parsing=True)
        names = dict(parts)
        offsets = [value.split("/") for key, value in parts if key == "offset"]
        return cls(
            template,
            names["language"],
            names["city"],
            names["procedure"],
            tuple((datetime.fromisoformat(since), int(minutes)) for since, minutes in offsets),
        )

    def local(self, moment: datetime) -> datetime:
        """Give a moment as the city's clocks showed it, with the offset they had."""
        known = [minutes for since, minutes in self.offsets if since <= moment] or [self.offsets[0][1]]
        return moment.astimezone(timezone(timedelta(minutes=known[-1])))


def offsets_of(zone: tzinfo, since: datetime, until: datetime) -> tuple[tuple[datetime, int], ...]:
    """Write down a zone's minutes from UTC over a time, so that a later change of the zone's rules changes no protocol."""
    start = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    moments = (start + n * _HALF_HOUR for n in range((until - start) // _HALF_HOUR + 2))
    readings = ((moment, (moment.astimezone(zone).utcoffset() or timedelta()) // timedelta(minutes=1)) for moment in moments)
    return tuple(next(same) for _, same in groupby(readings, key=lambda reading: reading[1]))


@dataclass(frozen=True, slots=True)
class Entry:
    """A submission as the protocol shows it; `received` and all its times are the city's, `answers` is a register number."""

    number: str
    kind: SubmissionKind
    received: datetime
    text: str
    answers: str | None
    supports: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Protocol:
    """A protocol's content: residents of the territory apart from others, each in the order of the log."""

    edition: Edition
    discussion: UUID
    registered: DiscussionRegistered
    registered_at: datetime
    announced_at: datetime
    period: Period
    documents: tuple[DocumentAttached, ...]
    residents: tuple[Entry, ...]
    others: tuple[Entry, ...]
    participants: int

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every submission, in the protocol's order."""
        return (*self.residents, *self.others)

    @property
    def included(self) -> str:
        """SHA-256 (hex) over the submissions' hashes in the protocol's order, each as a line of its own."""
        return hashlib.sha256("".join(f"{entry.sha256}\n" for entry in self.entries).encode("ascii")).hexdigest()

    def count(self, entries: Sequence[Entry], kind: SubmissionKind) -> int:
        """Count the entries of a kind."""
        return sum(entry.kind == kind for entry in entries)


def compose(discussion: UUID, log: Sequence[Stored], edition: Edition) -> Protocol:
    """Compose the protocol of a discussion from the facts of its journey in the log's order.

    Whatever happened outside the published period is left out, by its own time and wherever it stands in the log.
    """
    registered, opening = _first(log, DiscussionRegistered)
    announced, notice = _first(log, NotificationPublished)
    period = Period(notice.opens_at, notice.closes_at)
    in_time = [stored for stored in log if period.covers(stored.recorded.envelope.time)]
    numbers = {
        stored.recorded.stream_id: fact.number
        for stored in in_time
        if isinstance(fact := stored.recorded.fact, SubmissionRegistered)
    }
    supports = Counter(stored.recorded.stream_id for stored in in_time if isinstance(stored.recorded.fact, SubmissionSupported))
    submitted = [
        (stored, fact)
        for stored in in_time
        if isinstance(fact := stored.recorded.fact, Submitted) and fact.discussion == discussion
    ]

    def entries(*, residents: bool) -> tuple[Entry, ...]:
        return tuple(
            Entry(
                number=numbers[stored.recorded.stream_id],
                kind=_KINDS[type(fact)],
                received=edition.local(stored.recorded.envelope.time),
                text=fact.text,
                answers=None if fact.in_reply_to is None else numbers.get(submission_stream(fact.in_reply_to)),
                supports=supports[stored.recorded.stream_id],
                sha256=stored.sha256,
            )
            for stored, fact in submitted
            if (fact.eligibility == "territory_resident") == residents
        )

    return Protocol(
        edition=edition,
        discussion=discussion,
        registered=opening,
        registered_at=edition.local(registered.recorded.envelope.time),
        announced_at=edition.local(announced.recorded.envelope.time),
        period=Period(edition.local(period.opens_at), edition.local(period.closes_at)),
        documents=tuple(fact for stored in log if isinstance(fact := stored.recorded.fact, DocumentAttached)),
        residents=entries(residents=True),
        others=entries(residents=False),
        participants=len({fact.person for _, fact in submitted}),
    )


def _first(log: Iterable[Stored], kind: type[F]) -> tuple[Stored, F]:
    for stored in log:
        if isinstance(fact := stored.recorded.fact, kind):
            return stored, fact
    raise UnknownDiscussionError
