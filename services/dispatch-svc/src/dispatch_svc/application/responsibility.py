"""Who is responsible for what: granted and ended by dispatchers, seen by everybody."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from dispatch_svc.application.context import Context, city_of, need
from dispatch_svc.domain import responsibility
from dispatch_svc.domain.refusal import UnknownOrganisationError
from dispatch_svc.domain.responsibility import BY_HAND, RESPONSIBILITY, Grants, ResponsibilityNotFoundError, territory_of
from shared_chassis.store import Command, Result
from shared_events.dispatch import ResponsibilityGranted
from shared_events.event import Event

MAY: Mapping[str, frozenset[str]] = {
    "grant_responsibility": frozenset({"dispatcher"}),
    "end_responsibility": frozenset({"dispatcher"}),
}
"""Who may: use case → roles."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Who is to answer for a service type where and when; no district and no building is the whole city."""

    city: str
    service_type: str
    district: str | None
    building: str | None
    organisation: str
    valid_from: date
    valid_to: date | None


def grant(context: Context, wanted: Wanted, command: Command) -> Result:
    """Make an organisation responsible, where and when nobody is."""
    city = city_of(context, wanted.city)
    need("service type", wanted.service_type, (each.code for each in city.service_types))
    need("district", wanted.district, (each.code for each in city.districts))
    need("building", wanted.building, (each.code for each in city.buildings))
    if context.rulebooks.latest().organisation(city.slug, wanted.organisation) is None:
        raise UnknownOrganisationError
    fact = ResponsibilityGranted(
        city=city.slug,
        service_type=wanted.service_type,
        district=None if wanted.building is not None else wanted.district,
        building=wanted.building,
        organisation=wanted.organisation,
        valid_from=wanted.valid_from,
        valid_to=wanted.valid_to,
        pack_version=BY_HAND,
    )
    stream_id = territory_of(fact).stream_id
    result = context.store.handle(RESPONSIBILITY, stream_id, lambda known, _now: responsibility.grant(known, fact), command)
    context.rulebooks.forget()
    return result


def end(context: Context, stream_id: str, valid_to: date, command: Command) -> Result:
    """End a responsibility: `valid_to` is no longer one of its days."""

    def decide(known: Grants, now: datetime) -> list[Event]:
        if not known.standing:
            raise ResponsibilityNotFoundError
        zone = city_of(context, known.standing[0][1].city).timezone
        return responsibility.end(known, valid_to, now.astimezone(zone).date())

    result = context.store.handle(RESPONSIBILITY, stream_id, decide, command)
    context.rulebooks.forget()
    return result
