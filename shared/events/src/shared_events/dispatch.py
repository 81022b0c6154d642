"""Facts of dispatch-svc: who is responsible, who holds a case at every instant, and every clock of it."""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from shared_events.event import Event, Value

Stage = Literal["accept", "start", "finish", "answer"]
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


class OrganisationRegistered(DispatchEvent):
    """An organisation can be responsible for service types."""

    city: str
    slug: str
    name: str
    kind: OrganisationKind
    pack_version: str


class ResponsibilityGranted(DispatchEvent):
    """From a day on, one organisation answers for a service type in a territory (a district, or the whole city when None)."""

    city: str
    service_type: str
    district: str | None
    organisation: str
    valid_from: date
    valid_to: date | None
    pack_version: str


class TermPolicyAdopted(DispatchEvent):
    """A city's terms stand in a version; minutes a stage, by service type or `*` for all others."""

    city: str
    version: str
    calendar: str
    calendar_version: str
    minutes: dict[str, dict[Stage, int]]


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
    """No rule names a responsible organisation: a dispatcher must."""

    reason: Literal["nobody_responsible"]
    inputs: RoutingInputs


class RequestAssigned(DispatchEvent):
    """Exactly one organisation is now to act."""

    organisation: str
    round: int
    by: Literal["rule", "dispatcher"]


class AssignmentAccepted(DispatchEvent):
    """The organisation takes the work."""

    organisation: str
    round: int


class WorkStarted(DispatchEvent):
    """The organisation is at work."""

    organisation: str
    round: int


class WorkReportedDone(DispatchEvent):
    """The organisation says the work is done; evidence as hashes of photos and acts (SHA-256, hex)."""

    organisation: str
    round: int
    evidence: tuple[str, ...]


class HolderChanged(DispatchEvent):
    """Someone else is to act, since `at`: the time of the cause, never before the previous holder's start."""

    holder: Holder
    at: datetime


class StageDeadlineSet(DispatchEvent):
    """A clock runs: the stage is to end by `due`, by a policy and calendar pinned here for good."""

    stage: Stage
    round: int
    starts_at: datetime
    due: datetime
    minutes: int
    policy_version: str
    calendar: str
    calendar_version: str


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


EVENTS: tuple[type[Event], ...] = (
    OrganisationRegistered,
    ResponsibilityGranted,
    TermPolicyAdopted,
    CaseOpened,
    RequestRouted,
    RoutingFailed,
    RequestAssigned,
    AssignmentAccepted,
    WorkStarted,
    WorkReportedDone,
    HolderChanged,
    StageDeadlineSet,
    DeadlineBreached,
    CaseClosed,
)
