"""Free ports: the agreeable ones if nobody has them, any other below the ephemeral range if somebody does."""

import random
import socket
from collections.abc import Iterable, Mapping

ADDRESS = "127.0.0.1"
FIRST, LAST = 20_000, 31_999  # below Linux's ephemeral range, where outgoing connections take theirs


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this port of the loopback address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((ADDRESS, port))
        except OSError:
            return False
        return True


def choose(wanted: Mapping[str, int], *, taken: Iterable[int] = ()) -> dict[str, int]:
    """Give each name the port it wants if that is free, another free one otherwise; no port twice."""
    used = set(taken)
    chosen: dict[str, int] = {}
    for name, port in wanted.items():
        while port in used or not is_free(port):
            port = random.randint(FIRST, LAST)  # noqa: PLW2901, S311  the next candidate; nothing secret in a port
        used.add(port)
        chosen[name] = port
    return chosen
