"""What every route may ask for: who calls, the command that call is, and the service's wiring.

**Idempotency.** One rule: the command id is `derive(service, "command", key)` of the `Idempotency-Key` exactly as sent, be it a
UUID or any other text; without a key it is random. So a repeated call gives the same id, and with it the same request, event and
message ids. The store refuses the same key with another body or from another actor (`KeyReused`, 422).

A caller without an account gets a random id, unless the call has a key: then the id derives from the key, for a call
repeated after a lost answer comes from the same person, and must not be refused as somebody else's.
"""

import hashlib
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from shared_chassis.http.actor import Actor, NotSignedIn, needs_scope
from shared_chassis.http.call import BadHeader, Call, NulCharacterError, call_of, fresh_id
from shared_chassis.http.health import Health
from shared_chassis.http.token import TokenRefused, Verifier
from shared_chassis.store import Command
from shared_events.ids import derive

LONGEST_KEY = 200
"""Characters an Idempotency-Key may have."""

_NUL = rb"\u0000"
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Wiring:
    """What `create_api` was given, kept where routes find it."""

    service: str
    verifier: Verifier
    context: object
    health: Health


def wiring(request: Request) -> Wiring:
    """Find what the API was created with."""
    wired = request.scope["app"].state.wiring
    assert isinstance(wired, Wiring)  # noqa: S101 - put there by `create_api`
    return wired


async def find_wiring(request: Request) -> Wiring:
    """Give what the API was created with to a route of the chassis."""
    return wiring(request)


async def context(request: Request) -> object:
    """Give the service's own wiring to a route: `Annotated[Context, Depends(http.context)]`."""
    return wiring(request).context


async def identify(request: Request) -> Actor:
    """Find out who calls, once a call.

    Raises `TokenRefused` for a token that does not hold: a caller who shows one does not want to be nobody.
    """
    call = call_of(request.scope)
    if call.actor is None:
        call.actor = await _actor(call, wiring(request))
        _refuse_changing(call.actor, request.scope["method"])
    return call.actor


def _refuse_changing(actor: Actor, method: str) -> None:
    """Refuse a key that may only read whatever changes something, also where a route forgot to ask for a scope."""
    if actor.scopes is not None and method not in _READING and actor.scopes <= {"read"}:
        needs_scope(actor, "work")


async def _actor(call: Call, wired: Wiring) -> Actor:
    if call.authorization is None:
        key = _key(call)
        return Actor.anonymous(derive(wired.service, "anonymous", key) if key is not None else fresh_id())
    scheme, _, token = call.authorization.partition(b" ")
    if scheme.lower() != b"bearer":
        raise TokenRefused("Only access tokens and organisations' keys are taken here: `Authorization: Bearer …`.")
    return await wired.verifier.actor(token.strip())


class _AccessToken(SecurityBase):
    """Finds out who calls, and stands in the API's description as the scheme it is."""

    def __init__(self, *, required: bool) -> None:
        self.model = HTTPBearer(
            bearerFormat="JWT",
            description="An access token of the city's identity provider; where executors call, an organisation's key (`vk_…`).",
        )
        self.scheme_name = "accessToken"
        self._required = required

    async def __call__(self, request: Request) -> Actor:
        """Give the caller to a route."""
        actor = await identify(request)
        if self._required and not actor.signed_in:
            raise NotSignedIn(NotSignedIn.__doc__)
        return actor


SignedIn = Annotated[Actor, Depends(_AccessToken(required=True))]
"""The caller, who has an account; without one the call is refused with 401."""

Anybody = Annotated[Actor, Depends(_AccessToken(required=False))]
"""The caller, with or without an account."""


def command_id(service: str, key: str) -> UUID:
    """Derive the id of the command a call with this Idempotency-Key is."""
    return derive(service, "command", key)


async def _command(request: Request) -> Command:
    """Make the command this call is: its id, its actor, and a hash of what it asks for.

    Raises `BadHeader` (400) for a key that cannot be one, `NulCharacterError` (400) for a text that cannot be stored.
    """
    call = call_of(request.scope)
    key = _key(call)
    actor = await identify(request)
    body = await request.body()
    if _NUL in body and "json" in request.headers.get("content-type", ""):
        raise NulCharacterError
    digest = hashlib.sha256(f"{request.scope['method']} {request.scope['path']}\n".encode())
    digest.update(body)
    service = wiring(request).service
    return Command(
        id=command_id(service, key) if key is not None else fresh_id(),
        actor=str(actor),
        body_hash=digest.digest(),
    )


IdempotentCommand = Annotated[Command, Depends(_command)]
"""The command a call is; repeating the call with the same Idempotency-Key does it once."""


def _key(call: Call) -> str | None:
    """Read the Idempotency-Key, exactly as sent."""
    if not call.idempotency_keys:
        return None
    if len(call.idempotency_keys) > 1:
        raise BadHeader("Send one Idempotency-Key, not several.")
    key = call.idempotency_keys[0].decode("latin-1")
    if not (key.isascii() and key.isprintable() and 0 < len(key) <= LONGEST_KEY):
        raise BadHeader(f"An Idempotency-Key is 1 to {LONGEST_KEY} printable ASCII characters, best a UUID.")
    return key
