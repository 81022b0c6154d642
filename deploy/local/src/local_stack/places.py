"""Where things lie: the home of a stack, and the project it serves."""

import hashlib
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_stack.failure import StackError

LONGEST_SOCKET_PATH = 100  # the kernel takes 107 bytes; the rest is for the name a server adds while it binds
MEMBER = "deploy/local"  # by which the workspace of Veche is known


@dataclass(frozen=True)
class Home:
    """The directory of one stack: data, keys, logs and state, and nothing outside it."""

    path: Path
    jars: Path
    """Where the jars of Apache Kafka are kept; several homes may share them."""

    @classmethod
    def at(cls, path: Path, *, jars: Path | None = None) -> "Home":
        """Name the home at this path, with jars of its own unless told where they are."""
        path = path.resolve()
        return cls(path=path, jars=(jars or path / "kafka" / "libs").resolve())

    @property
    def state(self) -> Path:
        """What is kept between two runs: ports, addresses, process ids."""
        return self.path / "state.json"

    @property
    def secrets(self) -> Path:
        """The secrets of this stack, made once, readable by its owner alone."""
        return self.path / "secrets.json"

    @property
    def log(self) -> Path:
        """One file for each program."""
        return self.path / "log"

    @property
    def supervisor(self) -> Path:
        """The supervisor's configuration and journal."""
        return self.path / "supervisor"

    @property
    def socket(self) -> Path:
        """The supervisor's control socket; in the temporary directory where the home's path is too long for one."""
        path = self.supervisor / "control.sock"
        if len(str(path).encode()) <= LONGEST_SOCKET_PATH:
            return path
        digest = hashlib.sha256(str(self.path).encode()).hexdigest()[:20]
        return Path(tempfile.gettempdir()) / f"veche-{digest}.sock"

    @property
    def postgres(self) -> Path:
        """The data directory of PostgreSQL."""
        return self.path / "postgres"

    @property
    def kafka(self) -> Path:
        """The configuration and the data of Apache Kafka."""
        return self.path / "kafka"

    @property
    def oidc(self) -> Path:
        """The issuer's key."""
        return self.path / "oidc"

    @property
    def objects(self) -> Path:
        """Documents and evidence, by their SHA-256."""
        return self.path / "objects"

    @property
    def outbox(self) -> Path:
        """Messages to people, one file each."""
        return self.path / "outbox"

    @property
    def analytics(self) -> Path:
        """The analysts' DuckDB file and what the stream processor keeps."""
        return self.path / "analytics"


class NoProjectError(StackError):
    """This is no checkout of Veche: neither here nor above lies a pyproject.toml whose workspace has deploy/local."""


def project_root(start: Path) -> Path:
    """Find the checkout that `start` lies in, or else the one that this package was installed from."""
    start = start.resolve()
    here = Path(__file__).resolve()
    for candidate in (start, *start.parents, *here.parents):
        declaration = candidate / "pyproject.toml"
        if declaration.is_file() and MEMBER in _workspace(tomllib.loads(declaration.read_text())):
            return candidate
    raise NoProjectError(NoProjectError.__doc__)


def _workspace(declaration: Mapping[str, Any]) -> Sequence[str]:
    members: Sequence[str] = declaration.get("tool", {}).get("uv", {}).get("workspace", {}).get("members", ())
    return members
