"""What a city offers and asks, which buildings it has, and by which rules requests live."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import Query

from request_svc.api.answer import Building, CellShown, RefusalShown, RulesShown, ServiceType
from request_svc.api.refusal import ERRORS, status_of
from request_svc.api.wiring import CityOf, Wired
from request_svc.application import MAY, city_rules
from request_svc.domain.request import TRANSITIONS, Cell
from request_svc.views import reference as reference_view
from shared_chassis.http import Anybody, Cursor, Limit, Page, Router, allow, read_cursor
from shared_chassis.http.position import PARKING_RULES
from shared_chassis.http.problem import refusal_name, refusal_words

router = Router(tags=["reference"])


@router.get("/service-types")
def read_service_types(actor: Anybody, context: Wired, city: CityOf) -> list[ServiceType]:
    """List what residents of a city can ask for, as a tree by `parent`, and what each kind asks beside."""
    allow(actor, "read", MAY)
    city_rules(context, city)
    return [ServiceType.model_validate(row) for row in reference_view.of_city(context.database, city)]


@router.get("/buildings")
def read_buildings(
    *,
    actor: Anybody,
    context: Wired,
    city: CityOf,
    q: Annotated[str | None, Query(max_length=200, description="Part of an address, or a building's code.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Building]:
    """Find buildings of a city by a part of their address."""
    allow(actor, "read", MAY)
    city_rules(context, city)
    rows = reference_view.buildings(context.database, city, q, read_cursor(cursor, str), limit + 1)
    page = Page.cut(rows, limit, lambda row: row["code"])
    return Page(items=[Building.model_validate(row) for row in page.items], next=page.next)


@router.get("/rules")
def read_rules() -> RulesShown:
    """Say who may do what, what may happen to a request in which state, and in which words it is refused."""
    return RULES


def _shown(cell: Cell) -> CellShown:
    if isinstance(cell, type):
        return CellShown(then=None, refusal=refusal_name(cell))
    return CellShown(then=cell, refusal=None)


def _rules(may: Mapping[str, frozenset[str]]) -> RulesShown:
    return RulesShown(
        may={use_case: sorted(roles) for use_case, roles in sorted(may.items())},
        transitions={action: {state: _shown(cell) for state, cell in cells.items()} for action, cells in TRANSITIONS.items()},
        refusals={
            refusal_name(kind): RefusalShown(status=status_of(kind), words=refusal_words(kind))
            for kind in sorted(ERRORS, key=refusal_name)
        },
    )


RULES = _rules({**MAY, **PARKING_RULES})
"""The rules as everybody can read them."""
