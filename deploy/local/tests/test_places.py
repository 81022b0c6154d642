"""A stack's files lie in its home, and the project is found from wherever one stands."""

from pathlib import Path

import pytest

from local_stack.places import Home, NoProjectError, project_root

REPOSITORY = Path(__file__).resolve().parents[3]


def test_the_project_is_found_from_below() -> None:
    """Standing in a member, one stands in the project."""
    assert project_root(REPOSITORY / "deploy" / "local" / "src") == REPOSITORY


def test_elsewhere_the_project_is_the_one_this_was_installed_from(tmp_path: Path) -> None:
    """Another project's workspace is not ours."""
    (tmp_path / "pyproject.toml").write_text('[tool.uv.workspace]\nmembers = ["apps/*"]\n')
    assert project_root(tmp_path) == REPOSITORY


def test_without_a_project_one_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed from nowhere and standing nowhere, one is told what is missing."""
    monkeypatch.setattr("local_stack.places.__file__", str(tmp_path / "places.py"))
    with pytest.raises(NoProjectError, match="no checkout of Veche"):
        project_root(tmp_path)


def test_the_control_socket_of_a_deep_home_has_a_short_path(tmp_path: Path) -> None:
    """The kernel takes 107 bytes; two homes never share one socket."""
    deep = tmp_path / ("d" * 90)
    sockets = {Home.at(deep / "one").socket, Home.at(deep / "two").socket}
    assert len(sockets) == 2
    assert all(len(str(path)) < 100 for path in sockets)
    assert Home.at(Path("/v")).socket == Path("/v/supervisor/control.sock")
