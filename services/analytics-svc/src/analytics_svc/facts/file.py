"""The one DuckDB file that holds everything heard: opened by one process, written by one thread at a time, read by many.

DuckDB lets a second process neither write nor read a file that is open; it is refused in words. The file is a materialisation:
removed, it is built anew from the topics.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path
from threading import Lock
from typing import LiteralString

import duckdb
from duckdb import DuckDBPyConnection

from shared_chassis.process import MisconfiguredError

Row = dict[str, object]
Params = Mapping[str, object]

IN_MEMORY = ":memory:"

MARKED = "SELECT count(*) FROM information_schema.tables WHERE table_name = 'made_by'"
MARK = "CREATE TABLE made_by AS SELECT $schema::VARCHAR AS schema"
MARKS = "SELECT schema FROM made_by"
FORGET_CITIES = "DELETE FROM city"
KNOW_CITIES = """
    INSERT INTO city (slug, timezone)
    SELECT unnest($slug::VARCHAR[]), unnest($timezone::VARCHAR[])
"""

_HOLDER = re.compile(r"PID (\d+)")


class FileInUseError(MisconfiguredError):
    """The analytics file is open in another process; one file serves one process."""


class ForeignFileError(MisconfiguredError):
    """The analytics file was made by another release, or is no analytics file at all."""


class FactFile:
    """The facts, as long as this process has the file open.

    `threads` is how many cores a report may take, `memory` how much it may hold, as `1GB`. Raises `FileInUseError` or
    `ForeignFileError`, whose sentences say what to do.
    """

    def __init__(self, path: Path | str, *, threads: int = 2, memory: str = "1GB") -> None:
        self.path = path
        self._connection = _open(str(path), threads, memory)
        self._writer = self._connection.cursor()
        self._writing = Lock()
        self._prepare()

    @contextmanager
    def writing(self) -> Iterator[DuckDBPyConnection]:
        """Lend the one writer, in a transaction that ends with the block."""
        with self._writing:
            self._writer.begin()
            try:
                yield self._writer
                self._writer.commit()
            except BaseException:
                with suppress(duckdb.Error):  # a transaction that failed by itself is over already
                    self._writer.rollback()
                raise

    @contextmanager
    def reading(self) -> Iterator[DuckDBPyConnection]:
        """Lend a reader of this thread's own, that sees the facts as they are at one moment."""
        with self._connection.cursor() as cursor:
            cursor.begin()
            try:
                yield cursor
            finally:
                cursor.rollback()

    def query(self, sql: LiteralString, params: Params | None = None) -> list[Row]:
        """Read rows by a named-parameter statement."""
        with self.reading() as cursor:
            return rows(cursor, sql, params)

    def know_cities(self, timezones: Mapping[str, str]) -> None:
        """Take over which cities there are, each with the time zone its days are counted in."""
        with self.writing() as cursor:
            cursor.execute(FORGET_CITIES)
            cursor.execute(KNOW_CITIES, {"slug": list(timezones), "timezone": list(timezones.values())})

    def close(self) -> None:
        """Close the file; others may open it."""
        with self._writing:
            self._writer.close()
            self._connection.close()

    def _prepare(self) -> None:
        """Make the tables of a new file, or see that an old one has the same; and what reports are drawn from, as it is now."""
        room = resources.files("analytics_svc.facts")
        schema, views = (room.joinpath(name).read_text(encoding="utf-8") for name in ("schema.sql", "views.sql"))
        digest = hashlib.sha256(schema.encode()).hexdigest()
        with self.writing() as cursor:
            if cursor.execute(MARKED).fetchone() == (0,):
                cursor.execute(schema)
                cursor.execute(MARK, {"schema": digest})
            elif cursor.execute(MARKS).fetchone() != (digest,):
                raise ForeignFileError(_foreign(str(self.path)))
            cursor.execute(views)
        self._writer.execute("PRAGMA disable_optimizer")


def rows(cursor: DuckDBPyConnection, sql: LiteralString, params: Params | None = None) -> list[Row]:
    """Read rows on a cursor, each as columns by name."""
    found = cursor.execute(sql, dict(params) if params else None)
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def columns(batch: Sequence[Row]) -> dict[str, object]:
    """Turn rows of one kind into the parameters of a statement that takes a list a column."""
    return {name: [row[name] for row in batch] for name in batch[0]}


def _open(path: str, threads: int, memory: str) -> DuckDBPyConnection:
    try:
        connection = duckdb.connect(path, config={"threads": str(threads), "memory_limit": memory})
    except duckdb.IOException as error:
        if "lock" not in str(error):
            raise ForeignFileError(_foreign(path)) from error
        holder = _HOLDER.search(str(error))
        raise FileInUseError(
            f"The analytics file {path} is open in another process{f' (number {holder[1]})' if holder else ''}, and one file "
            "serves one process. Stop that one, or give this one a file of its own by ANALYTICS_FILE and a name of its own by "
            "ANALYTICS_CONSUMER: it builds its file from the topics."
        ) from error
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    return connection


def _foreign(path: str) -> str:
    return (
        f"The analytics file {path} was made by another release, or is no analytics file. Move it away and start again: "
        "a new one is built from the topics."
    )
