"""What use cases work with, and who may do what."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from request_svc.domain.city import CityRules
from request_svc.domain.question import allowed
from request_svc.domain.refusal import UnknownCityError
from request_svc.domain.request import REQUEST, Request
from request_svc.domain.submission import Asker
from shared_chassis.http import ANYBODY, Actor
from shared_chassis.keyring import Keyring
from shared_chassis.object_store import ObjectStore
from shared_chassis.postgres import Database
from shared_chassis.store import Command, Result, Store
from shared_city import City
from shared_events.event import Event
from shared_events.ids import request_stream

SERVICE: Final = "request-svc"

MAY: Final[Mapping[str, frozenset[str]]] = {
    "submit": frozenset({"resident", "agent"}),
    "register": frozenset({"agent"}),
    "reclassify": frozenset({"agent", "dispatcher"}),
    "link": frozenset({"agent", "dispatcher"}),
    "unlink": frozenset({"agent", "dispatcher"}),
    "ask": frozenset({"agent", "dispatcher", "executor"}),
    "answer": frozenset({"resident", "agent"}),
    "attach": frozenset({"resident", "agent"}),
    "confirm": frozenset({"resident", "agent"}),
    "dispute": frozenset({"resident", "agent"}),
    "withdraw": frozenset({"resident", "agent"}),
    "reject": frozenset({"agent"}),
    "rate": frozenset({"resident", "agent"}),
    "erase": frozenset({"resident", "agent"}),
    "read": frozenset({ANYBODY}),
    "read_attachment": frozenset({"resident", "agent", "dispatcher", "executor"}),
    "list_own": frozenset({"resident", "agent"}),
    "list_of_anybody": frozenset({"agent", "dispatcher", "auditor"}),
    "read_persons": frozenset({"agent", "dispatcher"}),
    "read_pseudonyms": frozenset({"agent", "dispatcher", "auditor", "analyst"}),
    "read_feed": frozenset({"dispatcher", "analyst", "auditor"}),
}
"""Who may do what.

Beside these roles: residents do this with their own requests and data only; a person reads their own data, and the organisation
that has the request reads it too and may ask.
"""


@dataclass(frozen=True)
class Context:
    """What use cases work with; `cities` are the packs of those that take requests, `rules` what they say."""

    store: Store
    database: Database
    keyring: Keyring
    cities: Mapping[str, City]
    rules: Mapping[str, CityRules]
    objects: ObjectStore


def city_rules(context: Context, city: str) -> CityRules:
    """Find what a city's pack says; a city that takes no requests is refused, naming those that do."""
    rules = context.rules.get(city)
    if rules is None:
        raise UnknownCityError(allowed(context.rules))
    return rules


def asker_of(actor: Actor) -> Asker:
    """Say as whom an actor speaks: an agent for anybody, everyone else for themselves."""
    return Asker(UUID(actor.id), agent="agent" in actor.roles)


def on_request(
    context: Context, request: UUID, decide: Callable[[Request, datetime], Sequence[Event]], command: Command
) -> Result:
    """Decide on a request's present state and the database's clock."""
    return context.store.handle(REQUEST, request_stream(request), decide, command)
