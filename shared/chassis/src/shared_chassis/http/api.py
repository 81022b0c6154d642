"""The API of a service: FastAPI with our edge, our problem details, our probes and our description of it all."""

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import copy_context
from typing import ParamSpec, TypeVar

import anyio.to_thread
from fastapi import APIRouter, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from shared_chassis.http.actor import Rules
from shared_chassis.http.call import LARGEST_BODY, Edge
from shared_chassis.http.command import Wiring
from shared_chassis.http.description import describe
from shared_chassis.http.health import Check, Health, health_router
from shared_chassis.http.problem import Problems
from shared_chassis.http.token import Verifier

RULES = "/rules"
"""Where a service publishes its rules."""

THREADS = 64
"""Calls that may be in plain `def` routes at once."""

P = ParamSpec("P")
R = TypeVar("R")


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="api")


def in_thread(function: Callable[P, R]) -> Callable[P, Coroutine[object, object, R]]:
    """Make a blocking function awaitable: it runs in one of the API's threads and sees the call's context.

    One hop of 0.1 ms; the framework's own way takes a second one to check the answer, 0.25 ms together.
    """

    @functools.wraps(function)
    async def threaded(*args: P.args, **kwargs: P.kwargs) -> R:
        work = functools.partial(copy_context().run, function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(_threads(), work)

    return threaded


class Route(APIRoute):
    """A route whose plain `def` runs in one of the API's threads, by one hop."""

    def __init__(self, path: str, endpoint: Callable[..., object], **options: object) -> None:
        blocking = inspect.isfunction(endpoint) and not inspect.iscoroutinefunction(endpoint)
        super().__init__(path, in_thread(endpoint) if blocking else endpoint, **options)  # type: ignore[arg-type]  # handed on


class Router(APIRouter):
    """The routes of a service's room `api.py`: write them as plain `def`, they may block."""

    def __init__(self, **options: object) -> None:
        super().__init__(route_class=Route, **options)  # type: ignore[arg-type]  # handed on


def create_api(  # noqa: PLR0913 - every part of an API is an argument, by name
    *,
    title: str,
    service: str,
    routers: Sequence[APIRouter],
    verifier: Verifier,
    errors: Mapping[type[Exception], int] | None = None,
    context: object = None,
    checks: Mapping[str, Check] | None = None,
    rules: Rules | None = None,
    version: str = "0.1.0",
    largest_body: int = LARGEST_BODY,
) -> FastAPI:
    """Create the API of a service.

    `service` is the short name (`request`), which command ids derive from; `errors` the service's one table error → status;
    `context` whatever its routes ask for by `Depends(http.context)`; `checks` what `/readyz` asks, by name; `rules` the table
    role × use case, published at `/rules` unless a router of the service says more there itself.
    """
    health = Health(checks or {})
    problems = Problems(service, errors or {})
    own = [route for router in routers for route in router.routes]
    published = any(getattr(route, "path", None) == RULES for route in own)
    chassis = (health_router(service, health), *(() if published else (rules_router(rules or {}),)))
    routes = [*own, *(route for router in chassis for route in router.routes)]
    api = FastAPI(title=title, version=version, routes=routes, lifespan=_lifespan, redoc_url=None)
    api.state.draining = health.draining
    api.state.wiring = Wiring(service=service, verifier=verifier, context=context, health=health)

    async def answer(request: Request, error: Exception) -> Response:
        return problems.answer(request, error)

    for kind in problems.handled:
        api.add_exception_handler(kind, answer)
    api.add_middleware(Edge, answer=problems.answer, largest=largest_body)
    describe(api)
    return api


def rules_router(rules: Rules) -> APIRouter:
    """Publish who may do what: use case → roles."""
    router = APIRouter(tags=["operation"])
    table = {use_case: sorted(roles) for use_case, roles in sorted(rules.items())}

    @router.get(RULES)
    async def read_rules() -> dict[str, list[str]]:
        """Say who may do what in this service."""
        return table

    return router


@asynccontextmanager
async def _lifespan(_api: FastAPI) -> AsyncIterator[None]:
    """Let the framework's own threads (for plain dependencies) be as many as ours."""
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    yield
