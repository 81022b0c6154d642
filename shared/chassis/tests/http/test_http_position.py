"""Where consumers stand and what they set aside, and who may decide about it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest
from fastapi import FastAPI
from provider import Issuer, MakeApi, calling

from shared_chassis.consumer import PostgresPositions
from shared_chassis.consumer.position import Parked, Place, Status, Step
from shared_chassis.http import parked_router, positions_router
from shared_chassis.parked import Action, NoReasonError, NotParkedError, ParkedEvent, PostgresParking
from shared_chassis.postgres import Database, migrate

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


class MemoryParking:
    """Parked events in memory."""

    def __init__(self, count: int) -> None:
        """Park so many."""
        self.events = {
            number: ParkedEvent(
                number,
                "case-svc",
                "request.events",
                3,
                10 * number,
                f"request-{number}",
                "request.request-submitted.v1",
                "invalid",
                None,
                "ValueError: bad",
                3,
                NOON,
                None,
                None,
                None,
            )
            for number in range(1, count + 1)
        }
        self.done: list[tuple[int, Action]] = []

    def find(
        self, consumer: str | None = None, key: str | None = None, after: int = 0, limit: int = 100, *, settled: bool = False
    ) -> list[ParkedEvent]:
        """List them."""
        found = [
            event
            for number, event in self.events.items()
            if number > after and key in {None, event.key} and consumer in {None, event.consumer}
            if settled or event.settled_at is None
        ]
        return found[:limit]

    def retry(self, parked_id: int, actor: str, reason: str | None = None) -> ParkedEvent:
        """Have one handled again."""
        return self._ask(parked_id, Action("retry", actor, reason, NOON))

    def skip(self, parked_id: int, actor: str, reason: str) -> ParkedEvent:
        """Have one passed over."""
        if not reason.strip():
            raise NoReasonError(NoReasonError.__doc__)
        return self._ask(parked_id, Action("skip", actor, reason, NOON))

    def actions(self, parked_id: int) -> list[Action]:
        """List what was done."""
        return [action for number, action in self.done if number == parked_id]

    def _ask(self, parked_id: int, action: Action) -> ParkedEvent:
        if parked_id not in self.events:
            raise NotParkedError(NotParkedError.__doc__)
        self.done.append((parked_id, action))
        return replace(self.events[parked_id], asked=action.action)


class Standing:
    """Where consumers stand, in memory."""

    def status(self) -> Status:
        """Tell it."""
        return {"case-svc": {"request.events": {0: {"next_offset": 7, "last_position": 20}}}}


@pytest.fixture
def parking() -> MemoryParking:
    """Park five events."""
    return MemoryParking(5)


@pytest.fixture
def api(make_api: MakeApi, parking: MemoryParking) -> FastAPI:
    """Make an API that shows them."""
    return make_api(routers=[positions_router(Standing()), parked_router(parking)])


async def test_positions_are_told_to_anybody(api: FastAPI) -> None:
    """By consumer, topic and partition."""
    async with calling(api) as client:
        told = (await client.get("/positions")).json()
    assert told == {"case-svc": {"request.events": {"0": {"next_offset": 7, "last_position": 20}}}}


async def test_parked_events_are_listed_a_page_at_a_time(api: FastAPI, issuer: Issuer) -> None:
    """With why they wait, and without their document."""
    headers = issuer.headers(roles=["auditor"])
    async with calling(api) as client:
        first = (await client.get("/parked?limit=3", headers=headers)).json()
        rest = (await client.get(f"/parked?limit=3&cursor={first['next']}", headers=headers)).json()
        one = (await client.get("/parked?key=request-2", headers=headers)).json()
        none = (await client.get("/parked?consumer=other", headers=headers)).json()
    assert [event["id"] for event in first["items"] + rest["items"]] == [1, 2, 3, 4, 5]
    assert rest["next"] is None
    assert [event["id"] for event in one["items"]] == [2]
    assert none["items"] == []
    assert one["items"][0].items() >= {"reason": "invalid", "error": "ValueError: bad", "position": 20, "attempts": 3}.items()
    assert "state" not in one["items"][0]


@pytest.mark.parametrize(
    ("role", "looks", "decides"), [("dispatcher", 200, 200), ("auditor", 200, 403), ("resident", 403, 403), (None, 401, 401)]
)
async def test_who_looks_and_who_decides(api: FastAPI, issuer: Issuer, role: str | None, looks: int, decides: int) -> None:
    """An auditor sees everything and touches nothing."""
    headers = issuer.headers(roles=[role]) if role else {}
    async with calling(api) as client:
        assert (await client.get("/parked", headers=headers)).status_code == looks
        assert (await client.get("/parked/1/actions", headers=headers)).status_code == looks
        assert (await client.post("/parked/1/retry", headers=headers)).status_code == decides
        assert (await client.post("/parked/1/skip", json={"reason": "x"}, headers=headers)).status_code == decides


async def test_a_decision_is_kept_with_who_and_why(api: FastAPI, issuer: Issuer, parking: MemoryParking) -> None:
    """By the pseudonym of the dispatcher."""
    headers = issuer.headers(roles=["dispatcher"])
    async with calling(api) as client:
        tried = (await client.post("/parked/1/retry", json={}, headers=headers)).json()
        skipped = (await client.post("/parked/1/skip", json={"reason": "a test"}, headers=headers)).json()
        actions = (await client.get("/parked/1/actions", headers=headers)).json()
    assert (tried["asked"], skipped["asked"]) == ("retry", "skip")
    assert [(each["action"], each["reason"]) for each in actions] == [("retry", None), ("skip", "a test")]
    assert all(each["actor"].startswith("dispatcher:") for each in actions)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/parked/99/retry", {}, 404),
        ("/parked/99/skip", {"reason": "x"}, 404),
        ("/parked/1/skip", {"reason": "  "}, 422),
        ("/parked/1/skip", {}, 422),
        ("/parked/x/retry", {}, 422),
    ],
)
async def test_what_cannot_be_decided_is_refused(
    api: FastAPI, issuer: Issuer, path: str, body: dict[str, str], status: int
) -> None:
    """An unknown number, a skip without a reason."""
    async with calling(api) as client:
        answer = await client.post(path, json=body, headers=issuer.headers(roles=["dispatcher"]))
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


@pytest.fixture
def stored(postgres_admin_url: str) -> Iterator[Database]:
    """Open a fresh database of a service."""
    name = f"park_{uuid4().hex[:8]}"
    database = Database(migrate(postgres_admin_url, name, None, "only-for-tests").app_url, name, 4)
    yield database
    database.close()
    with psycopg.connect(postgres_admin_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
        connection.execute(f"DROP ROLE IF EXISTS {name}".encode())
        connection.execute(f"DROP ROLE IF EXISTS {name}_owner".encode())


@pytest.mark.postgres
async def test_a_services_own_tables_are_shown(stored: Database, make_api: MakeApi, issuer: Issuer) -> None:
    """What the consumer writes is what is told."""
    positions = PostgresPositions(stored)
    place = Place("case-svc", "cluster", "request.events", 3)
    waiting = Parked(20, "request-1", "request.request-submitted.v1", b"{}", "invalid", error="ValueError: bad")
    taken = positions.load(place)
    positions.commit([Step(place, taken, taken._replace(next_offset=5, last_position=20), parked=[waiting])])
    headers = issuer.headers(roles=["dispatcher"])
    async with calling(make_api(routers=[positions_router(positions), parked_router(PostgresParking(stored))])) as client:
        told = (await client.get("/positions")).json()
        [event] = (await client.get("/parked", headers=headers)).json()["items"]
        asked = (await client.post(f"/parked/{event['id']}/skip", json={"reason": "a test"}, headers=headers)).json()
        actions = (await client.get(f"/parked/{event['id']}/actions", headers=headers)).json()
        missing = await client.post("/parked/999/retry", headers=headers)
    assert told == {"case-svc": {"request.events": {"3": {"next_offset": 5, "last_position": 20}}}}
    assert (event["key"], event["asked"], asked["asked"]) == ("request-1", None, "skip")
    assert [each["reason"] for each in actions] == ["a test"]
    assert missing.status_code == 404
