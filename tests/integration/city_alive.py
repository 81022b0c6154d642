"""A whole city that runs for the tests: where it lives, and its stores and topics as an administrator sees them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic, sleep

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import tuple_row
from typer.testing import CliRunner

from local_stack.places import Home
from local_stack.state import State, load_secrets
from local_stack.status import status
from shared_chassis.postgres import role_password, role_url
from veche.demo.day import positions_of
from veche.demo.logs import SERVICES, behind, end_offsets, positions, settle
from veche.main import app
from veche.play.command import robots_of

UNPUBLISHED = """
    SELECT (SELECT coalesce(max(notification_id), 0) FROM stored_events)
        - (SELECT coalesce(max(position), 0) FROM relay_checkpoint)
"""
Rows = list[tuple[object, ...]]


@dataclass(frozen=True)
class City:
    """A city that is up."""

    home: Home
    state: State

    def connect(self, database: str) -> "psycopg.Connection[tuple[object, ...]]":
        """Open a database as the administrator; tables of a service are found by their own names."""
        connection = psycopg.connect(make_conninfo(self.state.admin_url, dbname=database), autocommit=True, row_factory=tuple_row)
        connection.execute(f"SET search_path = {database}".encode())
        return connection

    def rows(self, service: str, sql: str, *values: object) -> Rows:
        """Read rows of a service's database."""
        with self.connect(service) as connection:
            return connection.execute(sql.encode(), values or None).fetchall()

    def number(self, service: str, sql: str, *values: object) -> int:
        """Read one number of a service's database."""
        return int(str(self.rows(service, sql, *values)[0][0]))

    def role_url(self, role: str, database: str) -> str:
        """Give the address of a database for one of its roles, as the local stack gives it to a service."""
        password = role_password(load_secrets(self.home).database_password, role)
        return role_url(self.state.admin_url, role, password, database)

    def stored(self) -> Mapping[str, int]:
        """Count the events in each store."""
        return {service: self.number(service, "SELECT count(*) FROM stored_events") for service in SERVICES}

    def veche(self, *arguments: str) -> bytes:
        """Run the `veche` command in this city, and give what it wrote."""
        done = CliRunner().invoke(app, arguments, env={"VECHE_HOME": str(self.home.path), "COLUMNS": "200"})
        assert done.exit_code == 0, done.output
        return done.stdout_bytes

    def settle(self) -> None:
        """Wait until everything stored is published, and everybody has heard it."""

        async def whole() -> None:
            async with robots_of(self.home, self.state) as robots:
                await settle(self.state, positions_of(robots))

        asyncio.run(whole())

    def wait_for(self, service: str, sql: str, *values: object, seconds: float = 180) -> Rows:
        """Wait until a service's database has rows to show."""
        until = monotonic() + seconds
        while not (rows := self.rows(service, sql, *values)):
            assert monotonic() < until, f"{service} still has no row: {sql}"
            sleep(0.2)
        return rows

    def wait_until_heard(self, seconds: float = 180) -> None:
        """Wait until every service has heard the others, twice in a row; messages still to be sent are not waited for."""
        until, quiet = monotonic() + seconds, 0
        while quiet < 2:
            late = any(self.number(service, UNPUBLISHED) for service in SERVICES)
            late = late or bool(behind(asyncio.run(end_offsets(self.state.bootstrap)), positions(self.state)))
            quiet = 0 if late else quiet + 1
            assert monotonic() < until, "somebody still has something to hear"
            sleep(0.3)

    def wait_until_good(self, seconds: float = 180) -> None:
        """Wait until every part and service answers."""
        until = monotonic() + seconds
        while wrong := [standing for standing in status(self.home) if not standing.good]:
            assert monotonic() < until, wrong
            sleep(0.2)


def counted(rows: Rows) -> dict[str, int]:
    """Read rows of a name and a count."""
    return {str(name): int(str(count)) for name, count in rows}


def quiet(_what: str, _done: int, _total: int) -> None:
    """Show nobody how far a play is."""
