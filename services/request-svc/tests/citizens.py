"""People of every role and the service they call, for request-svc's tests."""

import json
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from request_svc.application import Context, rules_of
from request_svc.views import PROJECTION
from shared_chassis.http import Actor, NotSignedIn, Verifier
from shared_chassis.keyring import Keyring
from shared_chassis.mapper import EventMapper
from shared_chassis.postgres import Database
from shared_chassis.recorder import Recorder
from shared_chassis.store import Store
from shared_city import load_cities
from shared_events.catalogue import CATALOGUE

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
        return Actor(said["role"], said["id"], frozenset({said["role"]}), said.get("organisation"))


@dataclass(frozen=True)
class Person:
    """Somebody with an account, who can call."""

    role: str
    id: UUID
    organisation: str | None = None

    def headers(self, key: str | None = None) -> dict[str, str]:
        """Make the headers of a call, with an Idempotency-Key where one is given."""
        token = json.dumps({"role": self.role, "id": str(self.id), "organisation": self.organisation})
        return {"authorization": f"Bearer {token}", **({"idempotency-key": key} if key else {})}


def person(role: str, organisation: str | None = None) -> Person:
    """Make up somebody of a role."""
    return Person(role, uuid4(), organisation)


def open_context(url: str, schema: str, keyring: Keyring, pool_size: int = 8) -> Context:
    """Open what use cases work with, on the real packs."""
    database = Database(url, schema, pool_size)
    mapper = EventMapper(CATALOGUE, "/tests/request-svc", keyring)
    cities = load_cities(CITIES)
    return Context(Store(database, Recorder(database, PROJECTION), mapper), database, keyring, cities, rules_of(cities))
