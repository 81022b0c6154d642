"""What the `veche` command reads from its environment; read here and nowhere else."""

import os
from pathlib import Path
from typing import Literal

from pydantic_settings import BaseSettings, SettingsConfigDict

from local_stack.places import Home, project_root
from local_stack.stack import Wishes


class Settings(BaseSettings):
    """Where the stack lives, and what of yours it is to use."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    veche_home: Path | None = None
    database_url: str | None = None
    kafka_bootstrap_servers: str | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


def root() -> Path:
    """Find the project: the checkout that we stand in, or that this command was installed from."""
    return project_root(Path.cwd())


def home() -> Home:
    """Find the home of the stack: `.veche/` in the project, or VECHE_HOME."""
    own = root() / ".veche"
    return Home.at(Settings().veche_home or own, jars=own / "kafka" / "libs")


def wishes() -> Wishes:
    """Say what the environment asks of a stack."""
    settings = Settings()
    return Wishes(
        cities=root() / "cities",
        database_url=settings.database_url or None,
        bootstrap=settings.kafka_bootstrap_servers or None,
        log_level=settings.log_level,
        environment=dict(os.environ),  # noqa: TID251  the supervisor hands PATH and the like on to what it starts
    )
