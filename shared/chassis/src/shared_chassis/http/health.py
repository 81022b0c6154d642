"""Whether the process lives, whether it can serve, and what it counts: for probes and operators, without an account.

`/healthz` answers while the event loop turns. `/readyz` runs named checks, each a function that returns None or a sentence
about what is wrong, and turns 503 as soon as the process drains. Checks take no connection of the pool: an exhausted pool must
not make a replica look dead, and a dead database must not make the probe wait.
"""

import asyncio
import time
from collections.abc import Callable, Mapping

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared_chassis.log import told
from shared_chassis.postgres import Database, pending_migrations

Check = Callable[[], str | None]
"""Says in a sentence what is wrong, or None; may block for a second or two."""

CHECK_TIMEOUT = 3.0
"""Seconds after which a check counts as failed."""

REMEMBERED = 1.0
"""Seconds for which an answer of `/readyz` stands, so that asking often costs nothing."""


class Health:
    """The state of a process as its probes see it; `draining` is set on SIGTERM and never taken back."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self.draining = asyncio.Event()
        self._checks = dict(checks)
        self._asking = asyncio.Lock()
        self._found: Mapping[str, str] = {}
        self._asked_at = float("-inf")

    async def problems(self) -> Mapping[str, str]:
        """Run every check at once and list what is wrong, by the check's name."""
        async with self._asking:
            if time.monotonic() - self._asked_at > REMEMBERED:
                sentences = await asyncio.gather(*(_ask(check) for check in self._checks.values()))
                self._found = {name: said for name, said in zip(self._checks, sentences, strict=True) if said}
                self._asked_at = time.monotonic()
        return {"draining": "The process is stopping.", **self._found} if self.draining.is_set() else self._found


async def _ask(check: Check) -> str | None:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT):
            return await asyncio.to_thread(check)
    except TimeoutError:
        return f"No answer within {CHECK_TIMEOUT:g} seconds."
    except Exception as error:  # noqa: BLE001 - a check that fails is the answer
        return told(error)


def database_check(database: Database) -> Check:
    """Check that the database answers, over a connection of its own."""

    def check() -> str | None:
        with database.connect() as connection:
            connection.execute("SELECT 1")
        return None

    return check


def migrations_check(database: Database, package: str | None) -> Check:
    """Check that every migration of the chassis and of the service's package is applied."""

    def check() -> str | None:
        pending = pending_migrations(database, package)
        return f"Migrations are not applied: {', '.join(pending)}." if pending else None

    return check


def age_check(age: Callable[[], float], limit: float) -> Check:
    """Check that the oldest event not yet published is younger than `limit` seconds."""

    def check() -> str | None:
        seconds = age()
        return f"The oldest unpublished event is {seconds:.0f} s old; {limit:g} s are allowed." if seconds > limit else None

    return check


def health_router(service: str, health: Health) -> APIRouter:
    """Give the three addresses of probes and operators."""
    router = APIRouter(tags=["operation"])

    @router.get("/healthz")
    async def alive() -> dict[str, str]:
        """Say that the process lives."""
        return {"status": "alive", "service": service}

    @router.get("/readyz", response_model=None, responses={503: {"description": "What is wrong, by check."}})
    async def ready(response: Response) -> dict[str, object]:
        """Say whether the process can serve, and what is wrong if not."""
        problems = await health.problems()
        response.status_code = 503 if problems else 200
        return {"status": "not ready" if problems else "ready", "problems": problems}

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Give what the process counts, for Prometheus."""
        return Response(generate_latest(), headers={"content-type": CONTENT_TYPE_LATEST})

    return router
