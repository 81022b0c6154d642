"""The variables every service reads from its environment; a service's `settings.py` adds its own, `main.py` alone reads them."""

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared_city import City, PackError, load_cities

S = TypeVar("S", bound=BaseSettings)

SECRET_BYTES = 32
"""Bytes a secret must have at least."""

_FROZEN = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class SettingsError(Exception):
    """Settings are missing or not as expected."""


def _decoded(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        secret = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("must be base64") from error
    if len(secret) < SECRET_BYTES:
        raise ValueError(f"must hold at least {SECRET_BYTES} bytes, base64")
    return secret


Secret = Annotated[bytes, BeforeValidator(_decoded), Field(repr=False)]
"""A secret of at least 32 bytes, base64 in the environment."""


class ServiceSettings(BaseSettings):
    """What every service needs; a service adds `<name>_database_url` and what it alone reads.

    `cities` is the directory of city packs; `drain_seconds` bounds the whole of stopping, `drain_notice_seconds` is how long
    `/readyz` says 503 before new connections are refused, so that a load balancer has noticed.
    """

    model_config = _FROZEN

    kafka_bootstrap_servers: str
    oidc_issuer: str
    oidc_audience: str = "veche"
    city_secret: Secret
    cities: Path = Path("cities")
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8000, ge=0, le=65535)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    drain_seconds: float = Field(default=20.0, gt=0)
    drain_notice_seconds: float = Field(default=0.0, ge=0)


class KeyringSettings(BaseSettings):
    """What a service that seals or opens personal data needs beside: its role on the keyring, and what wraps the keys."""

    model_config = _FROZEN

    keyring_url: SecretStr
    keyring_secret: Secret


class MigrationSettings(BaseSettings):
    """What `migrate` alone reads: the administrator's URL, and the secret the roles' passwords derive from."""

    model_config = _FROZEN

    database_url: SecretStr
    database_password: SecretStr
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class _StoreVariables(BaseSettings):
    """Variables the event store's library would read behind our back."""

    model_config = _FROZEN

    postgres_enable_db_functions: str | None = None


def read_settings(settings: type[S]) -> S:
    """Read settings from the environment.

    Raises `SettingsError`, which names every variable that is missing or wrong, and no value.
    """
    try:
        return settings()
    except ValidationError as error:
        mistakes = error.errors(include_input=False, include_url=False)
        told = [f"{'.'.join(map(str, each['loc'])).upper()}: {_words(each['type'], each['msg'])}" for each in mistakes]
        raise SettingsError("\n".join(told)) from error


def city_packs(settings: ServiceSettings) -> Mapping[str, City]:
    """Load the packs of the cities that are served, by their slugs. Raises `SettingsError` for one that cannot be read."""
    try:
        return load_cities(settings.cities)
    except PackError as error:
        raise SettingsError(str(error)) from error


def refuse_store_functions() -> None:
    """Refuse to run with the library's database functions switched on.

    They insert events past the append lock, in one schema for every service, and forget which were processed: events
    would be lost to readers without a trace. Raises `SettingsError`.
    """
    if read_settings(_StoreVariables).postgres_enable_db_functions is not None:
        raise SettingsError(
            "POSTGRES_ENABLE_DB_FUNCTIONS is set. With it the event store writes past the append lock and readers lose events; "
            "unset it and start again."
        )


def _words(kind: str, message: str) -> str:
    return "is missing" if kind == "missing" else message.removeprefix("Value error, ")
