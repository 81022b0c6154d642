"""Free ports: the agreeable ones if nobody has them, any other below the ephemeral range if somebody does."""

import fcntl
import json
import os
import random
import socket
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ADDRESS = "127.0.0.1"
FIRST, LAST = 20_000, 31_999  # below Linux's ephemeral range, where outgoing connections take theirs
CLAIMS = Path(tempfile.gettempdir()) / f"veche-ports-{os.getuid()}.json"
CLAIM_SECONDS = 180.0
"""How long a claim counts; by then whoever claimed listens, or has given up."""


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this port of the loopback address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((ADDRESS, port))
        except OSError:
            return False
        return True


def choose(wanted: Mapping[str, int], *, taken: Iterable[int] = (), claimant: str = "") -> dict[str, int]:
    """Give each name the port it wants if that is free, another free one otherwise; no port twice.

    With a `claimant` (a stack's home) the ports are claimed for the minutes a start takes, so that two stacks that start at
    the same moment do not choose the same ones.
    """
    with _claims() as claims:
        used = {*taken, *(port for port, (who, _) in claims.items() if who != claimant)}
        chosen: dict[str, int] = {}
        for name, port in wanted.items():
            while port in used or not is_free(port):
                port = random.randint(FIRST, LAST)  # noqa: PLW2901, S311  the next candidate; nothing secret in a port
            used.add(port)
            chosen[name] = port
        if claimant:
            claims |= {port: (claimant, time.time()) for port in chosen.values()}
    return chosen


@contextmanager
def _claims() -> Iterator[dict[int, tuple[str, float]]]:
    """Lend the machine's list of claimed ports, port → (claimant, when), and keep what was made of it."""
    with CLAIMS.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        kept = json.loads(file.read() or "[]")
        claims = {port: (who, when) for port, who, when in kept if time.time() - when < CLAIM_SECONDS}
        yield claims
        file.seek(0)
        file.truncate()
        json.dump([(port, who, when) for port, (who, when) in claims.items()], file)
