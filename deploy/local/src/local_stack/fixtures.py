"""A pytest plugin: real PostgreSQL and real Kafka for tests that ask, and nothing for tests that do not.

Each test session has parts of its own, in `.veche/test/<session>/`, so that several sessions run side by side and a
test may kill its broker. What a killed session left behind is ended and removed by the next one.
"""

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import pytest

from local_stack import conformance
from local_stack.parts import Part
from local_stack.places import Home, project_root
from local_stack.stack import Wishes, down, up
from local_stack.state import State

if TYPE_CHECKING:
    from shared_chassis.postgres import ServiceDatabase


def _tests_directory() -> Path:
    return project_root(Path.cwd()) / ".veche" / "test"


def _owned(directory: Path) -> TextIO | None:
    """Take a session's directory; None while the session that made it lives."""
    lock = (directory / "owner").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def _discard(directory: Path) -> None:
    """Stop whatever runs in a session's directory, side by side, and remove it."""
    with ThreadPoolExecutor() as pool:
        for _ in pool.map(down, [_home(part) for part in directory.iterdir() if part.is_dir()]):
            pass
    shutil.rmtree(directory, ignore_errors=True)


def _home(path: Path) -> Home:
    return Home.at(path, jars=project_root(Path.cwd()) / ".veche" / "kafka" / "libs")


def _claim(tests: Path) -> tuple[Path, TextIO | None]:
    """Make a directory for a session and own it; sweep what killed sessions left, one session at a time."""
    tests.mkdir(parents=True, exist_ok=True)
    with (tests / "sweeping").open("w") as sweeping:
        fcntl.flock(sweeping, fcntl.LOCK_EX)
        for left in tests.iterdir():
            if left.is_dir() and (lock := _owned(left)) is not None:
                _discard(left)
                lock.close()
        directory = tests / uuid.uuid4().hex[:12]  # noqa: TID251  a name for this session alone
        directory.mkdir()
        return directory, _owned(directory)


@pytest.fixture(scope="session")
def stack_directory() -> Iterator[Path]:
    """Give this session a directory for its stacks; at the end whatever still runs in it is stopped, and it is removed."""
    directory, lock = _claim(_tests_directory())
    yield directory
    _discard(directory)
    if lock is not None:
        lock.close()


def _start(directory: Path, part: Part) -> State:
    directory.mkdir()
    wishes = Wishes(cities=project_root(Path.cwd()) / "cities", environment=dict(os.environ))  # noqa: TID251  tests stand at the edge
    return up(_home(directory), wishes, wanted=(part,), parts_only=True)


@pytest.fixture(scope="session")
def postgres_admin_url(request: pytest.FixtureRequest) -> str:
    """Give the administrator's URL of a running PostgreSQL: yours by DATABASE_URL, else one of this session's own."""
    yours = os.environ.get("DATABASE_URL")  # noqa: TID251  tests stand at the edge
    if yours:
        return yours
    directory: Path = request.getfixturevalue("stack_directory")
    return _start(directory / "postgres", "postgres").admin_url


@pytest.fixture(scope="session")
def kafka_bootstrap(request: pytest.FixtureRequest) -> str:
    """Give the address of a running Kafka: yours by KAFKA_BOOTSTRAP_SERVERS, else one of this session's own.

    Either has passed the conformance check, so that no test passes on a stand-in.
    """
    bootstrap = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")  # noqa: TID251  tests stand at the edge
    if not bootstrap:
        directory: Path = request.getfixturevalue("stack_directory")
        bootstrap = _start(directory / "kafka", "kafka").bootstrap
    conformance.check(bootstrap)
    return bootstrap


@pytest.fixture(scope="session")
def patience() -> Iterator[None]:
    """Let this process wait for connections and locks as long as a stalled machine takes, where no test asks when it gives up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shared_chassis.postgres.CONNECTION_SECONDS", 60)
        for timeout in ("LOCK_TIMEOUT", "IDLE_IN_TRANSACTION_TIMEOUT", "TRANSACTION_TIMEOUT"):
            patch.setattr(f"shared_chassis.postgres.{timeout}", "60s")
        yield


@pytest.fixture
def database(postgres_admin_url: str) -> "ServiceDatabase":
    """Give a fresh database with the chassis' tables and the keyring, for a service whose name nobody else has."""
    from shared_chassis.postgres import migrate

    service = f"sample_{uuid.uuid4().hex[:8]}"  # noqa: TID251  a name for this test alone
    return migrate(postgres_admin_url, service=service, package=None, secret="of the tests")  # noqa: S106  lives as long as the test
