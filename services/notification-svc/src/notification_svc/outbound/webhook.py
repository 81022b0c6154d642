"""Executors' programs: called over HTTP, signed, and never inside our own house.

Signed by the rules of Standard Webhooks (standardwebhooks.com), with its own reference library: receivers find a verifier for
their language there, and need not trust a scheme of ours. The guard against calls into private networks is where the name is
resolved, so that what was looked at is what is connected to; a redirect is an answer like any other and not followed.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from threading import Lock
from typing import Final
from uuid import UUID

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from cachetools import TTLCache
from standardwebhooks import Webhook

from notification_svc.domain.refusal import NotificationError
from notification_svc.domain.target import check_target, is_public
from shared_chassis.sender import UndeliverableError

SECONDS: Final = 5.0
"""How long a call may take in all, from the name's resolution to the answer's status."""

REST: Final = 30.0
"""How long a program that let us wait is left alone, so that others need not wait for it too."""

SILENT: Final = 10_000
"""The most programs that are remembered as silent."""

AGENT: Final = "Veche-Webhooks/1"


class NotTakenError(Exception):
    """The program did not take the call."""


class NotPublicError(OSError):
    """The address leads into a private network; only public ones are called."""


@dataclass(frozen=True, slots=True)
class Posted:
    """What a program is sent: the same `delivery` is the same message, however often it comes."""

    delivery: UUID
    body: str


class _PublicOnly(AbstractResolver):
    """Resolves names to public addresses alone: a name with one private address among others is refused whole."""

    def __init__(self) -> None:
        self._resolver = ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        """Look a name up. Raises `NotPublicError`, and `OSError` for a name nobody knows."""
        found = await self._resolver.resolve(host, port, family)
        if not all(is_public(each["host"]) for each in found):
            raise NotPublicError(NotPublicError.__doc__)
        return found

    async def close(self) -> None:
        """Let go of the resolver."""
        await self._resolver.close()


class Programs:
    """Calls programs, each call on its own; safe to use from many threads.

    `private_too` allows private networks and plain HTTP, `seconds` bounds a call; a program that did not answer in time takes
    no call for `rest` seconds of `clock`.
    """

    def __init__(
        self,
        *,
        private_too: bool = False,
        seconds: float = SECONDS,
        rest: float = REST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.private_too = private_too
        self._seconds = seconds
        self._silent: TTLCache[str, bool] = TTLCache(SILENT, rest, clock)
        self._lock = Lock()

    def call(self, url: str, posted: Posted, secrets: Sequence[bytes]) -> None:
        """Call a program once, signed with each secret; it has taken the call when it answers 2xx in time.

        Raises `NotTakenError` when it has not, and `UndeliverableError` where trying again would not help: the address leads
        inside, or the program says that it is gone for good (410).
        """
        with self._lock:
            if url in self._silent:
                raise NotTakenError(f"No answer came within {self._seconds:g} seconds a moment ago; the program was left alone.")
        try:
            check_target(url, private_too=self.private_too)
            status = asyncio.run(self._post(url, posted, secrets))
        except (NotificationError, NotPublicError) as error:
            raise UndeliverableError(str(error)) from error
        except TimeoutError as error:
            with self._lock:
                self._silent[url] = True
            raise NotTakenError(f"No answer came within {self._seconds:g} seconds.") from error
        except aiohttp.ClientError as error:
            if isinstance(error.__cause__, NotPublicError):
                raise UndeliverableError(str(error.__cause__)) from error
            raise NotTakenError(f"The program cannot be reached ({type(error).__name__}).") from error
        if status == HTTPStatus.GONE:
            raise UndeliverableError("The program answered 410: it is gone for good.")
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            raise NotTakenError(f"The program answered {status}.")

    async def _post(self, url: str, posted: Posted, secrets: Sequence[bytes]) -> int:
        """Send the call and read the answer's status; whatever else it says is not read."""
        connector = aiohttp.TCPConnector(resolver=None if self.private_too else _PublicOnly(), limit=1, force_close=True)
        timeout = aiohttp.ClientTimeout(total=self._seconds)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.post(url, data=posted.body.encode(), headers=_headers(posted, secrets), allow_redirects=False) as answer,
        ):
            return answer.status


def _headers(posted: Posted, secrets: Sequence[bytes]) -> dict[str, str]:
    """Sign a call: `v1,` and HMAC-SHA256 of `id.timestamp.body` in base64, one signature a secret, divided by spaces."""
    now = datetime.fromtimestamp(int(time.time()), UTC)
    return {
        "content-type": "application/json",
        "user-agent": AGENT,
        "webhook-id": str(posted.delivery),
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(str(posted.delivery), now, posted.body) for secret in secrets),
    }
