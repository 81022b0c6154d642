"""What the cities have decided beforehand: who is responsible for what, and how long a stage may take.

So are which organisations there are, which rules go before responsibility and which incidents explain requests. Each is a stream
of its own; a `Rulebook` is all of them as they stand at one moment, the only thing a rule about a case looks at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from dispatch_svc.domain.expression import ANSWERS, Literals
from dispatch_svc.domain.override import Overrides, attempt_until_decided
from dispatch_svc.domain.responsibility import Grant, Territory
from shared_calendar import Calendar
from shared_events.dispatch import (
    EscalationStep,
    IncidentScope,
    OrganisationKind,
    PauseCause,
    RoutingInputs,
    Stage,
    TermStated,
)

ANY_TYPE = "*"
"""The key under which a policy holds the terms of all service types that it does not name."""

MOST_DECLINES = 3
"""How often a request may be declined where the city says nothing about it."""

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""In the order of `date.weekday()`."""


@dataclass(frozen=True, slots=True)
class Organisation:
    """An organisation as it was last registered; `stream_id` is what it is called everywhere.

    `calendar` says whose hours count for its own stages; None: those of the city's policy.
    """

    stream_id: str
    city: str
    name: str
    kind: OrganisationKind
    calendar: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """A city's terms in one version, with the calendar they are counted by and what follows when they are not kept."""

    version: str
    calendar: Calendar
    terms: Mapping[str, Mapping[Stage, TermStated]]
    warn_percent: int | None = None
    ladder: tuple[EscalationStep, ...] = ()
    statutory_pauses: tuple[PauseCause, ...] = ()
    most_declines: int = MOST_DECLINES

    def term_for(self, service_type: str | None, stage: Stage) -> TermStated | None:
        """Say how long a stage may take; None when the city sets no term for it.

        A term of the service type goes before the one of all others, stage by stage.
        """
        for key in (service_type, ANY_TYPE):
            terms = self.terms.get(key) if key is not None else None
            if terms is not None and stage in terms:
                return terms[stage]
        return None


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes, and which rule in which version says so."""

    organisation: str
    rule: str
    rule_version: int


@dataclass(frozen=True, slots=True)
class NoRoute:
    """Why no rule sends a request anywhere."""

    reason: Literal["nobody_responsible", "rule_failed"]
    rule: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class ActiveIncident:
    """An incident that was declared and is not over."""

    id: UUID
    city: str
    scope: IncidentScope
    organisation: str
    expected_end: datetime | None
    began_at: datetime | None = None

    def covers(self, inputs: RoutingInputs) -> bool:
        """Say whether the incident explains a request registered since it began; an empty list of its scope does not restrict."""
        return (
            self.city == inputs.city
            and (self.began_at is None or inputs.at >= self.began_at)
            and inputs.service_type in self.scope.service_types
            and (not self.scope.districts or inputs.district in self.scope.districts)
            and (not self.scope.buildings or inputs.building in self.scope.buildings)
        )


@dataclass(frozen=True, slots=True)
class ServiceType:
    """What the city's pack says of a service type that rules may speak of."""

    group: str
    emergency: bool


@dataclass(frozen=True, slots=True)
class Rulebook:
    """Time zones and policies by city, organisations by stream id, grants by territory in the order of their versions.

    A grant with the same first day as a later one of its territory has been replaced by it and is not here. `former` holds every
    policy by (city, version), `calendars` every calendar by (city, id, version) in the order of adoption, so that what is pinned
    can be counted by for good. `evidence` is how many hashes a report needs, by (city, service type). `overrides` are by city;
    `types` and `suburbs` are what rules may ask of a service type and a building, by (city, code).
    """

    zones: Mapping[str, ZoneInfo]
    organisations: Mapping[str, Organisation]
    grants: Mapping[Territory, Sequence[Grant]]
    policies: Mapping[str, Policy]
    former: Mapping[tuple[str, str], Policy] = field(default_factory=dict)
    calendars: Mapping[tuple[str, str, str], Calendar] = field(default_factory=dict)
    evidence: Mapping[tuple[str, str], int] = field(default_factory=dict)
    incidents: Sequence[ActiveIncident] = ()
    overrides: Mapping[str, Overrides] = field(default_factory=dict)
    types: Mapping[tuple[str, str], ServiceType] = field(default_factory=dict)
    suburbs: Mapping[tuple[str, str], str | None] = field(default_factory=dict)

    def route(self, inputs: RoutingInputs) -> Route | NoRoute:
        """Say where a request goes, or why nowhere: by the first override that is true, else to whom is responsible.

        An override that cannot be worked out sends nothing anywhere, and nothing past it.
        """
        overrides = self.overrides.get(inputs.city, Overrides())
        trial = attempt_until_decided(overrides, self.looked_at(inputs)) if overrides.rules else None
        if trial is not None:
            rule = overrides.name(trial.rule)
            if trial.result == "failed":
                return NoRoute("rule_failed", rule, trial.detail)
            return Route(trial.rule.organisation, rule, overrides.version)
        grant = self.responsible(inputs)
        if grant is None:
            return NoRoute("nobody_responsible")
        return Route(grant.organisation, grant.stream_id, grant.version)

    def looked_at(self, inputs: RoutingInputs) -> Mapping[str, Literals | None]:
        """Say what overrides may ask of a request; what is not known of it is left out, what it does not have is None.

        `hour` (0 to 23), `weekday` and `holiday` are those of the registration, in the city's own time; a holiday is a day off
        that the calendar of the city's policy names.
        """
        values: dict[str, Literals | None] = {
            "service_type": inputs.service_type,
            "district": inputs.district,
            "building": inputs.building,
            "suburb": None if inputs.building is None else self.suburbs.get((inputs.city, inputs.building)),
            **{ANSWERS + code: answer for code, answer in inputs.answers.items()},
        }
        kind = self.types.get((inputs.city, inputs.service_type))
        if kind is not None:
            values |= {"group": kind.group, "emergency": kind.emergency}
        zone, policy = self.zones.get(inputs.city), self.policies.get(inputs.city)
        if zone is not None:
            local = inputs.at.astimezone(zone)
            values |= {"hour": local.hour, "weekday": WEEKDAYS[local.weekday()]}
            if policy is not None:
                values["holiday"] = _day_off(policy.calendar, local.date())
        return values

    def explaining(self, inputs: RoutingInputs) -> Sequence[ActiveIncident]:
        """Find the incidents that explain a request."""
        return [incident for incident in self.incidents if incident.covers(inputs)]

    def policy(self, city: str, version: str) -> Policy | None:
        """Find the policy a clock was started by: the pinned version, whatever was adopted since."""
        newest = self.policies.get(city)
        return newest if newest is not None and newest.version == version else self.former.get((city, version))

    def pinned_calendar(self, city: str, calendar: str, version: str) -> Calendar | None:
        """Find the calendar a clock is counted by: the pinned version, whatever was adopted since."""
        found = self.calendars.get((city, calendar, version))
        if found is None and (policy := self.policies.get(city)) is not None:
            own = policy.calendar
            return own if (own.id, str(own.version)) == (calendar, version) else None
        return found

    def calendar_of(self, city: str, organisation: str | None) -> Calendar | None:
        """Find the calendar an organisation's own stages are counted by: its own where it has one, else None."""
        known = self.organisation(city, organisation) if organisation is not None else None
        if known is None or known.calendar is None:
            return None
        own = [found for (of, name, _), found in self.calendars.items() if (of, name) == (city, known.calendar)]
        return own[-1] if own else None

    def most_declines(self, city: str) -> int:
        """Say after how many refusals the committee decides."""
        policy = self.policies.get(city)
        return policy.most_declines if policy is not None else MOST_DECLINES

    def evidence_required(self, city: str, service_type: str | None) -> int:
        """Say how many photos or acts a report of done work needs."""
        return self.evidence.get((city, service_type), 0) if service_type is not None else 0

    def responsible(self, inputs: RoutingInputs) -> Grant | None:
        """Find the grant that decides where a request goes; None when nobody is responsible.

        The building's own responsibility goes before the district's, and that before the city-wide one; of two that cover the
        day, the one stated later. The day is that of the registration, in the city's own time.
        """
        zone = self.zones.get(inputs.city)
        if zone is None:
            return None
        day = inputs.at.astimezone(zone).date()
        for territory in _territories(inputs):
            covering = [grant for grant in self.grants.get(territory, ()) if grant.covers(day)]
            if covering:
                return covering[-1]
        return None

    def organisation(self, city: str, stream_id: str) -> Organisation | None:
        """Find an organisation of a city."""
        found = self.organisations.get(stream_id)
        return found if found is not None and found.city == city else None


def _territories(inputs: RoutingInputs) -> list[Territory]:
    """Give the territories a request is in, the narrowest first."""
    city, service_type = inputs.city, inputs.service_type
    building = [Territory(city, service_type, None, inputs.building)] if inputs.building is not None else []
    district = [Territory(city, service_type, inputs.district)] if inputs.district is not None else []
    return [*building, *district, Territory(city, service_type, None)]


def _day_off(calendar: Calendar, day: date) -> bool:
    """Say whether a calendar names a date and lets none of its hours count."""
    differs = calendar.days.get(day)
    return differs is not None and not differs.hours
