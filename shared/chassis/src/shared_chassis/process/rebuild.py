"""Building the views of a service anew, as its own command."""

from collections.abc import Sequence

import structlog
import typer
from pydantic import SecretStr

from shared_chassis.mapper import EventMapper
from shared_chassis.postgres import ServiceDatabase
from shared_chassis.process.settings import SettingsError
from shared_chassis.view import Projection, rebuild
from shared_events.catalogue import CATALOGUE

_log = structlog.get_logger()


def rebuild_as_owner(
    service: str, owner_url: SecretStr | None, url: SecretStr, projection: Projection, tables: Sequence[str]
) -> None:
    """Build the views of a service anew from its events, as the database's owner, with a bar that shows how far it is.

    Raises `SettingsError` when the owner's address is missing.
    """
    if owner_url is None:
        raise SettingsError(f"{service.upper()}_OWNER_URL: is missing; views are rebuilt as the database's owner")
    database = ServiceDatabase(service, owner_url.get_secret_value(), url.get_secret_value())
    with typer.progressbar(length=1, label="Building the views anew") as bar:

        def advance(position: int, last: int) -> None:
            bar.length = max(last, 1)
            bar.update(position - bar.pos)

        last = rebuild(database, EventMapper(CATALOGUE, f"/veche/{service}-svc"), projection, tables, advance)
    _log.info("views.rebuilt", position=last)
