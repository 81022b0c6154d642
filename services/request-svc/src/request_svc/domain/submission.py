"""What may be submitted, by whom and for whom: checked before a number is drawn, so that no refusal leaves a hole."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, assert_never
from uuid import UUID

from request_svc.domain.city import CityRules, TypeRules
from request_svc.domain.question import Answers, allowed, checked
from request_svc.domain.refusal import (
    AnswersWithoutTypeError,
    BuildingElsewhereError,
    ImportsNotByThisChannelError,
    NotACallersError,
    OnlyAgentsTakeCallsError,
    OnlyForYourselfError,
    PersonalDataOfNobodyError,
    ServiceTypeNotOfferedError,
    UnknownBuildingError,
    UnknownDistrictError,
    UnknownLanguageError,
    UnknownServiceTypeError,
)
from shared_events.personal import personal_fields
from shared_events.request import Location, RequestSubmitted

Whom = Literal["self", "caller", "none"]
"""Whom the city answers: who submits, the caller an agent submits for, or nobody."""

PERSONAL = tuple(sorted(personal_fields(RequestSubmitted)))
"""The fields of a submission that hold a person's data."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who wants something of a request: a resident for themselves, or an agent for anybody."""

    id: UUID
    agent: bool


def person_of(asker: Asker, whom: Whom, on_behalf_of: UUID | None, stranger: UUID) -> UUID | None:
    """Say whose request it is; a caller without an account is the `stranger`."""
    if on_behalf_of is not None and whom != "caller":
        raise NotACallersError
    if whom != "self" and not asker.agent:
        raise OnlyForYourselfError
    match whom:
        case "self":
            return asker.id
        case "caller":
            return on_behalf_of or stranger
        case "none":
            return None
        case _:
            assert_never(whom)


def check_channel(asker: Asker, asked: RequestSubmitted) -> None:
    """Refuse a call that no agent took, and a resident's word, over a foreign channel, of where else the request stands."""
    if asker.agent:
        return
    if asked.channel == "call_centre":
        raise OnlyAgentsTakeCallsError
    if asked.origin is not None and asked.channel == "open311":
        raise ImportsNotByThisChannelError


def check_service_type(city: CityRules, code: str) -> TypeRules:
    """Give what a service type asks; refuse one the city does not have, naming those it has."""
    rules = city.service_types.get(code)
    if rules is None:
        raise UnknownServiceTypeError(allowed(city.service_types))
    return rules


def check_offered(city: CityRules, code: str, now: datetime) -> None:
    """Refuse a service type on a day of the city on which it does not stand."""
    rules = city.service_types[code]
    if not rules.offered(now.astimezone(city.zone).date()):
        since = "" if rules.valid_from is None else f" from {rules.valid_from}"
        until = "" if rules.valid_to is None else f" until {rules.valid_to}"
        raise ServiceTypeNotOfferedError(f"It is offered{since}{until}.")


def check_submission(asked: RequestSubmitted, city: CityRules) -> RequestSubmitted:
    """Refuse what the city's pack does not know, naming what it does, and personal data that is nobody's.

    Gives the submission with the district of its building and the version of the questions that were answered. A district that
    is missing is accepted: the caller may not know it.
    """
    if asked.service_type is None:
        if asked.answers or asked.questions_version is not None:
            raise AnswersWithoutTypeError
        answered = Answers({})
    else:
        answered = checked(check_service_type(city, asked.service_type), Answers(asked.answers, asked.questions_version))
    where = _placed(asked.location, city)
    if asked.language not in city.languages:
        raise UnknownLanguageError(allowed(city.languages))
    if asked.person is None and (given := [field for field in PERSONAL if getattr(asked, field) is not None]):
        raise PersonalDataOfNobodyError(f"Given: {', '.join(given)}.")
    if where is asked.location and answered.version == asked.questions_version:
        return asked
    return asked.model_copy(update={"location": where, "questions_version": answered.version})


def _placed(where: Location, city: CityRules) -> Location:
    """Refuse a place the city does not have; a building it lists brings its district."""
    if where.district is not None and where.district not in city.districts:
        raise UnknownDistrictError(allowed(city.districts))
    if where.building is None or not city.buildings:
        return where
    if where.building not in city.buildings:
        raise UnknownBuildingError
    district = city.buildings[where.building]
    if where.district is None and district is not None:
        return where.model_copy(update={"district": district})
    if district not in {None, where.district}:
        raise BuildingElsewhereError(f"It stands in {district}.")
    return where
