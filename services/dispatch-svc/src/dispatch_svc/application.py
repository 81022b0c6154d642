"""What can be done in dispatch, one function a use case, and who may do it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import structlog

from dispatch_svc.domain import case, rulebook
from dispatch_svc.domain.case import CASE, Case
from dispatch_svc.domain.refusal import CaseNotFoundError, NotYourCaseError
from dispatch_svc.domain.rulebook import ORGANISATION, RESPONSIBILITY, SLA, Territory
from dispatch_svc.views.case import CaseFile, Filters, one, page
from dispatch_svc.views.rulebook import Rulebooks, was_handled
from shared_chassis.http import ANYBODY, Actor
from shared_chassis.postgres import Database
from shared_chassis.store import Command, Result, Store
from shared_city import City, Terms
from shared_events.dispatch import OrganisationRegistered, ResponsibilityGranted, TermPolicyAdopted
from shared_events.event import Event
from shared_events.ids import case_stream, derive, organisation_stream, responsibility_stream, sla_stream
from shared_events.request import RequestClosed, RequestRegistered, RequestSubmitted

SERVICE = "dispatch-svc"

MAY: Mapping[str, frozenset[str]] = {
    "accept": frozenset({"executor"}),
    "start": frozenset({"executor"}),
    "report_done": frozenset({"executor"}),
    "assign": frozenset({"dispatcher"}),
    "see_cases": frozenset({"agent", "dispatcher", "executor", "analyst", "auditor"}),
    "see_rulebook": frozenset({ANYBODY}),
    "read_feed": frozenset({"dispatcher", "analyst", "auditor"}),
}
"""Who may: use case → roles. Which executor may is the case's own question: the one of the assigned organisation."""

SEES_EVERY_CASE = frozenset({"agent", "dispatcher", "analyst", "auditor"})
"""The roles that see cases of every organisation; an executor sees those of its own."""

_log = structlog.get_logger()


@dataclass(frozen=True)
class Context:
    """What every use case works with."""

    store: Store
    database: Database
    cities: Mapping[str, City]
    rulebooks: Rulebooks


def open_case(context: Context, request: UUID, submitted: RequestSubmitted, at: datetime, command: Command) -> Result:
    """Open the case of a request that was submitted at a moment."""
    return _handle(context, request, lambda known, _now: case.open_case(known, request, submitted, at), command)


def route(context: Context, request: UUID, registered: RequestRegistered, at: datetime, command: Command) -> Result:
    """Send a request, registered at a moment, to whom the rulebook names, or to a dispatcher."""
    rules = context.rulebooks.latest()
    return _handle(context, request, lambda known, _now: case.route(known, registered, at, rules), command)


def ask_resident(context: Context, request: UUID, at: datetime, command: Command) -> Result:
    """Hand a case to the resident, who was asked at a moment whether the work is done."""
    return _handle(context, request, lambda known, _now: case.ask_resident(known, at), command)


def close(context: Context, request: UUID, closed: RequestClosed, at: datetime, command: Command) -> Result:
    """Close the case of a request that was closed at a moment."""
    return _handle(context, request, lambda known, _now: case.close(known, closed, at), command)


def breach(context: Context, stream_id: str, clock: str, command: Command) -> Result:
    """State that the time of a clock has come while its stage was not over."""
    return context.store.handle(CASE, stream_id, lambda known, _now: case.breach(known, clock), command)


def assign(context: Context, request: UUID, organisation: str, command: Command) -> Result:
    """Let a dispatcher assign an organisation."""
    rules = context.rulebooks.latest()
    return _handle(context, request, lambda known, now: case.assign(known, organisation, now, rules), command)


def accept(context: Context, request: UUID, actor: Actor, command: Command) -> Result:
    """Let the assigned organisation accept."""
    rules = context.rulebooks.latest()
    return _handle(context, request, lambda known, now: case.accept(known, actor.organisation, now, rules), command)


def start(context: Context, request: UUID, actor: Actor, command: Command) -> Result:
    """Let the organisation that accepted start the work."""
    return _handle(context, request, lambda known, _now: case.start(known, actor.organisation), command)


def report_done(context: Context, request: UUID, actor: Actor, evidence: Sequence[str], command: Command) -> Result:
    """Let the organisation at work report it done; evidence as SHA-256 hashes in hex."""
    hashes = tuple(evidence)
    return _handle(context, request, lambda known, now: case.report_done(known, actor.organisation, hashes, now), command)


def see_case(context: Context, request: UUID, actor: Actor) -> CaseFile:
    """Show everything known of a case; an executor sees only what its organisation is assigned to."""
    found = one(context.database, request)
    if found is None:
        raise CaseNotFoundError
    _own(actor, found.case["organisation"])
    return found


def see_cases(
    context: Context, actor: Actor, filters: Filters, after: tuple[datetime, UUID] | None, limit: int
) -> list[dict[str, object]]:
    """List cases; an executor's list holds those of its own organisation."""
    if actor.roles.isdisjoint(SEES_EVERY_CASE):
        filters = replace(filters, organisation=filters.organisation or actor.organisation)
        _own(actor, filters.organisation)
    return page(context.database, filters, after, limit)


def adopt(context: Context) -> None:
    """Adopt what every city's pack says; a pack adopted before costs one query.

    A pack is adopted once, in the order in which versions are first seen: to go back to an earlier one, give it a new version.
    """
    for city in context.cities.values():
        adopted = derive(city.slug, city.pack_version, "adopted")
        if was_handled(context.database, adopted):
            continue
        _adopt_organisations(context, city)
        _adopt_terms(context, city)
        _adopt_responsibilities(context, city)
        context.store.handle(SLA, sla_stream(city.slug), lambda _known, _now: [], _own_command(adopted))
        _log.info("pack.adopted", city=city.slug, pack_version=city.pack_version)
    context.rulebooks.forget()


def _adopt_organisations(context: Context, city: City) -> None:
    for organisation in city.organisations:
        wanted = OrganisationRegistered(
            city=city.slug,
            slug=organisation.slug,
            name=organisation.name,
            kind=organisation.kind,
            pack_version=city.pack_version,
        )
        stream_id = organisation_stream(city.slug, organisation.slug)
        context.store.handle(ORGANISATION, stream_id, _adopting(wanted), _adopting_command(city, stream_id))


def _adopt_terms(context: Context, city: City) -> None:
    if city.terms is not None:
        stream_id = sla_stream(city.slug)
        context.store.handle(SLA, stream_id, _adopting(policy_of(city.slug, city.terms)), _adopting_command(city, stream_id))


def _adopt_responsibilities(context: Context, city: City) -> None:
    """Grant what the pack grants, and end in every territory, also in those it no longer names, what it does not."""
    wanted: dict[Territory, tuple[ResponsibilityGranted, ...]] = {
        territory: () for territory in context.rulebooks.latest().grants if territory.city == city.slug
    }
    for granted in sorted(city.responsibilities, key=lambda each: each.valid_from):
        territory = Territory(city.slug, granted.service_type, granted.district)
        fact = ResponsibilityGranted(
            city=city.slug,
            service_type=granted.service_type,
            district=granted.district,
            organisation=organisation_stream(city.slug, granted.organisation),
            valid_from=granted.valid_from,
            valid_to=granted.valid_to,
            pack_version=city.pack_version,
        )
        wanted[territory] = (*wanted.get(territory, ()), fact)
    for territory, grants in wanted.items():
        stream_id = responsibility_stream(city.slug, territory.service_type, territory.district or "city")
        context.store.handle(RESPONSIBILITY, stream_id, _granting(city, grants), _adopting_command(city, stream_id))


def policy_of(city: str, terms: Terms) -> TermPolicyAdopted:
    """Spell a pack's terms as the policy of the stages dispatch watches; silent consent is request-svc's."""
    every = {rulebook.ANY_TYPE: terms.stages, **terms.by_service_type}
    return TermPolicyAdopted(
        city=city,
        version=terms.version,
        calendar=terms.calendar.id,
        calendar_version=str(terms.calendar.version),
        minutes={
            service_type: {stage: term.minutes for stage, term in stages.items() if stage != "silent_consent"}
            for service_type, stages in every.items()
        },
    )


def _adopting(
    wanted: rulebook.F,
) -> Callable[[rulebook.F | None, datetime], list[Event]]:
    return lambda known, _now: rulebook.adopt(known, wanted)


def _granting(city: City, wanted: rulebook.Grants) -> Callable[[rulebook.Grants, datetime], list[Event]]:
    return lambda known, now: rulebook.grant(known, wanted, now.astimezone(city.timezone).date(), city.pack_version)


def _adopting_command(city: City, item: str) -> Command:
    return _own_command(derive(city.slug, city.pack_version, item))


def _own_command(command: UUID) -> Command:
    return Command(command, f"service:{SERVICE}")


def _handle(context: Context, request: UUID, decide: Callable[[Case, datetime], Sequence[Event]], command: Command) -> Result:
    return context.store.handle(CASE, case_stream(request), decide, command)


def _own(actor: Actor, organisation: str | None) -> None:
    """Let an executor see only what its own organisation is assigned to."""
    if actor.roles.isdisjoint(SEES_EVERY_CASE) and (organisation is None or organisation != actor.organisation):
        raise NotYourCaseError
