"""The closed list of every fact that can be stored: nothing outside it is ever loaded."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from shared_events import analytics, discussion, dispatch, notification, request
from shared_events.event import Event

Catalogue = Mapping[str, type[Event]]
"""Event classes by their type, as `request.request-submitted.v1`."""


class DuplicateTypeError(ValueError):
    """Two classes of a catalogue have one type."""


def catalogue_of(events: Iterable[type[Event]]) -> Catalogue:
    """Make a closed catalogue of event classes.

    Raises `DuplicateTypeError` when two have one type.
    """
    by_type: dict[str, type[Event]] = {}
    for event in events:
        if event.TYPE in by_type:
            raise DuplicateTypeError(event.TYPE)
        by_type[event.TYPE] = event
    return MappingProxyType(by_type)


CATALOGUE = catalogue_of((*request.EVENTS, *dispatch.EVENTS, *discussion.EVENTS, *notification.EVENTS, *analytics.EVENTS))
"""Every fact of Veche."""


def newest(event: Event) -> Event:
    """Bring a fact into its newest version's shape."""
    while (following := event.upcast()) is not None:
        event = following
    return event


def schema_name(type_: str) -> str:
    """Name the JSON Schema of a type, as its `dataschema` attribute does."""
    return f"/schemas/{type_}.json"
