"""One file, one process: a second one is told so in a sentence; a foreign file is not touched."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from analytics_svc.facts.file import FactFile, FileInUseError, ForeignFileError

OPEN_IT = "import sys; from analytics_svc.facts.file import FactFile; file = FactFile(sys.argv[1]); print('open')"
CITIES = Path(__file__).parents[3] / "cities"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a file that does not exist yet."""
    return tmp_path / "facts.duckdb"


@pytest.fixture
def other_process(path: Path) -> Iterator[int]:
    """Let another process have the file open; its number."""
    holding = OPEN_IT + "; sys.stdout.flush(); sys.stdin.read()"
    other = subprocess.Popen([sys.executable, "-c", holding, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None
    assert other.stdout.readline() == b"open\n"
    yield other.pid
    other.communicate()


def test_a_second_process_is_refused_with_a_sentence(path: Path, other_process: int) -> None:
    """T41: no traceback of a database, but who has the file and what to do."""
    with pytest.raises(FileInUseError) as refused:
        FactFile(path)
    assert f"{path} is open in another process (number {other_process})" in str(refused.value)
    assert "ANALYTICS_FILE" in str(refused.value)


def test_the_service_ends_with_that_sentence_and_status_1(path: Path, other_process: int) -> None:
    """T41: before it connects to anything."""
    variables = {
        "ANALYTICS_DATABASE_URL": "postgresql://analytics:x@127.0.0.1:9/analytics",
        "ANALYTICS_FILE": str(path),
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
        "OIDC_ISSUER": "http://127.0.0.1:9",
        "CITY_SECRET": "bm90LWEtc2VjcmV0LW5vdC1hLXNlY3JldC1ub3QtYS1zZWNyZXQ=",
        "CITIES": str(CITIES),
    }
    command = [sys.executable, "-c", "from analytics_svc.main import main; main()", "serve"]
    ended = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False, timeout=180)
    assert ended.returncode == 1
    assert "is open in another process" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_file_is_closed_and_opened_again_with_what_was_in_it(path: Path) -> None:
    """What was committed is there; the tables are made once."""
    first = FactFile(path)
    first.know_cities({"kazan": "Europe/Moscow"})
    first.close()
    second = FactFile(path)
    assert second.query("SELECT slug, timezone FROM city") == [{"slug": "kazan", "timezone": "Europe/Moscow"}]
    second.close()


def test_a_file_of_another_release_is_refused_and_left_as_it_is(path: Path) -> None:
    """Tables are never guessed at; a new file is built from the topics."""
    FactFile(path).close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE made_by SET schema = 'older'")
    with pytest.raises(ForeignFileError, match="Move it away and start again"):
        FactFile(path)
    path.write_bytes(b"a letter to the editor" * 200)
    with pytest.raises(ForeignFileError, match="is no analytics file"):
        FactFile(path)
    assert path.read_bytes().startswith(b"a letter")
