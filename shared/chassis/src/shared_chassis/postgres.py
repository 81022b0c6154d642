"""One database a service: its pool, its roles, and its tables as replayed migrations."""

import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from typing import Literal, LiteralString, cast

import psycopg
from eventsourcing.postgres import PostgresDatastore
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg.sql import SQL, Identifier
from psycopg.sql import Literal as SqlLiteral

CHASSIS = "shared_chassis"
KEYRING = "keyring"
CONNECTION_SECONDS = 1
"""How long a thread waits for a connection of its pool."""

LOCK_TIMEOUT = "2s"
IDLE_IN_TRANSACTION_TIMEOUT = "5s"
TRANSACTION_TIMEOUT = "20s"
"""Ends what a process left open that was stopped in the middle of a pipeline: to the server such a session is not idle."""

Params = Mapping[str, object]
Phase = Literal["pre", "post", "all"]
KeyringRight = Literal["create_key", "open_keys", "destroy_key"]


class MigrationChangedError(RuntimeError):
    """A migration that was applied has been edited since; write a new one instead."""


@dataclass(frozen=True)
class ServiceDatabase:
    """Where a service's data is: as its owner (migrations, rebuilding) and as the application's role (everything else)."""

    service: str
    owner_url: str
    app_url: str


def role_password(secret: str, role: str) -> str:
    """Derive a database role's password from the deployment's secret: HMAC-SHA256 of the role's name, in hex."""
    return hmac.new(secret.encode(), role.encode(), hashlib.sha256).hexdigest()


def role_url(admin_url: str, role: str, password: str, database: str) -> str:
    """Spell the URL of a role on the administrator's server."""
    parts = conninfo_to_dict(admin_url)
    host = parts.get("host") or "127.0.0.1"
    return f"postgresql://{role}:{password}@{host}:{parts.get('port') or 5432}/{database}"


class Datastore(PostgresDatastore):
    """The library's datastore over one pool, whose connections find the service's schema and never wait long for a lock."""

    def __init__(self, url: str, schema: str, pool_size: int) -> None:
        parts = {key: str(value) for key, value in conninfo_to_dict(url).items()}
        super().__init__(
            parts["dbname"],
            parts["host"],
            parts.get("port", "5432"),
            parts["user"],
            parts.get("password", ""),
            connect_timeout=CONNECTION_SECONDS,
            pool_size=1,
            max_overflow=pool_size - 1,
            schema=schema,
            originator_id_type="text",
        )
        kwargs = cast("dict[str, object]", self.pool.kwargs)  # the library always gives a dict, psycopg_pool may hold a callable
        kwargs["connect_timeout"] = 2
        kwargs["tcp_user_timeout"] = 10_000  # milliseconds: a silent network ends the wait, not the service
        kwargs["application_name"] = schema
        kwargs["options"] = (
            f"-c search_path={schema} -c lock_timeout={LOCK_TIMEOUT} "
            f"-c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_TIMEOUT} "
            f"-c transaction_timeout={TRANSACTION_TIMEOUT} -c timezone=UTC"
        )

    def after_connect_func(self) -> Callable[[Connection[DictRow]], None]:
        """Put each new connection in autocommit; timeouts come with the connection's options."""

        def after_connect(connection: Connection[DictRow]) -> None:
            connection.autocommit = True

        return after_connect


class Database:
    """A service's database as its application role sees it; safe to use from many threads.

    `url` is a libpq URL, `schema` the service's name, `pool_size` the most connections this process holds.
    """

    def __init__(self, url: str, schema: str, pool_size: int = 8) -> None:
        self.url = url
        self.schema = schema
        self.datastore = Datastore(url, schema, pool_size)

    @contextmanager
    def connection(self) -> Iterator[Connection[DictRow]]:
        """Lend a connection in autocommit; psycopg's own errors come through."""
        self.datastore.pool.open()
        with self.datastore.pool.connection() as connection:
            yield connection

    def query(self, sql: LiteralString, params: Params | None = None) -> list[DictRow]:
        """Read rows by a named-parameter statement."""
        with self.connection() as connection:
            return connection.execute(sql, params, prepare=True).fetchall()

    def query_one(self, sql: LiteralString, params: Params | None = None) -> DictRow | None:
        """Read the first row, or None."""
        with self.connection() as connection:
            return connection.execute(sql, params, prepare=True).fetchone()

    def execute(self, sql: LiteralString, params: Params | None = None) -> int:
        """Run one statement and commit it; the number of rows it touched."""
        with self.connection() as connection:
            return connection.execute(sql, params, prepare=True).rowcount

    def connect(self) -> Connection[DictRow]:
        """Open a connection of its own, outside the pool: for leaders, listeners and readiness."""
        return psycopg.connect(
            self.url,
            autocommit=True,
            row_factory=dict_row,
            connect_timeout=2,
            application_name=f"{self.schema}-own",
            options=f"-c search_path={self.schema} -c timezone=UTC",
        )

    def close(self) -> None:
        """Give all connections back."""
        self.datastore.close()


def migration_files(package: str, folder: str = "migrations", phase: Phase = "all") -> Sequence[tuple[str, str]]:
    """List a package's migrations in order as (`package/file name`, SQL text)."""
    directory = resources.files(package).joinpath(folder)
    files = sorted(directory.iterdir(), key=lambda entry: entry.name) if directory.is_dir() else []
    return [
        (f"{package}/{entry.name}", entry.read_text(encoding="utf-8"))
        for entry in files
        if entry.name.endswith(".sql") and (phase == "all" or f"_{phase}_" in entry.name)
    ]


def migrate(
    admin_url: str,
    service: str,
    package: str | None,
    secret: str,
    keyring_rights: Sequence[KeyringRight] = (),
    phase: Phase = "all",
) -> ServiceDatabase:
    """Bring a service's database to what its migrations say: roles, database, schema, tables, privileges; safe to repeat.

    `admin_url` is an administrator's; `secret` derives the roles' passwords; `package` holds the service's own migrations;
    `keyring_rights` are the keyring's functions this service may call. Raises `MigrationChangedError`.
    """
    owner = f"{service}_owner"
    database = _make_database(admin_url, service, owner, secret)
    packages = [CHASSIS] if package is None else [CHASSIS, package]
    files = [file for name in packages for file in migration_files(name, phase=phase)]
    with psycopg.connect(database.owner_url, autocommit=True, row_factory=dict_row) as connection:
        _apply(connection, service, files, app_role=service)
    if keyring_rights:
        grant_keyring(admin_url, service, secret, keyring_rights)
    return database


def grant_keyring(admin_url: str, role: str, secret: str, rights: Sequence[KeyringRight]) -> None:
    """Make the keyring's database if there is none, and let a role call exactly these of its functions."""
    keyring = _make_database(admin_url, KEYRING, f"{KEYRING}_owner", secret)
    with psycopg.connect(keyring.owner_url, autocommit=True, row_factory=dict_row) as connection:
        _apply(connection, KEYRING, migration_files(CHASSIS, "keyring_migrations"), app_role=None)
        schema, grantee = Identifier(KEYRING), Identifier(role)
        connection.execute(SQL("GRANT CONNECT ON DATABASE {} TO {}").format(schema, grantee))
        connection.execute(SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, grantee))
        connection.execute(SQL("REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {} FROM {}").format(schema, grantee))
        for right in rights:
            connection.execute(SQL("GRANT EXECUTE ON FUNCTION {}.{} TO {}").format(schema, Identifier(right), grantee))


def pending_migrations(database: Database, package: str | None) -> list[str]:
    """Name the migrations that the code has and the database has not; read on a connection of its own."""
    packages = [CHASSIS] if package is None else [CHASSIS, package]
    with database.connect() as connection:
        applied = {row["name"] for row in connection.execute("SELECT name FROM schema_migration")}
    return [name for each in packages for name, _ in migration_files(each) if name not in applied]


def _make_database(admin_url: str, name: str, owner: str, secret: str) -> ServiceDatabase:
    """Make roles and database where they are missing; passwords are set each time, so that a new secret takes effect."""
    with psycopg.connect(admin_url, autocommit=True, row_factory=dict_row) as connection, connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('veche.migrate', 0))")
        for role in (owner, name):
            known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
            verb = SQL("ALTER") if known else SQL("CREATE")
            connection.execute(
                SQL("{} ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {}").format(
                    verb, Identifier(role), SqlLiteral(role_password(secret, role))
                )
            )
        connection.execute(SQL("GRANT {} TO CURRENT_USER").format(Identifier(owner)))
        exists = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
    if not exists:
        _create_database(admin_url, name, owner)
    service = ServiceDatabase(
        name,
        role_url(admin_url, owner, role_password(secret, owner), name),
        role_url(admin_url, name, role_password(secret, name), name),
    )
    inside = make_conninfo(admin_url, dbname=name)
    with psycopg.connect(inside, autocommit=True, row_factory=dict_row) as connection, connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('veche.migrate', 0))")
        connection.execute(SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(Identifier(name)))
        connection.execute(SQL("GRANT CONNECT ON DATABASE {} TO {}").format(Identifier(name), Identifier(name)))
        connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        connection.execute(SQL("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}").format(Identifier(name), Identifier(owner)))
    return service


def _create_database(admin_url: str, name: str, owner: str) -> None:
    with psycopg.connect(admin_url, autocommit=True) as connection:
        try:
            connection.execute(SQL("CREATE DATABASE {} OWNER {}").format(Identifier(name), Identifier(owner)))
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            return  # another migrate made it meanwhile


def _apply(connection: Connection[DictRow], schema: str, files: Sequence[tuple[str, str]], *, app_role: str | None) -> None:
    """Apply what is missing, each file in a transaction; then set the application role's privileges anew."""
    connection.execute(SQL("SET search_path = {}").format(Identifier(schema)))
    connection.execute("SELECT pg_advisory_lock(hashtextextended('veche.migrate', 0))")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migration"
        " (name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
    )
    applied = {row["name"]: row["sha256"] for row in connection.execute("SELECT name, sha256 FROM schema_migration")}
    for name, text in files:
        digest = hashlib.sha256(text.encode()).hexdigest()
        if name in applied:
            if applied[name] != digest:
                raise MigrationChangedError(f"{MigrationChangedError.__doc__} ({name})")
            continue
        with connection.transaction():
            connection.execute(text.encode())
            connection.execute("INSERT INTO schema_migration (name, sha256) VALUES (%s, %s)", [name, digest])
    if app_role is not None:
        grant_application(connection, schema, app_role)
    connection.execute("SELECT pg_advisory_unlock(hashtextextended('veche.migrate', 0))")


def grant_application(connection: Connection[DictRow], schema: str, role: str) -> None:
    """Let the application's role use the tables as they are now: events only to read and insert, and nothing to create."""
    names = {"schema": Identifier(schema), "role": Identifier(role)}
    with connection.transaction():
        for statement in (
            SQL("GRANT USAGE ON SCHEMA {schema} TO {role}"),
            SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}"),
            SQL("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {role}"),
            SQL("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} TO {role}"),
            SQL("REVOKE INSERT, UPDATE, DELETE ON {schema}.schema_migration FROM {role}"),
        ):
            connection.execute(statement.format(**names))
        if connection.execute("SELECT to_regclass(%s) AS t", [f"{schema}.stored_events"]).fetchone() != {"t": None}:
            connection.execute(SQL("REVOKE UPDATE, DELETE, TRUNCATE ON {schema}.stored_events FROM {role}").format(**names))
