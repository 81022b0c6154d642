"""What the tests of the HTTP edge start from."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from fastapi import FastAPI
from joserfc.jwk import RSAKey

from shared_chassis import log
from shared_chassis.http import create_api

sys.path.insert(0, str(Path(__file__).parent))

from provider import Issuer, Lines, MakeApi


@pytest.fixture(scope="session")
def signing_key() -> RSAKey:
    """Make a key once: it takes a tenth of a second."""
    return RSAKey.generate_key(2048)


@pytest.fixture(scope="session")
def other_key() -> RSAKey:
    """Make somebody else's key."""
    return RSAKey.generate_key(2048)


@pytest.fixture
def issuer(signing_key: RSAKey) -> Issuer:
    """Start an identity provider."""
    return Issuer(signing_key)


@pytest.fixture
def make_api(issuer: Issuer) -> MakeApi:
    """Create an API of the service "sample" that trusts the provider."""

    def make(**options: object) -> FastAPI:
        settings = {"title": "Sample", "service": "sample", "routers": [], "verifier": issuer.verifier()}
        return create_api(**{**settings, **options})

    return make


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Read what the process logs."""
    told = Lines()
    log.configure("sample-svc", "DEBUG", told.output)
    yield told
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
