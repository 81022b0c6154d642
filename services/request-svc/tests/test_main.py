"""The process: its keyring stays locked until the erasures are applied, and one command applies them before anything starts."""

import asyncio
import base64
from pathlib import Path
from typing import LiteralString
from uuid import UUID, uuid4

import psycopg
import pytest
from citizens import CITIES, SECRET

from request_svc import main
from request_svc.application import Context, erasure
from request_svc.settings import Settings
from shared_chassis.http import Actor
from shared_chassis.keyring import KeyringLockedError, PersonErasedError
from shared_chassis.postgres import ServiceDatabase, role_password, role_url
from shared_chassis.process import Part
from shared_chassis.store import Command

pytestmark = pytest.mark.postgres

TYPES: LiteralString = "SELECT * FROM service_type ORDER BY 1, 2"


@pytest.fixture
def settings(
    postgres_admin_url: str, request_database: ServiceDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """The process's settings, for the tests' own database."""
    role = request_database.service
    monkeypatch.setattr(main, "NAME", role)
    key = base64.b64encode(b"k" * 32).decode()
    return Settings.model_validate(
        {
            "kafka_bootstrap_servers": "127.0.0.1:1",
            "oidc_issuer": "http://127.0.0.1:1",
            "city_secret": key,
            "cities": CITIES,
            "http_port": 0,
            "keyring_url": role_url(postgres_admin_url, role, role_password(SECRET, role), "keyring"),
            "keyring_secret": key,
            "request_database_url": request_database.app_url,
            "request_owner_url": request_database.owner_url,
            "objects": tmp_path,
        }
    )


def erased(context: Context) -> UUID:
    """Let somebody be erased whose key's timer has not fired."""
    who = uuid4()
    actor = Actor("resident", str(who), frozenset({"resident"}))
    erasure.erase(context, who, actor, Command(uuid4(), str(actor)))
    return who


@pytest.mark.parametrize("part", [Part.API, Part.WORKER])
async def test_a_process_opens_its_keyring_only_after_the_erasures(settings: Settings, context: Context, part: Part) -> None:
    """Not ready before, and whatever seals or opens is refused meanwhile."""
    erased(context)
    wired = main._context(settings)
    component, check = main._erasures(wired)
    with pytest.raises(KeyringLockedError):
        wired.keyring.seal(uuid4(), uuid4(), "phone", "+7 900 000-00-00")
    assert check() is not None
    stop = asyncio.Event()
    stop.set()
    await component.run(stop)
    assert check() is None
    wired.keyring.seal(uuid4(), uuid4(), "phone", "+7 900 000-00-00")
    wired.database.close()
    wired.keyring.close()
    parts = main.parts(settings, frozenset({part}))
    assert "erasures" in {each.label for each in parts.components}
    for close in parts.closing:
        close()


def test_one_command_applies_the_erasures_before_anything_starts(settings: Settings, context: Context) -> None:
    """As after a restore of the keyring."""
    gone = erased(context)
    main.apply_erasures(settings)
    with pytest.raises(PersonErasedError):
        context.keyring.seal(gone, uuid4(), "phone", "+7 900 000-00-00")


def test_one_command_builds_the_views_anew(
    settings: Settings, context: Context, request_database: ServiceDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the events alone, as the database's owner."""
    before = context.database.query(TYPES)
    assert before
    with psycopg.connect(request_database.owner_url, autocommit=True) as owner:
        owner.execute(f"DELETE FROM {request_database.service}.service_type".encode())
    assert context.database.query(TYPES) == []
    main.rebuild_views(settings)
    assert context.database.query(TYPES) == before
    assert "Building the views anew" in capsys.readouterr().out
