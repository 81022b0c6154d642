"""A missing Java or Maven is one sentence that says what to install."""

from pathlib import Path

import pytest

from local_stack import java
from local_stack.java import JavaMissingError


def on_path(directory: Path, name: str, output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave one program on the path, which says this much."""
    program = directory / name
    program.write_text(f"#!/bin/sh\necho '{output}' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(directory))


def test_no_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the packages, and the way without."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(JavaMissingError, match=r"apt-get install default-jre-headless maven.*KAFKA_BOOTSTRAP_SERVERS") as told:
        java.find_java()
    assert "\n" not in str(told.value)


def test_an_old_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the version found."""
    on_path(tmp_path, "java", 'openjdk version "11.0.2" 2019-01-15', monkeypatch)
    with pytest.raises(JavaMissingError, match="is version 11"):
        java.find_java()


def test_no_maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Maven is asked for by name."""
    on_path(tmp_path, "java", 'openjdk version "21.0.1" 2023-10-17', monkeypatch)
    assert java.find_java() == str(tmp_path / "java")
    with pytest.raises(JavaMissingError, match="apt-get install maven"):
        java.find_maven()


def test_elsewhere_than_debian_nothing_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without apt-get the sentence is all there is."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(JavaMissingError):
        java.install_java(lambda _sentence: None)
