"""City packs become facts: each once, and a changed pack states what it changes and nothing else."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import get_args
from uuid import UUID

import structlog

from dispatch_svc.application.context import SERVICE, Context
from dispatch_svc.application.override import rules_of, vocabulary_of
from dispatch_svc.domain import organisation, override, policy, responsibility
from dispatch_svc.domain.organisation import ORGANISATION
from dispatch_svc.domain.override import RULES, RuleRefusedError
from dispatch_svc.domain.policy import CALENDAR, SLA, CalendarChangedError
from dispatch_svc.domain.responsibility import RESPONSIBILITY, Grants, Territory, territory_of
from dispatch_svc.domain.rulebook import ANY_TYPE
from dispatch_svc.views.rulebook import was_handled
from shared_calendar import Calendar, Term, WindowedMinutes
from shared_chassis.store import Command
from shared_city import City, Terms
from shared_events.dispatch import (
    CalendarAdopted,
    DayHours,
    EscalationStep,
    OrganisationRegistered,
    ResponsibilityGranted,
    Stage,
    TermPolicyAdopted,
    TermStated,
)
from shared_events.event import Event
from shared_events.ids import calendar_stream, derive, organisation_stream, rules_stream, sla_stream

WATCHED = frozenset(get_args(Stage))
"""The stages dispatch watches; the other terms of a pack are request-svc's."""

_log = structlog.get_logger()


def adopt(context: Context) -> None:
    """Adopt what every city's pack says; a pack adopted before costs one query.

    A pack is adopted once, in the order in which versions are first seen: to go back to an earlier one, give it a new version.
    """
    for city in context.cities.values():
        adopted = derive(city.slug, city.pack_version, "adopted")
        if was_handled(context.database, adopted):
            continue
        _adopt_calendars(context, city)
        _adopt_organisations(context, city)
        _adopt_terms(context, city)
        _adopt_responsibilities(context, city)
        _adopt_overrides(context, city)
        context.store.handle(SLA, sla_stream(city.slug), lambda _known, _now: [], _own_command(adopted))
        _log.info("pack.adopted", city=city.slug, pack_version=city.pack_version)
    context.rulebooks.forget()


def mistakes(cities: Iterable[City]) -> list[str]:
    """Say what is wrong with the routing overrides of packs, a line a city: their expressions are ours to read."""
    found = []
    for city in cities:
        names = frozenset(organisation_stream(city.slug, each.slug) for each in city.organisations)
        try:
            override.refuse_mistakes(rules_of(city), vocabulary_of(city), names)
        except RuleRefusedError as error:
            found.append(f"{city.slug}/routing.yaml: {error}")
    return found


def _adopt_calendars(context: Context, city: City) -> None:
    """Adopt each calendar's version. One that changed without a new version stays what it was, and that is told."""
    own = city.terms.calendar if city.terms is not None else None
    calendars = {(each.id, each.version): each for each in (*city.calendars, *([own] if own is not None else []))}
    for calendar in calendars.values():
        stream_id = calendar_stream(city.slug, calendar.id)
        command = _adopting_command(city, f"{stream_id}|{calendar.version}")
        try:
            context.store.handle(CALENDAR, stream_id, _adopting_calendar(calendar_adopted(city, calendar)), command)
        except CalendarChangedError as error:
            _log.error("calendar.changed_in_place", city=city.slug, calendar=calendar.id, error=str(error))


def _adopt_organisations(context: Context, city: City) -> None:
    for each in city.organisations:
        wanted = OrganisationRegistered(
            city=city.slug,
            slug=each.slug,
            name=each.name,
            kind=each.kind,
            pack_version=city.pack_version,
            calendar=each.calendar,
        )
        stream_id = organisation_stream(city.slug, each.slug)
        context.store.handle(ORGANISATION, stream_id, _registering(wanted), _adopting_command(city, stream_id))


def _adopt_terms(context: Context, city: City) -> None:
    if city.terms is not None:
        stream_id = sla_stream(city.slug)
        wanted = policy_adopted(city.slug, city.terms)
        context.store.handle(
            SLA, stream_id, lambda known, _now: policy.adopt_terms(known, wanted), _adopting_command(city, stream_id)
        )


def _adopt_responsibilities(context: Context, city: City) -> None:
    """Grant what the pack grants, and end in every territory, also in those it no longer names, what it does not."""
    wanted: dict[Territory, tuple[ResponsibilityGranted, ...]] = {
        territory: () for territory in context.rulebooks.latest().grants if territory.city == city.slug
    }
    for granted in sorted(city.responsibilities, key=lambda each: each.valid_from):
        fact = ResponsibilityGranted(
            city=city.slug,
            service_type=granted.service_type,
            district=granted.district,
            building=granted.building,
            organisation=organisation_stream(city.slug, granted.organisation),
            valid_from=granted.valid_from,
            valid_to=granted.valid_to,
            pack_version=city.pack_version,
        )
        territory = territory_of(fact)
        wanted[territory] = (*wanted.get(territory, ()), fact)
    for territory, grants in wanted.items():
        stream_id = territory.stream_id
        context.store.handle(RESPONSIBILITY, stream_id, _granting(city, grants), _adopting_command(city, stream_id))


def _adopt_overrides(context: Context, city: City) -> None:
    wanted = rules_of(city)
    stream_id = rules_stream(city.slug)
    command = _adopting_command(city, stream_id)
    context.store.handle(RULES, stream_id, lambda known, _now: override.adopt_overrides(known, city.slug, wanted), command)


def policy_adopted(city: str, terms: Terms) -> TermPolicyAdopted:
    """Spell a pack's terms as the policy of the stages dispatch watches; silent consent and the like are request-svc's."""
    every = {ANY_TYPE: terms.stages, **terms.by_service_type}
    return TermPolicyAdopted(
        city=city,
        version=terms.version,
        calendar=terms.calendar.id,
        calendar_version=terms.calendar.version,
        terms={
            service_type: {stage: stated(term) for stage, term in stages.items() if stage in WATCHED}
            for service_type, stages in every.items()
        },
        warn_percent=terms.warn_percent,
        ladder=tuple(EscalationStep(after_minutes=rung.after_minutes, to=rung.to) for rung in terms.ladder),
        statutory_pauses=terms.statutory_pauses,
        most_declines=terms.most_declines,
    )


def stated(term: Term) -> TermStated:
    """Spell a term as facts do."""
    if isinstance(term, WindowedMinutes):
        return TermStated(unit=term.unit, amount=term.amount, opens=term.opens, closes=term.closes)
    return TermStated(unit=term.unit, amount=term.amount)


def calendar_adopted(city: City, calendar: Calendar) -> CalendarAdopted:
    """Spell a pack's calendar as the fact that adopts it."""
    return CalendarAdopted(
        city=city.slug,
        calendar=calendar.id,
        version=calendar.version,
        timezone=calendar.timezone.key,
        week={weekday: DayHours(hours=hours) for weekday, hours in calendar.week.items()},
        days={day: DayHours(hours=differs.hours, name=dict(differs.name)) for day, differs in sorted(calendar.days.items())},
        pack_version=city.pack_version,
    )


def _adopting_calendar(wanted: CalendarAdopted) -> Callable[[policy.Versions, datetime], list[Event]]:
    return lambda known, _now: policy.adopt_calendar(known, wanted)


def _registering(wanted: OrganisationRegistered) -> Callable[[organisation.Registered, datetime], list[Event]]:
    return lambda known, _now: organisation.register(known, wanted)


def _granting(city: City, wanted: tuple[ResponsibilityGranted, ...]) -> Callable[[Grants, datetime], list[Event]]:
    def decide(known: Grants, now: datetime) -> list[Event]:
        return responsibility.adopt_grants(known, wanted, now.astimezone(city.timezone).date(), city.pack_version)

    return decide


def _adopting_command(city: City, item: str) -> Command:
    return _own_command(derive(city.slug, city.pack_version, item))


def _own_command(command: UUID) -> Command:
    return Command(command, f"service:{SERVICE}")
