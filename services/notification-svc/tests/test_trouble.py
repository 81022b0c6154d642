"""What opens items of each kind and what completes them, on a real PostgreSQL."""

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID, uuid4

import city_of_tests as city
import pytest
from agent_of_tests import by, item_of, listed, taken

from notification_svc.application import message
from notification_svc.application import work_item as application
from notification_svc.application.context import Context
from notification_svc.views.request_card import AddressedNotice
from notification_svc.views.work_item import Wanted
from shared_events.envelope import Received
from shared_events.ids import event_id, work_item_stream

pytestmark = pytest.mark.postgres


def test_what_nobody_registered_is_opened_and_completed_by_facts(context: Context) -> None:
    """A request without a type waits for an agent; its registration completes it, and so does its closing."""
    typed, closing, registering = uuid4(), uuid4(), uuid4()
    for request in (closing, registering):
        city.hear(context, city.submitted(request, None, service_type=""))
    city.hear(context, city.submitted(typed, None))
    rows = {row.request: row for row in listed(context)}
    assert set(rows) == {closing, registering}
    assert (rows[closing].kind, rows[closing].district, rows[closing].priority) == ("unregistered_request", "vakhitovsky", 90)
    city.hear(context, city.closed(closing, "withdrawn"))
    city.hear(context, city.registered(registering))
    assert {row.state for row in listed(context)} == {"completed"}


def test_a_registration_of_the_same_command_asks_nobody(context: Context) -> None:
    """Most requests come with their type: nothing is looked up and nothing is noted for them."""
    request, command = uuid4(), uuid4()
    fact = city.registered(request)
    envelope = replace(fact.envelope, id=event_id(command, 1), causation=command)
    city.hear(context, Received(replace(fact.recorded, envelope=envelope), fact.position))
    assert context.database.query("SELECT subject FROM settled") == []
    city.hear(context, fact)
    assert [row["subject"] for row in context.database.query("SELECT subject FROM settled")] == [request]


@pytest.mark.parametrize("given_back", [city.declined, city.returned])
def test_what_an_organisation_gives_back_is_somebodys_until_assigned(
    context: Context, given_back: Callable[[UUID, int], Received]
) -> None:
    """Declined or returned: a dispatcher looks; the next assignment completes it, the one before does not."""
    request = uuid4()
    for fact in (city.submitted(request, None), city.assigned(request, 3), given_back(request, 4)):
        city.hear(context, fact)
    (row,) = listed(context)
    assert (row.kind, row.state, row.priority, row.service_type) == ("decline", "waiting", 120, "pothole")
    city.hear(context, city.assigned(request, 3))
    assert application.read_item(context, row.item).state == "waiting"
    city.hear(context, city.assigned(request, 6, city.WATER))
    assert application.read_item(context, row.item).state == "completed"


def test_an_escalation_stands_until_the_work_is_done(context: Context) -> None:
    """Beside the breach it comes from, and before it."""
    request = uuid4()
    for fact in (city.submitted(request, None), city.breached(request, 4), city.escalated(request, 5)):
        city.hear(context, fact)
    assert [row.kind for row in listed(context)] == ["escalation", "deadline_breach"]
    assert listed(context)[0].due == city.NOON
    city.hear(context, city.reported_done(request, 6))
    assert {row.state for row in listed(context)} == {"completed"}


def test_a_dispute_is_completed_by_hand_alone(context: Context) -> None:
    """A supervisor looks, also when everything is over by then; the reason stays where it was said."""
    request, person = uuid4(), uuid4()
    for fact in (city.submitted(request, person), city.disputed(request, person), city.reopened(request)):
        city.hear(context, fact)
    for settling in (city.reported_done(request, 5), city.closed(request, version=9), city.case_closed(request, 10)):
        city.hear(context, settling)
    (row,) = listed(context)
    assert (row.kind, row.state) == ("dispute", "waiting")
    assert application.complete(context, row.item, "talked to both", by("dispatcher:vera")).state == "completed"


@pytest.mark.parametrize("decided", [city.declared, city.dismissed])
@pytest.mark.parametrize("late", [True, False])
def test_a_suggested_incident_is_an_item_about_no_request(
    context: Context, decided: Callable[[UUID], Received], *, late: bool
) -> None:
    """It is claimed and shown like any other, and completed by what is decided, in whatever order both arrive."""
    incident = uuid4()
    if not late:
        city.hear(context, decided(incident))
    city.hear(context, city.suggested(incident))
    row = application.read_item(context, item_of(city.suggested(incident)))
    assert (row.kind, row.request, row.city, row.service_type) == ("incident", None, "kazan", "burst-pipe")
    assert row.priority == 180 + 240
    if late:
        held = taken(context, Wanted(kinds=["incident"], city="kazan"))
        assert (held.item, held.state) == (row.item, "claimed")
        application.release(context, row.item, by())
        city.hear(context, decided(incident))
    shown = application.read_item(context, row.item)
    assert shown.state == "completed"
    last = context.store.events(work_item_stream(row.cause))[-1].fact
    assert last.model_dump()["cause"] == decided(incident).envelope.id


def test_a_message_given_up_is_somebodys_until_it_is_sent_after_all(context: Context) -> None:
    """What could not be delivered stands in the queue; hearing of it again opens no second item."""
    request = uuid4()
    for fact in (city.submitted(request, uuid4()), city.registered(request)):
        city.hear(context, fact)
    (row,) = context.database.query("SELECT payload FROM delivery")
    notice = AddressedNotice.model_validate(row["payload"])
    for _ in range(2):
        message.state_failed(context, notice, 8, "disk full")
    (item,) = listed(context)
    assert (item.kind, item.state, item.request, item.city, item.priority) == ("failed_delivery", "waiting", request, "kazan", 30)
    assert item.cause_type == "notification.message-failed.v1"
    for _ in range(2):
        message.state_sent(context, notice)
    (item,) = listed(context)
    assert item.state == "completed"
    types = [type(each.fact).__name__ for each in context.store.events(work_item_stream(item.cause))]
    assert types == ["WorkItemOpened", "WorkItemCompleted"]
