"""`veche up`, `down` and `status` speak in sentences and end with a status that scripts can use."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from local_stack.status import Standing
from veche import stack
from veche.main import app


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep away from the stack of whoever runs the tests."""
    monkeypatch.setenv("VECHE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)


def test_the_status_of_nothing_is_one_sentence_and_status_1() -> None:
    """Whoever asks before the first start is told what to do."""
    result = CliRunner().invoke(app, ["status"])
    assert result.exit_code == 1
    assert result.output.strip() == "✗ No city is up here: start it with `veche up`."


def test_taking_down_nothing_is_no_failure(tmp_path: Path) -> None:
    """And it makes no directory."""
    result = CliRunner().invoke(app, ["down"])
    assert (result.exit_code, result.output.strip()) == (0, "Nothing was running.")
    assert not (tmp_path / "home").exists()


def test_a_missing_java_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No traceback, and what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    result = CliRunner().invoke(app, ["parts"])
    assert result.exit_code == 1
    assert "apt-get install default-jre-headless maven" in result.output
    assert "Traceback" not in result.output


def test_a_kafka_of_yours_needs_no_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nothing is fetched."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "kafka.example:9092")
    assert CliRunner().invoke(app, ["parts"]).exit_code == 0


def test_something_down_is_named_and_ends_with_status_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table shows all, the last lines what is wrong."""
    standings = [
        Standing("kafka", "running", "127.0.0.1:19092", pid=7, uptime=7500, restarts=2),
        Standing("oidc", "down", "http://127.0.0.1:18100", said="Exited too quickly"),
    ]
    monkeypatch.setattr(stack, "status", lambda _home: standings)
    result = CliRunner().invoke(app, ["status"])
    assert result.exit_code == 1
    assert "2 h 5 min" in result.output
    assert "✗ oidc is down: Exited too quickly" in result.output


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, ""), (0, "0 s"), (59, "59 s"), (60, "1 min"), (7200, "2 h 0 min"), (90_000, "1 d 1 h")]
)
def test_durations_are_written_as_people_say_them(seconds: int | None, words: str) -> None:
    """Two units at most."""
    assert stack.duration(seconds) == words
