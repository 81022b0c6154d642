"""Hearing other services: each event takes effect exactly once, in its stream's order; a bad one stops only its stream.

A service gives a `Consumer` two dictionaries: `Reactions` (when X then Y, by the same use case as the API) and `Folds` (X is
one statement in a view of others' facts). Events come at least once; those at or below the position kept are skipped.
"""

from shared_chassis.consumer.era import Era, HistoryForkedError
from shared_chassis.consumer.group import Consumer
from shared_chassis.consumer.position import (
    Again,
    Fenced,
    Parked,
    Place,
    Position,
    Positions,
    PostgresPositions,
    Settled,
    Status,
    Step,
    Waiting,
    behind,
)
from shared_chassis.consumer.reaction import Apart, Early, Folds, Invalid, Only, Reactions, Transient

__all__ = [
    "Again",
    "Apart",
    "Consumer",
    "Early",
    "Era",
    "Fenced",
    "Folds",
    "HistoryForkedError",
    "Invalid",
    "Only",
    "Parked",
    "Place",
    "Position",
    "Positions",
    "PostgresPositions",
    "Reactions",
    "Settled",
    "Status",
    "Step",
    "Transient",
    "Waiting",
    "behind",
]
