"""A mass outage: suggested by a surge of requests, declared by a dispatcher, prolonged, resolved.

Which requests it explains stands in each request's own case; here stands what it covers, who repairs it and when it should be
over. What is to be done with many cases at once hangs on two timers: linking those that came before the declaration, and
reporting the work of all linked ones done after the resolution.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeAlias, assert_never, cast
from uuid import UUID

from dispatch_svc.domain.refusal import DispatchRefusalError
from dispatch_svc.domain.rulebook import ActiveIncident
from shared_chassis.stream import Set, Stream
from shared_events.dispatch import (
    IncidentDeclared,
    IncidentDismissed,
    IncidentProlonged,
    IncidentResolved,
    IncidentScope,
    IncidentSuggested,
)
from shared_events.event import Event

LINKING = "incident-linking"
"""The kind of the timer that links the requests which came before their incident was declared."""

RESOLUTION = "incident-resolution"
"""The kind of the timer that reports the work of linked requests done once their incident is over."""

SINCE = "since"
"""What the payload of a linking says: requests registered at or after this moment (ISO 8601)."""

IncidentState = Literal["unknown", "suggested", "declared", "dismissed", "resolved"]

IncidentFact: TypeAlias = IncidentSuggested | IncidentDeclared | IncidentDismissed | IncidentProlonged | IncidentResolved


class IncidentNotFoundError(DispatchRefusalError):
    """No incident is known under this id."""


class IncidentOfAnotherCityError(DispatchRefusalError):
    """What was suggested is in another city."""


class RequestOfAnotherCityError(DispatchRefusalError):
    """This request is of another city than the incident."""


class NamesMissingError(DispatchRefusalError):
    """An incident has a name in the city's own language, and in no language the city does not speak."""


class IncidentDeclaredAlreadyError(DispatchRefusalError):
    """This incident was declared already."""


class IncidentDismissedAlreadyError(DispatchRefusalError):
    """It was decided that this is no incident."""


class IncidentNotDeclaredError(DispatchRefusalError):
    """This incident is only suggested; declare or dismiss it first."""


class IncidentIsOverError(DispatchRefusalError):
    """This incident is over."""


class IncidentBeginsLaterError(DispatchRefusalError):
    """An incident began before now: what is planned is no incident."""


class IncidentEndsTooEarlyError(DispatchRefusalError):
    """The expected end is a moment to come, after the beginning."""


class ResolvedAtAnotherTimeError(DispatchRefusalError):
    """An incident is over between its beginning and now."""


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident as it stands; `organisation` repairs it, `evidence` is what it showed when it was over."""

    state: IncidentState = "unknown"
    city: str = ""
    scope: IncidentScope | None = None
    organisation: str = ""
    began_at: datetime | None = None
    expected_end: datetime | None = None
    evidence: tuple[str, ...] = ()


def suggest(known: Incident, surge: IncidentSuggested) -> list[Event]:
    """Ask people to look at a surge of requests, once."""
    return [surge] if known.state == "unknown" else []


def declare(known: Incident, wanted: IncidentDeclared, now: datetime) -> list[Event]:
    """Declare an incident, out of the blue or where one was suggested."""
    match known.state:
        case "unknown":
            pass
        case "suggested":
            if known.city != wanted.city:
                raise IncidentOfAnotherCityError
        case "declared":
            raise IncidentDeclaredAlreadyError
        case "dismissed":
            raise IncidentDismissedAlreadyError
        case "resolved":
            raise IncidentIsOverError
        case _:
            assert_never(known.state)
    if wanted.began_at > now:
        raise IncidentBeginsLaterError
    _refuse_early_end(wanted.expected_end, now)
    return [wanted]


def dismiss(known: Incident, reason: str) -> list[Event]:
    """Say that what was suggested is no incident; nothing when that was said before."""
    match known.state:
        case "unknown":
            raise IncidentNotFoundError
        case "suggested":
            return [IncidentDismissed(reason=reason)]
        case "dismissed":
            return []
        case "declared":
            raise IncidentDeclaredAlreadyError
        case "resolved":
            raise IncidentIsOverError
        case _:
            assert_never(known.state)


def prolong(known: Incident, expected_end: datetime | None, reason: str, now: datetime) -> list[Event]:
    """Say that the incident lasts longer, or shorter, than was said; None when nobody can say how long."""
    declared(known)
    _refuse_early_end(expected_end, now)
    if expected_end == known.expected_end:
        return []
    return [IncidentProlonged(expected_end=expected_end, reason=reason)]


def resolve(known: Incident, at: datetime, note: str, evidence: tuple[str, ...], now: datetime) -> list[Event]:
    """Say that the incident is over since a moment."""
    if known.state == "resolved":
        return []
    began_at = declared(known)
    if not began_at <= at <= now:
        raise ResolvedAtAnotherTimeError
    return [IncidentResolved(at=at, note=note, evidence=evidence)]


def declared(known: Incident) -> datetime:
    """Let only an incident pass that was declared and is not over; since when it is."""
    match known.state:
        case "unknown":
            raise IncidentNotFoundError
        case "suggested":
            raise IncidentNotDeclaredError
        case "dismissed":
            raise IncidentDismissedAlreadyError
        case "resolved":
            raise IncidentIsOverError
        case "declared":
            return cast("datetime", known.began_at)  # set by the declaration
        case _:
            assert_never(known.state)


def active(incident_id: UUID, known: Incident) -> ActiveIncident:
    """Give what a declared incident covers, for those who link requests. Raises as `declared` does."""
    began_at = declared(known)
    scope = cast("IncidentScope", known.scope)  # set by the declaration
    return ActiveIncident(incident_id, known.city, scope, known.organisation, known.expected_end, began_at)


def _refuse_early_end(expected_end: datetime | None, now: datetime) -> None:
    if expected_end is not None and expected_end <= now:
        raise IncidentEndsTooEarlyError


def _evolve(known: Incident, fact: IncidentFact) -> Incident:
    match fact:
        case IncidentSuggested():
            return replace(known, state="suggested", city=fact.city)
        case IncidentDeclared():
            return Incident("declared", fact.city, fact.scope, fact.organisation, fact.began_at, fact.expected_end)
        case IncidentDismissed():
            return replace(known, state="dismissed")
        case IncidentProlonged():
            return replace(known, expected_end=fact.expected_end)
        case IncidentResolved():
            return replace(known, state="resolved", evidence=fact.evidence)
        case _:
            assert_never(fact)


def _timers(_known: Incident, events: Sequence[Event]) -> list[Set]:
    """Link what came before the declaration, and report done what is linked when it is over: both are due at once."""
    timers = []
    for fact in events:
        match fact:
            case IncidentDeclared():
                timers.append(Set(LINKING, "declaration", fact.began_at, {SINCE: fact.began_at.isoformat()}))
            case IncidentResolved():
                timers.append(Set(RESOLUTION, "resolution", fact.at))
    return timers


def _stored(known: Incident, fact: Event) -> Incident:
    return _evolve(known, cast("IncidentFact", fact))  # the stream holds nothing else


INCIDENT: Stream[Incident] = Stream("incident", Incident(), _stored, _timers)
"""A mass outage, suggested or declared."""
