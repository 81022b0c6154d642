"""What the cities have decided beforehand: which organisations there are, who is responsible for what, how long a stage may take.

Each is a stream of its own, adopted from a city pack; a `Rulebook` is all of them as they stand at one moment, the only thing a
rule about a case looks at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeVar, cast
from zoneinfo import ZoneInfo

from shared_calendar import Calendar
from shared_chassis.stream import Stream
from shared_events.dispatch import (
    OrganisationKind,
    OrganisationRegistered,
    ResponsibilityGranted,
    RoutingInputs,
    Stage,
    TermPolicyAdopted,
)
from shared_events.event import Event

ANY_TYPE = "*"
"""The key under which a policy holds the terms of all service types that it does not name."""

PACK = {"pack_version"}
"""What may differ between two statements of the same: from which pack they come."""

Grants = tuple[ResponsibilityGranted, ...]
F = TypeVar("F", OrganisationRegistered, TermPolicyAdopted)


@dataclass(frozen=True, slots=True)
class Organisation:
    """An organisation as it was last registered; `stream_id` is what it is called everywhere."""

    stream_id: str
    city: str
    name: str
    kind: OrganisationKind


@dataclass(frozen=True, slots=True)
class Grant:
    """An organisation answers from a day up to, not including, another (or for good), as version `version` of the stream says."""

    stream_id: str
    version: int
    organisation: str
    valid_from: date
    valid_to: date | None

    def covers(self, day: date) -> bool:
        """Say whether the organisation answers on a day."""
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)


@dataclass(frozen=True, slots=True)
class Policy:
    """A city's terms in one version, with the calendar they are counted by."""

    version: str
    calendar: Calendar
    minutes: Mapping[str, Mapping[Stage, int]]

    def minutes_for(self, service_type: str | None, stage: Stage) -> int | None:
        """Say how many minutes a stage may take; None when the city sets no term for it.

        A term of the service type goes before the one of all others, stage by stage.
        """
        for key in (service_type, ANY_TYPE):
            terms = self.minutes.get(key) if key is not None else None
            if terms is not None and stage in terms:
                return terms[stage]
        return None


@dataclass(frozen=True, slots=True)
class Territory:
    """What a responsibility is about: a service type of a city, in a district or (None) in the whole city."""

    city: str
    service_type: str
    district: str | None


@dataclass(frozen=True, slots=True)
class Rulebook:
    """Time zones and policies by city, organisations by stream id, grants by territory in the order of their versions.

    A grant with the same first day as a later one of its territory has been replaced by it and is not here.
    """

    zones: Mapping[str, ZoneInfo]
    organisations: Mapping[str, Organisation]
    grants: Mapping[Territory, Sequence[Grant]]
    policies: Mapping[str, Policy]

    def responsible(self, inputs: RoutingInputs) -> Grant | None:
        """Find the grant that decides where a request goes; None when nobody is responsible.

        The district's own responsibility goes before the city-wide one; of two that cover the day, the one stated later. The
        day is that of the registration, in the city's own time.
        """
        zone = self.zones.get(inputs.city)
        if zone is None:
            return None
        day = inputs.at.astimezone(zone).date()
        for district in dict.fromkeys((inputs.district, None)):
            grants = self.grants.get(Territory(inputs.city, inputs.service_type, district), ())
            covering = [grant for grant in grants if grant.covers(day)]
            if covering:
                return covering[-1]
        return None

    def organisation(self, city: str, stream_id: str) -> Organisation | None:
        """Find an organisation of a city."""
        found = self.organisations.get(stream_id)
        return found if found is not None and found.city == city else None


def adopt(known: F | None, wanted: F) -> list[Event]:
    """Adopt what a city pack says, when it says something else than before; the pack's version alone is no difference."""
    if known is not None and known.model_dump(exclude=PACK) == wanted.model_dump(exclude=PACK):
        return []
    return [wanted]


def grant(known: Grants, wanted: Grants, today: date, pack_version: str) -> list[Event]:
    """Bring who is responsible in one territory to what the city's pack says; periods are told apart by their first day.

    A period the pack no longer has ends today, or never begins; what was decided by it stays as it is.
    """
    periods = {each.valid_from for each in wanted}
    ended: list[Event] = [
        each.model_copy(update={"valid_to": max(today, each.valid_from), "pack_version": pack_version})
        for each in known
        if each.valid_from not in periods and (each.valid_to is None or each.valid_to > max(today, each.valid_from))
    ]
    stated = [each.model_dump(exclude=PACK) for each in known]
    return [*ended, *(each for each in wanted if each.model_dump(exclude=PACK) not in stated)]


def _registered(_known: OrganisationRegistered | None, fact: Event) -> OrganisationRegistered:
    return cast("OrganisationRegistered", fact)  # the stream holds nothing else


def _granted(known: Grants, fact: Event) -> Grants:
    granted = cast("ResponsibilityGranted", fact)  # the stream holds nothing else
    return (*(each for each in known if each.valid_from != granted.valid_from), granted)


def _adopted(_known: TermPolicyAdopted | None, fact: Event) -> TermPolicyAdopted:
    return cast("TermPolicyAdopted", fact)  # the stream holds nothing else


ORGANISATION: Stream[OrganisationRegistered | None] = Stream("organisation", None, _registered)
"""One organisation of a city; its state is what was last registered."""

RESPONSIBILITY: Stream[Grants] = Stream("responsibility", (), _granted)
"""Who is responsible for a service type in a territory; its state is the latest grant of each first day."""

SLA: Stream[TermPolicyAdopted | None] = Stream("sla", None, _adopted)
"""A city's terms; its state is the policy last adopted."""
