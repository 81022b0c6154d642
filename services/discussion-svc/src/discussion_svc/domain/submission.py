"""A question, a proposal or a remark: taken by the clock of its own moment, numbered, answered to, supported."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Final, assert_never, cast
from uuid import UUID

from discussion_svc.domain.discussion import Discussion, Period, check_known, check_open, check_text
from discussion_svc.domain.refusal import (
    IdentityNotConfirmedError,
    KindNotAllowedError,
    OwnSubmissionError,
    RepliedElsewhereError,
    UnknownSubmissionError,
)
from shared_chassis.stream import Stream
from shared_events.discussion import (
    Eligibility,
    ProposalSubmitted,
    QuestionSubmitted,
    RemarkSubmitted,
    SubmissionKind,
    SubmissionOrigin,
    SubmissionRegistered,
    SubmissionSupported,
)
from shared_events.event import Event

Submitted = QuestionSubmitted | ProposalSubmitted | RemarkSubmitted
SubmissionFact = Submitted | SubmissionRegistered | SubmissionSupported

LONGEST_TEXT: Final = 20_000
"""Characters a submission may have."""

LONGEST_NAME: Final = 200
"""Characters the name of a participant may have."""

BY_PROVIDER: Final = "identity confirmed by the provider"
"""The evidence behind a participant of whom the token says no more."""

_KINDS: Final[dict[SubmissionKind, type[Submitted]]] = {
    "question": QuestionSubmitted,
    "proposal": ProposalSubmitted,
    "remark": RemarkSubmitted,
}
_BASE32: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True, slots=True)
class Submission:
    """What has become of a submission; without a discussion nobody ever made it."""

    discussion: UUID | None = None
    person: UUID | None = None
    number: str | None = None
    supporters: frozenset[UUID] = frozenset()


def evolve_submission(known: Submission, fact: SubmissionFact) -> Submission:
    """Take in one fact."""
    match fact:
        case QuestionSubmitted() | ProposalSubmitted() | RemarkSubmitted():
            return replace(known, discussion=fact.discussion, person=fact.person)
        case SubmissionRegistered():
            return replace(known, number=fact.number)
        case SubmissionSupported():
            return replace(known, supporters=known.supporters | {fact.person})
        case _:
            assert_never(fact)


SUBMISSION = Stream(
    "submission",
    Submission(),
    cast("Callable[[Submission, Event], Submission]", evolve_submission),  # a submission's stream holds these facts alone
)


@dataclass(frozen=True, slots=True)
class Participant:
    """Who takes part, and by what evidence as whom."""

    person: UUID
    identity_confirmed: bool
    eligibility: Eligibility = "other"
    evidence: str = BY_PROVIDER


@dataclass(frozen=True, slots=True)
class Contribution:
    """What a participant says. `name` is the person's own and is sealed when stored."""

    participant: Participant
    kind: SubmissionKind
    text: str
    in_reply_to: UUID | None = None
    name: str | None = None
    origin: SubmissionOrigin | None = None


@dataclass(frozen=True, slots=True)
class Hearing:
    """Where a contribution is to be heard: the discussion, what it has come to, and the submission this answers."""

    discussion: UUID
    state: Discussion
    answered: Submission | None = None


def series(register: str, discussion: UUID, period: Period, zone: tzinfo) -> str:
    """Name the series a discussion's numbers are drawn from: `MAD-D2026-7KQ2ZM`.

    The city's letters, the year of the opening by the city's clocks, and the first thirty bits of the discussion's id in
    Crockford's base 32, which leaves out letters that are misread. Should two discussions of a year ever share these, they share
    the series too, and numbers stay unique.
    """
    bits = discussion.int >> 98
    short = "".join(_BASE32[(bits >> shift) & 31] for shift in range(25, -1, -5))
    return f"{register}-D{period.opens_at.astimezone(zone).year}-{short}"


def number(of_series: str, place: int) -> str:
    """Spell a register number: the series and at least four digits, as `MAD-D2026-7KQ2ZM-0042`."""
    return f"{of_series}-{place:04d}"


def admit(hearing: Hearing, contribution: Contribution, now: datetime) -> None:
    """Refuse a contribution that cannot be taken at this moment, saying why: first what no moment would mend."""
    check_known(hearing.state)
    _check_identity(contribution.participant)
    if contribution.kind not in hearing.state.kinds:
        raise KindNotAllowedError(f"It provides for: {', '.join(hearing.state.kinds)}.")
    check_text(contribution.text, LONGEST_TEXT)
    if contribution.name is not None:
        check_text(contribution.name, LONGEST_NAME)
    if contribution.in_reply_to is not None and (hearing.answered is None or hearing.answered.discussion != hearing.discussion):
        raise RepliedElsewhereError
    check_open(hearing.state, now)


def submit(known: Submission, hearing: Hearing, contribution: Contribution, numbered: str, now: datetime) -> list[Event]:
    """Take a contribution and register it under a number, in one commit; the text is kept exactly as given."""
    if known.discussion is not None:
        return []
    admit(hearing, contribution, now)
    participant = contribution.participant
    submitted = _KINDS[contribution.kind](
        discussion=hearing.discussion,
        city=hearing.state.city,
        person=participant.person,
        text=contribution.text,
        in_reply_to=contribution.in_reply_to,
        eligibility=participant.eligibility,
        evidence=participant.evidence,
        name=contribution.name,
        origin=contribution.origin,
    )
    registered = SubmissionRegistered(
        discussion=hearing.discussion, city=hearing.state.city, kind=contribution.kind, number=numbered
    )
    return [submitted, registered]


def support(known: Submission, state: Discussion, participant: Participant, now: datetime) -> list[Event]:
    """Give a submission one's voice while its discussion is open; one person has one voice, and one's own has it already."""
    discussion = discussion_of(known)
    _check_identity(participant)
    if participant.person == known.person:
        raise OwnSubmissionError
    if participant.person in known.supporters:
        return []
    check_open(state, now)
    return [SubmissionSupported(discussion=discussion, city=state.city, person=participant.person)]


def discussion_of(known: Submission) -> UUID:
    """Say in which discussion a submission was made. Raises `UnknownSubmissionError`."""
    if known.discussion is None:
        raise UnknownSubmissionError
    return known.discussion


def _check_identity(participant: Participant) -> None:
    if not participant.identity_confirmed:
        raise IdentityNotConfirmedError
