"""Ports are the agreeable ones unless somebody has them."""

import socket

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
