"""Under which law a discussion is held: procedures are templates in versions, pinned when a discussion is registered."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from shared_chassis.stream import Stream
from shared_events.discussion import ProcedureAdopted
from shared_events.event import Event


@dataclass(frozen=True, slots=True)
class Procedure:
    """A procedure of a city as its newest version says; None when the city never had one of this name."""

    adopted: ProcedureAdopted | None = None


def evolve_procedure(_known: Procedure, fact: ProcedureAdopted) -> Procedure:
    """Take a newer version."""
    return Procedure(fact)


PROCEDURE = Stream(
    "procedure",
    Procedure(),
    cast("Callable[[Procedure, Event], Procedure]", evolve_procedure),  # a procedure's stream holds this fact alone
)


def adopt(known: Procedure, version: ProcedureAdopted) -> list[Event]:
    """Let a procedure stand as a city's pack says; discussions registered before keep the version they have."""
    return [] if known.adopted == version else [version]
