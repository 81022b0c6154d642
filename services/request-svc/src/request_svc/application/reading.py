"""Requests as their readers may see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from request_svc.application.context import MAY, Context, city_rules
from request_svc.domain.city import series, year
from request_svc.domain.refusal import UnknownRequestError
from request_svc.views import register as register_view
from shared_chassis.http import Actor
from shared_events.envelope import Recorded
from shared_events.ids import request_stream
from shared_events.personal import Sealed, personal_fields
from shared_events.request import RequestSubmitted


@dataclass(frozen=True, slots=True)
class History:
    """A request with everything that ever happened to it.

    `opened` holds the text of sealed values by token, for a reader who may see the person's data; None for everybody else.
    """

    row: Mapping[str, object]
    events: Sequence[Recorded]
    opened: Mapping[str, str | None] | None
    pseudonyms: bool

    @property
    def version(self) -> int:
        """The version of the request's stream that is shown."""
        return self.events[-1].version


def read(context: Context, request: UUID, actor: Actor) -> History:
    """Read a request with its whole history; the person's data is opened only for those who may see it, in one query."""
    row = register_view.one(context.database, request)
    if row is None:
        raise UnknownRequestError
    events = context.store.events(request_stream(request))
    person = next((event.fact.person for event in events if isinstance(event.fact, RequestSubmitted)), None)
    opened = context.keyring.open(_tokens(events)) if sees_person(actor, person, row) else None
    own = is_own(actor, person)
    return History(row, events, opened, pseudonyms=own or not actor.roles.isdisjoint(MAY["read_pseudonyms"]))


def is_own(actor: Actor, person: UUID | None) -> bool:
    """Tell whether a request is the reader's own."""
    return actor.signed_in and person is not None and actor.id == str(person)


def sees_person(actor: Actor, person: UUID | None, row: Mapping[str, object]) -> bool:
    """Tell whether a reader may see the person's data: the person, the city's staff, the organisation that has the request."""
    has_it = actor.organisation is not None and actor.organisation in {row["organisation"], row["holder_organisation"]}
    works_on_it = "executor" in actor.roles and has_it and (actor.scopes is None or "read" in actor.scopes)
    return is_own(actor, person) or not actor.roles.isdisjoint(MAY["read_persons"]) or works_on_it


def void_numbers(context: Context, city: str, of_year: int | None, after: int) -> tuple[list[register_view.Void], int | None]:
    """List the numbers of a city's year (the present one when None) that were drawn over an hour ago and never used.

    From after a place in the series; and the place to go on from, if any.
    """
    rules = city_rules(context, city)
    return register_view.voids(context.database, series(rules, of_year or year(rules, context.store.now())), after)


def _tokens(events: Sequence[Recorded]) -> list[str]:
    return [
        value.token
        for event in events
        for name in personal_fields(type(event.fact))
        if isinstance(value := getattr(event.fact, name), Sealed)
    ]
