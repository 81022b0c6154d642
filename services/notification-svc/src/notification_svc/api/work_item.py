"""The queue over HTTP: parse, call the use case or the view, answer."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from fastapi import Response
from pydantic import AwareDatetime, BaseModel, ConfigDict
from pydantic.config import JsonDict

from notification_svc import views
from notification_svc.api.call import Body, Wired, Words
from notification_svc.application import work_item as application
from notification_svc.application.context import MAY, item_stream
from notification_svc.domain import work_item as domain
from notification_svc.views.work_item import Row, State, Wanted
from shared_chassis import http
from shared_chassis.http import ConditionalCommand, Cursor, IdempotentCommand, Limit, Page, SignedIn, Tagged, allow, read_cursor
from shared_events.envelope import Recorded
from shared_events.notification import WorkItemKind

router = http.Router(tags=["queue"])


class Claim(Body):
    """Which items fit the agent: kinds, city, districts and languages (codes); what is left out fits all."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"kinds": ["unrouted_request"], "city": "kazan"}]})

    kinds: list[WorkItemKind] | None = None
    city: str | None = None
    districts: list[str] | None = None
    languages: list[str] | None = None


class Deferral(Body):
    """Until when an item is put off, and why."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"until": "2026-03-05T14:30:00+03:00", "reason": "the contractor calls back"}]}
    )

    until: AwareDatetime
    reason: Words


class Completion(Body):
    """Why nothing is left to do."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "called back, the resident is satisfied"}]})

    note: Words


class Reason(BaseModel):
    """A part of a priority."""

    because: Literal["kind", "emergency", "overdue", "waiting"]
    points: int
    says: str


SAYS: Final[Mapping[str, str]] = {
    "unregistered_request": "Nobody has said yet of what type this request is.",
    "unrouted_request": "Nobody is responsible for this request.",
    "decline": "The organisation declined this request or gave it back.",
    "deadline_breach": "A term of this request has passed.",
    "escalation": "A term of this request passed a while ago and still nobody has acted.",
    "dispute": "The resident says that the work is not done.",
    "failed_delivery": "A message or a call could not be delivered.",
    "incident": "Far more requests come than usual; perhaps it is an incident.",
    "emergency": "The service type is an emergency.",
    "overdue": "It was overdue when it entered the queue.",
    "waiting": "A point for every minute since it entered the queue.",
}


ITEM_EXAMPLE: Final[JsonDict] = {
    "id": "0d9bbd2c-9a3e-5f1c-8c36-0f2f7a5f9b11",
    "kind": "unrouted_request",
    "state": "waiting",
    "request": "6f0a4d0e-3a0d-5c57-9a57-0a3f1f8c2b10",
    "city": "kazan",
    "district": "vakhitovsky",
    "service_type": "burst-pipe",
    "language": "tt",
    "priority": 372,
    "because": [
        {"because": "kind", "points": 120, "says": "Nobody is responsible for this request."},
        {"because": "emergency", "points": 240, "says": "The service type is an emergency."},
        {"because": "waiting", "points": 12, "says": "A point for every minute since it entered the queue."},
    ],
    "due": None,
    "opened_at": "2026-03-02T12:00:00Z",
    "agent": None,
    "until": None,
    "cause": "2a4f1c9e-7a34-5b68-9d10-3e8f6a4b7c21",
    "cause_type": "dispatch.routing-failed.v1",
    "delivery": None,
}


class WorkItem(BaseModel):
    """An item of the queue; `priority` is what it is now, its waiting included, and `until` ends the lease or the deferral.

    `request` is absent for an incident; `delivery` is the call to a program that failed, which can be made again by hand.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [ITEM_EXAMPLE]})

    id: UUID
    kind: WorkItemKind
    state: State
    request: UUID | None
    city: str | None
    district: str | None
    service_type: str | None
    language: str | None
    priority: int
    because: list[Reason]
    due: datetime | None
    opened_at: datetime
    agent: str | None
    until: datetime | None
    cause: UUID
    cause_type: str
    delivery: UUID | None


class Happened(BaseModel):
    """A fact of an item's life."""

    version: int
    id: UUID
    type: str
    time: datetime
    actor: str
    data: dict[str, object]


class WorkItemWithHistory(WorkItem):
    """An item and everything that happened to it, in order."""

    history: list[Happened]


class Load(BaseModel):
    """How much of a kind is open in a district, and since when the oldest waits."""

    city: str | None
    kind: WorkItemKind
    district: str | None
    waiting: int
    claimed: int
    deferred: int
    oldest: datetime | None


class Wall(BaseModel):
    """What a supervisor sees: all of it in sum, and by kind and district, where the longest wait is first."""

    waiting: int
    claimed: int
    deferred: int
    oldest: datetime | None
    by_kind_and_district: list[Load]


@router.post("/work-items/claim", response_model=WorkItem, responses={204: {"description": "Nothing that fits is waiting."}})
def claim(body: Claim, actor: SignedIn, command: IdempotentCommand, context: Wired) -> WorkItem | Response:
    """Take the most urgent item that fits, for the length of a lease; nobody else gets it meanwhile."""
    allow(actor, "claim_work_item", MAY)
    row = application.claim_next(context, Wanted(body.kinds, body.city, body.districts, body.languages), command)
    return Response(status_code=204) if row is None else _shown(row)


@router.post("/work-items/{item}/release")
def release(item: UUID, actor: SignedIn, command: ConditionalCommand, context: Wired) -> WorkItem:
    """Give an item back undone."""
    allow(actor, "release_work_item", MAY)
    return _shown(application.release(context, item, command))


@router.post("/work-items/{item}/deferral")
def defer(item: UUID, body: Deferral, actor: SignedIn, command: ConditionalCommand, context: Wired) -> WorkItem:
    """Put an item off to a later moment; then it is in the queue again, for anybody."""
    allow(actor, "defer_work_item", MAY)
    return _shown(application.defer(context, item, body.until, body.reason, command))


@router.post("/work-items/{item}/completion")
def complete(item: UUID, body: Completion, actor: SignedIn, command: ConditionalCommand, context: Wired) -> WorkItem:
    """Say that nothing is left to do, and why."""
    allow(actor, "complete_work_item", MAY)
    return _shown(application.complete(context, item, body.note, command))


@router.get("/work-items")
def list_items(  # noqa: PLR0913, PLR0917 - every filter is a query parameter
    actor: SignedIn,
    context: Wired,
    state: State | None = None,
    kind: WorkItemKind | None = None,
    city: str | None = None,
    district: str | None = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[WorkItem]:
    """List items, the most urgent first."""
    allow(actor, "read_queue", MAY)
    after = read_cursor(cursor, views.work_item.Place)
    rows = views.work_item.items(
        context.database, state=state, kind=kind, city=city, district=district, after=after, limit=limit + 1
    )
    page = Page[Row].cut(rows, limit, lambda row: views.work_item.Place(row.urgent_from, row.item))
    return Page[WorkItem](items=[_shown(row) for row in page.items], next=page.next)


@router.get("/work-items/wall")
def read_wall(actor: SignedIn, context: Wired, city: str | None = None) -> Wall:
    """See what is open: how much, since when, of which kind and where."""
    allow(actor, "read_queue", MAY)
    loads = views.work_item.wall(context.database, city)
    return Wall(
        waiting=sum(load.waiting for load in loads),
        claimed=sum(load.claimed for load in loads),
        deferred=sum(load.deferred for load in loads),
        oldest=min((load.oldest for load in loads if load.oldest is not None), default=None),
        by_kind_and_district=[Load(**load._asdict()) for load in loads],
    )


@router.get("/work-items/{item}")
def read_item(item: UUID, actor: SignedIn, context: Wired, tagged: Tagged) -> WorkItemWithHistory:
    """See an item, why it is as urgent as it is, and everything that happened to it."""
    allow(actor, "read_queue", MAY)
    shown, events = _shown(application.read_item(context, item)), context.store.events(item_stream(item))
    tagged(events[-1].version, shown.model_dump_json())
    return WorkItemWithHistory(**shown.model_dump(), history=[_happened(recorded) for recorded in events])


def _shown(row: Row) -> WorkItem:
    reasons = _reasons(row)
    return WorkItem(
        id=row.item,
        kind=row.kind,
        state=row.state,
        request=row.request,
        city=row.city,
        district=row.district,
        service_type=row.service_type,
        language=row.language,
        priority=sum(reason.points for reason in reasons),
        because=reasons,
        due=row.due,
        opened_at=row.opened_at,
        agent=row.agent,
        until=row.until,
        cause=row.cause,
        cause_type=row.cause_type,
        delivery=row.delivery,
    )


def _reasons(row: Row) -> list[Reason]:
    found: Sequence[domain.Reason] = domain.explain(row.kind, row.priority, row.due, row.opened_at, row.now)
    return [
        Reason(because=each.because, points=each.points, says=SAYS[row.kind if each.because == "kind" else each.because])
        for each in found
    ]


def _happened(recorded: Recorded) -> Happened:
    envelope = recorded.envelope
    return Happened(
        version=recorded.version,
        id=envelope.id,
        type=envelope.type,
        time=envelope.time,
        actor=envelope.actor,
        data=recorded.fact.model_dump(mode="json"),
    )
