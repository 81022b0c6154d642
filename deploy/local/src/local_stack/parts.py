"""The parts below the services, in the order they start: made ready, declared to the supervisor, asked whether they answer."""

import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from local_stack import answers, kafka, postgres, tokens
from local_stack.places import Home
from local_stack.state import Secrets, State
from local_stack.supervision import Program

Part = Literal["postgres", "kafka", "oidc"]
EVERY_PART: tuple[Part, ...] = ("postgres", "kafka", "oidc")
TITLES: Mapping[Part, str] = {"postgres": "PostgreSQL", "kafka": "Apache Kafka", "oidc": "Sign-in (OpenID Connect)"}
PATIENCE = 300.0
"""Seconds until a part is taken for dead; PostgreSQL and Kafka may have a long log to read after a crash."""


def prepare(home: Home, state: State, secrets: Secrets, parts: Sequence[Part], say: Callable[[str], None]) -> None:
    """Make every part ready to start, side by side."""
    tasks: Mapping[Part, Callable[[], None]] = {
        "postgres": lambda: postgres.prepare(home, secrets.administrator_password),
        "kafka": lambda: kafka.prepare(home, state.ports["kafka"], state.ports["kafka-controller"], say),
        "oidc": lambda: tokens.make_key(home.path),
    }
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(tasks[part]) for part in parts]:
            done.result()


def programs(home: Home, state: State, parts: Sequence[Part]) -> list[Program]:
    """Declare these parts to the supervisor."""
    declarations: Mapping[Part, Callable[[], Program]] = {
        "postgres": lambda: Program(
            name="postgres",
            command=postgres.command(home, state.ports["postgres"]),
            priority=10,
            stop_signal="INT",  # fast: clients are sent away, all is written
            stop_seconds=60,
        ),
        "kafka": lambda: Program(name="kafka", command=kafka.command(home), priority=20, stop_seconds=60),
        "oidc": lambda: Program(
            name="oidc",
            command=(sys.executable, "-m", "local_stack.issuer", str(home.path), str(state.ports["oidc"])),
            priority=30,
        ),
    }
    return [declarations[part]() for part in parts]


def trouble(state: State, part: Part) -> str | None:
    """Ask a part whether it serves: None if it does, else what is wrong."""
    if part == "postgres":
        return postgres.trouble(state.admin_url)
    if part == "kafka":
        return kafka.trouble(state.bootstrap)
    return answers.trouble(f"{state.issuer}/.well-known/openid-configuration")


def address(state: State, part: Part) -> str:
    """Write where a part answers, as people may see it."""
    addresses: Mapping[Part, str] = {
        "postgres": postgres.without_password(state.admin_url),
        "kafka": state.bootstrap,
        "oidc": state.issuer,
    }
    return addresses[part]
