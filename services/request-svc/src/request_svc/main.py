"""request-svc as a process: its parts wired by arguments, and its command line."""

import asyncio
from collections.abc import Mapping
from threading import Event

import structlog
from fastapi import FastAPI

from request_svc import __doc__ as about
from request_svc.api import ERRORS, ROUTERS
from request_svc.application import MAY, SERVICE, Context, adopt, erasure, rules_of
from request_svc.settings import Settings
from request_svc.views import FOLDS, PROJECTION, TABLES
from request_svc.worker import REACTIONS, TIMERS
from shared_chassis.api_key import Keys
from shared_chassis.consumer import Consumer, PostgresPositions
from shared_chassis.http import (
    Check,
    Verifier,
    age_check,
    create_api,
    database_check,
    feed_router,
    migrations_check,
    parked_router,
    positions_router,
)
from shared_chassis.http.position import PARKING_RULES
from shared_chassis.keyring import Keyring
from shared_chassis.mapper import EventMapper
from shared_chassis.object_store import ObjectStore
from shared_chassis.parked import PostgresParking
from shared_chassis.postgres import Database, ServiceDatabase, migrate
from shared_chassis.process import (
    Component,
    MigrationSettings,
    Part,
    Parts,
    Service,
    SettingsError,
    command_line,
    http_component,
)
from shared_chassis.purge import Purge
from shared_chassis.recorder import Recorder
from shared_chassis.relay import Relay
from shared_chassis.store import Store
from shared_chassis.timer import Timers
from shared_chassis.view import rebuild
from shared_city import PackError, load_cities
from shared_events.catalogue import CATALOGUE
from shared_events.event import topic_of

_log = structlog.get_logger()

NAME = "request"
PACKAGE = "request_svc"

GATHER = 0.25
"""Seconds in which what dispatch says is gathered: most of it only folds into the status of a request."""

UNPUBLISHED_SECONDS = 30.0
"""How old the oldest unpublished event may be before the process calls itself not ready."""


def parts(settings: Settings, wanted: frozenset[Part]) -> Parts:
    """Wire what is wanted, in the order of draining. Raises `SettingsError` for a city pack that cannot be read."""
    context = _context(settings)
    positions = PostgresPositions(context.database)
    checks: dict[str, Check] = {
        "database": database_check(context.database),
        "migrations": migrations_check(context.database, PACKAGE),
    }
    components: list[Component] = []
    if wanted & {Part.API, Part.WORKER}:
        applying, checks["erasures"] = _erasures(context)
        components.append(applying)
    if Part.WORKER in wanted:
        consumer = _consumer(settings, context, positions)
        checks["consumer"] = consumer.trouble
        components += [
            Component("consumer", consumer.run),
            Component("timers", Timers(context.database, TIMERS, context).run),
            Component("purge", Purge(context.database).run),
        ]
    if Part.RELAY in wanted:
        relay = Relay(context.database.url, NAME, settings.kafka_bootstrap_servers, topic_of(NAME))
        checks["relay"] = age_check(relay.age, UNPUBLISHED_SECONDS)
        components.append(Component("relay", relay.run))
    if Part.API in wanted:
        adoption, checks["service types"] = _adoption(context)
        components.append(adoption)
    served = http_component(
        _api(settings, context, positions, checks, serves=Part.API in wanted),
        settings.http_host,
        settings.http_port,
        notice=settings.drain_notice_seconds,
        finish=settings.drain_seconds / 2,
    )
    return Parts([served, *components], closing=[context.database.close, context.keyring.close])


def _context(settings: Settings) -> Context:
    try:
        cities = load_cities(settings.cities)
    except PackError as error:
        raise SettingsError(str(error)) from error
    keyring = Keyring(settings.keyring_url.get_secret_value(), settings.keyring_secret)
    database = Database(settings.request_database_url.get_secret_value(), NAME, settings.request_pool_size)
    mapper = EventMapper(CATALOGUE, f"/veche/{SERVICE}", keyring)
    store = Store(database, Recorder(database, PROJECTION), mapper)
    return Context(store, database, keyring, cities, rules_of(cities), ObjectStore(settings.objects))


def _erasures(context: Context) -> tuple[Component, Check]:
    """Keep the keyring locked until the erasures that were ever asked for are applied to it: it may have been restored."""
    context.keyring.lock()
    done = Event()

    async def run(stop: asyncio.Event) -> None:
        await asyncio.to_thread(erasure.apply_erasures, context)
        done.set()
        await stop.wait()

    return Component("erasures", run), lambda: None if done.is_set() else "The erasures are not applied to the keyring yet."


def _adoption(context: Context) -> tuple[Component, Check]:
    """Adopt the cities' service types once the database answers; until then the process is not ready."""
    done = Event()

    async def run(stop: asyncio.Event) -> None:
        await asyncio.to_thread(adopt, context)
        done.set()
        await stop.wait()

    return Component("service types", run), lambda: None if done.is_set() else "The cities' service types are not adopted yet."


def _api(
    settings: Settings, context: Context, positions: PostgresPositions, checks: Mapping[str, Check], *, serves: bool
) -> FastAPI:
    """Create the API; a process without its routes has it for its probes."""
    routers = [
        *ROUTERS,
        feed_router(context.database, MAY["read_feed"]),
        positions_router(positions),
        parked_router(PostgresParking(context.database)),
    ]
    return create_api(
        title="Service requests",
        service=NAME,
        routers=routers if serves else [],
        verifier=Verifier(
            issuer=settings.oidc_issuer,
            audience=settings.oidc_audience,
            secret=settings.city_secret,
            keys=Keys(context.database),
        ),
        errors=ERRORS,
        context=context,
        checks=checks,
        rules={**MAY, **PARKING_RULES},
    )


def _consumer(settings: Settings, context: Context, positions: PostgresPositions) -> Consumer[Context]:
    return Consumer(
        SERVICE,
        [topic_of("dispatch")],
        context.store.mapper,
        REACTIONS,
        FOLDS,
        positions,
        context,
        bootstrap=settings.kafka_bootstrap_servers,
        gather=GATHER,
    )


def migrate_database(settings: MigrationSettings) -> None:
    """Make the service's database, roles and tables, and let it seal, open and erase personal data."""
    migrate(
        settings.database_url.get_secret_value(),
        NAME,
        PACKAGE,
        settings.database_password.get_secret_value(),
        keyring_rights=("create_key", "open_keys", "destroy_key"),
    )


def rebuild_views(settings: Settings) -> None:
    """Build the register and the reference data anew from the events."""
    if settings.request_owner_url is None:
        raise SystemExit("REQUEST_OWNER_URL: is missing; views are rebuilt as the database's owner")
    database = ServiceDatabase(
        NAME, settings.request_owner_url.get_secret_value(), settings.request_database_url.get_secret_value()
    )
    rebuild(database, EventMapper(CATALOGUE, f"/veche/{SERVICE}"), PROJECTION, TABLES)


def apply_erasures(settings: Settings) -> None:
    """Destroy again, in a keyring that was restored, the keys of all persons whose data was erased; before anything starts."""
    context = _context(settings)
    try:
        count = erasure.apply_erasures(context)
    finally:
        context.database.close()
        context.keyring.close()
    _log.info("erasures.applied", persons=count)


main = command_line(
    Service(
        name=NAME,
        about=about or "",
        settings=Settings,
        parts=parts,
        migrate=migrate_database,
        rebuild_views=rebuild_views,
        also={"apply-erasures": apply_erasures},
    )
)
