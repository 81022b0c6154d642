"""What can be done with requests: one function a use case. Load, decide, append; and who may do what."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from request_svc.domain import request as requests
from request_svc.domain.city import CityRules, SilentConsent, register_number, series, year
from request_svc.domain.refusal import UnknownCityError, UnknownRequestError
from request_svc.domain.request import REQUEST, RefusalOutcome, Request
from request_svc.domain.service_type import SERVICE_TYPE, ServiceType, define
from request_svc.domain.submission import (
    PERSONAL,
    Asker,
    Whom,
    allowed,
    check_channel,
    check_service_type,
    check_submission,
    person_of,
)
from request_svc.views import register as register_view
from shared_chassis.http import ANYBODY, Actor
from shared_chassis.keyring import Keyring
from shared_chassis.postgres import Database
from shared_chassis.register import draw_of_year
from shared_chassis.store import Command, Result, Store
from shared_city import City, NoTermsError, terms_for
from shared_events.dispatch import WorkReportedDone
from shared_events.envelope import Recorded
from shared_events.event import Event
from shared_events.ids import derive, request_stream, service_type_stream
from shared_events.personal import Sealed
from shared_events.request import RequestSubmitted, ServiceTypeDefined, WithdrawalReason

SERVICE: Final = "request-svc"

MAY: Final[Mapping[str, frozenset[str]]] = {
    "submit": frozenset({"resident", "agent"}),
    "register": frozenset({"agent"}),
    "confirm": frozenset({"resident", "agent"}),
    "withdraw": frozenset({"resident", "agent"}),
    "reject": frozenset({"agent"}),
    "read": frozenset({ANYBODY}),
    "list_own": frozenset({"resident", "agent"}),
    "list_of_anybody": frozenset({"agent", "dispatcher", "auditor"}),
    "read_persons": frozenset({"agent", "dispatcher"}),
    "read_pseudonyms": frozenset({"agent", "dispatcher", "auditor", "analyst"}),
    "read_feed": frozenset({"dispatcher", "analyst", "auditor"}),
}
"""Who may do what. Beside these roles, a person reads their own data, and the organisation that has the request reads it too."""


@dataclass(frozen=True)
class Context:
    """What use cases work with; `cities` are the packs of those that take requests, `rules` what they say."""

    store: Store
    database: Database
    keyring: Keyring
    cities: Mapping[str, City]
    rules: Mapping[str, CityRules]


@dataclass(frozen=True, slots=True)
class Entry:
    """A request in the register: its number, None until its type is known, and the version of its stream."""

    id: UUID
    number: str | None
    version: int


@dataclass(frozen=True, slots=True)
class History:
    """A request with everything that ever happened to it.

    `opened` holds the text of sealed values by token, for a reader who may see the person's data; None for everybody else.
    """

    row: Mapping[str, object]
    events: Sequence[Recorded]
    opened: Mapping[str, str | None] | None
    pseudonyms: bool


def rules_of(cities: Mapping[str, City]) -> dict[str, CityRules]:
    """Read the packs of the cities that take requests, those with service types, as rules."""
    return {slug: _rules(city) for slug, city in cities.items() if city.service_types}


def _rules(city: City) -> CityRules:
    terms = city.terms
    if terms is None:
        raise NoTermsError(city)

    def consent(service_type: str | None) -> SilentConsent:
        return SilentConsent(terms_for(city, service_type, "silent_consent"), terms.calendar, terms.version)

    codes = frozenset(item.code for item in city.service_types)
    return CityRules(
        slug=city.slug,
        service_types=codes,
        districts=frozenset(item.code for item in city.districts),
        languages=city.languages,
        default_language=city.default_language,
        prefix=city.register_prefix,
        zone=city.timezone,
        consent=consent(None),
        consent_by_service_type={code: consent(code) for code in codes},
    )


def adopt(context: Context) -> None:
    """Let the service types of every city's pack stand; a pack that says the same again changes nothing."""
    for city in context.cities.values():
        for item in city.service_types:
            stream_id = service_type_stream(city.slug, item.code)
            definition = ServiceTypeDefined(
                city=city.slug,
                code=item.code,
                names=dict(item.names),
                group=item.group,
                emergency=item.emergency,
                pack_version=city.pack_version,
            )
            command = Command(derive(stream_id, city.pack_version, "adopt"), f"service:{SERVICE}")
            context.store.handle(SERVICE_TYPE, stream_id, _defining(definition), command)


def submit(
    context: Context, asked: RequestSubmitted, whom: Whom, on_behalf_of: UUID | None, actor: Actor, command: Command
) -> Entry:
    """Take a request in over any channel, and register it at once when its type is known.

    `asked` is the submission as it came, with no person yet and the language as given (empty: the city's own). All is checked
    before a number is drawn.
    """
    city = city_rules(context, asked.city)
    asker = asker_of(actor)
    person = person_of(asker, whom, on_behalf_of, derive(command.id, "person"))
    asked = asked.model_copy(update={"person": person, "language": asked.language or city.default_language})
    check_channel(asker, asked)
    check_submission(asked, city)
    number = _draw(context, city, command) if asked.service_type is not None else None
    request = derive(command.id)
    result = context.store.handle(
        REQUEST, request_stream(request), lambda known, _now: requests.submit(known, asked, number), command
    )
    return _entry(context, request, number, result)


def register(context: Context, request: UUID, service_type: str, command: Command) -> Entry:
    """Give a submitted request its type and number; a number is drawn only where it will be used."""
    stream_id = request_stream(request)
    known = context.store.load(REQUEST, stream_id).state
    number = known.number
    if known.state == "submitted":
        city = city_rules(context, known.city)
        check_service_type(city, service_type)
        number = _draw(context, city, command)
    result = context.store.handle(
        REQUEST, stream_id, lambda latest, _now: requests.register(latest, service_type, number or ""), command
    )
    return _entry(context, request, number, result)


def propose_completion(context: Context, request: UUID, reported: WorkReportedDone, since: datetime, command: Command) -> Result:
    """Ask the resident whether the work that was reported done at a moment is done; by the city's present term of silence."""

    def decide(known: Request, _now: datetime) -> list[Event]:
        if known.state == "absent":
            raise UnknownRequestError
        consent = city_rules(context, known.city).consent_for(known.service_type)
        return requests.propose_completion(known, reported, since, consent)

    return context.store.handle(REQUEST, request_stream(request), decide, command)


def confirm(context: Context, request: UUID, actor: Actor, command: Command) -> Result:
    """Let the resident, or an agent on their behalf, say that the work is done."""
    asker = asker_of(actor)
    return _handle(context, request, lambda known, _now: requests.confirm(known, asker), command)


def deem_accepted(context: Context, stream_id: str, asked_round: int, command: Command) -> Result:
    """Accept the work of a round by silence."""
    return context.store.handle(REQUEST, stream_id, lambda known, now: requests.deem_accepted(known, asked_round, now), command)


def withdraw(context: Context, request: UUID, actor: Actor, reason: WithdrawalReason, command: Command) -> Result:
    """Let the resident, or an agent on their behalf, take the request back."""
    asker = asker_of(actor)
    return _handle(context, request, lambda known, _now: requests.withdraw(known, asker, reason), command)


def reject(context: Context, request: UUID, ground: str, outcome: RefusalOutcome, command: Command) -> Result:
    """Let the city refuse the request."""
    return _handle(context, request, lambda known, _now: requests.reject(known, ground, outcome), command)


def read(context: Context, request: UUID, actor: Actor) -> History:
    """Read a request with its whole history; the person's data is opened only for those who may see it, in one query."""
    row = register_view.one(context.database, request)
    if row is None:
        raise UnknownRequestError
    events = context.store.events(request_stream(request))
    person = next((event.fact.person for event in events if isinstance(event.fact, RequestSubmitted)), None)
    own = actor.signed_in and person is not None and actor.id == str(person)
    has_it = actor.organisation is not None and actor.organisation in {row["organisation"], row["holder_organisation"]}
    sees_person = own or not actor.roles.isdisjoint(MAY["read_persons"]) or ("executor" in actor.roles and has_it)
    opened = context.keyring.open(_tokens(events)) if sees_person else None
    return History(row, events, opened, pseudonyms=own or not actor.roles.isdisjoint(MAY["read_pseudonyms"]))


def void_numbers(context: Context, city: str, of_year: int | None, after: int) -> tuple[list[register_view.Void], int | None]:
    """List the numbers of a city's year (the present one when None) that were drawn over an hour ago and never used.

    From after a place in the series; and the place to go on from, if any.
    """
    rules = city_rules(context, city)
    return register_view.voids(context.database, series(rules, of_year or year(rules, context.store.now())), after)


def city_rules(context: Context, city: str) -> CityRules:
    """Find what a city's pack says; a city that takes no requests is refused, naming those that do."""
    rules = context.rules.get(city)
    if rules is None:
        raise UnknownCityError(allowed(context.rules))
    return rules


def asker_of(actor: Actor) -> Asker:
    """Say as whom an actor speaks: an agent for anybody, everyone else for themselves."""
    return Asker(UUID(actor.id), agent="agent" in actor.roles)


def _handle(context: Context, request: UUID, decide: Callable[[Request, datetime], Sequence[Event]], command: Command) -> Result:
    return context.store.handle(REQUEST, request_stream(request), decide, command)


def _draw(context: Context, city: CityRules, command: Command) -> str:
    """Draw the command's register number; a repeated command gets the number it had, also when a year has turned meanwhile."""
    drawn = draw_of_year(context.database, city.prefix, city.zone.key, command.id)
    return register_number(drawn.series, drawn.number)


def _entry(context: Context, request: UUID, number: str | None, result: Result) -> Entry:
    """Say what a command led to, then as now: a repeated one is told what was so when it was first done."""
    if result.repeated:
        number = context.store.load_at(REQUEST, result.stream_id, result.version).state.number
    return Entry(request, number, result.version)


def _defining(definition: ServiceTypeDefined) -> Callable[[ServiceType, datetime], list[Event]]:
    return lambda known, _now: define(known, definition)


def _tokens(events: Sequence[Recorded]) -> list[str]:
    return [
        value.token
        for event in events
        if isinstance(event.fact, RequestSubmitted)
        for name in PERSONAL
        if isinstance(value := getattr(event.fact, name), Sealed)
    ]
