"""Own read models: each fact becomes one SQL statement, run in the transaction that stores the fact, and replayed to rebuild."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import Connection
from psycopg.rows import DictRow, dict_row
from psycopg.sql import SQL, Identifier

from shared_chassis.mapper import EventMapper
from shared_chassis.postgres import ServiceDatabase, grant_application
from shared_events.envelope import Recorded
from shared_events.event import Event

BATCH = 2000


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement with named parameters and unqualified table names."""

    sql: LiteralString
    params: Mapping[str, object]


Projection = Mapping[type[Event], Callable[[Recorded], Statement]]
"""Event type → the one statement it is in the read model. Reads nothing but the event."""


def project(connection: Connection[DictRow], projection: Projection, recorded: Sequence[Recorded]) -> None:
    """Run the statements of these facts, in order, on a connection whose transaction stores them."""
    for fact in recorded:
        step = projection.get(type(fact.fact))
        if step is not None:
            statement = step(fact)
            connection.execute(statement.sql, statement.params, prepare=True)


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
