"""The command line of every service, and the settings it reads."""

import asyncio
import base64
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

sys.path.insert(0, str(Path(__file__).parent))

import program

from shared_chassis.process import (
    KeyringSettings,
    MigrationSettings,
    SettingsError,
    city_packs,
    once,
    read_settings,
    refuse_store_functions,
)

SECRET = base64.b64encode(b"s" * 32).decode()
NEEDED = {"KAFKA_BOOTSTRAP_SERVERS": "kafka:9092", "OIDC_ISSUER": "https://id.example", "CITY_SECRET": SECRET}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set what every service needs."""
    for name, value in {**NEEDED, "DIARY": str(tmp_path / "diary")}.items():
        monkeypatch.setenv(name, value)


def called(*words: str) -> Result:
    """Call the service's command line."""
    return CliRunner().invoke(program.main, words)


def test_help_says_what_the_service_is_and_what_can_be_done() -> None:
    """Every command with a sentence."""
    told = called("--help")
    assert told.exit_code == 0
    assert "Decides nothing, listens to nobody, says little." in told.output
    for command in ("serve", "api", "worker", "relay", "migrate", "rebuild-views", "count-sheep"):
        assert f"  {command} " in told.output
    assert "Run everything in one process" in told.output
    assert "Count sheep, as only this service can." in told.output


def test_a_command_that_does_not_exist_is_refused() -> None:
    """With the status of a wrong call."""
    assert called("dance").exit_code == 2


@pytest.mark.parametrize(("command", "line"), [("rebuild-views", "views rebuilt"), ("count-sheep", "sheep counted")])
def test_what_runs_once_gets_the_services_settings(tmp_path: Path, command: str, line: str) -> None:
    """Read by the command line, handed on as an argument."""
    assert called(command).exit_code == 0
    assert (tmp_path / "diary").read_text() == f"{line}\n"


def test_what_a_command_lacks_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the status of wrong settings, and no traceback."""
    monkeypatch.setenv("SCENARIO", "ownerless")
    told = called("rebuild-views")
    assert told.exit_code == 2
    assert told.output == "PROGRAM_OWNER_URL: is missing; views are rebuilt as the database's owner\n"


def test_a_pack_that_cannot_be_read_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Said as the packs' own check says it."""
    monkeypatch.setenv("CITIES", str(tmp_path / "nowhere"))
    with pytest.raises(SettingsError, match="is no directory"):
        city_packs(read_settings(program.Settings))


async def test_what_is_done_once_is_lacking_until_it_is_done() -> None:
    """Work that fails is the component's failure, and done by its next run."""
    tries: list[str] = []

    def work() -> None:
        tries.append("again" if tries else "first")
        if tries == ["first"]:
            raise RuntimeError("The database does not answer.")

    component, lacking = once("packs", work, "The packs are not adopted yet.")
    stop = asyncio.Event()
    stop.set()
    with pytest.raises(RuntimeError):
        await component.run(stop)
    assert lacking() == "The packs are not adopted yet."
    await component.run(stop)
    assert lacking() is None
    assert (component.label, tries) == ("packs", ["first", "again"])


def test_migrate_reads_the_administrators_settings_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration job is given nothing else, and the others never see the administrator's URL."""
    for name in NEEDED:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DATABASE_URL", "postgresql://admin:pass@db/postgres")
    monkeypatch.setenv("DATABASE_PASSWORD", "pepper")
    told = called("migrate")
    assert (told.exit_code, told.output) == (0, "migrated postgresql://admin:pass@db/postgres\n")
    assert "admin" not in repr(read_settings(MigrationSettings))
    assert "pepper" not in repr(read_settings(MigrationSettings))


def test_missing_and_wrong_settings_are_named_and_no_value_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line a variable, and the status of wrong settings."""
    monkeypatch.delenv("OIDC_ISSUER")
    monkeypatch.setenv("CITY_SECRET", "hunter2!")
    monkeypatch.setenv("HTTP_PORT", "80000")
    told = called("serve")
    assert told.exit_code == 2
    assert told.output.splitlines() == [
        "OIDC_ISSUER: is missing",
        "CITY_SECRET: must be base64",
        "HTTP_PORT: Input should be less than or equal to 65535",
    ]


def test_a_short_secret_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pseudonyms under a guessable secret are no pseudonyms."""
    monkeypatch.setenv("CITY_SECRET", base64.b64encode(b"short").decode())
    with pytest.raises(SettingsError, match="at least 32 bytes"):
        read_settings(program.Settings)


def test_settings_show_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither printed nor logged."""
    monkeypatch.setenv("KEYRING_URL", "postgresql://request:pass@db/keyring")
    monkeypatch.setenv("KEYRING_SECRET", SECRET)
    settings = read_settings(program.Settings)
    assert settings.city_secret == b"s" * 32
    for shown in (repr(settings), repr(read_settings(KeyringSettings))):
        assert "ssss" not in shown
        assert SECRET not in shown
        assert "pass" not in shown


def test_settings_cannot_be_changed() -> None:
    """They are read once, at the start."""
    settings = read_settings(program.Settings)
    with pytest.raises(ValueError, match="frozen"):
        settings.http_port = 1


@pytest.mark.parametrize("value", ["1", "true", "no", ""])
@pytest.mark.parametrize("command", ["serve", "migrate", "rebuild-views"])
def test_the_stores_database_functions_are_refused(monkeypatch: pytest.MonkeyPatch, value: str, command: str) -> None:
    """Whatever the variable says, and before anything is started (trap T2)."""
    monkeypatch.setattr(sys.modules["shared_chassis.process.command_line"], "run", lambda _parts, _seconds: 0)
    monkeypatch.setenv("POSTGRES_ENABLE_DB_FUNCTIONS", value)
    told = called(command)
    assert told.exit_code == 2
    assert "POSTGRES_ENABLE_DB_FUNCTIONS is set" in told.output
    with pytest.raises(SettingsError, match="unset it"):
        refuse_store_functions()


def test_without_the_variable_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its absence is the rule."""
    monkeypatch.delenv("POSTGRES_ENABLE_DB_FUNCTIONS", raising=False)
    refuse_store_functions()
