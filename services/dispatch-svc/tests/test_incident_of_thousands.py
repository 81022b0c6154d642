"""A winter night: 5,000 requests explained by one incident, linked and reported done in batches, nothing twice, nothing left."""

from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from uuid import UUID, uuid4

import pytest
from control_room import DISPATCHER, LIFTS, MINUTE, ControlRoom, registered, submitted

from dispatch_svc.application import case
from dispatch_svc.application.incident import BATCH
from dispatch_svc.worker import TIMERS
from shared_chassis.store import Command
from shared_chassis.timer import LEASE_SECONDS, Timers

pytestmark = pytest.mark.postgres
MANY, EARLY = 5_000, 1_000

FACTS = """
    SELECT type, count(*) AS facts, count(DISTINCT stream_id) AS cases FROM event_log
    WHERE data ->> 'incident' = %(incident)s GROUP BY type ORDER BY type
"""


def fire(room: ControlRoom) -> list[float]:
    """Fire what is due, one after another, as a worker does; how many seconds each firing took."""
    timers = Timers(room.context.database, TIMERS, room.context)
    took = []
    while due := timers._lease():
        for leased in due:
            began = perf_counter()
            timers._fire(leased)
            took.append(perf_counter() - began)
    return took


def submit(room: ControlRoom, many: int) -> None:
    """Let residents submit requests about lifts in Volga, all at once."""
    at = room.now()

    def once(request: UUID) -> None:
        case.open_case(room.context, request, submitted("lift", "volga"), at, Command(uuid4(), "service:tests"))
        case.route(room.context, request, registered("lift", "volga"), at, Command(uuid4(), "service:tests"))

    with ThreadPoolExecutor(16) as hands:
        for done in [hands.submit(once, uuid4()) for _ in range(many)]:
            done.result()


async def test_five_thousand_requests_are_linked_and_done_in_batches(room: ControlRoom) -> None:
    """A thousand came before the declaration, the others after it; each is linked once and its work reported done once."""
    submit(room, EARLY)
    body = {
        "city": "kazan",
        "names": {"ru": "Авария"},
        "scope": {"service_types": ["lift"], "districts": ["volga"]},
        "organisation": LIFTS,
        "began_at": (room.now() - 60 * MINUTE).isoformat(),
    }
    answer = await room.api.post("/incidents", json=body, headers=DISPATCHER.headers())
    incident = answer.json()["id"]
    submit(room, MANY - EARLY)
    linking = fire(room)
    path = f"/incidents/{incident}"
    shown = (await room.api.get(path)).json()
    assert (shown["linked"], shown["linked_open"]) == (MANY, MANY)
    await room.api.post(f"{path}/resolution", json={"note": "Repaired"}, headers=DISPATCHER.headers())
    resolving = fire(room)
    room.clock.put_forward(MINUTE / 10)
    fire(room)
    facts = room.context.database.query(FACTS, {"incident": incident})
    assert [(row["type"], row["facts"], row["cases"]) for row in facts] == [
        ("dispatch.request-linked-to-incident.v1", MANY, MANY),
        ("dispatch.work-reported-done.v1", MANY, MANY),
    ]
    assert len(linking) >= EARLY / BATCH
    assert len(resolving) >= MANY / BATCH
    assert max(linking + resolving) < LEASE_SECONDS / 2


async def test_a_batch_cut_short_is_done_again_with_the_same_end(room: ControlRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies in mid-batch: the timer is leased again, and what was reported done is not reported twice."""
    requests = [room.submit("lift", "kirov") for _ in range(20)]
    body = {
        "city": "kazan",
        "names": {"ru": "Авария"},
        "scope": {"service_types": ["lift"], "districts": ["kirov"]},
        "organisation": LIFTS,
        "began_at": (room.now() - 60 * MINUTE).isoformat(),
    }
    incident = (await room.api.post("/incidents", json=body, headers=DISPATCHER.headers())).json()["id"]
    fire(room)
    await room.api.post(f"/incidents/{incident}/resolution", json={"note": "Repaired"}, headers=DISPATCHER.headers())
    handle, done = room.context.store.handle, []

    def dying(stream: object, stream_id: str, *rest: object) -> object:
        if stream_id.startswith("case-"):
            done.append(stream_id)
            if len(done) > 7:
                raise KeyboardInterrupt
        return handle(stream, stream_id, *rest)  # type: ignore[arg-type]  # handed on

    with monkeypatch.context() as patch:
        patch.setattr(room.context.store, "handle", dying)
        with pytest.raises(KeyboardInterrupt):
            fire(room)
    room.context.database.execute("UPDATE timer SET leased_until = NULL WHERE fired_at IS NULL")
    fire(room)
    named = [room.named(request).count("WorkReportedDone") for request in requests]
    assert named == [1] * 20
