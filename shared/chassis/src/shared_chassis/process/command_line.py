"""The command line of every service: `<name>-svc serve | api | worker | relay | migrate | rebuild-views`."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

import typer

from shared_chassis import log
from shared_chassis.process.run import Parts, run
from shared_chassis.process.settings import (
    MigrationSettings,
    ServiceSettings,
    SettingsError,
    read_settings,
    refuse_store_functions,
)

S = TypeVar("S", bound=ServiceSettings)
T = TypeVar("T")

WRONG_SETTINGS = 2
"""The exit status when settings are missing or wrong."""


class Part(StrEnum):
    """A part of a service that can run as a process of its own."""

    API = "api"
    WORKER = "worker"
    RELAY = "relay"


EVERY_PART = frozenset(Part)


PROCESSES: Mapping[str, tuple[frozenset[Part], str]] = {
    "serve": (EVERY_PART, "Run everything in one process: API, worker and relay."),
    "api": (frozenset({Part.API}), "Run the HTTP API alone."),
    "worker": (
        frozenset({Part.WORKER}),
        "Run what reacts to other services' events and to timers, and what sends messages, alone.",
    ),
    "relay": (
        frozenset({Part.RELAY}),
        "Run what publishes this service's events to Kafka, alone; of several, one leads.",
    ),
}
"""The commands that run until they are stopped: which parts, and their help."""


@dataclass(frozen=True)
class Service(Generic[S]):
    """What a service's `main.py` says about itself.

    `name` is the short one (`request`), `about` what the service decides, listens to and says: the text of `--help`. `parts`
    wires what the asked-for parts need, and nothing else; give a worker or relay an API without routes too, for its probes.
    `rebuild_views` reads the owner's URL from the service's own settings. `also` holds what this service alone can do; a
    docstring is its help.
    """

    name: str
    about: str
    settings: type[S]
    parts: Callable[[S, frozenset[Part]], Parts]
    migrate: Callable[[MigrationSettings], None]
    rebuild_views: Callable[[S], None]
    also: Mapping[str, Callable[[S], None]] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """The name of its console script."""
        return f"{self.name}-svc"


def command_line(service: Service[S]) -> Callable[[], None]:
    """Build a service's command line; call the result from its console script."""
    application = typer.Typer(
        name=service.command,
        help=service.about,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )

    def settled() -> S:
        settings = _or_explain(lambda: read_settings(service.settings))
        log.configure(service.command, settings.log_level)
        return settings

    @application.callback()
    def start() -> None:
        _or_explain(refuse_store_functions)

    start.__doc__ = service.about

    for name, (parts, about) in PROCESSES.items():
        _add(application, name, about, functools.partial(_run, service, settled, parts))

    @application.command()
    def migrate() -> None:
        """Bring the service's database to what its migrations say; reads the administrator's DATABASE_URL."""
        settings = _or_explain(lambda: read_settings(MigrationSettings))
        log.configure(service.command, settings.log_level)
        service.migrate(settings)

    @application.command("rebuild-views")
    def rebuild_views() -> None:
        """Build the read models anew from the events, beside the old ones, and switch over."""
        _or_explain(lambda: service.rebuild_views(settled()))

    for name, action in service.also.items():
        _add(application, name, action.__doc__, lambda action=action: action(settled()))  # type: ignore[misc]  # bound early
    return application


def _add(application: typer.Typer, name: str, about: str | None, action: Callable[[], None]) -> None:
    @application.command(name, help=about)
    def command() -> None:
        action()


def _run(service: Service[S], settled: Callable[[], S], parts: frozenset[Part]) -> None:
    settings = settled()
    wired = _or_explain(lambda: service.parts(settings, parts))
    raise typer.Exit(run(wired, settings.drain_seconds))


def _or_explain(read: Callable[[], T]) -> T:
    """Do it, or say in words which settings keep us from it and end with status 2."""
    try:
        return read()
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(WRONG_SETTINGS) from error
