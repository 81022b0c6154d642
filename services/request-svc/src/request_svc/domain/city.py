"""What a city's pack says about requests: which codes it knows, how it numbers them, how long silence may last."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from shared_calendar import Calendar, Term


@dataclass(frozen=True, slots=True)
class SilentConsent:
    """How long a resident has to answer before silence counts as consent, in the versions pinned when the asking starts."""

    term: Term
    calendar: Calendar
    policy_version: str


@dataclass(frozen=True, slots=True)
class CityRules:
    """What a city's pack says about requests.

    `prefix` is the letters its register numbers start with, `zone` where its years begin; `consent` stands for every service
    type but those that `consent_by_service_type` names.
    """

    slug: str
    service_types: frozenset[str]
    districts: frozenset[str]
    languages: tuple[str, ...]
    default_language: str
    prefix: str
    zone: ZoneInfo
    consent: SilentConsent
    consent_by_service_type: Mapping[str, SilentConsent]

    def consent_for(self, service_type: str | None) -> SilentConsent:
        """Give the term of silence of a service type."""
        return self.consent if service_type is None else self.consent_by_service_type.get(service_type, self.consent)


def year(city: CityRules, now: datetime) -> int:
    """Tell which year the city's own clocks show."""
    return now.astimezone(city.zone).year


def series(city: CityRules, of_year: int) -> str:
    """Name the series numbers are drawn from: one a city and year."""
    return f"{city.prefix}-{of_year}"


def register_number(of_series: str, place: int) -> str:
    """Spell a register number: the series and seven digits, as `KZN-2026-0001234`."""
    return f"{of_series}-{place:07d}"
