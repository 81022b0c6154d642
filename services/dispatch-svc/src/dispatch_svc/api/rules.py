"""The rules themselves over HTTP: who may do what, and in which state of a case what becomes of it."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel

from dispatch_svc.application import MAY
from dispatch_svc.domain.case import TRANSITIONS, State
from dispatch_svc.domain.case.transition import Cell, UseCase
from shared_chassis.http import Router
from shared_chassis.http.position import PARKING_RULES

ERRORS: Mapping[type[Exception], int] = {}

router = Router(tags=["operation"])


class Outcome(BaseModel):
    """What becomes of a command in a state; a refusal has its name and its words."""

    result: Literal["done", "so already", "refused"]
    refusal: str | None = None
    words: str | None = None


class RulesShown(BaseModel):
    """Use case → roles, and command → state → what becomes of it. Whose case it is, is asked beside both."""

    roles: dict[str, list[str]]
    transitions: dict[UseCase, dict[State, Outcome]]


def _outcome(cell: Cell) -> Outcome:
    if isinstance(cell, type):
        return Outcome(result="refused", refusal=cell.__name__.removesuffix("Error"), words=cell.__doc__)
    return Outcome(result=cell)


_RULES = RulesShown(
    roles={use_case: sorted(roles) for use_case, roles in sorted({**MAY, **PARKING_RULES}.items())},
    transitions={
        use_case: {state: _outcome(cell) for state, cell in states.items() if state != "unknown"}
        for use_case, states in TRANSITIONS.items()
    },
)


@router.get("/rules")
async def see_rules() -> RulesShown:
    """Say who may do what, and in which state of a case what becomes of it."""
    return _RULES
