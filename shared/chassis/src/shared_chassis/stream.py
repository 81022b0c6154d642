"""What a kind of stream is, as pure declarations: how its state evolves and which timers then stand. Imports no database."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from pydantic import TypeAdapter

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


class UnkeepableError(TypeError):
    """A state that is kept holds no sets: their order differs from process to process. Take tuples in a stated order."""


def timer_id(stream_id: str, kind: str, key: str) -> UUID:
    """Name a timer: one of a kind and key in a stream."""
    return derive(stream_id, kind, key)


def no_timers(_state: object, _events: Sequence[Event]) -> Sequence[Set | Cancel]:
    """Say that a stream needs no timers."""
    return ()


@dataclass(frozen=True)
class Stream(Generic[S]):
    """What a kind of stream is: how its state starts, how a fact changes it, which timers then stand (from the state after).

    A kind whose streams grow long `keeps` snapshots: the adapter says how its state is written. `edition` is raised when `evolve`
    makes something else of old facts, so that snapshots of the former folding are ignored; a changed shape is seen by itself.
    """

    name: str
    initial: S
    evolve: Callable[[S, Event], S]
    timers: Callable[[S, Sequence[Event]], Sequence[Set | Cancel]] = no_timers
    keeps: TypeAdapter[S] | None = None
    edition: int = 1

    def __post_init__(self) -> None:
        """Refuse to keep a state whose bytes would differ from process to process."""
        if self.keeps is not None and "uniqueItems" in str(self.keeps.json_schema(mode="serialization")):
            raise UnkeepableError(UnkeepableError.__doc__)
