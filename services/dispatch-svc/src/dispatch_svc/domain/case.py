"""What happens to one request: who holds it at every instant, where it was routed and why, and which clock runs.

A holder's time runs from its `HolderChanged.at` to the next one's; `at` never goes back, so the times of all holders are
contiguous and sum to the whole. A clock that ends after it was due says so first: a breach is never lost because nobody was
there to notice it in time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeAlias, assert_never, cast
from uuid import UUID

from dispatch_svc.domain.refusal import (
    AlreadyAcceptedError,
    AlreadyReportedError,
    CaseIsClosedError,
    CaseNotFoundError,
    NotAcceptedYetError,
    NotRegisteredYetError,
    NotStartedYetError,
    NotYourCaseError,
    UnknownOrganisationError,
)
from dispatch_svc.domain.rulebook import Rulebook
from shared_calendar import ElapsedMinutes, due
from shared_chassis.stream import Cancel, Set, Stream
from shared_events.dispatch import (
    AssignmentAccepted,
    CaseClosed,
    CaseOpened,
    DeadlineBreached,
    Holder,
    HolderChanged,
    RequestAssigned,
    RequestRouted,
    RoutingFailed,
    RoutingInputs,
    Stage,
    StageDeadlineSet,
    WorkReportedDone,
    WorkStarted,
)
from shared_events.event import Event
from shared_events.request import RequestClosed, RequestRegistered, RequestSubmitted

DEADLINE = "deadline"
"""The kind of the timer that watches a clock; its key is the clock's."""

FIRST_ROUND = 1

State = Literal["unknown", "opened", "unrouted", "assigned", "accepted", "started", "reported", "asked", "closed"]
"""How far a case is. `asked`: the resident is asked whether the work is done."""

CaseFact: TypeAlias = (
    CaseOpened
    | RequestRouted
    | RoutingFailed
    | RequestAssigned
    | AssignmentAccepted
    | WorkStarted
    | WorkReportedDone
    | HolderChanged
    | StageDeadlineSet
    | DeadlineBreached
    | CaseClosed
)

CALL_CENTRE = Holder(kind="call_centre")
DISPATCHER = Holder(kind="dispatcher")
RESIDENT = Holder(kind="resident")


@dataclass(frozen=True, slots=True)
class Clock:
    """The term of one stage. `set_by` and `ended_by` count the facts of the case (from 1) that set and ended it."""

    stage: Stage
    round: int
    number: int
    due: datetime
    set_by: int
    ended_by: int | None = None
    breached: bool = False

    @property
    def key(self) -> str:
        """Name the clock within its case: `<stage>/<round>/<n>`, the n-th clock of that stage in that round."""
        return f"{self.stage}/{self.round}/{self.number}"

    @property
    def running(self) -> bool:
        """Whether the stage is not over yet."""
        return self.ended_by is None


@dataclass(frozen=True, slots=True)
class Case:
    """A request in the city's hands. `facts` counts what has happened to it, `since` is when its holder began (UTC)."""

    facts: int = 0
    state: State = "unknown"
    city: str = ""
    service_type: str | None = None
    building: str | None = None
    organisation: str | None = None
    round: int = FIRST_ROUND
    evidence: tuple[str, ...] = ()
    holder: Holder = CALL_CENTRE
    since: datetime | None = None
    clocks: tuple[Clock, ...] = ()

    def end_clocks(self, *stages: Stage) -> tuple[Clock, ...]:
        """Give the clocks with those of these stages ended by the fact that comes now; of all stages when none is named."""
        return tuple(
            replace(clock, ended_by=self.facts) if clock.running and (not stages or clock.stage in stages) else clock
            for clock in self.clocks
        )


def evolve(case: Case, fact: CaseFact) -> Case:  # noqa: C901, PLR0911 - one branch a fact
    """Say what a fact makes of a case."""
    case = replace(case, facts=case.facts + 1)
    match fact:
        case CaseOpened():
            return replace(case, state="opened", city=fact.city, service_type=fact.service_type, building=fact.building)
        case RequestRouted():
            return replace(case, service_type=fact.inputs.service_type)
        case RoutingFailed():
            return replace(case, state="unrouted", service_type=fact.inputs.service_type)
        case RequestAssigned():
            return replace(
                case, state="assigned", organisation=fact.organisation, round=fact.round, clocks=case.end_clocks("accept")
            )
        case AssignmentAccepted():
            return replace(case, state="accepted", clocks=case.end_clocks("accept"))
        case WorkStarted():
            return replace(case, state="started")
        case WorkReportedDone():
            return replace(case, state="reported", evidence=fact.evidence, clocks=case.end_clocks())
        case HolderChanged():
            return _held(case, fact)
        case StageDeadlineSet():
            return replace(case, clocks=(*case.clocks, _clock(case, fact)))
        case DeadlineBreached():
            return replace(
                case,
                clocks=tuple(
                    replace(clock, breached=True) if clock.running and clock.stage == fact.stage else clock
                    for clock in case.clocks
                ),
            )
        case CaseClosed():
            return replace(case, state="closed", clocks=case.end_clocks())
        case _:
            assert_never(fact)


def timers(case: Case, events: Sequence[Event]) -> list[Set | Cancel]:
    """Say which timers the latest facts set and cancel: one a clock that began, none for a clock that ended."""
    before = case.facts - len(events)
    begun = [
        Set(DEADLINE, clock.key, clock.due, {"clock": clock.key})
        for clock in case.clocks
        if clock.running and clock.set_by > before
    ]
    ended = [
        Cancel(DEADLINE, clock.key)
        for clock in case.clocks
        if clock.ended_by is not None and clock.ended_by > before >= clock.set_by
    ]
    return [*ended, *begun]


def _stored(case: Case, fact: Event) -> Case:
    return evolve(case, cast("CaseFact", fact))  # the stream holds nothing else


CASE = Stream("case", Case(), _stored, timers)
"""The case of a request, under the request's own uuid."""


def open_case(case: Case, request: UUID, submitted: RequestSubmitted, at: datetime) -> list[Event]:
    """Open the case of a submitted request; the call centre holds it from the moment of the submission."""
    if case.state != "unknown":
        return []
    place = submitted.location
    return [
        CaseOpened(
            request=request,
            city=submitted.city,
            service_type=submitted.service_type,
            district=place.district,
            building=place.building,
        ),
        HolderChanged(holder=CALL_CENTRE, at=at),
    ]


def route(case: Case, registered: RequestRegistered, at: datetime, rulebook: Rulebook) -> list[Event]:
    """Send a registered request to whom a rule names; when no rule names anybody, a dispatcher holds it and must.

    The accept clock starts at the registration. Raises `CaseNotFoundError` when the case is not open yet.
    """
    _known(case)
    if case.state != "opened":
        return []
    inputs = RoutingInputs(
        city=registered.city,
        service_type=registered.service_type,
        district=registered.district,
        building=case.building,
        at=at,
    )
    grant = rulebook.responsible(inputs)
    if grant is None:
        return [RoutingFailed(reason="nobody_responsible", inputs=inputs), *_hand_to(case, DISPATCHER, at)]
    return [
        RequestRouted(organisation=grant.organisation, rule=grant.stream_id, rule_version=grant.version, inputs=inputs),
        RequestAssigned(organisation=grant.organisation, round=case.round, by="rule"),
        *_hand_to(case, Holder(kind="organisation", organisation=grant.organisation), at),
        *_start_clock(case, registered.service_type, "accept", at, rulebook),
    ]


def assign(case: Case, organisation: str, now: datetime, rulebook: Rulebook) -> list[Event]:
    """Let a dispatcher say who is to act: where no rule could, or before the present organisation has accepted."""
    _open(case)
    if case.state == "opened":
        raise NotRegisteredYetError
    if rulebook.organisation(case.city, organisation) is None:
        raise UnknownOrganisationError
    if case.state not in {"unrouted", "assigned"}:
        raise AlreadyAcceptedError
    if case.organisation == organisation:
        return []
    return [
        *_breaches(case, now),
        RequestAssigned(organisation=organisation, round=case.round, by="dispatcher"),
        *_hand_to(case, Holder(kind="organisation", organisation=organisation), now),
        *_start_clock(case, case.service_type, "accept", now, rulebook),
    ]


def accept(case: Case, organisation: str | None, now: datetime, rulebook: Rulebook) -> list[Event]:
    """Let the assigned organisation take the work: the accept clock ends, the finish clock starts."""
    assigned = _assigned(case, organisation)
    if case.state != "assigned":
        return []
    return [
        *_breaches(case, now),
        AssignmentAccepted(organisation=assigned, round=case.round),
        *_start_clock(case, case.service_type, "finish", now, rulebook),
    ]


def start(case: Case, organisation: str | None) -> list[Event]:
    """Let the organisation that accepted begin the work."""
    assigned = _assigned(case, organisation)
    if case.state == "assigned":
        raise NotAcceptedYetError
    if case.state != "accepted":
        return []
    return [WorkStarted(organisation=assigned, round=case.round)]


def report_done(case: Case, organisation: str | None, evidence: tuple[str, ...], now: datetime) -> list[Event]:
    """Let the organisation at work say it is done, with evidence: every clock of a stage ends."""
    assigned = _assigned(case, organisation)
    if case.state in {"assigned", "accepted"}:
        raise NotStartedYetError
    if case.state != "started":
        if evidence != case.evidence:
            raise AlreadyReportedError
        return []
    return [*_breaches(case, now), WorkReportedDone(organisation=assigned, round=case.round, evidence=evidence)]


def ask_resident(case: Case, at: datetime) -> list[Event]:
    """Hand a case to the resident who is asked whether the work is done; nobody else's clock runs meanwhile.

    Raises `CaseNotFoundError` when the case is not open yet.
    """
    _known(case)
    if case.state == "closed":
        return []
    return [*_breaches(case, _not_before(case, at)), *_hand_to(case, RESIDENT, at)]


def close(case: Case, closed: RequestClosed, at: datetime) -> list[Event]:
    """Close the case of a closed request: no clock runs and nothing more happens after.

    Raises `CaseNotFoundError` when the case is not open yet.
    """
    _known(case)
    if case.state == "closed":
        return []
    at = _not_before(case, at)
    return [*_breaches(case, at), CaseClosed(outcome=closed.outcome, at=at)]


def breach(case: Case, clock_key: str) -> list[Event]:
    """State, when a clock's time has come, that its stage is not over; nothing when it is, or when that was stated before."""
    return [
        DeadlineBreached(stage=clock.stage, round=clock.round, due=clock.due, holder=case.holder)
        for clock in case.clocks
        if clock.key == clock_key and clock.running and not clock.breached
    ]


def _breaches(case: Case, at: datetime) -> list[Event]:
    """State the breach of clocks that were due by a moment and whose timer has not spoken yet."""
    return [fact for clock in case.clocks if clock.due <= at for fact in breach(case, clock.key)]


def _known(case: Case) -> None:
    if case.state == "unknown":
        raise CaseNotFoundError


def _open(case: Case) -> None:
    _known(case)
    if case.state == "closed":
        raise CaseIsClosedError


def _assigned(case: Case, organisation: str | None) -> str:
    """Let only the assigned organisation pass, while the case is open."""
    _known(case)
    if organisation is None or organisation != case.organisation:
        raise NotYourCaseError
    _open(case)
    return organisation


def _hand_to(case: Case, holder: Holder, at: datetime) -> list[Event]:
    """Change the holder, never before the previous one began."""
    if case.holder == holder:
        return []
    return [HolderChanged(holder=holder, at=_not_before(case, at))]


def _not_before(case: Case, at: datetime) -> datetime:
    """Give the time of a cause, never before the present holder began."""
    return at if case.since is None else max(case.since, at)


def _start_clock(case: Case, service_type: str | None, stage: Stage, starts_at: datetime, rulebook: Rulebook) -> list[Event]:
    """Start the clock of a stage by the city's policy of this moment, pinned; none where the city sets no term."""
    policy = rulebook.policies.get(case.city)
    minutes = policy.minutes_for(service_type, stage) if policy is not None else None
    if policy is None or minutes is None:
        return []
    return [
        StageDeadlineSet(
            stage=stage,
            round=case.round,
            starts_at=starts_at,
            due=due(starts_at, ElapsedMinutes(minutes=minutes), policy.calendar),
            minutes=minutes,
            policy_version=policy.version,
            calendar=policy.calendar.id,
            calendar_version=str(policy.calendar.version),
        )
    ]


def _clock(case: Case, fact: StageDeadlineSet) -> Clock:
    earlier = sum(clock.stage == fact.stage and clock.round == fact.round for clock in case.clocks)
    return Clock(fact.stage, fact.round, earlier + 1, fact.due, set_by=case.facts)


def _held(case: Case, fact: HolderChanged) -> Case:
    case = replace(case, holder=fact.holder, since=fact.at)
    if fact.holder.kind == "resident":
        return replace(case, state="asked", clocks=case.end_clocks())
    return case
