"""People of every role, the service they call, and a clock that can be put forward, for discussion-svc's tests."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import UUID, uuid4

import httpx
import psycopg

from discussion_svc.application import Context
from discussion_svc.views import PROJECTION
from discussion_svc.worker import TIMERS
from shared_chassis.http import Actor, NotSignedIn, Verifier
from shared_chassis.keyring import Keyring
from shared_chassis.mapper import EventMapper
from shared_chassis.object_store import ObjectStore
from shared_chassis.postgres import Database, ServiceDatabase
from shared_chassis.recorder import Recorder
from shared_chassis.store import Store
from shared_chassis.timer import Timers
from shared_city import load_cities
from shared_events.catalogue import CATALOGUE

CITIES = Path(__file__).parents[3] / "cities"
MINUTE = timedelta(minutes=1)


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
        return Actor(said["role"], said["id"], frozenset({said["role"]}), assurance=said["assurance"])


@dataclass(frozen=True)
class Person:
    """Somebody with an account, who can call."""

    role: str
    id: UUID
    assurance: Literal["none", "confirmed"] = "confirmed"

    def headers(self, key: str | None = None) -> dict[str, str]:
        """Make the headers of a call, with an Idempotency-Key where one is given."""
        token = json.dumps({"role": self.role, "id": str(self.id), "assurance": self.assurance})
        return {"authorization": f"Bearer {token}", **({"idempotency-key": key} if key else {})}


def person(role: str = "resident", assurance: Literal["none", "confirmed"] = "confirmed") -> Person:
    """Make up somebody of a role."""
    return Person(role, uuid4(), assurance)


ORGANISER = person("organiser")


class Clock:
    """The clock of every rule in the tests' own database: the real one, put forward by hand."""

    def __init__(self, database: ServiceDatabase) -> None:
        self._database = database
        with psycopg.connect(database.owner_url, autocommit=True) as connection:
            schema = database.service.encode()
            connection.execute(b"SET search_path = " + schema)
            connection.execute("CREATE TABLE put_forward AS SELECT interval '0' AS by")
            connection.execute(b"GRANT SELECT ON put_forward TO " + schema)
            connection.execute(
                "CREATE OR REPLACE FUNCTION rule_now() RETURNS timestamptz LANGUAGE sql VOLATILE"
                " AS 'SELECT clock_timestamp() + (SELECT by FROM put_forward)'"
            )

    def put_forward(self, by: timedelta) -> None:
        """Let time pass."""
        with psycopg.connect(self._database.owner_url, autocommit=True) as connection:
            connection.execute(b"SET search_path = " + self._database.service.encode())
            connection.execute("UPDATE put_forward SET by = by + %s", [by])


def open_context(database: ServiceDatabase, keyring: Keyring, objects: Path) -> Context:
    """Open what use cases work with, on the real packs."""
    pool = Database(database.app_url, database.service, 24)
    mapper = EventMapper(CATALOGUE, "/tests/discussion-svc", keyring)
    return Context(Store(pool, Recorder(pool, PROJECTION), mapper), pool, load_cities(CITIES), ObjectStore(objects))


def fire_due(context: Context) -> int:
    """Fire every timer that is due, in order, as a worker does; how many."""
    timers = Timers(context.database, TIMERS, context)
    fired = 0
    while due := timers._lease():
        for timer in due:
            timers._fire(timer)
        fired += len(due)
    return fired


class Hall:
    """A discussion-svc to call."""

    def __init__(self, api: httpx.AsyncClient, context: Context, clock: Clock) -> None:
        self.api = api
        self.context = context
        self.clock = clock

    async def post(self, path: str, who: Person, body: Mapping[str, object], key: str | None = None) -> httpx.Response:
        """Send a command."""
        return await self.api.post(path, json=body, headers=who.headers(key))

    async def register(self, city: str = "madrid", procedure: str = "citizen-proposals", **more: object) -> str:
        """Register a discussion; its id."""
        body = {"city": city, "procedure": procedure, "title": "Limpiar las calles", **more}
        answer = await self.post("/discussions", ORGANISER, body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def attach(
        self, discussion: str, content: bytes = b"Plan", media_type: str = "text/plain", name: str = "plan.txt"
    ) -> httpx.Response:
        """Attach a document."""
        headers = {**ORGANISER.headers(), "content-type": media_type, "x-file-name": name}
        return await self.api.post(f"/discussions/{discussion}/documents", content=content, headers=headers)

    async def announce(
        self, discussion: str, opens_in: timedelta = timedelta(), lasts: timedelta = 10 * MINUTE
    ) -> httpx.Response:
        """Publish the notice: opening in a while, from this minute on."""
        opens_at = self.now().replace(second=0, microsecond=0) + opens_in
        body = {"opens_at": opens_at.isoformat(), "closes_at": (opens_at + lasts).isoformat()}
        return await self.post(f"/discussions/{discussion}/notice", ORGANISER, body)

    async def open(self, lasts: timedelta = 10 * MINUTE, **more: object) -> str:
        """Register, document and open a discussion; its id."""
        discussion = await self.register(**more)  # type: ignore[arg-type]  # fields by name
        assert (await self.attach(discussion)).status_code == 201
        answer = await self.announce(discussion, lasts=lasts)
        assert answer.status_code == 200, answer.text
        return discussion

    async def submit(
        self, discussion: str, who: Person, text: str = "¿Cuándo?", key: str | None = None, **more: object
    ) -> httpx.Response:
        """Submit something."""
        body = {"kind": "question", "text": text, **more}
        return await self.post(f"/discussions/{discussion}/submissions", who, body, key)

    async def submitted(self, discussion: str, who: Person | None = None, **more: Any) -> dict[str, Any]:
        """Submit something that is taken; the answer."""
        answer = await self.submit(discussion, who or person(), **more)
        assert answer.status_code == 201, answer.text
        taken: dict[str, Any] = answer.json()
        return taken

    async def support(self, submission: str, who: Person) -> httpx.Response:
        """Support a submission."""
        return await self.post(f"/submissions/{submission}/supports", who, {})

    async def see(self, path: str, **query: object) -> Any:
        """Read something as anybody."""
        answer = await self.api.get(path, params={key: str(value) for key, value in query.items()})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def close(self, by: timedelta = timedelta(minutes=12)) -> None:
        """Let the period pass, and the minute after it, and have the timers fired."""
        self.clock.put_forward(by)
        fire_due(self.context)

    def now(self) -> datetime:
        """Read the clock of every rule."""
        return self.context.store.now().astimezone(UTC)
