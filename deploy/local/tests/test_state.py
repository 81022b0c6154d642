"""What is kept is private and lasting; only our own processes are ever ended."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from local_stack.places import Home
from local_stack.processes import end, own_processes
from local_stack.state import NotUpError, ProcessMark, State, load, load_running, load_secrets, save

SLEEP = (sys.executable, "-c", "import time; time.sleep(60)")


def test_secrets_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    """A second start finds the same; nobody else can read them."""
    home = Home.at(tmp_path / "home")
    first = load_secrets(home)
    assert load_secrets(home) == first
    assert load_secrets(Home.at(tmp_path / "other")) != first
    assert stat.S_IMODE(home.secrets.stat().st_mode) == 0o600


def test_state_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    """The state holds the administrator's URL, hence a password."""
    home = Home.at(tmp_path)
    with pytest.raises(NotUpError, match="veche up"):
        load_running(home)
    save(home, State(ports={"kafka": 1}, admin_url="postgresql://a:secret@b/c", up=True))
    assert load(home) == load_running(home)
    assert load(home).ports == {"kafka": 1}
    assert stat.S_IMODE(home.state.stat().st_mode) == 0o600


def test_a_process_with_our_mark_is_found_and_ended_and_another_is_not(tmp_path: Path) -> None:
    """The mark is the home's path: the same program of another home lives on."""
    ours, theirs = Home.at(tmp_path / "ours"), Home.at(tmp_path / "theirs")
    with (
        subprocess.Popen(SLEEP, env={**os.environ, "VECHE_STACK": str(ours.path)}) as our_process,
        subprocess.Popen(SLEEP, env={**os.environ, "VECHE_STACK": str(theirs.path)}) as their_process,
    ):
        try:
            found = own_processes(ours, {})
            assert [process.pid for process in found] == [our_process.pid]
            end(found, seconds=5)
            assert our_process.poll() is not None
            assert their_process.poll() is None
        finally:
            their_process.kill()


def test_a_later_process_with_a_recorded_number_is_not_ours(tmp_path: Path) -> None:
    """Numbers are given out again; the time of creation tells them apart."""
    home = Home.at(tmp_path)
    with subprocess.Popen(SLEEP) as process:
        try:
            mark = ProcessMark.of(process.pid)
            assert mark is not None
            earlier = ProcessMark(pid=mark.pid, created=mark.created - 5)
            assert own_processes(home, {"kafka": earlier}) == []
            assert [each.pid for each in own_processes(home, {"kafka": mark})] == [process.pid]
        finally:
            process.kill()
