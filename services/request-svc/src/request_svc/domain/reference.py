"""What kinds of help a city offers and which buildings it has: each a stream, restated whenever its pack changes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from shared_chassis.stream import Stream
from shared_events.event import Event
from shared_events.request import BuildingRegistered, ServiceTypeDefined


@dataclass(frozen=True, slots=True)
class ServiceType:
    """A kind of help a city offers, as its newest definition says."""

    definition: ServiceTypeDefined | None = None


def evolve_service_type(_known: ServiceType, fact: ServiceTypeDefined) -> ServiceType:
    """Take a newer definition."""
    return ServiceType(fact)


SERVICE_TYPE = Stream(
    "service-type",
    ServiceType(),
    cast("Callable[[ServiceType, Event], ServiceType]", evolve_service_type),  # a service type's stream holds this fact alone
)


def define(known: ServiceType, definition: ServiceTypeDefined) -> list[Event]:
    """Let a service type stand as a city pack defines it."""
    return [] if known.definition == definition else [definition]


@dataclass(frozen=True, slots=True)
class Building:
    """A building of a city, as its newest registration says."""

    registration: BuildingRegistered | None = None


def evolve_building(_known: Building, fact: BuildingRegistered) -> Building:
    """Take a newer registration."""
    return Building(fact)


BUILDING = Stream(
    "building",
    Building(),
    cast("Callable[[Building, Event], Building]", evolve_building),  # a building's stream holds this fact alone
)


def enter(known: Building, registration: BuildingRegistered) -> list[Event]:
    """Let a building stand as a city pack has it."""
    return [] if known.registration == registration else [registration]
