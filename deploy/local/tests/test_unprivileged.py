"""PostgreSQL runs as somebody who is not root, wherever the project lies."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_stack import unprivileged
from local_stack.unprivileged import PrivilegesError

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to drop")


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """Give a program and a directory of the ordinary user's, both below a directory that only root may enter."""
    below = tmp_path / "locked"
    below.mkdir(mode=0o700)
    data = below / "data"
    data.mkdir(mode=0o700)
    if os.geteuid() == 0:
        user = unprivileged.account(data)
        os.chown(data, user.pw_uid, user.pw_gid)
    program = below / "id"
    shutil.copy(shutil.which("id") or "/usr/bin/id", program)
    yield program, data
    below.chmod(0o700)


def test_an_ordinary_user_stays_who_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing to drop."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert unprivileged.prefix(executable=tmp_path / "postgres", directory=tmp_path) == ()


@as_root
def test_root_becomes_an_ordinary_user_even_below_a_locked_directory(locked: tuple[Path, Path]) -> None:
    """The program starts, as somebody else, although that user could not enter."""
    program, data = locked
    command = (*unprivileged.prefix(executable=program, directory=data), str(program), "-u")
    assert subprocess.run(command, check=True, capture_output=True, text=True, cwd="/").stdout.strip() != "0"


@as_root
def test_where_that_is_not_allowed_a_sentence_names_the_directory(
    locked: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container that may not hand on capabilities."""
    program, data = locked
    monkeypatch.setattr(unprivileged, "CAPABILITIES", ())
    with pytest.raises(PrivilegesError, match=r"may not enter .*: let others pass it") as told:
        unprivileged.prefix(executable=program, directory=data)
    assert "\n" not in str(told.value)
