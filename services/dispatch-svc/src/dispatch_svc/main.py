"""dispatch-svc as a process: its parts wired by arguments, and its command line."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from fastapi import FastAPI

from dispatch_svc import __doc__ as about
from dispatch_svc.api import ERRORS, ROUTERS
from dispatch_svc.application import MAY, SERVICE, Context, adopt, mistakes
from dispatch_svc.settings import Settings
from dispatch_svc.views import FOLDS, PROJECTION, TABLES
from dispatch_svc.views.rulebook import Rulebooks
from dispatch_svc.worker import REACTIONS, SIGNALS, TIMERS
from shared_chassis.api_key import Keys
from shared_chassis.consumer import Consumer, PostgresPositions
from shared_chassis.http import (
    Check,
    Verifier,
    create_api,
    database_check,
    migrations_check,
    parked_router,
    positions_router,
)
from shared_chassis.http.feed import feed_router
from shared_chassis.http.position import PARKING_RULES
from shared_chassis.kafka import SIGNALS_PARTITIONS
from shared_chassis.mapper import EventMapper
from shared_chassis.parked import PostgresParking
from shared_chassis.postgres import Database, migrate
from shared_chassis.process import (
    Component,
    MigrationSettings,
    Part,
    Parts,
    Service,
    SettingsError,
    city_packs,
    command_line,
    http_component,
    rebuild_as_owner,
)
from shared_chassis.purge import Purge
from shared_chassis.recorder import Recorder
from shared_chassis.relay import relay_component
from shared_chassis.store import Store
from shared_chassis.timer import Timers
from shared_events.catalogue import CATALOGUE
from shared_events.event import topic_of
from shared_events.ids import SIGNALS_TOPIC

NAME = "dispatch"
PACKAGE = "dispatch_svc"

Run = Callable[[asyncio.Event], Awaitable[None]]


class Adoption:
    """The city packs are adopted once a process, before anybody routes or assigns by them."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._adopting = asyncio.Lock()
        self._adopted = False

    def before(self, run: Run) -> Run:
        """Make a component that waits for the packs; what goes wrong with them is tried again with the component."""

        async def adopt_and_run(stop: asyncio.Event) -> None:
            async with self._adopting:
                if not self._adopted:
                    await asyncio.to_thread(adopt, self._context)
                    self._adopted = True
            await run(stop)

        return adopt_and_run


def parts(settings: Settings, wanted: frozenset[Part]) -> Parts:
    """Wire what is wanted, in the order of draining. Raises `SettingsError` for a city pack that cannot be read."""
    context = _context(settings)
    adoption = Adoption(context)
    positions = PostgresPositions(context.database)
    checks: dict[str, Check] = {
        "database": database_check(context.database),
        "migrations": migrations_check(context.database, PACKAGE),
    }
    components: list[Component] = []
    if Part.WORKER in wanted:
        consumer = _consumer(settings, context, positions)
        checks["consumer"] = consumer.trouble
        components += [
            Component("consumer", adoption.before(consumer.run)),
            Component("signals", adoption.before(_listener(settings, context, positions).run)),
            Component("timers", Timers(context.database, TIMERS, context).run),
            Component("purge", Purge(context.database).run),
        ]
    if Part.RELAY in wanted:
        relay, checks["relay"] = relay_component(NAME, context.database, settings)
        components.append(relay)
    serves = Part.API in wanted
    served = http_component(_api(settings, context, positions, checks, serves=serves), settings)
    if serves:
        served = Component(served.label, adoption.before(served.run))
    return Parts([served, *components], closing=[context.database.close])


def _context(settings: Settings) -> Context:
    cities = city_packs(settings)
    if wrong := mistakes(cities.values()):
        raise SettingsError("\n".join(wrong))
    database = Database(settings.dispatch_database_url.get_secret_value(), NAME, settings.dispatch_pool_size)
    store = Store(database, Recorder(database, PROJECTION), EventMapper(CATALOGUE, f"/veche/{SERVICE}"))
    return Context(store, database, cities, Rulebooks(database, cities.values()))


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
        title="Dispatch",
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
        rules={**MAY, **PARKING_RULES} if serves else {},
    )


def _consumer(settings: Settings, context: Context, positions: PostgresPositions) -> Consumer[Context]:
    return Consumer(
        SERVICE,
        [topic_of("request")],
        context.store.mapper,
        REACTIONS,
        FOLDS,
        positions,
        context,
        bootstrap=settings.kafka_bootstrap_servers,
    )


def _listener(settings: Settings, context: Context, positions: PostgresPositions) -> Consumer[Context]:
    """Wire the consumer of signals, in a group of its own: whoever sends hints may be away, and requests go on."""
    return Consumer(
        f"{SERVICE}-signals",
        [SIGNALS_TOPIC],
        context.store.mapper,
        SIGNALS,
        {},
        positions,
        context,
        bootstrap=settings.kafka_bootstrap_servers,
        partitions={SIGNALS_TOPIC: SIGNALS_PARTITIONS},
    )


def migrate_database(settings: MigrationSettings) -> None:
    """Make the service's database, roles and tables; of personal data it may only ever open what others sealed."""
    migrate(
        settings.database_url.get_secret_value(),
        NAME,
        PACKAGE,
        settings.database_password.get_secret_value(),
        keyring_rights=("open_keys",),
    )


def rebuild_views(settings: Settings) -> None:
    """Build cases and rulebook anew from the events."""
    rebuild_as_owner(NAME, settings.dispatch_owner_url, settings.dispatch_database_url, PROJECTION, TABLES)


main = command_line(
    Service(
        name=NAME,
        about=about or "",
        settings=Settings,
        parts=parts,
        migrate=migrate_database,
        rebuild_views=rebuild_views,
    )
)
