"""Mass outages: suggested by surges, declared, dismissed, prolonged and resolved, and what follows for many requests at once.

A link is a fact of each request's own case. What concerns many cases is done in batches by the incident's timers: each case by a
command of its own, so that nothing is done twice however often a batch is begun.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from dispatch_svc.application.context import SERVICE, Context, city_of, need
from dispatch_svc.domain import case, incident
from dispatch_svc.domain.case import CASE, Case
from dispatch_svc.domain.incident import (
    INCIDENT,
    LINKING,
    SINCE,
    IncidentNotFoundError,
    NamesMissingError,
    RequestOfAnotherCityError,
    active,
)
from dispatch_svc.domain.refusal import DispatchRefusalError, UnknownOrganisationError
from dispatch_svc.domain.rulebook import ActiveIncident
from dispatch_svc.views import incident as view
from shared_chassis import timer
from shared_chassis.http import ANYBODY
from shared_chassis.store import Command, Result
from shared_chassis.stream import Set
from shared_chassis.timer import DueTimer
from shared_events.analytics import SurgeDetected
from shared_events.dispatch import IncidentDeclared, IncidentScope, IncidentSuggested
from shared_events.event import Event
from shared_events.ids import case_stream, derive, incident_stream, uuid_of

MAY: Mapping[str, frozenset[str]] = {
    "declare_incident": frozenset({"dispatcher"}),
    "dismiss_incident": frozenset({"dispatcher"}),
    "prolong_incident": frozenset({"dispatcher"}),
    "resolve_incident": frozenset({"dispatcher"}),
    "link_to_incident": frozenset({"dispatcher"}),
    "unlink_from_incident": frozenset({"dispatcher"}),
    "see_incidents": frozenset({ANYBODY}),
}
"""Who may: use case → roles."""

BATCH = 250
"""Cases linked or reported done in one firing of a timer: a second's work, well within its lease on a busy machine too."""

HANDS = 8
"""Cases of a batch that are handled at a time: what is ready together is committed together."""

LATECOMERS = timedelta(seconds=3)
"""How long after a declaration other replicas may still route by a rulebook that does not know the incident."""

AFTER, AGAIN = "after", "again"
"""What a batch's timer keeps: the last case done, and whether the last look for latecomers is under way."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a dispatcher says of a mass outage."""

    city: str
    names: Mapping[str, str]
    scope: IncidentScope
    organisation: str
    began_at: datetime
    expected_end: datetime | None


@dataclass(frozen=True, slots=True)
class NotLinked:
    """A request that could not be linked, and why in words."""

    request: UUID
    reason: str


def suggest(context: Context, surge: SurgeDetected, command: Command) -> None:
    """Ask people to look at a surge, unless they were asked about such requests already or an incident explains them."""
    if surge.city not in context.cities or view.is_known(context.database, surge.city, surge.service_type, surge.district):
        return
    window = derive(surge.city, surge.service_type, surge.district or "city", surge.window_start.isoformat())
    fact = IncidentSuggested.model_validate(surge.model_dump())
    context.store.handle(INCIDENT, incident_stream(window), lambda known, _now: incident.suggest(known, fact), command)


def declare(context: Context, wanted: Declaration, suggestion: UUID | None, command: Command) -> tuple[UUID, Result]:
    """Declare an incident; open requests in its scope are linked at once, new ones as they come."""
    city = city_of(context, wanted.city)
    for service_type in wanted.scope.service_types:
        need("service type", service_type, (each.code for each in city.service_types))
    for district in wanted.scope.districts:
        need("district", district, (each.code for each in city.districts))
    for building in wanted.scope.buildings:
        need("building", building, (each.code for each in city.buildings))
    _refuse_languages(wanted.names, city.languages, city.default_language)
    if context.rulebooks.latest().organisation(city.slug, wanted.organisation) is None:
        raise UnknownOrganisationError
    if suggestion is not None and view.one(context.database, suggestion) is None:
        raise IncidentNotFoundError
    incident_id = suggestion or derive(command.id, "incident")
    fact = IncidentDeclared(
        city=city.slug,
        names=dict(wanted.names),
        scope=wanted.scope,
        organisation=wanted.organisation,
        began_at=wanted.began_at,
        expected_end=wanted.expected_end,
    )
    result = _handle(context, incident_id, lambda known, now: incident.declare(known, fact, now), command)
    return incident_id, result


def dismiss(context: Context, incident_id: UUID, reason: str, command: Command) -> Result:
    """Say that what was suggested is no incident."""
    return _handle(context, incident_id, lambda known, _now: incident.dismiss(known, reason), command)


def prolong(context: Context, incident_id: UUID, expected_end: datetime | None, reason: str, command: Command) -> Result:
    """Say that an incident lasts longer, or shorter, than was said."""
    return _handle(context, incident_id, lambda known, now: incident.prolong(known, expected_end, reason, now), command)


def resolve(
    context: Context, incident_id: UUID, at: datetime | None, note: str, evidence: Sequence[str], command: Command
) -> Result:
    """Say that an incident is over since a moment (None: since now); the work of every linked request is then reported done."""
    hashes = tuple(evidence)
    return _handle(context, incident_id, lambda known, now: incident.resolve(known, at or now, note, hashes, now), command)


def link(context: Context, incident_id: UUID, requests: Sequence[UUID], command: Command) -> list[NotLinked]:
    """Link requests to an incident by hand; those that cannot be are told apart with the reason, the others are linked."""
    known = _declared(context, incident_id)
    refused = []
    for request in requests:
        try:
            context.store.handle(CASE, case_stream(request), _linking(known, "dispatcher"), _for_case(command, request))
        except DispatchRefusalError as error:
            refused.append(NotLinked(request, str(error)))
    return refused


def link_since(context: Context, incident_id: UUID, since: datetime) -> None:
    """Have open requests in an incident's scope linked that were registered since a moment; a worker does it, in batches."""
    known = _declared(context, incident_id)
    wanted = Set(LINKING, since.isoformat(), context.store.now(), {SINCE: since.isoformat()})
    timer.arm(context.database, incident_stream(known.id), wanted)


def unlink(context: Context, incident_id: UUID, request: UUID, reason: str, command: Command) -> Result:
    """Say that an incident does not explain a request after all."""

    def decide(known: Case, _now: datetime) -> Sequence[Event]:
        return case.unlink_incident(known, incident_id, reason)

    return context.store.handle(CASE, case_stream(request), decide, command)


def see_incident(context: Context, incident_id: UUID) -> dict[str, object]:
    """Show an incident, and how many requests it explains."""
    found = view.one(context.database, incident_id)
    if found is None:
        raise IncidentNotFoundError
    return found


def link_batch(context: Context, due: DueTimer) -> None:
    """Link the next open cases in the scope; the timer is due again until none is left, and once more for latecomers."""
    state = context.store.load(INCIDENT, due.stream_id).state
    if state.state != "declared":
        return
    known = active(_incident_of(due), state)
    found = view.to_link(context.database, known, datetime.fromisoformat(due.payload[SINCE]), _after(due), BATCH)
    _react(context, found, due, _linking(known, "scope"))
    _go_on(context, due, found)


def resolve_batch(context: Context, due: DueTimer) -> None:
    """Report the work of the next linked cases done; the timer is due again until none is left."""
    incident_id = _incident_of(due)
    over = context.store.load(INCIDENT, due.stream_id).state
    found = view.linked(context.database, incident_id, _after(due), BATCH)

    def report(known: Case, now: datetime) -> Sequence[Event]:
        return case.report_done_by_incident(known, incident_id, over.organisation, over.evidence, now)

    _react(context, found, due, report)
    _go_on(context, due, found)


def _go_on(context: Context, due: DueTimer, done: Sequence[UUID]) -> None:
    """Let the timer be due again: at once while there may be more, and once more a little later for latecomers."""
    kept = {key: value for key, value in due.payload.items() if key == SINCE}
    if len(done) == BATCH:
        again = {AGAIN: due.payload[AGAIN]} if AGAIN in due.payload else {}
        timer.rearm(context.database, due, context.store.now(), {**kept, **again, AFTER: str(done[-1])})
    elif AGAIN not in due.payload:
        timer.rearm(context.database, due, context.store.now() + LATECOMERS, {**kept, AGAIN: "yes"})


def _react(
    context: Context, requests: Sequence[UUID], due: DueTimer, decide: Callable[[Case, datetime], Sequence[Event]]
) -> None:
    """Do to each case what its incident leads to, once a round of the timer; a case that refuses stays as it is."""
    round_ = due.payload.get(AGAIN, "no")

    def react(request: UUID) -> None:
        command = Command(derive(due.id, round_, request), f"service:{SERVICE}", causation=due.id)
        with suppress(DispatchRefusalError):
            context.store.handle(CASE, case_stream(request), decide, command)

    with ThreadPoolExecutor(HANDS, thread_name_prefix="incident") as hands:
        for done in [hands.submit(react, request) for request in requests]:
            done.result()


def _linking(known: ActiveIncident, by: Literal["scope", "dispatcher"]) -> Callable[[Case, datetime], Sequence[Event]]:
    def decide(of: Case, _now: datetime) -> Sequence[Event]:
        if of.city not in {known.city, ""}:
            raise RequestOfAnotherCityError
        return case.link_incident(of, known.id, by, known.expected_end)

    return decide


def _declared(context: Context, incident_id: UUID) -> ActiveIncident:
    return active(incident_id, context.store.load(INCIDENT, incident_stream(incident_id)).state)


def _handle(
    context: Context, incident_id: UUID, decide: Callable[[incident.Incident, datetime], Sequence[Event]], command: Command
) -> Result:
    result = context.store.handle(INCIDENT, incident_stream(incident_id), decide, command)
    context.rulebooks.forget()
    return result


def _for_case(command: Command, request: UUID) -> Command:
    """Name what a command about an incident does to one case."""
    return Command(derive(command.id, request), command.actor, causation=command.id)


def _incident_of(due: DueTimer) -> UUID:
    found = uuid_of(due.stream_id)
    if found is None:
        raise LookupError(due.stream_id)
    return found


def _after(due: DueTimer) -> UUID | None:
    return UUID(due.payload[AFTER]) if AFTER in due.payload else None


def _refuse_languages(names: Mapping[str, str], languages: Sequence[str], default: str) -> None:
    """See that an incident is called something in the city's own language, and in none the city does not speak."""
    strange = [language for language in names if language not in languages]
    if strange or default not in names:
        raise NamesMissingError(
            f"Names are by language: one in '{default}' is needed, and others may be in {', '.join(languages)}."
        )
