"""Ports are the agreeable ones unless somebody has them."""

import socket
from pathlib import Path

import pytest

from local_stack import ports


def test_a_taken_port_is_replaced_and_the_others_stay() -> None:
    """Who listens keeps the port; nobody gets a port twice."""
    with socket.create_server((ports.ADDRESS, 0)) as taken:
        number = taken.getsockname()[1]
        free = ports.choose({"a": 23_456})["a"]
        chosen = ports.choose({"taken": number, "first": free, "second": free})
    assert chosen["taken"] != number
    assert chosen["first"] == free
    assert len(set(chosen.values())) == 3


def test_two_stacks_that_start_at_once_choose_different_ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one has claimed and does not listen on yet, the other leaves alone; its own claim it may take again."""
    monkeypatch.setattr(ports, "CLAIMS", tmp_path / "claims.json")
    wanted = {"postgres": ports.choose({"postgres": 29_111})["postgres"]}
    first = ports.choose(wanted, claimant="a")
    assert ports.choose(wanted, claimant="b") != first
    assert ports.choose(wanted, claimant="a") == first
