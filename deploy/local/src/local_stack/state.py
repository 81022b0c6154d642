"""What a stack keeps between two runs: ports, addresses, secrets, and which processes are its own."""

import base64
import json
import os
import secrets
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict, Field

from local_stack.failure import StackError
from local_stack.places import Home


class NotUpError(StackError):
    """No city is up here: start it with `veche up`."""


class ProcessMark(BaseModel):
    """A process, told from a later one of the same number by when it was created (seconds since the epoch)."""

    model_config = ConfigDict(frozen=True)

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> "ProcessMark | None":
        """Mark a running process; None if it has ended."""
        try:
            return cls(pid=pid, created=psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return None


class State(BaseModel):
    """One stack as `.veche/state.json` has it."""

    model_config = ConfigDict(frozen=True)

    ports: dict[str, int] = Field(default_factory=dict)
    admin_url: str = ""
    """The administrator's URL of PostgreSQL, with its password: the file is readable by its owner alone."""
    embedded_postgres: bool = True
    bootstrap: str = ""
    embedded_kafka: bool = True
    issuer: str = ""
    urls: dict[str, str] = Field(default_factory=dict)
    """Where each service answers, by name: `request-svc` → `http://127.0.0.1:18101`."""
    up: bool = False
    pids: dict[str, ProcessMark] = Field(default_factory=dict)


class Secrets(BaseModel):
    """The secrets of one stack; each is made once."""

    model_config = ConfigDict(frozen=True)

    keyring_secret: str = Field(default_factory=lambda: _random(32))
    city_secret: str = Field(default_factory=lambda: _random(32))
    database_password: str = Field(default_factory=lambda: secrets.token_hex(32))
    administrator_password: str = Field(default_factory=lambda: secrets.token_hex(16))


def _random(size: int) -> str:
    return base64.b64encode(secrets.token_bytes(size)).decode()


def write_private(file: Path, text: str) -> None:
    """Replace a file in one step; only its owner can read it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f"{file.name}.{os.getpid()}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as target:
        target.write(text)
    beside.replace(file)


def load(home: Home) -> State:
    """Read what is kept; a fresh state where nothing is yet."""
    return State.model_validate_json(home.state.read_bytes()) if home.state.exists() else State()


def load_running(home: Home) -> State:
    """Read the state of a stack that is up.

    Raises:
        NotUpError: nothing was started in this home.

    """
    state = load(home)
    if not state.up:
        raise NotUpError(NotUpError.__doc__)
    return state


def save(home: Home, state: State) -> None:
    """Keep the state."""
    write_private(home.state, state.model_dump_json(indent=2) + "\n")


def load_secrets(home: Home) -> Secrets:
    """Read the secrets of this home; make them the first time."""
    if not home.secrets.exists():
        write_private(home.secrets, json.dumps(Secrets().model_dump(), indent=2) + "\n")
    return Secrets.model_validate_json(home.secrets.read_bytes())
