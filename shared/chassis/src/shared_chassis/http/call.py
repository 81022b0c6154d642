"""The edge of every call: its correlation id, its size, its one log line and its metrics.

Pure ASGI, so that a call pays for it in microseconds. Nothing of a person's is logged: the route's template instead of the
path, no query string, no body, the kind of the actor instead of the actor.
"""

import asyncio
import re
import time
from collections.abc import Callable, MutableMapping, Sequence
from functools import cache
from http import HTTPStatus
from uuid import UUID, uuid4  # noqa: TID251 - this is the edge, where random ids are made

import structlog
from prometheus_client import Counter, Histogram
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared_chassis import metric
from shared_chassis.http.actor import Actor

LARGEST_BODY = 32 * 1024 * 1024
"""Bytes a body may have."""

QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
"""What probes ask every few seconds: told at debug level only."""

CLIENT_LEFT = 499
"""The status in the log and the metrics of a caller who hung up before the answer."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_KEY = "veche.call"
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_log = structlog.get_logger()


class BadHeader(Exception):
    """A header of this call cannot be read."""


class Call:
    """What is known of one call before any route is asked: a few headers and, once it was asked for, the actor."""

    __slots__ = ("actor", "authorization", "content_length", "correlation", "etag", "idempotency_keys")

    def __init__(self, scope: Scope) -> None:
        self.actor: Actor | None = None
        self.etag: str | None = None
        self.authorization: bytes | None = None
        self.idempotency_keys: list[bytes] = []
        self.content_length: bytes | None = None
        given = traceparent = None
        for name, value in scope["headers"]:
            match name:
                case b"authorization":
                    self.authorization = value
                case b"idempotency-key":
                    self.idempotency_keys.append(value)
                case b"content-length":
                    self.content_length = value
                case b"x-correlation-id":
                    given = value
                case b"traceparent":
                    traceparent = value
        self.correlation = str(correlation_of(given, traceparent))


def fresh_id() -> UUID:
    """Make an id for what nobody named: a call without a key, a caller without an account, a journey without an id."""
    return uuid4()


def correlation_of(given: bytes | None, traceparent: bytes | None) -> UUID:
    """Take the caller's correlation id, or the trace of W3C's trace context, or make one; an unreadable one is nobody's."""
    if given is not None:
        try:
            return UUID(given.decode("ascii"))
        except ValueError:
            pass
    if traceparent is not None and (trace := _TRACEPARENT.fullmatch(traceparent)) is not None:
        return UUID(trace[1].decode("ascii"))
    return fresh_id()


def call_of(scope: MutableMapping[str, object]) -> Call:
    """Give the call a request belongs to."""
    call = scope[_KEY]
    assert isinstance(call, Call)  # noqa: S101 - put there by `Edge`, the outermost of all
    return call


class Edge:
    """The outermost of all: every call passes here once on its way in and once on its way out."""

    def __init__(self, app: ASGIApp, answer: Callable[[Request, Exception], Response], largest: int = LARGEST_BODY) -> None:
        self._app = app
        self._answer = answer
        self._largest = largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a call in, and answer for whatever was not answered further in."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        call = scope[_KEY] = Call(scope)
        structlog.contextvars.bind_contextvars(correlation=call.correlation)
        echo = (b"x-correlation-id", call.correlation.encode("ascii"))
        status = 0

        async def echoing(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), echo, *_tag(call, status)]
            await send(message)

        try:
            _refuse_nul(scope)
            await self._app(scope, self._bounded(call, receive), echoing)
        except ClientDisconnect:
            status = CLIENT_LEFT
        except Exception as error:
            response = self._answer(Request(scope, receive), error)
            if status == 0:
                await response(scope, receive, echoing)
            else:
                raise
        except asyncio.CancelledError:
            status = status or CLIENT_LEFT
            raise
        finally:
            _tell(scope, call, status, time.perf_counter() - began)

    def _bounded(self, call: Call, receive: Receive) -> Receive:
        """Refuse a body that is too large: at once where its length is told, else as soon as it has grown so."""
        if call.content_length is not None and call.content_length.isdigit() and int(call.content_length) <= self._largest:
            return receive
        read = 0

        async def counting() -> Message:
            nonlocal read
            if call.content_length is not None:
                raise TooLarge(self._largest)
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._largest:
                raise TooLarge(self._largest)
            return message

        return counting


class NulCharacterError(HTTPException):
    """PostgreSQL keeps no NUL characters in texts, so none is let in: it would only fail further on."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.BAD_REQUEST, "A NUL character (U+0000) stands in this call; no text may hold one.")


class TooLarge(HTTPException):
    """The body is larger than this address takes."""

    def __init__(self, largest: int) -> None:
        super().__init__(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A body may have {largest} bytes at most.")


def _tag(call: Call, status: int) -> Sequence[tuple[bytes, bytes]]:
    """Say which version an answer shows; what is shown is for this reader, and asked about each time."""
    if call.etag is None or status >= HTTPStatus.BAD_REQUEST:
        return ()
    return (b"etag", call.etag.encode("ascii")), (b"cache-control", b"private, no-cache"), (b"vary", b"Authorization")


def _refuse_nul(scope: Scope) -> None:
    if b"%00" in scope["query_string"] or "\0" in scope["path"]:
        raise NulCharacterError


def _tell(scope: Scope, call: Call, status: int, seconds: float) -> None:
    route = getattr(scope.get("route"), "path", "unknown")
    method = scope["method"] if scope["method"] in _METHODS else "other"
    counter, histogram = _meters(route, method, status)
    counter.inc()
    histogram.observe(seconds)
    (_log.debug if route in QUIET else _log.info)(
        "request.answered",
        method=method,
        route=route,
        status=status,
        ms=round(seconds * 1000, 2),
        actor=call.actor.kind if call.actor is not None else None,
    )


@cache
def _meters(route: str, method: str, status: int) -> tuple[Counter, Histogram]:
    """Find the meters of a route once; looking labels up takes longer than counting."""
    return metric.HTTP_REQUESTS.labels(route, method, status), metric.HTTP_SECONDS.labels(route, method)
