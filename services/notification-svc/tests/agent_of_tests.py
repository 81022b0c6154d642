"""An agent at the queue: takes what comes next, and looks at all there is."""

from uuid import UUID, uuid4

from notification_svc import views
from notification_svc.application import work_item as application
from notification_svc.application.context import Context
from notification_svc.views.work_item import Row, State, Wanted
from shared_chassis.store import Command
from shared_events.envelope import Received
from shared_events.ids import uuid_of, work_item_stream
from shared_events.notification import WorkItemKind

ANYTHING = Wanted()


def by(agent: str = "agent:anna") -> Command:
    """Make a command of an agent."""
    return Command(uuid4(), agent)


def take(context: Context, wanted: Wanted = ANYTHING, agent: str = "agent:anna") -> Row | None:
    """Claim the next item."""
    return application.claim_next(context, wanted, by(agent))


def taken(context: Context, wanted: Wanted = ANYTHING, agent: str = "agent:anna") -> Row:
    """Claim the next item, which is there."""
    row = take(context, wanted, agent)
    assert row is not None
    return row


def listed(
    context: Context, state: State | None = None, kind: WorkItemKind | None = None, district: str | None = None
) -> list[Row]:
    """List the whole queue."""
    rows = views.work_item.items(context.database, state=state, kind=kind, city=None, district=district, after=None, limit=1000)
    return list(rows)


def item_of(received: Received) -> UUID:
    """Name the item a fact opened."""
    found = uuid_of(work_item_stream(received.envelope.id))
    assert found is not None
    return found
