"""A city's terms and calendars as they are adopted: in versions, because a clock keeps those it began with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from dispatch_svc.domain.refusal import DispatchRefusalError
from shared_calendar import Calendar
from shared_chassis.stream import Stream
from shared_events.dispatch import CalendarAdopted, TermPolicyAdopted
from shared_events.event import Event

PACK = {"pack_version"}
"""What may differ between two statements of the same: from which pack they come."""


class CalendarChangedError(DispatchRefusalError):
    """A version of a calendar never changes, for clocks are counted by it; what is new needs a new version."""


@dataclass(frozen=True, slots=True)
class Versions:
    """A calendar's versions as they were adopted."""

    adopted: Mapping[str, CalendarAdopted] = field(default_factory=dict)


def adopt_terms(known: TermPolicyAdopted | None, wanted: TermPolicyAdopted) -> list[Event]:
    """Adopt a city's terms when they are other ones than before."""
    return [] if known == wanted else [wanted]


def adopt_calendar(known: Versions, wanted: CalendarAdopted) -> list[Event]:
    """Adopt a version of a calendar, once. Raises `CalendarChangedError` when that version said something else before."""
    stated = known.adopted.get(wanted.version)
    if stated is None:
        return [wanted]
    if stated.model_dump(exclude=PACK) != wanted.model_dump(exclude=PACK):
        raise CalendarChangedError(f"{CalendarChangedError.__doc__} ({wanted.calendar} {wanted.version} of {wanted.city})")
    return []


def calendar_of(adopted: CalendarAdopted) -> Calendar:
    """Make the calendar a fact adopted."""
    return Calendar.model_validate(
        {
            "id": adopted.calendar,
            "version": adopted.version,
            "timezone": adopted.timezone,
            "week": {weekday: day.hours for weekday, day in adopted.week.items()},
            "days": {day: {"hours": differs.hours, "name": differs.name} for day, differs in adopted.days.items()},
        }
    )


def _terms_adopted(_known: TermPolicyAdopted | None, fact: Event) -> TermPolicyAdopted:
    return cast("TermPolicyAdopted", fact)  # the stream holds nothing else


def _calendar_adopted(known: Versions, fact: Event) -> Versions:
    adopted = cast("CalendarAdopted", fact)  # the stream holds nothing else
    return Versions({**known.adopted, adopted.version: adopted})


SLA: Stream[TermPolicyAdopted | None] = Stream("sla", None, _terms_adopted)
"""A city's terms; its state is the policy last adopted."""

CALENDAR: Stream[Versions] = Stream("sla-calendar", Versions(), _calendar_adopted)
"""A calendar of a city, version after version."""
