"""What a service does when others speak, and the three words in which a reaction may refuse."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import psycopg
from eventsourcing.persistence import InterfaceError, OperationalError

from shared_chassis.recorder import Conflict
from shared_chassis.view import Writing
from shared_events.envelope import Received
from shared_events.event import Event

C = TypeVar("C")

Reactions = Mapping[type[Event], Callable[[C, Received], None]]
"""Event type → what the service then does, given its context. Repeating it is harmless: its command id follows from the event."""


@dataclass(frozen=True)
class Only(Generic[C]):
    """A reaction to those events of a type alone of which something holds.

    For the others nothing is done, so what was folded before them need not be committed first.
    """

    when: Callable[[Received], bool]
    then: Callable[[C, Received], None]

    def __call__(self, context: C, received: Received) -> None:
        """React, where it holds."""
        if self.when(received):
            self.then(context, received)


@dataclass(frozen=True)
class Apart(Generic[C]):
    """A reaction that reads nothing of what folds write: what was folded before it is committed later, with the rest."""

    then: Callable[[C, Received], None]

    def __call__(self, context: C, received: Received) -> None:
        """React."""
        self.then(context, received)


Folds = Mapping[type[Event], Callable[[Received], Writing]]
"""Event type → what it writes in a view of others' facts. Repeating it is harmless."""


class Transient(Exception):
    """Not now: the world is not ready. The event is tried again in its place; other partitions go on."""


class Invalid(Exception):
    """Not ever by itself: a person must look. The event is parked and later ones of its key wait behind it."""


class Early(Exception):
    """Not yet: the event is about a stream that is not known here so far. It waits for that stream's arrival."""

    def __init__(self, awaits: str) -> None:
        super().__init__(f"{Early.__doc__} ({awaits})")
        self.awaits = awaits


TROUBLE = (
    Transient,
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.errors.TransactionTimeout,
    OperationalError,
    InterfaceError,
    Conflict,
    ConnectionError,
    TimeoutError,
)
"""Errors of the world around, never of the event: it is tried again in its place."""
