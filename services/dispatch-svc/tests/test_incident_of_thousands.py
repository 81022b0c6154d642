"""A winter night: 5,000 requests explained by one incident, linked and reported done in batches, nothing twice, nothing left."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from control_room import DISPATCHER, LIFTS, MINUTE, ControlRoom, registered, submitted

from dispatch_svc.application import case, incident
from dispatch_svc.application.context import Context
from dispatch_svc.application.incident import BATCH
from dispatch_svc.worker import TIMERS
from shared_chassis.store import Command
from shared_chassis.timer import Timers

pytestmark = pytest.mark.postgres
MANY, EARLY = 5_000, 1_000

FACTS = """
    SELECT type, count(*) AS facts, count(DISTINCT stream_id) AS cases FROM event_log
    WHERE data ->> 'incident' = %(incident)s GROUP BY type ORDER BY type
"""


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note how many cases each firing of an incident's timer takes."""
    sizes: list[int] = []
    react = incident._react

    def noting(context: Context, requests: Sequence[UUID], *rest: Any) -> None:
        sizes.append(len(requests))
        react(context, requests, *rest)

    monkeypatch.setattr(incident, "_react", noting)
    return sizes


def fire(room: ControlRoom) -> None:
    """Fire what is due, one after another, as a worker does."""
    timers = Timers(room.context.database, TIMERS, room.context)
    while due := timers._lease():
        for leased in due:
            timers._fire(leased)


def submit(room: ControlRoom, many: int) -> None:
    """Let residents submit requests about lifts in Volga, all at once."""
    at = room.now()

    def once(request: UUID) -> None:
        case.open_case(room.context, request, submitted("lift", "volga"), at, Command(uuid4(), "service:tests"))
        case.route(room.context, request, registered("lift", "volga"), at, Command(uuid4(), "service:tests"))

    with ThreadPoolExecutor(16) as hands:
        for done in [hands.submit(once, uuid4()) for _ in range(many)]:
            done.result()


async def test_five_thousand_requests_are_linked_and_done_in_batches(room: ControlRoom, batches: list[int]) -> None:
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
    declared = answer.json()["id"]
    submit(room, MANY - EARLY)
    fire(room)
    assert batches[:2] == [BATCH, BATCH]
    assert sum(batches) >= EARLY
    path = f"/incidents/{declared}"
    shown = (await room.api.get(path)).json()
    assert (shown["linked"], shown["linked_open"]) == (MANY, MANY)
    await room.api.post(f"{path}/resolution", json={"note": "Repaired"}, headers=DISPATCHER.headers())
    batches.clear()
    fire(room)
    room.clock.put_forward(MINUTE / 10)
    fire(room)
    facts = room.context.database.query(FACTS, {"incident": declared})
    assert [(row["type"], row["facts"], row["cases"]) for row in facts] == [
        ("dispatch.request-linked-to-incident.v1", MANY, MANY),
        ("dispatch.work-reported-done.v1", MANY, MANY),
    ]
    assert batches[: MANY // BATCH] == [BATCH] * (MANY // BATCH)


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
    declared = (await room.api.post("/incidents", json=body, headers=DISPATCHER.headers())).json()["id"]
    fire(room)
    await room.api.post(f"/incidents/{declared}/resolution", json={"note": "Repaired"}, headers=DISPATCHER.headers())
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
