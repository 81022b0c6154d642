"""A person as this service knows one: somebody whose data can be erased, once and for ever."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

from request_svc.domain.refusal import NotYourDataError
from request_svc.domain.submission import Asker
from shared_chassis.stream import Set, Stream
from shared_events.event import Event
from shared_events.request import PersonalDataErased

ERASURE = "erasure"
"""The kind of the timer that destroys the key of a person whose data was erased."""


@dataclass(frozen=True, slots=True)
class Person:
    """Whether a person's data was erased."""

    erased: bool = False


def evolve_person(_person: Person, _fact: PersonalDataErased) -> Person:
    """Take the fact that a person's data was erased."""
    return Person(erased=True)


def person_at(now: datetime) -> Stream[Person]:
    """Declare a person's stream: an erasure decided at a moment destroys the key from that moment on, also after a crash."""
    return Stream(
        "person",
        Person(),
        cast("Callable[[Person, Event], Person]", evolve_person),  # a person's stream holds this fact alone
        lambda _person, _events: [Set(ERASURE, "key", now)],
    )


def erase(person: Person, of: UUID, asker: Asker) -> list[Event]:
    """Erase a person's data, as that person or an agent on their behalf asks; nothing is left to erase twice."""
    if not asker.agent and asker.id != of:
        raise NotYourDataError
    return [] if person.erased else [PersonalDataErased(person=of, asked_by="agent" if asker.id != of else "person")]
