"""Wiring: what each part of discussion-svc needs, and its console script `discussion-svc`."""

from collections.abc import Mapping
from functools import partial
from typing import Final

from fastapi import FastAPI

import discussion_svc
from discussion_svc import api, views, worker
from discussion_svc.application import MAY, SERVICE, Context, adopt
from discussion_svc.settings import Settings
from shared_chassis.http import Check, Verifier, create_api, database_check, migrations_check
from shared_chassis.http.feed import feed_router
from shared_chassis.keyring import Keyring
from shared_chassis.mapper import EventMapper
from shared_chassis.object_store import ObjectStore
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

NAME: Final = "discussion"
PACKAGE: Final = "discussion_svc"

UNPUBLISHED_SECONDS: Final = 30.0
"""How old an event may become before this service says it is not ready."""


def parts(settings: Settings, wanted: frozenset[Part]) -> Parts:
    """Wire the parts that are asked for, in the order in which they stop."""
    database = Database(settings.discussion_database_url.get_secret_value(), NAME, settings.discussion_pool_size)
    keyring = Keyring(settings.keyring_url.get_secret_value(), settings.keyring_secret)
    mapper = EventMapper(CATALOGUE, f"/veche/{SERVICE}", keyring)
    store = Store(database, Recorder(database, views.PROJECTION), mapper)
    context = Context(store, database, city_packs(settings), ObjectStore(settings.objects))
    checks: dict[str, Check] = {"database": database_check(database), "migrations": migrations_check(database, PACKAGE)}
    components: list[Component] = []
    if wanted & {Part.API, Part.WORKER}:
        lacking = "The cities' procedures are not adopted yet."
        adoption, checks["procedures"] = once("procedures", partial(adopt, context), lacking)
        components.append(adoption)
    if Part.WORKER in wanted:
        components.append(Component("timers", Timers(database, worker.TIMERS, context).run))
        components.append(Component("purge", Purge(database).run))
    if Part.RELAY in wanted:
        relay, checks["relay"] = relay_component(NAME, database, settings)
        components.append(relay)
    served = _api(settings, context, checks, with_routes=Part.API in wanted)
    http = http_component(served, settings)
    return Parts([http, *components], closing=[database.close, keyring.close])


def _api(settings: Settings, context: Context, checks: Mapping[str, Check], *, with_routes: bool) -> FastAPI:
    """Create the API; a process without its routes has it for its probes."""
    verifier = Verifier(issuer=settings.oidc_issuer, audience=settings.oidc_audience, secret=settings.city_secret)
    return create_api(
        title="Veche: public discussions",
        service=NAME,
        routers=[api.router, feed_router(context.database)] if with_routes else [],
        verifier=verifier,
        errors=api.ERRORS,
        context=context,
        checks=checks,
        rules=MAY if with_routes else {},
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
    """Build the register anew from this service's own facts."""
    rebuild_as_owner(NAME, settings.discussion_owner_url, settings.discussion_database_url, views.PROJECTION, views.TABLES)


main = command_line(
    Service(
        name=NAME,
        about=discussion_svc.__doc__ or "",
        settings=Settings,
        parts=parts,
        migrate=migrate_database,
        rebuild_views=rebuild_views,
    )
)
"""The console script `discussion-svc`."""
