"""analytics-svc as a process: its parts wired by arguments, and its command line."""

import functools
from collections.abc import Mapping

from fastapi import FastAPI

from analytics_svc import __doc__ as about
from analytics_svc.api import ERRORS, router
from analytics_svc.application import MAY, SERVICE, Context
from analytics_svc.domain.surge import Sensitivity
from analytics_svc.facts.file import FactFile
from analytics_svc.facts.fold import FOLDS
from analytics_svc.facts.parked import DuckParking
from analytics_svc.facts.position import DuckPositions
from analytics_svc.reports.saved import PROJECTION, TABLES
from analytics_svc.settings import Settings
from analytics_svc.worker import REACTIONS, Tallies, watch_tallies
from shared_chassis.consumer import Consumer
from shared_chassis.http import (
    Check,
    Router,
    Verifier,
    create_api,
    database_check,
    feed_router,
    migrations_check,
    parked_router,
    positions_router,
)
from shared_chassis.http.position import PARKING_RULES
from shared_chassis.mapper import EventMapper
from shared_chassis.postgres import Database, migrate
from shared_chassis.process import (
    Component,
    MigrationSettings,
    MisconfiguredError,
    Part,
    Parts,
    Service,
    city_packs,
    command_line,
    http_component,
    rebuild_as_owner,
    run,
)
from shared_chassis.purge import Purge
from shared_chassis.recorder import Recorder
from shared_chassis.relay import relay_component
from shared_chassis.store import Store
from shared_events.catalogue import CATALOGUE
from shared_events.event import topic_of

NAME = "analytics"
PACKAGE = "analytics_svc"

GATHER = 0.25
"""Seconds between two fetches: a fact may be a quarter of a second late, and comes with hundreds of others in one transaction."""

FOLDERS = 2
"""Threads that read and fold: folding waits for nobody, so more of them would only take turns."""

EVERY_TOPIC = tuple(topic_of(service) for service in ("request", "dispatch", "discussion", "notification", NAME))


def parts(settings: Settings, wanted: frozenset[Part]) -> Parts:
    """Wire what is wanted, in the order of draining.

    Raises `SettingsError` for a city pack that cannot be read; ends the process with a sentence when another has the file.
    """
    database = Database(settings.analytics_database_url.get_secret_value(), NAME, settings.analytics_pool_size)
    checks: dict[str, Check] = {"database": database_check(database), "migrations": migrations_check(database, PACKAGE)}
    relays: list[Component] = []
    if Part.RELAY in wanted:
        relay, checks["relay"] = relay_component(NAME, database, settings)
        relays.append(relay)
    if wanted == {Part.RELAY}:
        probes = _api(settings, None, [], checks)
        return Parts([http_component(probes, settings), *relays], closing=[database.close])
    facts = _facts(settings)
    store = Store(database, Recorder(database, PROJECTION), EventMapper(CATALOGUE, f"/veche/{SERVICE}"))
    context = Context(store, database, facts)
    positions = DuckPositions(facts)
    hearing: list[Component] = []
    if Part.WORKER in wanted:
        consumer = _consumer(settings, store.mapper, positions)
        checks["consumer"] = consumer.trouble
        tallies = Tallies(f"{settings.analytics_consumer}-tallies", settings.kafka_bootstrap_servers, positions)
        hearing = [
            Component("consumer", consumer.run),
            Component("tallies", tallies.run),
            Component("tally-watch", functools.partial(watch_tallies, facts)),
            Component("purge", Purge(database).run),
        ]
    routers = [
        router,
        feed_router(database, MAY["read_feed"]),
        positions_router(positions),
        parked_router(DuckParking(facts)),
    ]
    api = _api(settings, context, routers if Part.API in wanted else [], checks)
    return Parts([http_component(api, settings), *hearing, *relays], closing=[facts.close, database.close])


def _facts(settings: Settings) -> FactFile:
    """Open the file of the facts, for the cities there are."""
    cities = city_packs(settings)
    try:
        facts = FactFile(settings.analytics_file, threads=settings.analytics_threads, memory=settings.analytics_memory)
    except MisconfiguredError as error:
        raise SystemExit(str(error)) from error
    facts.know_cities({slug: city.timezone.key for slug, city in cities.items()})
    return facts


def _api(settings: Settings, context: Context | None, routers: list[Router], checks: Mapping[str, Check]) -> FastAPI:
    """Create the API; a process without its routes has it for its probes."""
    return create_api(
        title="Analytics",
        service=NAME,
        routers=routers,
        verifier=Verifier(issuer=settings.oidc_issuer, audience=settings.oidc_audience, secret=settings.city_secret),
        errors=ERRORS,
        context=context,
        checks=checks,
        rules={**MAY, **PARKING_RULES} if routers else {},
    )


def _consumer(settings: Settings, mapper: EventMapper, positions: DuckPositions) -> Consumer[None]:
    return Consumer(
        settings.analytics_consumer,
        EVERY_TOPIC,
        mapper,
        REACTIONS,
        FOLDS,
        positions,
        None,
        bootstrap=settings.kafka_bootstrap_servers,
        concurrency=FOLDERS,
        gather=GATHER,
    )


def migrate_database(settings: MigrationSettings) -> None:
    """Make the service's database, roles and tables; it neither seals nor opens personal data."""
    migrate(settings.database_url.get_secret_value(), NAME, PACKAGE, settings.database_password.get_secret_value())


def rebuild_views(settings: Settings) -> None:
    """Build the list of saved reports anew from the events; the facts are built anew by removing their file."""
    rebuild_as_owner(NAME, settings.analytics_owner_url, settings.analytics_database_url, PROJECTION, TABLES)


def run_streams(settings: Settings) -> None:
    """Run the stream processor alone: it tallies registrations by the minute, and tells surges."""
    from analytics_svc.streams.processor import Streams

    sensitivity = Sensitivity(
        window=settings.surge_window_minutes,
        times=settings.surge_times,
        least=settings.surge_least,
        half_life=settings.surge_half_life_hours * 60,
        warm_up=settings.surge_warm_up_hours * 60,
        stale=settings.surge_stale_minutes,
    )
    streams = Streams(settings.kafka_bootstrap_servers, sensitivity)
    raise SystemExit(run(Parts([Component("streams", streams.run)]), settings.drain_seconds))


main = command_line(
    Service(
        name=NAME,
        about=about or "",
        settings=Settings,
        parts=parts,
        migrate=migrate_database,
        rebuild_views=rebuild_views,
        also={"streams": run_streams},
    )
)
