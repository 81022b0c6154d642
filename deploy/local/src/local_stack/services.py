"""The city's services: which there are, and the environment each runs in."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from local_stack.failure import StackError
from local_stack.places import Home
from local_stack.ports import ADDRESS
from local_stack.state import Secrets, State
from local_stack.supervision import Program
from local_stack.tokens import AUDIENCE


@dataclass(frozen=True)
class Service:
    """One service: its name, the port it would like, whether it seals or opens personal data."""

    name: str
    port: int
    keyring: bool
    also: Sequence[str] = ()
    """Subcommands that run as processes of their own beside `serve`."""

    @property
    def command(self) -> str:
        """The name of its console script, and of its process."""
        return f"{self.name}-svc"

    @property
    def processes(self) -> Mapping[str, str]:
        """Name its processes, each with its subcommand."""
        return {self.command: "serve"} | {f"{self.name}-{subcommand}": subcommand for subcommand in self.also}


SERVICES: tuple[Service, ...] = (
    Service("request", 18101, keyring=True),
    Service("dispatch", 18102, keyring=True),
    Service("discussion", 18103, keyring=True),
    Service("notification", 18104, keyring=True),
    Service("analytics", 18105, keyring=False, also=("streams",)),
)

Purpose = Literal["serve", "migrate", "rebuild-views"]


class ServiceMissingError(StackError):
    """A service is not installed."""


def script(service: Service) -> str:
    """Find a service's console script beside our own interpreter."""
    path = Path(sys.executable).parent / service.command
    if not path.exists():
        raise ServiceMissingError(f"{service.command} is not installed: run `make install`.")
    return str(path)


def environment(
    home: Home, cities: Path, state: State, secrets: Secrets, service: Service, purpose: Purpose, level: str = "INFO"
) -> dict[str, str]:
    """Write the environment of a service's process.

    Only `migrate` gets the administrator's URL and the secret of the roles' passwords, only `rebuild-views` (and `migrate`)
    the owner's URL, and only who seals or opens personal data the keyring.
    """
    from shared_chassis.postgres import role_password, role_url

    def url(role: str, database: str) -> str:
        return role_url(state.admin_url, role, role_password(secrets.database_password, role), database)

    name = service.name
    variables = {
        f"{name.upper()}_DATABASE_URL": url(name, name),
        "KAFKA_BOOTSTRAP_SERVERS": state.bootstrap,
        "OIDC_ISSUER": state.issuer,
        "OIDC_AUDIENCE": AUDIENCE,
        "CITY_SECRET": secrets.city_secret,
        "CITIES": str(cities),
        "HTTP_HOST": ADDRESS,
        "HTTP_PORT": str(state.ports[service.command]),
        "OBJECTS": str(home.objects),
        "OUTBOX": str(home.outbox),
        "ANALYTICS_FILE": str(home.analytics / "analytics.duckdb"),
        "WEBHOOK_PRIVATE_TARGETS": "true",  # whoever develops an executor's program runs it on the same machine
        "LOG_LEVEL": level,
        "PYTHONUNBUFFERED": "1",
    }
    if service.keyring:
        variables |= {"KEYRING_URL": url(name, "keyring"), "KEYRING_SECRET": secrets.keyring_secret}
    if purpose != "serve":
        variables[f"{name.upper()}_OWNER_URL"] = url(f"{name}_owner", name)
    if purpose == "migrate":
        variables |= {"DATABASE_URL": state.admin_url, "DATABASE_PASSWORD": secrets.database_password}
    return variables


def programs(home: Home, cities: Path, state: State, secrets: Secrets, services: Sequence[Service], level: str) -> list[Program]:
    """Declare the services to the supervisor."""
    declared: list[Program] = []
    for service in services:
        variables = environment(home, cities, state, secrets, service, "serve", level)
        declared += [
            Program(name=name, command=(script(service), subcommand), environment=variables, stop_seconds=30)
            for name, subcommand in service.processes.items()
        ]
    return declared


def addresses(ports: Mapping[str, int], services: Sequence[Service]) -> dict[str, str]:
    """Write where each service answers."""
    return {service.command: f"http://{ADDRESS}:{ports[service.command]}" for service in services}
