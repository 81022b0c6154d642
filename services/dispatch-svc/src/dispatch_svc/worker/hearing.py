"""How what another service says is read."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar
from uuid import UUID

from dispatch_svc.domain.refusal import CaseNotFoundError
from shared_chassis.consumer import Early, Invalid
from shared_events.envelope import Received
from shared_events.event import Event
from shared_events.ids import case_stream, uuid_of

E = TypeVar("E", bound=Event)


def fact(received: Received, kind: type[E]) -> E:
    """Give the fact as what the table of reactions says it is."""
    if not isinstance(received.fact, kind):
        raise Invalid(f"A {kind.__name__} is expected here, not a {type(received.fact).__name__}.")
    return received.fact


def request(received: Received) -> UUID:
    """Give the uuid of the request an event is about: its case has the same."""
    request = uuid_of(received.stream_id)
    if request is None:
        raise Invalid(f"{received.stream_id} is not the stream of a request.")
    return request


@contextmanager
def case_known(received: Received) -> Iterator[None]:
    """Let an event about a case not opened here yet wait for the case."""
    try:
        yield
    except CaseNotFoundError as error:
        raise Early(case_stream(request(received))) from error
