"""Questions asked of a city: what a name means, how long a stage may take, who is responsible. Pure functions."""

from collections.abc import Iterable
from datetime import datetime

from shared_calendar import NaiveTimeError, Term
from shared_city.model import Building, City, District, Organisation, Procedure, Responsibility, ServiceType, Stage
from shared_city.part import matching_key


class NoTermsError(LookupError):
    """The city's pack sets no such term."""

    def __init__(self, city: City, stage: Stage) -> None:
        super().__init__(f"{self.__doc__} City: {city.slug}, stage: {stage}.")


def district(city: City, code_or_alias: str) -> District | None:
    """Find a district by its code or by another system's name for it; None if the city has none such."""
    return next((item for item in city.districts if _named(code_or_alias, item.code, item.aliases)), None)


def service_type(city: City, code_or_alias: str) -> ServiceType | None:
    """Find a service type by its code or by another system's name for it; None if the city has none such."""
    return next((item for item in city.service_types if _named(code_or_alias, item.code, item.aliases)), None)


def organisation(city: City, slug_or_alias: str) -> Organisation | None:
    """Find an organisation by its slug or by another system's name for it; None if the city has none such."""
    return next((item for item in city.organisations if _named(slug_or_alias, item.slug, item.aliases)), None)


def building(city: City, code: str) -> Building | None:
    """Find a building by its code; None if the city has none such."""
    return next((item for item in city.buildings if item.code == code), None)


def procedure(city: City, code: str) -> Procedure | None:
    """Find a procedure of public discussion by its code; None if the city has none such."""
    return next((item for item in city.procedures if item.code == code), None)


def terms_for(city: City, service_type: str | None, stage: Stage) -> Term:
    """Say how long a stage may take: the service type's own term, or the city's for all others.

    `service_type` is a code; None while the type is not known. Raises `NoTermsError` where the city sets none.
    """
    if city.terms is None:
        raise NoTermsError(city, stage)
    own = city.terms.by_service_type.get(service_type, {}) if service_type else {}
    term = own.get(stage) or city.terms.stages.get(stage)
    if term is None:
        raise NoTermsError(city, stage)
    return term


def responsible(
    city: City, service_type: str, district: str | None, at: datetime, building: str | None = None
) -> Responsibility | None:
    """Say who is responsible at a moment: exactly one organisation, or None.

    `service_type`, `district` and `building` are codes. One named for the building goes before one for the district, and that
    before one for the whole city; a place with no known district has only the latter. Raises `NaiveTimeError` for a time
    without an offset.
    """
    if at.utcoffset() is None:
        raise NaiveTimeError(at)
    day = at.astimezone(city.timezone).date()
    valid = [
        item
        for item in city.responsibilities
        if item.service_type == service_type
        and item.district in {district, None}
        and item.building in {building, None}
        and item.valid_from <= day
        and (item.valid_to is None or day < item.valid_to)
    ]
    return min(valid, key=lambda item: (item.building is None, item.district is None), default=None)


def _named(asked: str, name: str, aliases: Iterable[str]) -> bool:
    """Compare a name with all the names of a thing, as people spell them."""
    return matching_key(asked) in {matching_key(name), *map(matching_key, aliases)}
