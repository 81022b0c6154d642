"""Telling how far the start of a stack has come."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


def _silently(_sentence: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Progress:
    """Where progress is told: `say` for what is done or worth knowing, `doing` for what has begun and may take a while."""

    say: Callable[[str], None] = _silently
    doing: Callable[[str], None] = _silently

    @contextmanager
    def step(self, doing: str, done: str) -> Iterator[None]:
        """Tell that a step begins, and when it is done how many seconds it took."""
        begun = time.monotonic()
        self.doing(doing)
        yield
        self.say(f"{done} ({time.monotonic() - begun:.1f} s)")
