"""What a city's pack says about requests: which codes it knows, what it asks, how it numbers, how long answers may take."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from shared_calendar import Calendar, Term
from shared_events.request import Question

DUPLICATE_WITHIN = timedelta(hours=72)
"""How long ago the same may have been asked to be offered as a duplicate."""


@dataclass(frozen=True, slots=True)
class PinnedTerm:
    """How long a resident has to answer, in the versions of policy and calendar pinned when the asking starts."""

    term: Term
    calendar: Calendar
    policy_version: str


@dataclass(frozen=True, slots=True)
class TypeRules:
    """What a service type asks beside, in which version, and from which day up to (not including) which it is offered."""

    questions: tuple[Question, ...] = ()
    questions_version: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None

    def offered(self, day: date) -> bool:
        """Tell whether the city takes requests of this type on a day of its own."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day < self.valid_to)

    @property
    def dated(self) -> bool:
        """Whether there is a day on which it is not offered."""
        return self.valid_from is not None or self.valid_to is not None


@dataclass(frozen=True, slots=True)
class CityRules:
    """What a city's pack says about requests.

    `prefix` is the letters its register numbers start with, `zone` where its years begin; `consent` (how long silence may
    last) and `information` (how long the clocks wait for what was asked) stand for every service type but those that the
    mapping beside names. `buildings` gives the district of each building by its code; empty where the pack lists none.
    """

    slug: str
    service_types: Mapping[str, TypeRules]
    districts: frozenset[str]
    languages: tuple[str, ...]
    default_language: str
    prefix: str
    zone: ZoneInfo
    consent: PinnedTerm
    consent_by_service_type: Mapping[str, PinnedTerm]
    information: PinnedTerm
    information_by_service_type: Mapping[str, PinnedTerm] = field(default_factory=dict)
    buildings: Mapping[str, str | None] = field(default_factory=dict)

    def consent_for(self, service_type: str | None) -> PinnedTerm:
        """Give the term of silence of a service type."""
        return self.consent if service_type is None else self.consent_by_service_type.get(service_type, self.consent)

    def information_for(self, service_type: str | None) -> PinnedTerm:
        """Give the term in which what was asked must be answered."""
        return self.information if service_type is None else self.information_by_service_type.get(service_type, self.information)


def year(city: CityRules, now: datetime) -> int:
    """Tell which year the city's own clocks show."""
    return now.astimezone(city.zone).year


def series(city: CityRules, of_year: int) -> str:
    """Name the series numbers are drawn from: one a city and year."""
    return f"{city.prefix}-{of_year}"


def register_number(of_series: str, place: int) -> str:
    """Spell a register number: the series and seven digits, as `KZN-2026-0001234`."""
    return f"{of_series}-{place:07d}"
