"""Who calls: access tokens, RS256 JSON web tokens of the city's identity provider, checked here without asking anybody.

Organisations' programs call with a key instead, where a service takes them (`shared_chassis.api_key`).

The provider is found by OpenID Connect discovery at the first token, not at the start: it may come up later than we do.
Sources: RFC 7519 (JWT), RFC 7517 (keys), RFC 8725 (best practice: one algorithm, named beforehand), OpenID Connect
Discovery 1.0.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

import aiohttp
import structlog
from joserfc import jws, jwt
from joserfc.errors import ExpiredTokenError, InvalidClaimError, JoseError, MissingClaimError
from joserfc.jwk import RSAKey
from pydantic import BaseModel, ConfigDict, ValidationError

from shared_chassis.api_key import PREFIX, Keys, KnownKey
from shared_chassis.http.actor import ROLES, Actor, NotSignedIn, kind_of, pseudonym
from shared_events.ids import derive

LEEWAY = 30
"""Seconds by which the provider's clock may differ from ours."""

KEYS_AGAIN = 10.0
"""Seconds that pass before an unknown key id makes us ask the provider for its keys again."""

KEYS_AGE = 900.0
"""Seconds after which keys are asked for anew, so that a key the provider withdrew stops counting."""

FAILED_AGAIN = 1.0
"""Seconds that pass before a provider that did not answer is asked again."""

DISCOVERY = "/.well-known/openid-configuration"

REMEMBERED = 20_000
"""Tokens whose check is remembered."""

_PREFIX = PREFIX.encode("ascii")
_log = structlog.get_logger()

Fetch = Callable[[str], Awaitable[Mapping[str, object]]]


class TokenRefused(NotSignedIn):
    """The access token is not valid; sign in again."""


class TokenExpired(TokenRefused):
    """The access token has expired; sign in again."""


class KeyRefused(NotSignedIn):
    """This key is not known here. A key just issued is known everywhere within seconds."""


class KeyExpired(KeyRefused):
    """This key has expired; the organisation needs a new one."""


class KeyRevoked(KeyRefused):
    """This key was revoked; the organisation needs a new one."""


class KeysNotTaken(KeyRefused):
    """Organisations' keys are not taken here; sign in."""


class IssuerUnavailable(Exception):
    """The identity provider does not answer now; try again in a moment."""


class Claims(BaseModel):
    """What we read of a token; everything else in it is ignored and never kept."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    iss: str
    sub: str
    exp: float
    roles: list[str] = []
    organisation: str | None = None
    assurance: Literal["none", "confirmed"] = "none"
    city: str | None = None


class Discovery(BaseModel):
    """What we read of a provider's description of itself."""

    issuer: str
    jwks_uri: str


class PublishedKeys(BaseModel):
    """The keys a provider publishes (JWKS)."""

    keys: list[dict[str, str | list[str]]]


async def fetch_json(address: str) -> Mapping[str, object]:
    """Get a JSON object over HTTP within three seconds."""
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3), raise_for_status=True) as session,
        session.get(address) as answer,
    ):
        document = await answer.json(content_type=None)
    if not isinstance(document, dict):
        raise TypeError("a JSON object is expected")
    return document


class SigningKeys:
    """The provider's keys by key id, asked for when one is missing, and seldom."""

    def __init__(self, issuer: str, fetch: Fetch = fetch_json, clock: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str | None, RSAKey] = {}
        self._asking = asyncio.Lock()
        self._fetched_at = self._failed_at = float("-inf")

    async def find(self, key_id: str | None) -> RSAKey:
        """Find the key a token names; a token that names none may use the only key there is.

        Raises `TokenRefused` for a key the provider does not have, `IssuerUnavailable` while it cannot be asked.
        """
        if self._clock() - self._fetched_at > KEYS_AGE or self._known(key_id) is None:
            await self._ask(key_id)
        key = self._known(key_id)
        if key is None:
            raise TokenRefused("The access token is signed with a key the identity provider does not have.")
        return key

    def _known(self, key_id: str | None) -> RSAKey | None:
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id)

    async def _ask(self, key_id: str | None) -> None:
        async with self._asking:
            known, now = self._known(key_id), self._clock()
            if now - self._fetched_at < (KEYS_AGE if known else KEYS_AGAIN):
                return
            if now - self._failed_at >= FAILED_AGAIN:
                await self._fetch_keys()
            if known is None and self._failed_at >= self._fetched_at:
                raise IssuerUnavailable(IssuerUnavailable.__doc__)

    async def _fetch_keys(self) -> None:
        """Ask the provider; while it does not answer, the keys it gave before stay good."""
        try:
            found = Discovery.model_validate(await self._fetch(f"{self._issuer.rstrip('/')}{DISCOVERY}"))
            if found.issuer != self._issuer:
                self._failed_at = self._clock()
                _log.error("issuer.calls_itself_otherwise", issuer=self._issuer, calls_itself=found.issuer)
                return
            published = PublishedKeys.model_validate(await self._fetch(found.jwks_uri))
        except (aiohttp.ClientError, TimeoutError, OSError, TypeError, ValueError) as error:
            self._failed_at = self._clock()
            _log.warning("issuer.unavailable", issuer=self._issuer, exc_info=error)
            return
        read = ((_kid(key), _signing_key(key)) for key in published.keys)
        self._keys = {key_id: key for key_id, key in read if key is not None}
        self._fetched_at = self._clock()


class Verifier:
    """Turns an access token, or an organisation's key where `keys` are given, into an actor.

    A token or key seen before costs a look into a table. Used from the event loop only, so nothing is locked.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        secret: bytes,
        fetch: Fetch = fetch_json,
        clock: Callable[[], float] = time.time,
        keys: Keys | None = None,
    ) -> None:
        self._secret = secret
        self._api_keys = keys
        self._clock = clock
        self._keys = SigningKeys(issuer, fetch)
        self._registry = jwt.JWTClaimsRegistry(
            now=lambda: int(clock()),
            leeway=LEEWAY,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            sub={"essential": True},
            exp={"essential": True},
        )
        self._seen: OrderedDict[bytes, tuple[Actor, float]] = OrderedDict()

    async def actor(self, token: bytes) -> Actor:
        """Say who calls with this token.

        Raises `TokenRefused` or `KeyRefused` (401), and `IssuerUnavailable` (503) while the token's key cannot be had.
        """
        if token.startswith(_PREFIX):
            return await self._program(token.decode("latin-1"))
        fingerprint = hashlib.sha256(token).digest()
        seen = self._seen.get(fingerprint)
        if seen is not None and self._clock() < seen[1]:
            self._seen.move_to_end(fingerprint)
            return seen[0]
        claims = await self._checked(token)
        actor = Actor(
            kind=kind_of(claims.roles),
            id=str(pseudonym(self._secret, claims.iss, claims.sub)),
            roles=frozenset(claims.roles).intersection(ROLES),
            organisation=claims.organisation,
            assurance=claims.assurance,
            city=claims.city,
        )
        self._seen[fingerprint] = (actor, claims.exp + LEEWAY)
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return actor

    async def _program(self, key: str) -> Actor:
        """Say which organisation's program calls with this key."""
        if self._api_keys is None:
            raise KeysNotTaken(KeysNotTaken.__doc__)
        known = self._api_keys.remembered(key) or await asyncio.to_thread(self._api_keys.find, key)
        return _program_of(known)

    async def _checked(self, token: bytes) -> Claims:
        try:
            header = jws.extract_compact(token).headers()
            if header.get("alg") != "RS256":
                raise TokenRefused("The access token must be signed with RS256.")
            key = await self._keys.find(header.get("kid"))
            read = jwt.decode(token, key, algorithms=["RS256"])
            self._registry.validate(read.claims)
            return Claims.model_validate(read.claims)
        except ExpiredTokenError as error:
            raise TokenExpired(TokenExpired.__doc__) from error
        except (InvalidClaimError, MissingClaimError) as error:
            raise TokenRefused(f"The access token does not hold here: its claim {error.claim} is wrong or missing.") from error
        except (JoseError, ValidationError, ValueError, TypeError) as error:
            raise TokenRefused(TokenRefused.__doc__) from error


def _program_of(known: KnownKey | None) -> Actor:
    """Make the actor a key stands for: an executor of its organisation, with the key's own id and scopes."""
    if known is None:
        raise KeyRefused(KeyRefused.__doc__)
    if known.state != "good":
        refusal = KeyRevoked if known.state == "revoked" else KeyExpired
        raise refusal(refusal.__doc__)
    return Actor(
        kind="executor",
        id=str(derive("api-key", known.organisation, known.key_id)),
        roles=frozenset({"executor"}),
        organisation=known.organisation,
        scopes=known.scopes,
    )


def _kid(document: dict[str, str | list[str]]) -> str | None:
    key_id = document.get("kid")
    return key_id if isinstance(key_id, str) else None


def _signing_key(document: dict[str, str | list[str]]) -> RSAKey | None:
    """Read one key of the provider; None for one that is not for checking RS256 signatures."""
    if document.get("kty") != "RSA" or document.get("use", "sig") != "sig" or document.get("alg", "RS256") != "RS256":
        return None
    try:
        return RSAKey.import_key(document)
    except (JoseError, ValueError, TypeError) as error:
        _log.warning("issuer.key_unreadable", key=_kid(document), exc_info=error)
        return None
