"""Facts of dispatch-svc: who is responsible, who holds a case at every instant, and every clock of it."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from shared_events.event import Event, Value
from shared_events.request import Answer

Stage = Literal["accept", "start", "finish", "answer", "total", "statutory"]
"""What a clock measures: a stage of the work, the whole of it (`total`), or the law's own term (`statutory`)."""
EscalationTarget = Literal["dispatcher", "supervisor", "committee", "city"]
AssignedBy = Literal["rule", "dispatcher", "committee", "reopening"]
DeclineReason = Literal["not_our_building", "not_our_work", "not_equipped", "other"]
PauseCause = Literal["information_requested", "completion_proposed"]
KeyScope = Literal["read", "work", "ask"]
"""What an organisation's key may do: see its own cases, work on them, ask residents."""
HolderKind = Literal["call_centre", "dispatcher", "organisation", "resident"]
OrganisationKind = Literal["management", "contractor", "supplier", "department"]


class DispatchEvent(Event, service="dispatch"):
    """A fact of dispatch-svc."""


class Holder(Value):
    """Who is to act now; `organisation` is the organisation's stream id, for holders of that kind only."""

    kind: HolderKind
    organisation: str | None = None


class RoutingInputs(Value):
    """What the routing looked at, so that "why there?" has an answer years later. `at` is the registration's time (UTC)."""

    city: str
    service_type: str
    district: str | None
    building: str | None
    at: datetime
    answers: dict[str, Answer] = Field(default_factory=dict)


class TermStated(Value):
    """A term as a fact states it: an amount of a unit; a windowed one counts only from `opens` to `closes` (HH:MM, local)."""

    unit: Literal["elapsed-minutes", "working-minutes", "calendar-days", "working-days", "months", "windowed-minutes"]
    amount: Annotated[int, Field(ge=1)]
    opens: str | None = None
    closes: str | None = None


class EscalationStep(Value):
    """A rung of the ladder: so long after a breach that still stands, somebody higher is told."""

    after_minutes: Annotated[int, Field(ge=0)]
    to: EscalationTarget


class DayHours(Value):
    """The hours of a day that count, as half-open pairs of HH:MM in local time; none is a day off. 24:00 ends a day."""

    hours: tuple[tuple[str, str], ...]
    name: dict[str, str] = Field(default_factory=dict)


class OverrideRule(Value):
    """A routing rule that goes before responsibility: when its expression is true of a request, this organisation gets it."""

    id: str
    when: str
    organisation: str
    note: str = ""


class OrganisationRegistered(DispatchEvent):
    """An organisation can be responsible for service types.

    `calendar` says whose hours count for its own stages; None: those of the city's policy.
    """

    city: str
    slug: str
    name: str
    kind: OrganisationKind
    pack_version: str
    calendar: str | None = None


class OrganisationKeyIssued(DispatchEvent):
    """An organisation's programs may call with this key; only its SHA-256 (hex) is ever stored."""

    organisation: str
    key_id: str
    sha256: str
    scopes: tuple[KeyScope, ...]
    label: str
    valid_until: datetime | None


class OrganisationKeyRevoked(DispatchEvent):
    """The key opens nothing any more, from `at` on: at once, or when its successor has had its time."""

    organisation: str
    key_id: str
    at: datetime


class ResponsibilityGranted(DispatchEvent):
    """From a day on, one organisation answers for a service type in a territory.

    The territory is a building, or a district, or the whole city when both are None.
    """

    city: str
    service_type: str
    district: str | None
    organisation: str
    valid_from: date
    valid_to: date | None
    pack_version: str
    building: str | None = None


class CalendarAdopted(DispatchEvent):
    """Whose days and hours count, in a version that never changes: a new one never moves an old clock.

    `week` holds the hours by weekday (`mon` to `sun`); `days` what differs on a date: holidays, moved days, short days.
    """

    city: str
    calendar: str
    version: str
    timezone: str
    week: dict[str, DayHours]
    days: dict[date, DayHours]
    pack_version: str


class TermPolicyAdopted(DispatchEvent):
    """A city's terms stand in a version, by service type or `*` for all others.

    A warning comes when `warn_percent` of the time to the due moment is over. `ladder` says who is told after a breach.
    `statutory_pauses` names what stops the statutory clock. After `most_declines` refusals the committee decides.
    """

    city: str
    version: str
    calendar: str
    calendar_version: str
    terms: dict[str, dict[Stage, TermStated]]
    warn_percent: Annotated[int, Field(ge=1, le=99)] | None = None
    ladder: tuple[EscalationStep, ...] = ()
    statutory_pauses: tuple[PauseCause, ...] = ()
    most_declines: Annotated[int, Field(ge=1)] = 3


class RoutingRulesActivated(DispatchEvent):
    """The city's routing overrides stand in this order, in a version; the first one that is true decides."""

    city: str
    version: int
    rules: tuple[OverrideRule, ...]
    note: str


class CaseOpened(DispatchEvent):
    """A request has a case, from the moment of its submission."""

    request: UUID
    city: str
    service_type: str | None
    district: str | None
    building: str | None


class RequestRouted(DispatchEvent):
    """A rule named the responsible organisation; which rule, in which version, and on what inputs."""

    organisation: str
    rule: str
    rule_version: int
    inputs: RoutingInputs


class RoutingFailed(DispatchEvent):
    """No rule names a responsible organisation, or a rule could not be worked out (`rule`, `detail`): a dispatcher must."""

    reason: Literal["nobody_responsible", "rule_failed"]
    inputs: RoutingInputs
    rule: str | None = None
    detail: str | None = None


class RequestAssigned(DispatchEvent):
    """Exactly one organisation is now to act."""

    organisation: str
    round: int
    by: AssignedBy


class AssignmentAccepted(DispatchEvent):
    """The organisation takes the work."""

    organisation: str
    round: int


class AssignmentDeclined(DispatchEvent):
    """The organisation says the work is not its own, and perhaps whose it is; `number` counts the refusals of the case."""

    organisation: str
    round: int
    number: int
    reason: DeclineReason
    note: str
    proposes: str | None


class CommitteeDecided(DispatchEvent):
    """After too many refusals the committee names the organisation; nobody may decline any more."""

    organisation: str
    round: int
    ground: str


class WorkScheduled(DispatchEvent):
    """The organisation plans the work: between these moments (UTC)."""

    organisation: str
    round: int
    begins: datetime
    ends: datetime


class WorkReturned(DispatchEvent):
    """The organisation gives back work it had accepted: a dispatcher decides."""

    organisation: str
    round: int
    reason: DeclineReason
    note: str
    proposes: str | None


class SubTaskOpened(DispatchEvent):
    """A part of the work is given to an organisation; the whole is not done before it is."""

    sub_task: UUID
    round: int
    organisation: str
    title: str


class SubTaskDone(DispatchEvent):
    """A part of the work is done."""

    sub_task: UUID
    round: int
    evidence: tuple[str, ...]


class SubTaskCancelled(DispatchEvent):
    """A part of the work is not needed."""

    sub_task: UUID
    round: int
    reason: str


class WorkStarted(DispatchEvent):
    """The organisation is at work."""

    organisation: str
    round: int


class WorkReportedDone(DispatchEvent):
    """The organisation says the work is done; evidence as hashes of photos and acts (SHA-256, hex).

    `incident` is the one whose end this is, when nobody reported it by hand.
    """

    organisation: str
    round: int
    evidence: tuple[str, ...]
    incident: UUID | None = None


class WorkFoundImpossible(DispatchEvent):
    """A dispatcher states that the work cannot be done, or will be with planned works, and why."""

    organisation: str | None
    round: int
    ground: str
    outcome: Literal["impossible", "planned_works"]


class CaseReclassified(DispatchEvent):
    """The request is of another service type: its terms count again from each stage's own start."""

    previous: str
    service_type: str
    answers: dict[str, Answer]


class CaseReopened(DispatchEvent):
    """The request is worked on again, in a new round, since `at`: the time of the cause as in `HolderChanged`."""

    round: int
    at: datetime


class HolderChanged(DispatchEvent):
    """Someone else is to act, since `at`: the time of the cause, never before the previous holder's start."""

    holder: Holder
    at: datetime


class StageDeadlineSet(DispatchEvent):
    """A clock runs: the stage is to end by `due`, by a policy and calendar pinned here for good; a warning comes at `warn_at`.

    `ladder` is that policy's: who is told when a breach of this clock still stands.
    """

    stage: Stage
    round: int
    starts_at: datetime
    due: datetime
    term: TermStated
    policy_version: str
    calendar: str
    calendar_version: str
    warn_at: datetime | None = None
    ladder: tuple[EscalationStep, ...] = ()


class ClockPaused(DispatchEvent):
    """A clock stands still since `at`, at most until `until`: no time of the term is used up."""

    stage: Stage
    round: int
    at: datetime
    because: PauseCause
    until: datetime | None


class ClockResumed(DispatchEvent):
    """A clock goes on since `at`; what was left of its term is left, so it is due later."""

    stage: Stage
    round: int
    at: datetime
    due: datetime
    warn_at: datetime | None


class DeadlineWarned(DispatchEvent):
    """A stage's term is nearly over while a holder holds the case."""

    stage: Stage
    round: int
    due: datetime
    holder: Holder


class RequestEscalated(DispatchEvent):
    """A breach still stands: the next one up the ladder (`level`, from 1) is told, whoever holds the case or nobody does."""

    level: int
    to: EscalationTarget
    stage: Stage
    round: int
    due: datetime
    holder: Holder


class DeadlineBreached(DispatchEvent):
    """A stage's term passed while a holder held the case. A breach is a fact even if rules change later."""

    stage: Stage
    round: int
    due: datetime
    holder: Holder


class CaseClosed(DispatchEvent):
    """The request is closed, so is its case: the last holder held it until `at`, the time of the cause as in `HolderChanged`."""

    outcome: str
    at: datetime


class RequestLinkedToIncident(DispatchEvent):
    """The request is one of those an incident explains."""

    incident: UUID
    by: Literal["scope", "dispatcher"]
    expected_end: datetime | None


class RequestUnlinkedFromIncident(DispatchEvent):
    """The incident does not explain this request after all."""

    incident: UUID
    reason: str


class IncidentScope(Value):
    """Which requests an incident explains; an empty list does not restrict."""

    service_types: Annotated[tuple[str, ...], Field(min_length=1)]
    districts: tuple[str, ...] = ()
    buildings: tuple[str, ...] = ()


class IncidentSuggested(DispatchEvent):
    """Far more requests than usual came of one kind in one district within a window: perhaps an incident."""

    city: str
    service_type: str
    district: str | None
    window_start: datetime
    window_end: datetime
    count: int
    average: float


class IncidentDeclared(DispatchEvent):
    """A mass outage is known: what it covers, who repairs it, and when it should be over. `names` are by language."""

    city: str
    names: dict[str, str]
    scope: IncidentScope
    organisation: str
    began_at: datetime
    expected_end: datetime | None


class IncidentDismissed(DispatchEvent):
    """What was suggested is no incident."""

    reason: str


class IncidentProlonged(DispatchEvent):
    """The incident lasts longer, or shorter, than was said."""

    expected_end: datetime | None
    reason: str


class IncidentResolved(DispatchEvent):
    """The incident is over: the work of every linked request is reported done, and each closes by its own rules."""

    at: datetime
    note: str
    evidence: tuple[str, ...]


EVENTS: tuple[type[Event], ...] = (
    OrganisationRegistered,
    OrganisationKeyIssued,
    OrganisationKeyRevoked,
    ResponsibilityGranted,
    CalendarAdopted,
    TermPolicyAdopted,
    RoutingRulesActivated,
    CaseOpened,
    RequestRouted,
    RoutingFailed,
    RequestAssigned,
    AssignmentAccepted,
    AssignmentDeclined,
    CommitteeDecided,
    WorkScheduled,
    WorkReturned,
    SubTaskOpened,
    SubTaskDone,
    SubTaskCancelled,
    WorkStarted,
    WorkReportedDone,
    WorkFoundImpossible,
    CaseReclassified,
    CaseReopened,
    HolderChanged,
    StageDeadlineSet,
    ClockPaused,
    ClockResumed,
    DeadlineWarned,
    RequestEscalated,
    DeadlineBreached,
    CaseClosed,
    RequestLinkedToIncident,
    RequestUnlinkedFromIncident,
    IncidentSuggested,
    IncidentDeclared,
    IncidentDismissed,
    IncidentProlonged,
    IncidentResolved,
)
