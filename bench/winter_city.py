"""Kazan as its pack says: the rulebook and the rules that the services decide by, and the same as plain data for the bench."""

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from uuid import UUID

from winter_calendar import OwnCalendar, Term
from winter_clocks import STAGES, Book

from dispatch_svc.application.adoption import policy_adopted
from dispatch_svc.domain.responsibility import Grant, Territory
from dispatch_svc.domain.rulebook import ActiveIncident, Organisation, Policy, Rulebook
from request_svc.application import rules_of
from request_svc.domain.city import CityRules
from shared_city import City, load_city
from shared_events.dispatch import IncidentScope
from shared_events.ids import derive, organisation_stream

PACK = Path(__file__).resolve().parents[1] / "cities" / "kazan"
BEGINS = datetime(2025, 10, 31, 21, tzinfo=UTC)
"""Midnight in Kazan, the first of November."""

DAYS = 60
OFFSET = timedelta(hours=3)
INCIDENTS = 24
COLD = ("no-heating", "weak-heating", "pipe-burst", "no-cold-water", "no-electricity", "roof-leak")
"""What winter brings more of, and what incidents are about."""


@dataclass(frozen=True)
class Outage:
    """An incident of the winter: what it explains, and when it begins and is over."""

    incident: ActiveIncident
    begins: datetime
    ends: datetime


@dataclass(frozen=True)
class Kazan:
    """Everything that is decided by, twice: as the services have it, and as plain data."""

    city: City
    rules: CityRules
    rulebook: Rulebook
    book: Book
    outages: tuple[Outage, ...]

    def rulebook_at(self, now: datetime) -> Rulebook:
        """Give the rulebook with the incidents that are declared and not over."""
        active = tuple(each.incident for each in self.outages if each.begins <= now < each.ends)
        return replace(self.rulebook, incidents=active) if active else self.rulebook


@cache
def kazan(seed: int) -> Kazan:
    """Read the pack, and let the winter's incidents happen."""
    city = load_city(PACK)
    return Kazan(city, rules_of({city.slug: city})[city.slug], _rulebook(city), _book(city), _outages(city, seed))


def _rulebook(city: City) -> Rulebook:
    terms = city.terms
    assert terms is not None
    stated = policy_adopted(city.slug, terms)
    organisations = {
        organisation_stream(city.slug, each.slug): Organisation(
            organisation_stream(city.slug, each.slug), city.slug, each.name, each.kind, each.calendar
        )
        for each in city.organisations
    }
    grants: dict[Territory, list[Grant]] = {}
    for each in sorted(city.responsibilities, key=lambda grant: grant.valid_from):
        territory = Territory(city.slug, each.service_type, each.district, each.building)
        known = grants.setdefault(territory, [])
        whose = organisation_stream(city.slug, each.organisation)
        known.append(Grant(territory.stream_id, len(known) + 1, whose, each.valid_from, each.valid_to))
    policy = Policy(
        terms.version,
        terms.calendar,
        stated.terms,
        terms.warn_percent,
        stated.ladder,
        terms.statutory_pauses,
        terms.most_declines,
    )
    return Rulebook(
        zones={city.slug: city.timezone},
        organisations=organisations,
        grants=grants,
        policies={city.slug: policy},
        calendars={(city.slug, calendar.id, calendar.version): calendar for calendar in city.calendars},
        evidence={(city.slug, each.code): each.evidence_required for each in city.service_types},
    )


def _book(city: City) -> Book:
    terms = city.terms
    assert terms is not None
    written = {"*": terms.stages, **terms.by_service_type}
    return Book(
        terms={
            code: {
                stage: Term(term.unit, term.amount, getattr(term, "opens", ""), getattr(term, "closes", ""))
                for stage, term in stages.items()
                if stage in STAGES
            }
            for code, stages in written.items()
        },
        calendars={
            calendar.id: OwnCalendar(
                OFFSET,
                {weekday: calendar.week[weekday] for weekday in calendar.week},
                {day: differs.hours for day, differs in calendar.days.items()},
            )
            for calendar in city.calendars
        },
        common=terms.calendar.id,
        hours_of={
            organisation_stream(city.slug, each.slug): each.calendar for each in city.organisations if each.calendar is not None
        },
        statutory_pauses=frozenset(terms.statutory_pauses),
    )


def _outages(city: City, seed: int) -> tuple[Outage, ...]:
    chance = random.Random(f"outages|{seed}")  # noqa: S311 - a made-up winter, no secret
    found = []
    for number in range(INCIDENTS):
        begins = BEGINS + timedelta(minutes=chance.randrange(DAYS * 1440))
        ends = begins + timedelta(minutes=chance.randrange(90, 2880))
        kind = chance.choice(COLD)
        district = chance.choice(city.districts).code
        organisation = organisation_stream(city.slug, chance.choice(city.organisations).slug)
        incident: UUID = derive("winter", seed, number)
        scope = IncidentScope(service_types=(kind,), districts=(district,))
        found.append(Outage(ActiveIncident(incident, city.slug, scope, organisation, ends, begins), begins, ends))
    return tuple(found)
