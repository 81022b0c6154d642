"""Robots that act through the public APIs as people do, and insist as honest clients do.

A lost answer or a 5xx is asked again with the same Idempotency-Key, so nothing happens twice; a 503 is never a refusal.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Literal, Self

import aiohttp
import orjson

from local_stack.state import State
from local_stack.tokens import robot_token
from veche.failure import CommandError

IN_FLIGHT = 64
PATIENCE = 300.0
"""Seconds a robot goes on asking a service that does not answer."""
LONGEST_PAUSE = 3.0
FEED_PAGE = 1000

Method = Literal["GET", "POST"]


class ServiceSilentError(CommandError):
    """A service did not answer for minutes; `veche status` says how it fares."""


@dataclass(frozen=True)
class Answer:
    """What a service said: the status, and the document it sent."""

    status: int
    body: Mapping[str, object]

    @property
    def good(self) -> bool:
        """Whether the service did what was asked."""
        return self.status < HTTPStatus.BAD_REQUEST

    @property
    def why(self) -> str:
        """The service's sentence about a refusal."""
        return str(self.body.get("detail") or self.body.get("title") or self.body)


@dataclass
class Robots:
    """A crowd with one connection pool; `state_dir` holds the local issuer's key."""

    state_dir: Path
    state: State
    retries: int = 0
    _session: aiohttp.ClientSession | None = field(default=None, repr=False)
    _tokens: dict[tuple[str, str, str | None], str] = field(default_factory=dict, repr=False)

    async def __aenter__(self) -> Self:
        """Open the connections."""
        connector = aiohttp.TCPConnector(limit=IN_FLIGHT * 2)
        self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def token(self, sub: str, role: str, organisation: str | None = None) -> str:
        """Sign in as somebody, once."""
        who = (sub, role, organisation)
        if who not in self._tokens:
            self._tokens[who] = robot_token(self.state_dir, sub, [role], organisation)
        return self._tokens[who]

    async def post(self, service: str, path: str, body: object, token: str | None, key: str) -> Answer:
        """Ask for something once, however often it must be said."""
        return await self.ask("POST", service, path, token, content=orjson.dumps(body), headers={"Idempotency-Key": key})

    async def get(self, service: str, path: str, token: str | None) -> Answer:
        """Read something."""
        return await self.ask("GET", service, path, token)

    async def ask(
        self,
        method: Method,
        service: str,
        path: str,
        token: str | None,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request until it is answered.

        Raises `ServiceSilentError` after minutes without an answer.
        """
        status, raw = await self.raw(method, service, path, token, content=content, headers=headers)
        try:
            document = orjson.loads(raw) if raw else {}
        except orjson.JSONDecodeError:
            document = {"text": raw.decode(errors="replace")}
        return Answer(status, document if isinstance(document, dict) else {"items": document})

    async def raw(
        self,
        method: Method,
        service: str,
        path: str,
        token: str | None,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Send a request until it is answered; the status and the bytes of the answer."""
        if self._session is None:
            raise RuntimeError("Robots act inside `async with`.")
        sent = {"Content-Type": "application/json", **(headers or {})}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        until = monotonic() + PATIENCE
        pause = 0.1
        while True:
            try:
                async with self._session.request(method, self.state.urls[service] + path, data=content, headers=sent) as response:
                    answer = await response.read()
                    if response.status < HTTPStatus.INTERNAL_SERVER_ERROR and response.status != HTTPStatus.TOO_MANY_REQUESTS:
                        return response.status, answer
                    said = f"{response.status} {answer[:200].decode(errors='replace')}"
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                said = str(error) or type(error).__name__
            if monotonic() > until:
                raise ServiceSilentError(f"{ServiceSilentError.__doc__} ({service} {method} {path}: {said})")
            self.retries += 1
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, no secret
            pause = min(pause * 2, LONGEST_PAUSE)

    async def feed(
        self,
        service: str,
        token: str,
        after: int = 0,
        subjects: tuple[str, ...] = (),
        *,
        wait: float = 10,
        gather: float = 0,
        caught_up: asyncio.Event | None = None,
    ) -> AsyncIterator[tuple[int, Mapping[str, object]]]:
        """Follow a service's feed for ever: (position, event document), in order; with `wait` 0, to its present end.

        At its end `caught_up` is set, and news gather for `gather` seconds before they are asked for.
        """
        chosen = "".join(f"&subject={subject}" for subject in subjects)
        while True:
            answer = await self.get(service, f"/feed?after={after}&limit={FEED_PAGE}&wait={wait}{chosen}", token)
            if not answer.good:
                raise ServiceSilentError(f"{service} does not show its feed: {answer.why}")
            events = answer.body["events"]
            if not isinstance(events, list):
                raise TypeError("events is a list")
            for item in events:
                yield int(item["position"]), item["event"]
            position = int(str(answer.body["next"]))
            if wait == 0 and not events and position == after:
                return
            after = position
            if len(events) < FEED_PAGE:
                if caught_up is not None:
                    caught_up.set()
                if gather:
                    await asyncio.sleep(gather)
