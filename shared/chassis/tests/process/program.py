"""A service of the chassis' tests: what runs in it is chosen by its settings."""

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import structlog
from fastapi import FastAPI
from pydantic import SecretStr

from shared_chassis.http import Router, Verifier, create_api
from shared_chassis.process import (
    Component,
    MigrationSettings,
    MisconfiguredError,
    Part,
    Parts,
    Service,
    ServiceSettings,
    command_line,
    http_component,
    rebuild_as_owner,
)

log = structlog.get_logger()


class Settings(ServiceSettings):
    """What this service reads beside: what its worker does, and where it writes down what was done."""

    scenario: str = "steady"
    diary: Path = Path("diary")


def write(settings: Settings, line: str) -> None:
    """Write a line down, at once."""
    with settings.diary.open("a") as diary:
        diary.write(line + "\n")


def api_of(settings: Settings) -> FastAPI:
    """Make an API with one route that answers when it is told to, by a file beside the diary."""
    router = Router()

    @router.get("/slow")
    def slow() -> str:
        write(settings, "call began")
        while not settings.diary.with_name("answer").exists():
            time.sleep(0.02)
        write(settings, "call done")
        return "done"

    verifier = Verifier(issuer=settings.oidc_issuer, audience="veche", secret=settings.city_secret)
    return create_api(title="Program", service="program", routers=[router], verifier=verifier)


def worker_of(settings: Settings) -> Component:
    """Make the worker its scenario asks for."""
    runs = 0

    async def work(stop: asyncio.Event) -> None:
        nonlocal runs
        runs += 1
        write(settings, f"worker run {runs}")
        match settings.scenario:
            case "fails twice" if runs <= 2:
                raise RuntimeError("broken")
            case "returns once" if runs == 1:
                return
            case "misconfigured":
                await asyncio.sleep(0.2)
                raise MisconfiguredError("The topic has 3 partitions, not 12.")
            case "hangs":
                await asyncio.sleep(600)
            case "fails while stopping":
                await stop.wait()
                raise RuntimeError("broken while stopping")
        await stop.wait()
        await asyncio.sleep(0.1)
        write(settings, "worker drained")

    return Component("worker", work)


def relay_of(settings: Settings) -> Component:
    """Make a relay that does nothing."""

    async def relay(stop: asyncio.Event) -> None:
        await stop.wait()
        write(settings, "relay drained")

    return Component("relay", relay)


def parts(settings: Settings, wanted: frozenset[Part]) -> Parts:
    """Wire what is wanted, in the order of draining."""
    write(settings, f"parts {' '.join(sorted(wanted))}")
    components: Sequence[Component] = [
        *([_api(settings)] if Part.API in wanted else []),
        *([worker_of(settings)] if Part.WORKER in wanted else []),
        *([relay_of(settings)] if Part.RELAY in wanted else []),
    ]
    return Parts(components, closing=[lambda: write(settings, "closed")])


def _api(settings: Settings) -> Component:
    return http_component(api_of(settings), settings)


def migrate(settings: MigrationSettings) -> None:
    """Say which database would be migrated."""
    sys.stdout.write(f"migrated {settings.database_url.get_secret_value()}\n")


def rebuild_views(settings: Settings) -> None:
    """Say that views would be rebuilt; the owner's address is there or not."""
    if settings.scenario == "ownerless":
        rebuild_as_owner("program", None, SecretStr("postgresql://program@db/program"), {}, ())
    write(settings, "views rebuilt")


def count_sheep(settings: Settings) -> None:
    """Count sheep, as only this service can."""
    write(settings, "sheep counted")


main = command_line(
    Service(
        name="program",
        about="Decides nothing, listens to nobody, says little.",
        settings=Settings,
        parts=parts,
        migrate=migrate,
        rebuild_views=rebuild_views,
        also={"count-sheep": count_sheep},
    )
)

if __name__ == "__main__":
    main()
