"""Who answers for a service type in a territory, from which day to which: at any instant exactly one organisation.

A territory is a building, a district or the whole city, each with a stream of its own. Periods are told apart by their first
day; one stated again with the same first day replaces the former. City packs state periods and so do dispatchers: what a person
granted or ended stands until the pack itself says something new about that period.
"""

from dataclasses import dataclass, field, replace
from datetime import date
from typing import cast

from dispatch_svc.domain.refusal import DispatchRefusalError
from shared_chassis.stream import Stream
from shared_events.dispatch import ResponsibilityGranted
from shared_events.event import Event
from shared_events.ids import responsibility_stream

BY_HAND = "by hand"
"""Stands where a grant names its pack, when a dispatcher stated it."""

PACK = {"pack_version"}
"""What may differ between two statements of the same: from which pack they come."""


@dataclass(frozen=True, slots=True)
class Territory:
    """What a responsibility is about: a service type of a city, in a building, in a district, or else in the whole city."""

    city: str
    service_type: str
    district: str | None
    building: str | None = None

    @property
    def stream_id(self) -> str:
        """Name the stream of this territory's grants."""
        place = f"building:{self.building}" if self.building is not None else self.district or "city"
        return responsibility_stream(self.city, self.service_type, place)


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

    def overlaps(self, first: date, end: date | None) -> bool:
        """Say whether there is a day of this period among those from `first` up to, not including, `end`."""
        starts, ends = max(self.valid_from, first), min(self.valid_to or date.max, end or date.max)
        return starts < ends


class ResponsibilityOverlapsError(DispatchRefusalError):
    """Another organisation is responsible in that time already."""

    def __init__(self, standing: Grant) -> None:
        until = f"up to {standing.valid_to}" if standing.valid_to is not None else "for good"
        super().__init__(
            f"{self.__doc__} It is {standing.organisation}, from {standing.valid_from} {until}, by {standing.stream_id} version "
            f"{standing.version}. End that one first, or choose other days."
        )


class NothingToEndError(DispatchRefusalError):
    """Nobody is responsible there on that day, so there is nothing to end."""


class EndsInThePastError(DispatchRefusalError):
    """A responsibility ends today or later: what was decided by it stays as it is."""


class ResponsibilityNotFoundError(DispatchRefusalError):
    """No responsibility is known under this id."""


class PeriodIsEmptyError(DispatchRefusalError):
    """A responsibility ends after its first day."""


@dataclass(frozen=True, slots=True)
class Grants:
    """What one territory's stream says: the latest statement of each period, and what packs said last of each.

    `facts` counts all statements. The order of `standing` is that in which they were stated.
    """

    facts: int = 0
    standing: tuple[tuple[Grant, ResponsibilityGranted], ...] = ()
    by_packs: dict[date, ResponsibilityGranted] = field(default_factory=dict)


def grant(known: Grants, wanted: ResponsibilityGranted) -> list[Event]:
    """Make an organisation responsible for a period nobody else has.

    Raises `ResponsibilityOverlapsError`, which names who has it, and `PeriodIsEmptyError`.
    """
    if wanted.valid_to is not None and wanted.valid_to <= wanted.valid_from:
        raise PeriodIsEmptyError
    for standing, _ in known.standing:
        if standing.overlaps(wanted.valid_from, wanted.valid_to):
            raise ResponsibilityOverlapsError(standing)
    return [wanted.model_copy(update={"pack_version": BY_HAND})]


def end(known: Grants, valid_to: date, today: date) -> list[Event]:
    """End the period that has a day on or after `valid_to`, which is no longer one of its days.

    Raises `ResponsibilityNotFoundError`, `EndsInThePastError` or `NothingToEndError`.
    """
    if not known.standing:
        raise ResponsibilityNotFoundError
    if valid_to < today:
        raise EndsInThePastError
    for standing, fact in known.standing:
        if standing.covers(valid_to):
            return [fact.model_copy(update={"valid_to": valid_to, "pack_version": BY_HAND})]
        if standing.valid_to == valid_to and standing.valid_from < valid_to:
            return []
    raise NothingToEndError


def adopt_grants(known: Grants, wanted: tuple[ResponsibilityGranted, ...], today: date, pack_version: str) -> list[Event]:
    """Bring who is responsible in one territory to what the city's pack says.

    A period the pack no longer has ends today, or never begins, unless a dispatcher stated it; what was decided by it stays as
    it is. A period the pack says the same of as before is not stated again.
    """
    periods = {each.valid_from for each in wanted}
    ended: list[Event] = [
        fact.model_copy(update={"valid_to": max(today, fact.valid_from), "pack_version": pack_version})
        for _, fact in known.standing
        if fact.pack_version != BY_HAND
        and fact.valid_from not in periods
        and (fact.valid_to is None or fact.valid_to > max(today, fact.valid_from))
    ]
    return [*ended, *(each for each in wanted if not _same(each, known.by_packs.get(each.valid_from)))]


def _same(one: ResponsibilityGranted, other: ResponsibilityGranted | None) -> bool:
    return other is not None and one.model_dump(exclude=PACK) == other.model_dump(exclude=PACK)


def territory_of(fact: ResponsibilityGranted) -> Territory:
    """Say which territory a statement is about; a building is one by itself, whatever district it is in."""
    return Territory(fact.city, fact.service_type, None if fact.building is not None else fact.district, fact.building)


def _granted(known: Grants, fact: Event) -> Grants:
    granted = cast("ResponsibilityGranted", fact)  # the stream holds nothing else
    version = known.facts + 1
    standing = Grant(territory_of(granted).stream_id, version, granted.organisation, granted.valid_from, granted.valid_to)
    return replace(
        known,
        facts=version,
        standing=(*(each for each in known.standing if each[0].valid_from != granted.valid_from), (standing, granted)),
        by_packs=known.by_packs if granted.pack_version == BY_HAND else {**known.by_packs, granted.valid_from: granted},
    )


RESPONSIBILITY: Stream[Grants] = Stream("responsibility", Grants(), _granted)
"""Who is responsible for a service type in a territory."""
