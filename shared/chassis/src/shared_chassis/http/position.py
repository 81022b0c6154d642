"""Where this service's consumers stand, and what they have set aside: `/positions`, `/parked` and what a person does about it."""

from datetime import datetime
from typing import Annotated, Protocol, Self

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from shared_chassis.consumer.position import Status
from shared_chassis.http.actor import Rules, allow
from shared_chassis.http.api import Router
from shared_chassis.http.command import SignedIn
from shared_chassis.http.page import Cursor, Limit, Page, read_cursor
from shared_chassis.parked import Action, ParkedEvent, Parking

PARKING_RULES: Rules = {
    "list_parked": frozenset({"dispatcher", "auditor"}),
    "retry_parked": frozenset({"dispatcher"}),
    "skip_parked": frozenset({"dispatcher"}),
}
"""Who may look at what is set aside, and who may decide about it."""


class Standing(Protocol):
    """What knows where the consumers stand."""

    def status(self) -> Status:
        """Tell it: consumer → topic → partition → `next_offset` and `last_position`."""
        ...


class Parked(BaseModel):
    """An event that is set aside; its document is in the publisher's feed at `position`, and never shown here."""

    model_config = ConfigDict(frozen=True)

    id: int
    consumer: str
    topic: str
    partition: int
    position: int
    key: str
    type: str
    reason: str
    awaits: str | None
    error: str | None
    attempts: int
    parked_at: datetime
    asked: str | None
    settled_at: datetime | None
    settled_as: str | None

    @classmethod
    def of(cls, event: ParkedEvent) -> Self:
        """Show a parked event."""
        return cls(
            id=event.parked_id,
            consumer=event.consumer,
            topic=event.topic,
            partition=event.partition,
            position=event.position,
            key=event.key,
            type=event.type,
            reason=event.reason,
            awaits=event.awaits,
            error=event.error,
            attempts=event.attempts,
            parked_at=event.parked_at,
            asked=event.asked,
            settled_at=event.settled_at,
            settled_as=event.settled_as,
        )


class Retry(BaseModel):
    """Why an event is tried again, for whoever asks later."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Annotated[str | None, Field(max_length=1000)] = None


class Skip(BaseModel):
    """Why an event never gets its effect here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Annotated[str, Field(max_length=1000)]


def positions_router(standing: Standing) -> Router:
    """Give `GET /positions`: how far this service has read, which is nobody's secret."""
    router = Router(tags=["operation"])

    @router.get("/positions")
    def read_positions() -> Status:
        """Say where each consumer stands: consumer, topic, partition."""
        return standing.status()

    return router


def parked_router(parking: Parking, rules: Rules = PARKING_RULES) -> Router:
    """Give `/parked`: what consumers set aside, and the two things a dispatcher can do about it."""
    router = Router(tags=["parked"])

    @router.get("/parked")
    def list_parked(
        actor: SignedIn,
        consumer: str | None = None,
        key: str | None = None,
        settled: Annotated[bool, Query(description="Also those that are done with.")] = False,  # noqa: FBT002 - a query parameter
        cursor: Cursor = None,
        limit: Limit = 100,
    ) -> Page[Parked]:
        """List the events that consumers of this service have set aside, oldest first."""
        allow(actor, "list_parked", rules)
        events = parking.find(consumer, key, read_cursor(cursor, int) or 0, limit + 1, settled=settled)
        return Page.cut([Parked.of(event) for event in events], limit, place=lambda event: event.id)

    @router.get("/parked/{parked_id}/actions")
    def list_parked_actions(parked_id: int, actor: SignedIn) -> list[Action]:
        """List who did what about a parked event, when and why."""
        allow(actor, "list_parked", rules)
        return parking.actions(parked_id)

    @router.post("/parked/{parked_id}/retry")
    def retry_parked(parked_id: int, actor: SignedIn, wish: Retry | None = None) -> Parked:
        """Have the event handled again, and what waits behind it."""
        allow(actor, "retry_parked", rules)
        return Parked.of(parking.retry(parked_id, str(actor), wish.reason if wish else None))

    @router.post("/parked/{parked_id}/skip")
    def skip_parked(parked_id: int, actor: SignedIn, wish: Skip) -> Parked:
        """Have the event passed over for good, and what waits behind it handled."""
        allow(actor, "skip_parked", rules)
        return Parked.of(parking.skip(parked_id, str(actor), wish.reason))

    return router
