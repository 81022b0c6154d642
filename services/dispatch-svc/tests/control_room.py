"""A dispatch-svc to call, a request-svc that is only said to have spoken, and a clock that can be put forward."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg

from dispatch_svc.application import Context, adopt
from dispatch_svc.views import PROJECTION, TABLES
from dispatch_svc.views.rulebook import Rulebooks
from dispatch_svc.worker import REACTIONS, TIMERS
from shared_chassis.http import Actor, NotSignedIn, Verifier
from shared_chassis.mapper import EventMapper
from shared_chassis.postgres import Database, ServiceDatabase
from shared_chassis.recorder import Recorder
from shared_chassis.store import Store
from shared_chassis.timer import Timers
from shared_city import City
from shared_events.catalogue import CATALOGUE
from shared_events.envelope import Envelope, Received, Recorded
from shared_events.event import Event
from shared_events.ids import case_stream, request_stream
from shared_events.request import Location, RequestRegistered, RequestSubmitted

MINUTE = timedelta(minutes=1)
ONE = UUID(int=1)
LIFTS, PIPES = "organisation-kazan-lifts", "organisation-kazan-pipes"


def pack(version: str = "1", **changes: object) -> City:
    """Make a city of two districts, two organisations and a term for each stage."""
    says: dict[str, object] = {
        "slug": "kazan",
        "names": {"ru": "Казань"},
        "version": version,
        "timezone": "Europe/Moscow",
        "languages": ["ru"],
        "default_language": "ru",
        "register_prefix": "KZN",
        "districts": [{"code": "kirov", "names": {"ru": "Кировский"}}, {"code": "volga", "names": {"ru": "Приволжский"}}],
        "service_types": [{"code": code, "names": {"ru": code}, "group": "house"} for code in ("lift", "pipe", "other")],
        "organisations": [
            {"slug": "lifts", "name": "Lifts", "kind": "contractor"},
            {"slug": "pipes", "name": "Pipes", "kind": "supplier"},
        ],
        "responsibilities": [granting("lifts", "lift"), granting("pipes", "lift", "kirov"), granting("pipes", "pipe")],
        "terms": {
            "version": "terms-1",
            "calendar": {"id": "round-the-clock", "version": "1", "timezone": "Europe/Moscow"},
            "stages": {stage: term(minutes) for stage, minutes in (("accept", 30), ("finish", 240), ("silent_consent", 60))},
            "by_service_type": {"lift": {"finish": term(60)}},
        },
    }
    return City.model_validate({**says, **changes})


def granting(organisation: str, service_type: str, district: str | None = None) -> dict[str, object]:
    """Write a responsibility of a pack."""
    return {"organisation": organisation, "service_type": service_type, "district": district, "valid_from": "2020-01-01"}


def term(minutes: int) -> dict[str, object]:
    """Write a term of a pack."""
    return {"unit": "elapsed-minutes", "minutes": minutes}


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
        return Actor(said["role"], said["id"], frozenset({said["role"]}), organisation=said["organisation"])


@dataclass(frozen=True)
class Person:
    """Somebody with an account, who can call."""

    role: str
    organisation: str | None = None
    id: UUID = ONE

    def headers(self, key: str | None = None) -> dict[str, str]:
        """Make the headers of a call, with an Idempotency-Key where one is given."""
        token = json.dumps({"role": self.role, "id": str(self.id), "organisation": self.organisation})
        return {"authorization": f"Bearer {token}", **({"idempotency-key": key} if key else {})}


DISPATCHER, AUDITOR = Person("dispatcher"), Person("auditor")
LIFT_FITTER, PIPE_FITTER = Person("executor", LIFTS), Person("executor", PIPES)


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


def open_context(database: ServiceDatabase, cities: Iterable[City], clock: Callable[[], float] | None = None) -> Context:
    """Open what use cases work with, on these packs; they are not adopted yet."""
    by_slug = {city.slug: city for city in cities}
    pool = Database(database.app_url, database.service, 8)
    store = Store(pool, Recorder(pool, PROJECTION), EventMapper(CATALOGUE, "/tests/dispatch-svc"))
    rulebooks = Rulebooks(pool, by_slug.values(), clock) if clock is not None else Rulebooks(pool, by_slug.values())
    return Context(store, pool, by_slug, rulebooks)


def adopted(database: ServiceDatabase, *cities: City) -> Context:
    """Open a context as a process does at its start: the packs are adopted."""
    context = open_context(database, cities)
    adopt(context)
    return context


class ControlRoom:
    """A dispatch-svc to call, and what it hears."""

    def __init__(self, api: httpx.AsyncClient, context: Context, clock: Clock) -> None:
        self.api = api
        self.context = context
        self.clock = clock
        self._versions: dict[UUID, int] = {}

    def now(self) -> datetime:
        """Read the clock of every rule."""
        return self.context.store.now()

    def hear(self, request: UUID, fact: Event, ago: timedelta = timedelta(), correlation: UUID | None = None) -> Received:
        """Let request-svc have said something a while ago, and react to it as the consumer does."""
        version = self._versions.get(request, 0) + 1
        self._versions[request] = version
        happened = self.now() - ago
        envelope = Envelope(
            uuid4(), "/tests/request-svc", fact.TYPE, happened, happened, "resident:1", correlation or request, request
        )
        received = Received(Recorded(request_stream(request), version, envelope, fact), version)
        self.hear_again(received)
        return received

    def hear_again(self, received: Received) -> None:
        """React to what was said."""
        reaction = REACTIONS.get(type(received.fact))
        if reaction is not None:
            reaction(self.context, received)

    def submit(self, service_type: str | None = "lift", district: str | None = "volga", ago: timedelta = timedelta()) -> UUID:
        """Let a resident submit a request that is registered at once; its uuid."""
        request = uuid4()
        self.hear(request, submitted(service_type, district), ago)
        if service_type is not None:
            self.hear(request, registered(service_type, district), ago)
        return request

    def facts(self, request: UUID) -> list[Event]:
        """Read everything stored of a case."""
        return [recorded.fact for recorded in self.context.store.events(case_stream(request))]

    def named(self, request: UUID) -> list[str]:
        """Name everything stored of a case."""
        return [type(fact).__name__ for fact in self.facts(request)]

    def fire_due(self) -> int:
        """Fire every timer that is due, in order, as a worker does; how many."""
        timers = Timers(self.context.database, TIMERS, self.context)
        fired = 0
        while due := timers._lease():
            for timer in due:
                timers._fire(timer)
            fired += len(due)
        return fired

    async def post(
        self, request: UUID, what: str, who: Person, body: Mapping[str, object] | None = None, key: str | None = None
    ) -> httpx.Response:
        """Send a command about a case."""
        return await self.api.post(f"/cases/{request}/{what}", json=body, headers=who.headers(key))

    async def do(self, request: UUID, *steps: str, who: Person = LIFT_FITTER) -> None:
        """Let an executor take these steps, each of which must succeed."""
        for step in steps:
            answer = await self.post(request, step, who, {"evidence": []} if step == "report" else None)
            assert answer.status_code == 200, answer.text

    async def see(self, request: UUID, who: Person = AUDITOR) -> dict[str, Any]:
        """Look at a case."""
        answer = await self.api.get(f"/cases/{request}", headers=who.headers())
        assert answer.status_code == 200, answer.text
        seen: dict[str, Any] = answer.json()
        return seen


def submitted(service_type: str | None = "lift", district: str | None = "volga") -> RequestSubmitted:
    """State a submission."""
    place = Location(district=district, building="7")
    return RequestSubmitted(city="kazan", channel="web", service_type=service_type, location=place, person=None, language="ru")


def registered(service_type: str = "lift", district: str | None = "volga") -> RequestRegistered:
    """State a registration."""
    return RequestRegistered(number="KZN-2026-0000001", city="kazan", service_type=service_type, district=district, building="7")


def views(context: Context) -> dict[str, list[str]]:
    """Read every table that is rebuilt from the facts, each row as text, in a fixed order."""
    return {
        table: sorted(str(row["row"]) for row in context.database.query(f"SELECT to_jsonb(v)::text AS row FROM {table} v"))
        for table in TABLES
    }
