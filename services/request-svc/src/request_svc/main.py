"""request-svc as a process: its parts wired by arguments, and its command line."""

from collections.abc import Mapping
from functools import partial

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
from shared_chassis.postgres import Database, migrate
from shared_chassis.process import (
    Component,
    MigrationSettings,
    Part,
    Parts,
    Service,
    city_packs,
    command_line,
    http_component,
    once,
    rebuild_as_owner,
)
from shared_chassis.purge import Purge
from shared_chassis.recorder import Recorder
from shared_chassis.relay import relay_component
from shared_chassis.store import Store
from shared_chassis.timer import Timers
from shared_events.catalogue import CATALOGUE
from shared_events.event import topic_of

_log = structlog.get_logger()

NAME = "request"
PACKAGE = "request_svc"

GATHER = 0.25
"""Seconds in which what dispatch says is gathered: most of it only folds into the status of a request."""


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
        relay, checks["relay"] = relay_component(NAME, context.database, settings)
        components.append(relay)
    if Part.API in wanted:
        lacking = "The cities' service types are not adopted yet."
        adoption, checks["service types"] = once("service types", partial(adopt, context), lacking)
        components.append(adoption)
    served = http_component(_api(settings, context, positions, checks, serves=Part.API in wanted), settings)
    return Parts([served, *components], closing=[context.database.close, context.keyring.close])


def _context(settings: Settings) -> Context:
    cities = city_packs(settings)
    keyring = Keyring(settings.keyring_url.get_secret_value(), settings.keyring_secret)
    database = Database(settings.request_database_url.get_secret_value(), NAME, settings.request_pool_size)
    mapper = EventMapper(CATALOGUE, f"/veche/{SERVICE}", keyring)
    store = Store(database, Recorder(database, PROJECTION), mapper)
    return Context(store, database, keyring, cities, rules_of(cities), ObjectStore(settings.objects))


def _erasures(context: Context) -> tuple[Component, Check]:
    """Keep the keyring locked until the erasures that were ever asked for are applied to it: it may have been restored."""
    context.keyring.lock()
    lacking = "The erasures are not applied to the keyring yet."
    return once("erasures", partial(erasure.apply_erasures, context), lacking)


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
    rebuild_as_owner(NAME, settings.request_owner_url, settings.request_database_url, PROJECTION, TABLES)


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
