"""A stack comes up, is found again, tells of what is killed, and goes down without a trace."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from local_stack import conformance, kafka, stack
from local_stack.places import Home, project_root
from local_stack.processes import own_processes
from local_stack.progress import Progress
from local_stack.stack import UpError, Wishes
from local_stack.state import load
from local_stack.status import Standing, status
from local_stack.supervision import Supervisor
from local_stack.watch import watch

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]

ROOT = project_root(Path(__file__).parent)
WISHES = Wishes(cities=ROOT / "cities", environment=dict(os.environ))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """Give a home below a directory that only its owner may enter; nothing of it runs afterwards."""
    tmp_path.chmod(0o700)
    place = Home.at(tmp_path / "veche", jars=ROOT / ".veche" / "kafka" / "libs")
    yield place
    stack.down(place)
    assert own_processes(place, {}) == []


def pids(home: Home) -> dict[str, int]:
    """Tell the process ids that the supervisor knows now."""
    return {name: info.pid for name, info in Supervisor(home).programs().items() if info.pid}


def heard(home: Home, sentences: list[str]) -> threading.Thread:
    """Collect what is said from now on."""
    listener = threading.Thread(target=lambda: sentences.extend(watch(home, pause=0.1)), daemon=True)
    listener.start()
    journal = home.supervisor / "supervisord.log"
    wait_until(lambda: any(file.path == str(journal) and file.position for file in psutil.Process().open_files()))
    return listener


def wait_until(holds: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def wait_for_restart(sentences: list[str], name: str) -> None:
    """Wait until it is said that a program ended and is back; it may have been tried more than once meanwhile."""

    def told() -> bool:
        return any(f"{name} ended unexpectedly (" in said and " and was restarted; its log: " in said for said in sentences)

    wait_until(told)


def wait_for_good(home: Home) -> dict[str, Standing]:
    """Wait until everything in a home is as it should be, and tell how it fares: what is slow to answer is not ready at first."""
    standings: list[Standing] = []

    def good() -> bool:
        standings[:] = status(home)
        return all(standing.good for standing in standings)

    wait_until(good)
    return {standing.name: standing for standing in standings}


def test_a_stack_lives_through_kills_and_goes_down_without_a_trace(home: Home) -> None:
    """Up, up again, kill -9 of the broker and of PostgreSQL, down, up on the same data, down."""
    state = stack.up(home, WISHES, parts_only=True)
    first = pids(home)
    assert set(first) == {"postgres", "kafka", "oidc"}
    wait_for_good(home)
    with psycopg.connect(state.admin_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")

    assert stack.up(home, WISHES, parts_only=True).ports == state.ports
    assert pids(home) == first, "a second start finds the first"

    said: list[str] = []
    listener = heard(home, said)
    for name in ("kafka", "postgres"):
        psutil.Process(first[name]).kill()
        wait_for_restart(said, name)
    stack.up(home, WISHES, parts_only=True)
    standings = wait_for_good(home)
    assert min(standings[name].restarts for name in ("kafka", "postgres")) >= 1
    assert standings["oidc"].restarts == 0
    conformance.check(state.bootstrap)

    everything = own_processes(home, load(home).pids)
    assert stack.down(home) is True
    listener.join(120)
    assert not [sentence for sentence in said if "supervisor" in sentence], "who takes the city down need not be told"
    assert not [process for process in everything if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    assert stack.down(home) is False

    again = stack.up(home, WISHES, parts_only=True, wanted=("postgres",))
    assert again.ports == state.ports
    with psycopg.connect(again.admin_url) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_a_killed_supervisor_is_said_and_leaves_nothing_behind(home: Home) -> None:
    """Also what was restarted after the last look is found, and a new start begins cleanly."""
    stack.up(home, WISHES, parts_only=True, wanted=("postgres",))
    said: list[str] = []
    listener = heard(home, said)
    supervisor = Supervisor(home).pid()
    assert supervisor is not None
    orphan = psutil.Process(pids(home)["postgres"])
    psutil.Process(supervisor).kill()
    listener.join(120)
    assert "The supervisor has gone" in said[-1]
    assert [standing.condition for standing in status(home)] == ["down"]
    assert orphan.is_running()

    told: list[str] = []
    stack.up(home, WISHES, progress=Progress(told.append), parts_only=True, wanted=("postgres",))
    assert not orphan.is_running()
    assert any("was killed: ending the" in sentence for sentence in told)

    supervisor = Supervisor(home).pid()
    assert supervisor is not None
    psutil.Process(supervisor).kill()
    psutil.Process(supervisor).wait(120)
    assert stack.down(home) is True


def test_two_stacks_run_side_by_side(home: Home, tmp_path: Path) -> None:
    """The second finds other ports, and neither sees the other's processes."""
    other = Home.at(tmp_path / "other")
    try:
        one = stack.up(home, WISHES, parts_only=True, wanted=("postgres",))
        two = stack.up(other, WISHES, parts_only=True, wanted=("postgres",))
        assert set(one.ports.values()).isdisjoint({two.ports["postgres"]})
        stack.down(other)
        wait_for_good(home)
    finally:
        stack.down(other)


def test_yours_are_used_and_not_started(home: Home, postgres_admin_url: str, kafka_bootstrap: str) -> None:
    """With addresses of yours the sign-in is all that is started, and `down` leaves yours alone."""
    wishes = Wishes(
        cities=ROOT / "cities", database_url=postgres_admin_url, bootstrap=kafka_bootstrap, environment=dict(os.environ)
    )
    told: list[str] = []
    state = stack.up(home, wishes, progress=Progress(told.append), parts_only=True)
    assert set(pids(home)) == {"oidc"}
    assert (state.admin_url, state.bootstrap) == (postgres_admin_url, kafka_bootstrap)
    assert {name: standing.condition for name, standing in wait_for_good(home).items()} == {
        "postgres": "yours",
        "kafka": "yours",
        "oidc": "running",
    }
    assert any("passed the conformance check" in sentence for sentence in told)
    stack.down(home)
    wait_until(lambda: kafka.trouble(kafka_bootstrap) is None)


def test_a_database_of_yours_that_does_not_answer_is_a_sentence(home: Home) -> None:
    """The address is named, the password is not."""
    wishes = Wishes(cities=ROOT / "cities", database_url="postgresql://me:hidden@127.0.0.1:1/x")
    with pytest.raises(UpError, match=r"127\.0\.0\.1:1") as told:
        stack.up(home, wishes, parts_only=True)
    assert "hidden" not in str(told.value)
