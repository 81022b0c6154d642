"""What may be submitted, by whom and for whom: checked before a number is drawn, so that no refusal leaves a hole."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, assert_never
from uuid import UUID

from request_svc.domain.city import CityRules
from request_svc.domain.refusal import (
    ImportsNotByThisChannelError,
    NotACallersError,
    OnlyAgentsTakeCallsError,
    OnlyForYourselfError,
    PersonalDataOfNobodyError,
    UnknownDistrictError,
    UnknownLanguageError,
    UnknownServiceTypeError,
)
from shared_events.personal import personal_fields
from shared_events.request import RequestSubmitted

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


def check_service_type(city: CityRules, code: str) -> None:
    """Refuse a service type the city does not have, naming those it has."""
    if code not in city.service_types:
        raise UnknownServiceTypeError(allowed(city.service_types))


def check_submission(asked: RequestSubmitted, city: CityRules) -> None:
    """Refuse what the city's pack does not know, naming what it does, and personal data that is nobody's.

    A district that is missing is accepted: the caller may not know it.
    """
    if asked.service_type is not None:
        check_service_type(city, asked.service_type)
    if asked.location.district is not None and asked.location.district not in city.districts:
        raise UnknownDistrictError(allowed(city.districts))
    if asked.language not in city.languages:
        raise UnknownLanguageError(allowed(city.languages))
    if asked.person is None and (given := [field for field in PERSONAL if getattr(asked, field) is not None]):
        raise PersonalDataOfNobodyError(f"Given: {', '.join(given)}.")


def allowed(names: Iterable[str]) -> str:
    """Say which names would do."""
    return f"Allowed: {', '.join(sorted(names)) or 'none'}."
