"""What a kind of stream is, as pure declarations: how its state evolves and which timers then stand. Imports no database."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from shared_events.event import Event
from shared_events.ids import derive

S = TypeVar("S")


@dataclass(frozen=True)
class Set:
    """A timer of a stream stands: it fires once at `due_at` (UTC), also after a restart."""

    kind: str
    key: str
    due_at: datetime
    payload: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cancel:
    """A timer of a stream is no longer needed."""

    kind: str
    key: str


def timer_id(stream_id: str, kind: str, key: str) -> UUID:
    """Name a timer: one of a kind and key in a stream."""
    return derive(stream_id, kind, key)


def no_timers(_state: object, _events: Sequence[Event]) -> Sequence[Set | Cancel]:
    """Say that a stream needs no timers."""
    return ()


@dataclass(frozen=True)
class Stream(Generic[S]):
    """What a kind of stream is: how its state starts, how a fact changes it, which timers then stand (from the state after)."""

    name: str
    initial: S
    evolve: Callable[[S, Event], S]
    timers: Callable[[S, Sequence[Event]], Sequence[Set | Cancel]] = no_timers
