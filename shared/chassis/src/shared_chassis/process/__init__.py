"""A service as a process: its settings, its command line, its parts in one event loop, and its orderly end."""

from shared_chassis.process.command_line import EVERY_PART, Part, Service, command_line
from shared_chassis.process.rebuild import rebuild_as_owner
from shared_chassis.process.run import Component, MisconfiguredError, Parts, once, run
from shared_chassis.process.serve import http_component
from shared_chassis.process.settings import (
    KeyringSettings,
    MigrationSettings,
    Secret,
    ServiceSettings,
    SettingsError,
    city_packs,
    read_settings,
    refuse_store_functions,
)

__all__ = [
    "EVERY_PART",
    "Component",
    "KeyringSettings",
    "MigrationSettings",
    "MisconfiguredError",
    "Part",
    "Parts",
    "Secret",
    "Service",
    "ServiceSettings",
    "SettingsError",
    "city_packs",
    "command_line",
    "http_component",
    "once",
    "read_settings",
    "rebuild_as_owner",
    "refuse_store_functions",
    "run",
]
