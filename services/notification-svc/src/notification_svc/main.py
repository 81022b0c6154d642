"""Wiring: what each part of notification-svc needs, and its console script `notification-svc`."""

from collections.abc import Mapping
from typing import Final

from fastapi import FastAPI

import notification_svc
from notification_svc import api, views, worker
from notification_svc.application.context import MAY, SERVICE, Context
from notification_svc.outbound.letter import Outbox
from notification_svc.outbound.text import Texts
from notification_svc.outbound.webhook import Programs
from notification_svc.settings import Settings
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
from shared_chassis.keyring import Keyring
from shared_chassis.mapper import EventMapper
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
    rebuild_as_owner,
)
from shared_chassis.recorder import Recorder
from shared_chassis.relay import relay_component
from shared_chassis.sender import Sender
from shared_chassis.store import Store
from shared_chassis.timer import Timers
from shared_events.catalogue import CATALOGUE
from shared_events.event import topic_of

NAME: Final = "notification"
PACKAGE: Final = "notification_svc"
TOPICS: Final = (topic_of("request"), topic_of("dispatch"))
"""Whom this service listens to."""

GATHER: Final = 0.5
"""Seconds in which what others say is gathered: most of it only folds, and people read a letter no sooner for it."""


def parts(settings: Settings, wanted: frozenset[Part]) -> Parts:
    """Wire the parts that are asked for, in the order in which they stop.

    Raises `SettingsError` for a city pack that cannot be read.
    """
    database = Database(settings.notification_database_url.get_secret_value(), NAME, settings.notification_pool_size)
    keyring = Keyring(settings.keyring_url.get_secret_value(), settings.keyring_secret)
    mapper = EventMapper(CATALOGUE, f"/veche/{SERVICE}", keyring)
    context = Context(
        store=Store(database, Recorder(database, views.PROJECTION), mapper),
        database=database,
        keyring=keyring,
        cities=city_packs(settings),
        texts=Texts(),
        outbox=Outbox(settings.outbox),
        programs=Programs(private_too=settings.webhook_private_targets),
        lease=settings.lease,
        mail_domain=settings.mail_domain,
        secret=settings.city_secret,
    )
    positions = PostgresPositions(database)
    checks: dict[str, Check] = {"database": database_check(database), "migrations": migrations_check(database, PACKAGE)}
    components: list[Component] = []
    if Part.WORKER in wanted:
        consumer = _consumer(settings, positions, mapper, context)
        checks["consumer"] = consumer.trouble
        components += [
            Component("consumer", consumer.run),
            Component("timers", Timers(database, worker.TIMERS, context).run),
            Component("sender", _sender(settings, context).run),
            Component("webhooks", _caller(settings, context).run),
        ]
    if Part.RELAY in wanted:
        relay, checks["relay"] = relay_component(NAME, database, settings)
        components.append(relay)
    served = _api(settings, context, positions, checks, with_routes=Part.API in wanted)
    http = http_component(served, settings)
    return Parts([http, *components], closing=[database.close, keyring.close])


def _consumer(settings: Settings, positions: PostgresPositions, mapper: EventMapper, context: Context) -> Consumer[Context]:
    return Consumer(
        SERVICE,
        TOPICS,
        mapper,
        worker.REACTIONS,
        views.FOLDS,
        positions,
        context,
        bootstrap=settings.kafka_bootstrap_servers,
        gather=GATHER,
    )


def _sender(settings: Settings, context: Context) -> Sender[Context]:
    return Sender(
        context.database,
        worker.CHANNELS,
        context,
        delivered=worker.when_sent_then_state_it,
        failed=worker.when_given_up_then_state_it,
        threads=settings.senders,
    )


def _caller(settings: Settings, context: Context) -> Sender[Context]:
    return Sender(
        context.database,
        worker.PROGRAMS,
        context,
        delivered=worker.when_sent_then_state_it,
        failed=worker.when_given_up_then_state_it,
        attempts=settings.webhook_attempts,
        first_rest=settings.webhook_first_rest_seconds,
        threads=settings.webhook_senders,
    )


def _api(
    settings: Settings, context: Context, positions: PostgresPositions, checks: Mapping[str, Check], *, with_routes: bool
) -> FastAPI:
    """Create the API; a process without its routes has it for its probes."""
    database = context.database
    routers = [
        *api.ROUTERS,
        feed_router(database, MAY["read_feed"]),
        positions_router(positions),
        parked_router(PostgresParking(database)),
    ]
    verifier = Verifier(
        issuer=settings.oidc_issuer, audience=settings.oidc_audience, secret=settings.city_secret, keys=Keys(database)
    )
    return create_api(
        title="Veche: queue, messages and webhooks",
        service=NAME,
        routers=routers if with_routes else [],
        verifier=verifier,
        errors=api.ERRORS,
        context=context,
        checks=checks,
        rules={**MAY, **PARKING_RULES} if with_routes else {},
    )


def migrate_database(settings: MigrationSettings) -> None:
    """Bring this service's database to what its migrations say, and let it make and open persons' keys."""
    migrate(
        settings.database_url.get_secret_value(),
        NAME,
        PACKAGE,
        settings.database_password.get_secret_value(),
        keyring_rights=("create_key", "open_keys"),
    )


def rebuild_views(settings: Settings) -> None:
    """Build the queue and the ledger anew from this service's own facts; nobody is sent anything."""
    rebuild_as_owner(NAME, settings.notification_owner_url, settings.notification_database_url, views.PROJECTION, views.TABLES)


main = command_line(
    Service(
        name=NAME,
        about=notification_svc.__doc__ or "",
        settings=Settings,
        parts=parts,
        migrate=migrate_database,
        rebuild_views=rebuild_views,
    )
)
"""The console script `notification-svc`."""
