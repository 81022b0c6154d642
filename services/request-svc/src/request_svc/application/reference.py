"""What the cities' packs say, as rules and as facts that stand in the store."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from request_svc.application.context import SERVICE, Context
from request_svc.domain.city import CityRules, PinnedTerm, TypeRules
from request_svc.domain.reference import BUILDING, SERVICE_TYPE, Building, ServiceType, define, enter
from shared_chassis.store import Command
from shared_city import City, NoTermsError, Stage, terms_for
from shared_city import ServiceType as PackedType
from shared_events.event import Event
from shared_events.ids import building_stream, derive, service_type_stream
from shared_events.request import BuildingRegistered, Question, ServiceTypeDefined

ACTOR: Final = f"service:{SERVICE}"


def rules_of(cities: Mapping[str, City]) -> dict[str, CityRules]:
    """Read the packs of the cities that take requests, those with service types, as rules."""
    return {slug: _rules(city) for slug, city in cities.items() if city.service_types}


def adopt(context: Context) -> None:
    """Let the service types and buildings of every city's pack stand; a pack that says the same again changes nothing."""
    for city in context.cities.values():
        for item in city.service_types:
            stream_id = service_type_stream(city.slug, item.code)
            context.store.handle(SERVICE_TYPE, stream_id, _defining(_definition(city, item)), _adopting(city, stream_id))
        for building in city.buildings:
            stream_id = building_stream(city.slug, building.code)
            registration = BuildingRegistered(
                city=city.slug,
                code=building.code,
                address=building.address,
                suburb=building.suburb,
                district=building.district,
                pack_version=city.pack_version,
            )
            context.store.handle(BUILDING, stream_id, _entering(registration), _adopting(city, stream_id))


def _rules(city: City) -> CityRules:
    codes = [item.code for item in city.service_types]
    answering: Stage = "information" if city.terms is not None and "information" in city.terms.stages else "silent_consent"
    return CityRules(
        slug=city.slug,
        service_types={
            item.code: TypeRules(_questions(item), item.questions_version, item.valid_from, item.valid_to)
            for item in city.service_types
        },
        districts=frozenset(item.code for item in city.districts),
        languages=city.languages,
        default_language=city.default_language,
        prefix=city.register_prefix,
        zone=city.timezone,
        consent=_pinned(city, None, "silent_consent"),
        consent_by_service_type={code: _pinned(city, code, "silent_consent") for code in codes},
        information=_pinned(city, None, answering),
        information_by_service_type={code: _pinned(city, code, answering) for code in codes},
        buildings={building.code: building.district for building in city.buildings},
    )


def _pinned(city: City, service_type: str | None, stage: Stage) -> PinnedTerm:
    """Read a term with its versions; a city without a term for information lets it wait as long as silence may last."""
    if city.terms is None:
        raise NoTermsError(city, stage)
    return PinnedTerm(terms_for(city, service_type, stage), city.terms.calendar, city.terms.version)


def _definition(city: City, item: PackedType) -> ServiceTypeDefined:
    return ServiceTypeDefined(
        city=city.slug,
        code=item.code,
        names=dict(item.names),
        group=item.group,
        emergency=item.emergency,
        pack_version=city.pack_version,
        parent=item.parent,
        questions=_questions(item),
        questions_version=item.questions_version,
        evidence_required=item.evidence_required,
        valid_from=item.valid_from,
        valid_to=item.valid_to,
    )


def _questions(item: PackedType) -> tuple[Question, ...]:
    return tuple(Question.model_validate(question.model_dump(mode="json")) for question in item.questions)


def _adopting(city: City, stream_id: str) -> Command:
    return Command(derive(stream_id, city.pack_version, "adopt"), ACTOR)


def _defining(definition: ServiceTypeDefined) -> Callable[[ServiceType, datetime], list[Event]]:
    return lambda known, _now: define(known, definition)


def _entering(registration: BuildingRegistered) -> Callable[[Building, datetime], list[Event]]:
    return lambda known, _now: enter(known, registration)
