"""What every use case works with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dispatch_svc.domain.refusal import UnknownCityError, UnknownNameError
from dispatch_svc.views.rulebook import Rulebooks
from shared_chassis.postgres import Database
from shared_chassis.store import Store
from shared_city import City

SERVICE = "dispatch-svc"

MOST_LISTED = 40
"""How many known codes a refusal lists at most."""


@dataclass(frozen=True)
class Context:
    """What every use case works with."""

    store: Store
    database: Database
    cities: Mapping[str, City]
    rulebooks: Rulebooks


def city_of(context: Context, slug: str) -> City:
    """Give a city's pack. Raises `UnknownCityError`, which names those there are."""
    city = context.cities.get(slug)
    if city is None:
        raise UnknownCityError(f"There is no city '{slug}' here; known: {', '.join(sorted(context.cities))}.")
    return city


def need(what: str, code: str | None, known: Iterable[str]) -> None:
    """See that a code the caller gave names something; None names nothing and is fine. Raises `UnknownNameError`."""
    codes = frozenset(known)
    if code is not None and code not in codes:
        few = ", ".join(sorted(codes)[:MOST_LISTED]) or "none"
        raise UnknownNameError(f"There is no {what} '{code}' in this city; known: {few}.")
