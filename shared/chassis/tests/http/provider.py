"""An identity provider without a network, a way to call an API without one, and what a process logs."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from io import BytesIO

import httpx
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import RSAKey

from shared_chassis.http import Verifier

ISSUER = "https://id.example/realms/city"
SECRET = b"s" * 32

MakeApi = Callable[..., FastAPI]


class Clock:
    """A clock that is set by hand; seconds."""

    def __init__(self) -> None:
        """Start now."""
        self.now = time.time()

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


class Issuer:
    """An identity provider: keys, tokens, and the documents it publishes."""

    def __init__(self, key: RSAKey) -> None:
        """Start with one key, `first`."""
        self.keys = {"first": key}
        self.asked: list[str] = []
        self.down = False
        self.calls_itself = ISSUER
        self.clock = Clock()

    async def fetch(self, address: str) -> Mapping[str, object]:
        """Answer for its two documents."""
        self.asked.append(address)
        await asyncio.sleep(0.001)
        if self.down:
            raise ConnectionRefusedError("nobody listens")
        if address.endswith("/.well-known/openid-configuration"):
            return {"issuer": self.calls_itself, "jwks_uri": f"{ISSUER}/keys"}
        return {"keys": [{**key.as_dict(private=False), "kid": kid} for kid, key in self.keys.items()]}

    def verifier(self) -> Verifier:
        """Give a verifier that trusts this provider."""
        return Verifier(issuer=ISSUER, audience="veche", secret=SECRET, fetch=self.fetch, clock=self.clock)

    def claims(self, **changes: object) -> dict[str, object]:
        """Give the claims of a resident's token; a change to None leaves one out."""
        claims = {"iss": ISSUER, "sub": "person-1", "aud": "veche", "exp": int(self.clock.now) + 300, "roles": ["resident"]}
        return {key: value for key, value in {**claims, **changes}.items() if value is not None}

    def token(self, *, kid: str | None = "first", key: RSAKey | None = None, **changes: object) -> str:
        """Sign a token."""
        header = {"alg": "RS256"} if kid is None else {"alg": "RS256", "kid": kid}
        return jwt.encode(header, self.claims(**changes), key or self.keys[kid or "first"])

    def headers(self, **changes: object) -> dict[str, str]:
        """Give the header of a caller with a token."""
        return {"authorization": f"Bearer {self.token(**changes)}"}


@asynccontextmanager
async def calling(api: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Call an API without a network."""
    transport = httpx.ASGITransport(app=api, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://sample") as client:
        yield client


class Lines:
    """What was logged, line by line."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.output = BytesIO()

    def __call__(self, event: str | None = None) -> list[dict[str, object]]:
        """Read the lines, of one event's name or all."""
        lines = [json.loads(line) for line in self.output.getvalue().splitlines()]
        return [line for line in lines if event is None or line["event"] == event]

    @property
    def text(self) -> str:
        """Everything as it was written."""
        return self.output.getvalue().decode()
