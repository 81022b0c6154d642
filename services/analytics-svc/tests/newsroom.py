"""What others say, made up for tests: whole journeys with causes, times and positions, as events, documents and messages."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from analytics_svc.facts.file import FactFile, Row
from analytics_svc.facts.fold import FOLDS, fold
from shared_chassis.http import Actor, NotSignedIn, Verifier
from shared_chassis.mapper import to_document
from shared_chassis.relay import Message, message
from shared_events.discussion import QuestionSubmitted, RemarkSubmitted
from shared_events.dispatch import (
    AssignmentAccepted,
    CaseClosed,
    CaseOpened,
    DeadlineBreached,
    Holder,
    HolderChanged,
    RequestAssigned,
    RoutingFailed,
    RoutingInputs,
    Stage,
    StageDeadlineSet,
    TermStated,
    WorkReportedDone,
)
from shared_events.envelope import Envelope, Received, Recorded
from shared_events.event import Event, topic_of
from shared_events.ids import case_stream, message_stream, request_stream, submission_stream, work_item_stream
from shared_events.notification import MessageSent, WorkItemOpened
from shared_events.request import (
    CompletionConfirmed,
    CompletionProposed,
    Location,
    RatingAsked,
    RequestClosed,
    RequestRegistered,
    RequestSubmitted,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ORGANISATION = "organisation-los-angeles-bos"
PERSON = UUID(int=7)

_NAMES = UUID(int=99)


def named(name: str) -> UUID:
    """Make an id of a name: the same name, the same id."""
    return uuid5(_NAMES, name)


@dataclass
class Newsroom:
    """Everybody who speaks; positions and versions are counted as their stores would."""

    said: list[Received] = field(default_factory=list)
    _versions: dict[str, int] = field(default_factory=dict)
    _positions: dict[str, int] = field(default_factory=dict)

    def say(
        self, stream: str, fact: Event, *, at: datetime = NOON, known: datetime | None = None, because: Received | None = None
    ) -> Received:
        """State a fact: it happened at a moment, and was known at once unless said otherwise."""
        version = self._versions[stream] = self._versions.get(stream, 0) + 1
        position = self._positions[fact.SERVICE] = self._positions.get(fact.SERVICE, 0) + 1
        envelope = Envelope(
            named(f"{stream}/{version}"),
            f"/tests/{fact.SERVICE}-svc",
            fact.TYPE,
            at,
            known or at,
            "service:tests",
            UUID(stream[-36:]),
            because.envelope.id if because else named(f"command of {stream}/{version}"),
        )
        heard = Received(Recorded(stream, version, envelope, fact), position)
        self.said.append(heard)
        return heard

    def submit(
        self, request: UUID, *, at: datetime = NOON, known: datetime | None = None, person: UUID | None = PERSON, **told: str
    ) -> Received:
        """Let a request be submitted; `told` may name city, district, service_type."""
        fact = RequestSubmitted(
            city=told.get("city", "los-angeles"),
            channel="web",
            service_type=told.get("service_type", "bulky-items"),
            location=Location(district=told.get("district", "cd-1")),
            person=person,
            language="en",
        )
        return self.say(request_stream(request), fact, at=at, known=known)

    def register(self, request: UUID, *, at: datetime = NOON, **told: str) -> Received:
        """Let a request be registered."""
        fact = RequestRegistered(
            number=f"LA-{request.int % 1000}",
            city=told.get("city", "los-angeles"),
            service_type=told.get("service_type", "bulky-items"),
            district=told.get("district", "cd-1"),
        )
        return self.say(request_stream(request), fact, at=at)

    def hold(self, request: UUID, kind: str, since: datetime, organisation: str | None = None) -> Received:
        """Let somebody hold the case."""
        holder = Holder.model_validate({"kind": kind, "organisation": organisation})
        return self.say(case_stream(request), HolderChanged(holder=holder, at=since), at=since)

    def set_clock(self, request: UUID, stage: Stage, starts_at: datetime, due: datetime, turn: int = 1) -> Received:
        """Let a clock run; `turn` is the round."""
        fact = StageDeadlineSet(
            stage=stage,
            round=turn,
            starts_at=starts_at,
            due=due,
            term=TermStated(unit="working-minutes", amount=2),
            policy_version="1",
            calendar="kazan",
            calendar_version="2026",
        )
        return self.say(case_stream(request), fact, at=starts_at)

    def breach(self, request: UUID, stage: Stage, due: datetime, organisation: str | None, turn: int = 1) -> Received:
        """Let a term pass while somebody holds the case: an organisation, or a dispatcher."""
        holder = Holder(kind="organisation" if organisation else "dispatcher", organisation=organisation)
        return self.say(case_stream(request), DeadlineBreached(stage=stage, round=turn, due=due, holder=holder), at=due)

    def tell_person(self, cause: Received, channel: str = "file", about: UUID | None = None) -> Received:
        """Let the person be told, of the request whose event it is or of another."""
        request = about or cause.envelope.correlation
        fact = MessageSent.model_validate(
            {
                "person": PERSON,
                "request": request,
                "city": "los-angeles",
                "number": None,
                "template": "request_closed",
                "language": "en",
                "channel": channel,
                "cause": cause.envelope.id,
                "cause_type": cause.envelope.type,
            }
        )
        return self.say(message_stream(cause.envelope.id, channel), fact, at=cause.envelope.recorded_time, because=cause)

    def open_item(self, cause: Received, *, after: timedelta = timedelta()) -> Received:
        """Let a work item be opened because of an event."""
        fact = WorkItemOpened(
            kind="unrouted_request",
            cause=cause.envelope.id,
            cause_type=cause.envelope.type,
            request=cause.envelope.correlation,
            city="los-angeles",
            district=None,
            service_type=None,
            language=None,
            priority=1,
            due=None,
        )
        at = cause.envelope.recorded_time + after
        return self.say(work_item_stream(cause.envelope.id), fact, at=at, because=cause)

    def open_case(self, submitted: Received, at: datetime = NOON) -> Received:
        """Let a case be opened."""
        request = submitted.envelope.correlation
        opened = CaseOpened(request=request, city="los-angeles", service_type=None, district=None, building=None)
        return self.say(case_stream(request), opened, at=at, because=submitted)

    def fail_routing(self, registered: Received, at: datetime = NOON) -> Received:
        """Let no rule apply."""
        inputs = RoutingInputs(city="los-angeles", service_type="other", district=None, building=None, at=at)
        fact = RoutingFailed(reason="nobody_responsible", inputs=inputs)
        return self.say(case_stream(registered.envelope.correlation), fact, at=at, because=registered)

    def journey(self, request: UUID, start: datetime = NOON, person: UUID | None = PERSON) -> list[Received]:
        """Let a request go from its submission to its end, a step a minute, with everything that follows from it."""
        first = len(self.said)
        case = case_stream(request)
        submitted = self.submit(request, at=start, person=person)
        self.open_case(submitted, start)
        self.hold(request, "call_centre", start)
        registered = self.register(request, at=start + MINUTE)
        self.say(case, RequestAssigned(organisation=ORGANISATION, round=1, by="rule"), at=start + MINUTE, because=registered)
        self.hold(request, "organisation", start + MINUTE, ORGANISATION)
        self.set_clock(request, "accept", start + MINUTE, start + 3 * MINUTE)
        self.say(case, AssignmentAccepted(organisation=ORGANISATION, round=1), at=start + 2 * MINUTE)
        self.set_clock(request, "finish", start + 2 * MINUTE, start + 5 * MINUTE)
        done = WorkReportedDone(organisation=ORGANISATION, round=1, evidence=())
        reported = self.say(case, done, at=start + 3 * MINUTE)
        proposed = self.say(
            request_stream(request),
            CompletionProposed(
                round=1,
                organisation=ORGANISATION,
                evidence=(),
                consent_due=start + 9 * MINUTE,
                policy_version="1",
                calendar="round-the-clock",
                calendar_version="1",
            ),
            at=start + 4 * MINUTE,
            because=reported,
        )
        self.hold(request, "resident", start + 4 * MINUTE)
        self.say(request_stream(request), CompletionConfirmed(round=1), at=start + 6 * MINUTE)
        closed = self.say(request_stream(request), RequestClosed(outcome="done"), at=start + 6 * MINUTE)
        if person is not None:
            asked = RatingAsked(round=1, person=person, organisation=ORGANISATION)
            self.say(request_stream(request), asked, at=start + 6 * MINUTE)
        self.say(case, CaseClosed(outcome="done", at=start + 6 * MINUTE), at=start + 6 * MINUTE, because=closed)
        if person is not None:
            for cause in (registered, proposed, closed):
                self.tell_person(cause)
        return self.said[first:]

    def contribute(self, submission: UUID, discussion: UUID, *, at: datetime = NOON, remark: bool = False) -> Received:
        """Let a participant say something in a discussion."""
        kind = RemarkSubmitted if remark else QuestionSubmitted
        fact = kind(
            discussion=discussion,
            city="madrid",
            person=PERSON,
            text="¿Cuándo?",
            in_reply_to=None,
            eligibility="other",
            evidence="e-mail",
        )
        return self.say(submission_stream(submission), fact, at=at)


def numbered(said: Iterable[Received], after: int) -> list[Received]:
    """Number events as one publisher would, after a position."""
    return [Received(each.recorded, after + place) for place, each in enumerate(said, 1)]


def later() -> int:
    """Give a position after whatever was said on any topic before."""
    return int(datetime.now(tz=UTC).timestamp() * 1000) * 1000


def heard(file: FactFile, events: Iterable[Received]) -> None:
    """Fold events in one transaction."""
    with file.writing() as cursor:
        fold(cursor, [FOLDS[type(each.fact)](each) for each in events])


def as_messages(events: Iterable[Received]) -> list[tuple[str, Message]]:
    """Spell events as the relay sends them, each with its topic."""
    return [(topic_of(each.fact.SERVICE), message(each.position, each.stream_id, to_document(each.recorded))) for each in events]


def everything(file: FactFile) -> dict[str, list[Row]]:
    """Give all facts in an order of their own, without when they were folded; whatever is drawn is drawn from them alone."""
    return {"event": file.query("FROM heard(NULL) ORDER BY id")}


def drawn(file: FactFile) -> dict[str, int]:
    """Count what reports are drawn from."""
    return {
        "request": len(file.query("FROM request_known(NULL)")),
        "holder": len(file.query("FROM holder_interval(NULL)")),
        "clock": len(file.query("FROM clock(NULL)")),
        "rating": len(file.query("FROM rating_asked(NULL)")),
        "submission": len(file.query("FROM submission_known(NULL)")),
    }


def split(events: Sequence[Received], sizes: Iterable[int]) -> list[Sequence[Received]]:
    """Cut events into batches of these sizes; what is left is one more."""
    batches, begin = [], 0
    for size in sizes:
        batches.append(events[begin : begin + size])
        begin += size
    return [batch for batch in (*batches, events[begin:]) if batch]


class TokensOfTests(Verifier):
    """Takes a role written as JSON for a token."""

    def __init__(self) -> None:
        super().__init__(issuer="tests", audience="veche", secret=b"")

    async def actor(self, token: bytes) -> Actor:
        """Read the actor."""
        try:
            role = json.loads(token)["role"]
        except ValueError as error:
            raise NotSignedIn(NotSignedIn.__doc__) from error
        return Actor(role, str(PERSON), frozenset({role}))


def signed_in(role: str | None, key: str | None = None) -> dict[str, str]:
    """Make the headers of somebody with a role; None is nobody."""
    token = {} if role is None else {"authorization": "Bearer " + json.dumps({"role": role})}
    return {**token, **({"idempotency-key": key} if key else {})}
