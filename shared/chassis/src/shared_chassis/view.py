"""Read models: what a fact writes, run in the transaction that stores the fact or moves the position, and replayed to rebuild.

A fact is one SQL statement, or one change of a row that is folded in memory: a batch of facts then reads its rows once and writes
them once, however many facts a row had. A statement costs a fifth of a millisecond, a change a hundredth.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, LiteralString, TypeVar
from uuid import UUID

import orjson
import psycopg
from psycopg import Connection
from psycopg.rows import DictRow, dict_row
from psycopg.sql import SQL, Identifier

from shared_chassis.mapper import EventMapper
from shared_chassis.postgres import ServiceDatabase, grant_application
from shared_events.envelope import Received, Recorded
from shared_events.event import Event
from shared_events.ids import uuid_of

BATCH = 2000


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement with named parameters and unqualified table names."""

    sql: LiteralString
    params: Mapping[str, object]


Row = dict[str, object]
"""A row by its columns, as psycopg reads it and orjson writes it."""


class Rows:
    """A table of one row a stream, folded in memory.

    `columns` names each column's SQL type, the key first: the uuid of the stream. Every column is written, each time.
    """

    def __init__(self, table: LiteralString, columns: Mapping[LiteralString, LiteralString]) -> None:
        key, *others = columns
        names = SQL(", ").join(map(Identifier, columns))
        parts = {
            "table": Identifier(table),
            "key": Identifier(key),
            "names": names,
            "typed": SQL(", ").join(SQL("{} {}").format(Identifier(name), SQL(type_)) for name, type_ in columns.items()),
            "new": SQL(", ").join(SQL("{0} = excluded.{0}").format(Identifier(name)) for name in others),
        }
        self.key: str = key
        self.read = SQL("SELECT {names} FROM {table} WHERE {key} = ANY (%(keys)s::uuid[])").format(**parts).as_string()
        self.write = (
            SQL(
                "INSERT INTO {table} ({names}) SELECT {names} FROM json_to_recordset(%(rows)s::json) AS r ({typed})"
                " ON CONFLICT ({key}) DO UPDATE SET {new}"
            )
            .format(**parts)
            .as_string()
        )


@dataclass(frozen=True, slots=True)
class Change:
    """What a fact makes of a row, None standing for none; `evolve` is pure and does not alter the row it is given."""

    rows: Rows
    key: UUID
    evolve: Callable[[Row | None], Row | None]


R = TypeVar("R", Recorded, Received)


@dataclass(frozen=True, slots=True)
class Fold(Generic[R]):
    """The step of a fact that changes its stream's row."""

    rows: Rows
    evolve: Callable[[Row | None, R], Row | None]

    def __call__(self, fact: R) -> Change:
        """Say what the fact makes of its stream's row. Raises `ValueError` when the stream has no uuid."""
        key = uuid_of(fact.stream_id)
        if key is None:
            raise ValueError(f"{fact.stream_id} names no uuid, so it has no row.")
        return Change(self.rows, key, lambda row: self.evolve(row, fact))


Writing = Statement | Change
"""What a fact writes."""

Projection = Mapping[type[Event], Callable[[Recorded], Writing | Sequence[Writing]]]
"""Event type → what it is in the read model. Reads nothing but the event, and the row it changes."""


def write(connection: Connection[DictRow], writings: Iterable[Writing]) -> None:
    """Write what facts came to, in a transaction of the connection: their statements in order, then the rows they changed."""
    changes: dict[Rows, list[Change]] = {}
    for writing in writings:
        if isinstance(writing, Change):
            changes.setdefault(writing.rows, []).append(writing)
        else:
            connection.execute(writing.sql, writing.params, prepare=True)
    for rows, changed in changes.items():
        _write_rows(connection, rows, changed)


def _write_rows(connection: Connection[DictRow], rows: Rows, changes: Sequence[Change]) -> None:
    keys = list({change.key for change in changes})
    before: dict[object, Row] = {
        row[rows.key]: row for row in connection.execute(rows.read.encode(), {"keys": keys}, prepare=True).fetchall()
    }
    after: dict[object, Row | None] = dict(before)
    for change in changes:
        after[change.key] = change.evolve(after.get(change.key))
    altered = [row for key, row in after.items() if row is not None and row is not before.get(key)]
    if altered:
        connection.execute(rows.write.encode(), {"rows": orjson.dumps(altered).decode()}, prepare=True)


def project(connection: Connection[DictRow], projection: Projection, recorded: Iterable[Recorded]) -> None:
    """Write what these facts are in the read model, on a connection whose transaction stores them."""
    write(connection, _writings(projection, recorded))


def _writings(projection: Projection, recorded: Iterable[Recorded]) -> Iterable[Writing]:
    for fact in recorded:
        step = projection.get(type(fact.fact))
        if step is not None:
            writing = step(fact)
            yield from (writing,) if isinstance(writing, Statement | Change) else writing


def rebuild(
    database: ServiceDatabase,
    mapper: EventMapper,
    projection: Projection,
    tables: Sequence[str],
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> int:
    """Build the read model anew from the events and switch to it; readers and writers go on meanwhile.

    Built beside the live tables, then the tail is applied under the append lock and the tables change places. `progress` is
    told (position, last position). Returns the last position applied.
    """
    schema, beside, old = database.service, f"{database.service}_rebuild", f"{database.service}_old"
    with psycopg.connect(database.owner_url, autocommit=True, row_factory=dict_row) as connection:
        for spare in (beside, old):
            connection.execute(SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(Identifier(spare)))
            connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(spare)))
        for table in tables:
            connection.execute(
                SQL("CREATE TABLE {}.{} (LIKE {}.{} INCLUDING ALL)").format(
                    Identifier(beside), Identifier(table), Identifier(schema), Identifier(table)
                )
            )
        connection.execute(SQL("SET search_path = {}, {}").format(Identifier(beside), Identifier(schema)))
        position = _replay(connection, schema, mapper, projection, 0, progress)
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"{schema}.stored_events"])
            position = _replay(connection, schema, mapper, projection, position, progress)
            for table in tables:
                for source, target in ((schema, old), (beside, schema)):
                    connection.execute(
                        SQL("ALTER TABLE {}.{} SET SCHEMA {}").format(Identifier(source), Identifier(table), Identifier(target))
                    )
            connection.execute(SQL("DROP SCHEMA {} CASCADE").format(Identifier(old)))
            connection.execute(SQL("DROP SCHEMA {} CASCADE").format(Identifier(beside)))
            grant_application(connection, schema, schema)
    return position


def _replay(
    connection: Connection[DictRow],
    schema: str,
    mapper: EventMapper,
    projection: Projection,
    after: int,
    progress: Callable[[int, int], None],
) -> int:
    table = Identifier(schema, "stored_events")
    last = connection.execute(SQL("SELECT coalesce(max(notification_id), 0) AS last FROM {}").format(table)).fetchone()
    end = int(last["last"]) if last else 0
    select = SQL(
        "SELECT notification_id, state FROM {} WHERE notification_id > %s AND notification_id <= %s ORDER BY 1 LIMIT %s"
    ).format(table)
    while rows := connection.execute(select, [after, end, BATCH]).fetchall():
        with connection.pipeline(), connection.transaction():
            project(connection, projection, [mapper.from_document(bytes(row["state"])) for row in rows])
        after = int(rows[-1]["notification_id"])
        progress(after, end)
    return after
