"""Access tokens of the local issuer: its one key, and tokens signed by it for people and for robots."""

import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from joserfc import jwt
from joserfc.jwk import RSAKey

from local_stack.state import State, write_private

AUDIENCE = "veche"
KEY_BITS = 2048
AN_HOUR = 3600

Assurance = Literal["none", "confirmed"]


def key_file(state_dir: Path) -> Path:
    """Name the file of the issuer's private key below a stack's home."""
    return state_dir / "oidc" / "key.pem"


def make_key(state_dir: Path) -> None:
    """Make the issuer's key, once; only its owner can read it."""
    file = key_file(state_dir)
    if not file.exists():
        write_private(file, RSAKey.generate_key(KEY_BITS).as_pem(private=True).decode())


@functools.cache
def load_key(state_dir: Path) -> RSAKey:
    """Read the issuer's key; it is named by its thumbprint (RFC 7638)."""
    key = RSAKey.import_key(key_file(state_dir).read_bytes())
    return RSAKey.import_key(key.as_dict(private=True), {"use": "sig", "alg": "RS256", "kid": key.thumbprint()})


def sign(key: RSAKey, claims: Mapping[str, object], *, kind: str = "at+jwt") -> str:
    """Sign claims as a JSON web token: of the kind `at+jwt` an access token (RFC 9068), of the kind `JWT` an identity token."""
    return jwt.encode({"alg": "RS256", "typ": kind, "kid": key.kid}, dict(claims), key)


@dataclass(frozen=True)
class Identity:
    """Who a token is of; `organisation` is the stream id of the organisation the person acts for."""

    sub: str
    name: str
    roles: Sequence[str]
    organisation: str | None = None
    assurance: Assurance = "confirmed"
    city: str | None = None


def access_claims(issuer: str, who: Identity, lifetime: int) -> dict[str, object]:
    """Say who somebody is, in the claims that every service reads; valid from now for `lifetime` seconds."""
    now = int(time.time())
    known = {name: value for name, value in asdict(who).items() if value is not None}
    return {"iss": issuer, "aud": AUDIENCE, "iat": now, "exp": now + lifetime, **known, "roles": list(who.roles)}


@functools.cache
def _issuer(home: Path, _changed_at: int) -> str:
    return State.model_validate_json((home / "state.json").read_bytes()).issuer


def robot_token(  # noqa: PLR0913  the claims of a token
    state_dir: Path,
    sub: str,
    roles: Sequence[str],
    organisation: str | None = None,
    assurance: Assurance = "confirmed",
    name: str | None = None,
    *,
    city: str | None = None,
    lifetime: int = 12 * AN_HOUR,
) -> str:
    """Sign an access token for a robot that plays somebody, by the key of the stack in `state_dir`; valid `lifetime` seconds.

    Costs under a millisecond: the key is read once, the issuer's name when the state changes.
    """
    home = state_dir.resolve()
    issuer = _issuer(home, (home / "state.json").stat().st_mtime_ns)
    who = Identity(sub, name or sub, roles, organisation, assurance, city)
    return sign(load_key(home), access_claims(issuer, who, lifetime))
