"""People of every role, what they say to request-svc, and what dispatch-svc and the clock say, for its tests."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx

from request_svc import worker
from request_svc.application import Context, rules_of
from request_svc.domain.request import INFORMATION_CAP, REQUEST, SILENT_CONSENT
from request_svc.views import PROJECTION
from shared_chassis.http import Actor, NotSignedIn, Verifier
from shared_chassis.keyring import Keyring
from shared_chassis.mapper import EventMapper
from shared_chassis.object_store import ObjectStore
from shared_chassis.postgres import Database
from shared_chassis.recorder import Recorder
from shared_chassis.store import Store
from shared_chassis.stream import timer_id
from shared_chassis.timer import DueTimer
from shared_city import load_cities
from shared_events.catalogue import CATALOGUE
from shared_events.dispatch import WorkReportedDone
from shared_events.envelope import Envelope, Received, Recorded
from shared_events.ids import case_stream, derive, request_stream

SECRET = "only-for-tests"
CITIES = Path(__file__).parents[3] / "cities"


class TokensOfTests(Verifier):
    """Takes an actor written as JSON for a token."""

    def __init__(self) -> None:
        super().__init__(issuer="tests", audience="veche", secret=b"")

    async def actor(self, token: bytes) -> Actor:
        """Read the actor."""
        try:
            said = json.loads(token)
        except ValueError as error:
            raise NotSignedIn(NotSignedIn.__doc__) from error
        scopes = said.get("scopes")
        return Actor(
            said["role"],
            said["id"],
            frozenset({said["role"]}),
            said.get("organisation"),
            scopes=None if scopes is None else frozenset(scopes),
        )


@dataclass(frozen=True)
class Person:
    """Somebody with an account, who can call."""

    role: str
    id: UUID
    organisation: str | None = None
    scopes: tuple[str, ...] | None = None

    def headers(self, key: str | None = None) -> dict[str, str]:
        """Make the headers of a call, with an Idempotency-Key where one is given."""
        said = {"role": self.role, "id": str(self.id), "organisation": self.organisation, "scopes": self.scopes}
        token = json.dumps(said)
        return {"authorization": f"Bearer {token}", **({"idempotency-key": key} if key else {})}


def person(role: str, organisation: str | None = None) -> Person:
    """Make up somebody of a role."""
    return Person(role, uuid4(), organisation)


def open_context(url: str, schema: str, keyring: Keyring, objects: Path, pool_size: int = 8) -> Context:
    """Open what use cases work with, on the real packs."""
    database = Database(url, schema, pool_size)
    mapper = EventMapper(CATALOGUE, "/tests/request-svc", keyring)
    cities = load_cities(CITIES)
    store = Store(database, Recorder(database, PROJECTION), mapper)
    return Context(store, database, keyring, cities, rules_of(cities), ObjectStore(objects))


RESIDENT = person("resident")
AGENT = person("agent")
DISPATCHER = person("dispatcher")
LIFTS = "organisation-kazan-lift-service"
"""Who has the requests of these tests."""


def asked(**more: Any) -> dict[str, object]:
    """Make the body of a submission."""
    return {
        "city": "kazan",
        "channel": "web",
        "service_type": "lift-out-of-order",
        "location": {"district": "kirovsky", "address": "ул. Баумана, 1", "latitude": "55.796127", "longitude": "49.106405"},
        **more,
    }


async def submit(api: httpx.AsyncClient, who: Person, key: str | None = None, **more: Any) -> httpx.Response:
    """Submit a request."""
    return await api.post("/requests", json=asked(**more), headers=who.headers(key))


async def submitted(api: httpx.AsyncClient, who: Person = RESIDENT, **more: Any) -> UUID:
    """Submit a request that is taken."""
    answer = await submit(api, who, **more)
    assert answer.status_code == 201, answer.text
    return UUID(answer.json()["id"])


async def say(
    api: httpx.AsyncClient, who: Person, request: UUID, what: str, body: Mapping[str, object], key: str | None = None
) -> httpx.Response:
    """Say something of a request."""
    return await api.post(f"/requests/{request}/{what}", json=body, headers=who.headers(key))


def report_done(context: Context, request: UUID, at: datetime | None = None, work_round: int = 1) -> Received:
    """Let dispatch-svc say that the work is done."""
    at = at or context.store.now()
    fact = WorkReportedDone(organisation=LIFTS, round=work_round, evidence=())
    envelope = Envelope(
        derive(request, "report", work_round), "/kazan/dispatch-svc", fact.TYPE, at, at, "executor:1", request, uuid4()
    )
    received = Received(Recorded(case_stream(request), 7, envelope, fact), 7)
    worker.REACTIONS[WorkReportedDone](context, received)
    return received


def fire(context: Context, request: UUID, work_round: int = 1) -> None:
    """Let the timer of silent consent fire."""
    stream_id = request_stream(request)
    due_at = context.store.load(REQUEST, stream_id).state.consent_due or context.store.now()
    timer = DueTimer(
        timer_id(stream_id, SILENT_CONSENT, str(work_round)), due_at, stream_id, SILENT_CONSENT, {"round": str(work_round)}
    )
    worker.TIMERS[SILENT_CONSENT](context, timer)


def give_up_waiting(context: Context, request: UUID, number: int = 1) -> None:
    """Let the timer of a question's cap fire."""
    stream_id = request_stream(request)
    due_at = context.store.load(REQUEST, stream_id).state.information_due or context.store.now()
    timer = DueTimer(
        timer_id(stream_id, INFORMATION_CAP, str(number)), due_at, stream_id, INFORMATION_CAP, {"number": str(number)}
    )
    worker.TIMERS[INFORMATION_CAP](context, timer)


def give_to(context: Context, request: UUID, organisation: str = LIFTS) -> None:
    """Let an organisation have a request, as dispatch-svc would say."""
    context.database.execute(
        "INSERT INTO case_status (request_id, position, organisation) VALUES (%(id)s, 1, %(organisation)s)",
        {"id": request, "organisation": organisation},
    )


def facts(context: Context, request: UUID) -> list[str]:
    """Name what happened to a request, in order."""
    return [type(event.fact).__name__ for event in context.store.events(request_stream(request))]


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Give the status of a refusal and its name."""
    return answer.status_code, answer.json()["type"].rpartition(":")[2]
