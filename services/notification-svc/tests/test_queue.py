"""The queue on a real PostgreSQL: what opens and completes items, and how agents get them."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import city_of_tests as city
import pytest
from agent_of_tests import ANYTHING, by, item_of, listed, take, taken

from notification_svc import views, worker
from notification_svc.application import message
from notification_svc.application import work_item as application
from notification_svc.application.context import Context
from notification_svc.domain import work_item as domain
from notification_svc.views.request_card import AddressedNotice
from notification_svc.views.work_item import State, Wanted
from shared_chassis.postgres import ServiceDatabase
from shared_chassis.store import Command, KeyReusedError
from shared_chassis.timer import Timers
from shared_chassis.view import rebuild
from shared_events.envelope import Received
from shared_events.ids import work_item_stream
from shared_events.notification import WorkItemReleased

pytestmark = pytest.mark.postgres


def test_what_nobody_routed_is_opened_and_completed_by_facts(context: Context) -> None:
    """RoutingFailed opens an item with what is known of the request; RequestAssigned completes it."""
    request = uuid4()
    for fact in (city.submitted(request, None), city.routing_failed(request)):
        city.hear(context, fact)
    (row,) = listed(context)
    assert (row.kind, row.state, row.city, row.district, row.language) == (
        "unrouted_request",
        "waiting",
        "kazan",
        "vakhitovsky",
        "tt",
    )
    assert (row.request, row.cause, row.priority) == (request, city.routing_failed(request).envelope.id, 120)
    city.hear(context, city.assigned(request))
    (row,) = listed(context)
    assert row.state == "completed"
    last = context.store.events(work_item_stream(row.cause))[-1]
    assert last.envelope.correlation == request
    assert last.envelope.causation == city.assigned(request).envelope.id
    assert take(context) is None


def test_a_breach_is_completed_when_the_work_is_done_or_the_case_closed(context: Context) -> None:
    """Each of the two leaves nothing to do; an assignment does not."""
    for settling in (city.reported_done, city.case_closed):
        request = uuid4()
        for fact in (city.submitted(request, None), city.breached(request), city.assigned(request, 5)):
            city.hear(context, fact)
        item = item_of(city.breached(request))
        assert application.read_item(context, item).state == "waiting"
        city.hear(context, settling(request, 6))
        assert application.read_item(context, item).state == "completed"


def test_a_request_withdrawn_before_it_was_routed_leaves_no_item(context: Context) -> None:
    """A closed case has nothing to route."""
    request = uuid4()
    for fact in (city.routing_failed(request), city.case_closed(request)):
        city.hear(context, fact)
    assert [row.state for row in listed(context)] == ["completed"]


def test_an_earlier_fact_never_completes_a_later_trouble(context: Context) -> None:
    """A repeated old assignment says nothing about a routing that failed after it."""
    request = uuid4()
    for fact in (city.routing_failed(request, 2), city.assigned(request, 3), city.routing_failed(request, 7)):
        city.hear(context, fact)
    city.hear(context, city.assigned(request, 3))
    assert application.read_item(context, item_of(city.routing_failed(request, 2))).state == "completed"
    assert application.read_item(context, item_of(city.routing_failed(request, 7))).state == "waiting"


def life_of(request: UUID, person: UUID | None) -> Sequence[Received]:
    """Everything that happens to a request, in order of its streams."""
    return (
        city.submitted(request, person),
        city.registered(request),
        city.routing_failed(request, 2),
        city.assigned(request, 3),
        city.breached(request, 4),
        city.reported_done(request, 5),
        city.completion_proposed(request),
        city.breached(request, 7),
        city.closed(request),
        city.case_closed(request, 8),
    )


def told(context: Context, request: UUID) -> set[tuple[object, object, object]]:
    """Say which deliveries are due about a request."""
    rows = context.database.query(
        "SELECT cause, payload ->> 'template' AS template, payload ->> 'person' AS person FROM delivery"
        " WHERE payload ->> 'request' = %(request)s",
        {"request": str(request)},
    )
    return {(row["cause"], row["template"], row["person"]) for row in rows}


def test_facts_repeated_and_in_any_order_come_to_the_same_end(context: Context) -> None:
    """Every fact twice, shuffled: the same items, completed once each, and the same people told of the same."""
    order = random.Random(20260302)  # noqa: S311 - a shuffle, no secret
    for _ in range(40):
        request, person = uuid4(), uuid4()
        heard = [*life_of(request, person), *life_of(request, person)]
        order.shuffle(heard)
        for fact in heard:
            city.hear(context, fact)
        rows = {row.cause: row for row in listed(context) if row.request == request}
        troubles = [city.routing_failed(request, 2), city.breached(request, 4), city.breached(request, 7)]
        assert set(rows) == {fact.envelope.id for fact in troubles}
        for row in rows.values():
            assert (row.state, row.city, row.district, row.service_type, row.language) == (
                "completed",
                "kazan",
                "vakhitovsky",
                "pothole",
                "tt",
            )
            types = Counter(type(each.fact).__name__ for each in context.store.events(work_item_stream(row.cause)))
            assert types == {"WorkItemOpened": 1, "WorkItemCompleted": 1}
        assert told(context, request) == {
            (city.registered(request).envelope.id, "request_registered", str(person)),
            (city.completion_proposed(request).envelope.id, "completion_proposed", str(person)),
            (city.closed(request).envelope.id, "request_closed", str(person)),
        }
    assert context.database.query("SELECT cause FROM early_notice") == []


def test_nobody_is_told_where_there_is_nobody(context: Context) -> None:
    """A request without a person causes no delivery, in whatever order its facts arrive."""
    request = uuid4()
    for fact in (
        city.registered(request),
        city.submitted(request, None),
        city.completion_proposed(request),
        city.closed(request),
    ):
        city.hear(context, fact)
    assert told(context, request) == set()
    assert context.database.query("SELECT cause FROM early_notice") == []


def open_many(context: Context, count: int) -> None:
    """Put so many items into the queue."""
    for _ in range(count):
        city.hear(context, city.routing_failed(uuid4()))


def test_no_two_agents_ever_get_the_same_item(service_database: ServiceDatabase, tmp_path: Path) -> None:
    """32 threads empty a queue of 200 items, two for each agent: each item is given once, and none is left."""
    context = city.open_context(service_database, tmp_path, pool_size=32)
    open_many(context, 200)

    def work(number: int) -> list[UUID]:
        mine = []
        agent = f"agent:{number // 2}"
        while (row := take(context, agent=agent)) is not None:
            assert row.agent == agent
            mine.append(row.item)
        return mine

    with ThreadPoolExecutor(32) as agents:
        got = [item for mine in agents.map(work, range(32)) for item in mine]
    context.database.close()
    context.keyring.close()
    assert len(got) == len(set(got)) == 200


def test_the_most_urgent_that_fits_comes_first(context: Context) -> None:
    """An emergency goes before, and what does not fit is left to others."""
    plain, urgent, late = uuid4(), uuid4(), uuid4()
    city.hear(context, city.submitted(late, None, language="ru", district="kirovsky"))
    city.hear(context, city.routing_failed(plain))
    city.hear(context, city.routing_failed(urgent, service_type="burst-pipe"))
    city.hear(context, city.breached(late))
    assert listed(context)[0].request == urgent
    assert taken(context, Wanted(kinds=["deadline_breach"])).request == late
    assert take(context, Wanted(languages=["ru"])) is None
    assert take(context, Wanted(city="madrid")) is None
    assert take(context, Wanted(districts=["kirovsky"])) is None
    assert taken(context, Wanted(kinds=["unrouted_request"], city="kazan", districts=["vakhitovsky"])).request == urgent
    assert taken(context).request == plain
    assert take(context) is None


def test_an_old_item_overtakes_an_urgent_new_one(context: Context, service_database: ServiceDatabase) -> None:
    """A point is a minute: who has waited longer than the urgency is worth goes first."""
    old, later, latest = uuid4(), uuid4(), uuid4()
    city.hear(context, city.routing_failed(old))
    city.pass_time(service_database, timedelta(minutes=230))
    city.hear(context, city.routing_failed(later, service_type="burst-pipe"))
    city.pass_time(service_database, timedelta(minutes=250))
    city.hear(context, city.routing_failed(latest, service_type="burst-pipe"))
    assert [row.request for row in listed(context)] == [later, old, latest]
    assert [taken(context).request for _ in range(3)] == [later, old, latest]


def test_the_same_key_gets_the_same_item(context: Context) -> None:
    """A repeated claim is the first one again, whatever else waits and whatever became of the item."""
    open_many(context, 2)
    claim = by()
    first = application.claim_next(context, ANYTHING, claim)
    assert first is not None
    again = application.claim_next(context, ANYTHING, claim)
    assert again is not None
    assert (again.item, again.agent) == (first.item, "agent:anna")
    other = taken(context, agent="agent:boris")
    assert other.item != first.item
    application.complete(context, first.item, "called back", by())
    last = application.claim_next(context, ANYTHING, claim)
    assert last is not None
    assert (last.item, last.state) == (first.item, "completed")
    with pytest.raises(KeyReusedError):
        application.claim_next(context, ANYTHING, Command(claim.id, "agent:boris"))


def test_an_expired_lease_returns_the_item(context: Context, service_database: ServiceDatabase) -> None:
    """Who is silent loses the item to the next, whether or not the timer has fired."""
    open_many(context, 1)
    first = taken(context, agent="agent:anna")
    city.pass_time(service_database, timedelta(minutes=5))
    assert take(context, agent="agent:boris") is None
    city.pass_time(service_database, timedelta(minutes=16))
    second = taken(context, agent="agent:boris")
    assert (second.item, second.agent) == (first.item, "agent:boris")
    with pytest.raises(domain.NotHeldError):
        application.release(context, first.item, by("agent:anna"))


async def test_a_timer_returns_an_item_nobody_asks_for(context: Context, service_database: ServiceDatabase) -> None:
    """The end of a lease is a fact, stated by the timer; a lease begun meanwhile keeps its own."""
    open_many(context, 2)
    silent = taken(context, agent="agent:anna")
    lost = taken(context, agent="agent:anna")
    city.pass_time(service_database, timedelta(minutes=16))
    assert taken(context, agent="agent:boris").item == silent.item
    stop = asyncio.Event()
    running = asyncio.create_task(Timers(context.database, worker.TIMERS, context).run(stop))
    await asyncio.to_thread(wait_until_fired, context)
    stop.set()
    await running
    shown = application.read_item(context, lost.item)
    assert (shown.state, shown.agent) == ("waiting", None)
    *_, released = context.store.events(work_item_stream(lost.cause))
    assert released.fact == WorkItemReleased(agent="agent:anna", reason="lease_expired")
    assert released.envelope.correlation == lost.request
    assert application.read_item(context, silent.item).agent == "agent:boris"


def wait_until_fired(context: Context) -> None:
    """Wait until no timer is due, a minute at most."""
    deadline = time.monotonic() + 60
    while context.database.query(
        "SELECT 1 FROM timer WHERE due_at <= (SELECT rule_now()) AND fired_at IS NULL AND cancelled_at IS NULL LIMIT 1"
    ):
        assert time.monotonic() < deadline, "a timer does not fire"
        time.sleep(0.02)


def test_a_deferred_item_is_away_and_comes_back(context: Context, service_database: ServiceDatabase) -> None:
    """Until its moment nobody gets it; then anybody does, without anything having to happen."""
    states: Sequence[State] = ("waiting", "deferred", "claimed", "completed")
    open_many(context, 1)
    row = taken(context)
    until = context.store.now() + timedelta(hours=1)
    deferred = application.defer(context, row.item, until, "the contractor calls back", by())
    assert (deferred.state, deferred.until) == ("deferred", until)
    assert take(context) is None
    assert [len(listed(context, state)) for state in states] == [0, 1, 0, 0]
    city.pass_time(service_database, timedelta(minutes=61))
    assert [len(listed(context, state)) for state in states] == [1, 0, 0, 0]
    assert taken(context, agent="agent:boris").item == row.item


def test_released_and_completed_by_a_person(context: Context) -> None:
    """Given back it waits again; completed it is over."""
    open_many(context, 1)
    row = taken(context)
    assert application.release(context, row.item, by()).state == "waiting"
    assert taken(context).item == row.item
    assert application.complete(context, row.item, "called back", by()).state == "completed"
    assert take(context) is None
    with pytest.raises(domain.WorkItemUnknownError):
        application.release(context, uuid4(), by())


def test_the_list_goes_on_where_a_page_ends(context: Context) -> None:
    """Pages hold every item once, in the order of the queue."""
    open_many(context, 5)
    whole = [row.item for row in listed(context)]
    found: list[UUID] = []
    after = None
    while rows := views.work_item.items(
        context.database, state="waiting", kind="unrouted_request", city="kazan", district="vakhitovsky", after=after, limit=2
    ):
        found += [row.item for row in rows]
        after = views.work_item.Place(rows[-1].urgent_from, rows[-1].item)
    assert found == whole


def test_the_wall_sums_up_what_is_open(context: Context) -> None:
    """Waiting, held and put off by kind and district; what is completed is gone from it."""
    open_many(context, 4)
    city.hear(context, city.breached(uuid4()))
    one, two, three = (taken(context, Wanted(kinds=["unrouted_request"])) for _ in range(3))
    application.complete(context, one.item, "called back", by())
    application.defer(context, two.item, context.store.now() + timedelta(hours=1), "later", by())
    loads = {(load.kind, load.district): load for load in views.work_item.wall(context.database, None)}
    unrouted = loads["unrouted_request", "vakhitovsky"]
    assert (unrouted.waiting, unrouted.claimed, unrouted.deferred) == (1, 1, 1)
    assert unrouted.oldest == min(row.opened_at for row in listed(context, "waiting", "unrouted_request"))
    assert loads["deadline_breach", None].waiting == 1
    assert three.state == "claimed"
    assert [load.kind for load in views.work_item.wall(context.database, "kazan")] == ["unrouted_request"]


def snapshot(context: Context) -> dict[str, list[str]]:
    """Read every table that is rebuilt, whole."""
    return {
        table: [row["row"] for row in context.database.query(f"SELECT t::text AS row FROM {table} t ORDER BY 1")]
        for table in views.TABLES
    }


def test_rebuilt_views_are_the_same_and_send_nothing(context: Context, service_database: ServiceDatabase) -> None:
    """Own facts alone give the queue and the ledger again; no delivery is touched."""
    request = uuid4()
    for fact in life_of(request, uuid4()):
        city.hear(context, fact)
    open_many(context, 3)
    taken(context)
    application.defer(context, taken(context).item, context.store.now() + timedelta(hours=1), "later", by())
    for row in context.database.query("SELECT payload FROM delivery ORDER BY delivery_id"):
        message.state_sent(context, AddressedNotice.model_validate(row["payload"]))
    before, due = snapshot(context), context.database.query("SELECT d::text FROM delivery d ORDER BY 1")
    assert len(before["work_item"]) == 6
    assert len(before["message"]) == 3
    rebuild(service_database, context.store.mapper, views.PROJECTION, views.TABLES)
    assert snapshot(context) == before
    assert context.database.query("SELECT d::text FROM delivery d ORDER BY 1") == due
    assert taken(context).state == "claimed"
