"""The stretches of a publisher's log, by which a consumer notices that the publisher's store was restored from an older copy.

Consumers skip by position. After a restore the same positions come again with other events in them: without a guard they would be
skipped, and nobody would know. So a log has stretches, *eras*: the first append in each life of the database's server begins one,
with a random id and the log's end as it is then. Every message says which era its position belongs to. In one and the same
history an era not met before begins at or after all that was applied; one that begins before is another history, and this
consumer stops until a person decides.
"""

from collections.abc import Collection
from typing import NamedTuple, Self


class HistoryForkedError(RuntimeError):
    """The publisher's store was restored from an older copy: what it says now contradicts what was applied here."""


class Era(NamedTuple):
    """A stretch of a publisher's log: the position it begins after, and its id."""

    after: int
    name: str

    @classmethod
    def read(cls, header: bytes) -> Self | None:
        """Read a message's `era` header; None when there is none that can be read: signals and old messages have none."""
        after, _, name = header.decode("ascii", "replace").partition(":")
        return cls(int(after), name) if after.isascii() and after.isdigit() and name else None

    def header(self) -> bytes:
        """Write it as a message carries it."""
        return f"{self.after}:{self.name}".encode()


class Eras:
    """The eras a partition has met; `fresh` are those not yet kept."""

    def __init__(self, met: Collection[str] = ()) -> None:
        self._met = set(met)
        self.fresh: list[str] = []

    def meet(self, era: Era | None, last: int, where: str) -> None:
        """Take note of an era, `last` being the last position applied or passed here.

        Raises `HistoryForkedError` for one not met before that begins before it.
        """
        if era is None or era.name in self._met:
            return
        if era.after < last:
            raise HistoryForkedError(
                f"{HistoryForkedError.__doc__} ({where}: applied up to position {last}, it goes on after {era.after}.)"
            )
        self._met.add(era.name)
        self.fresh.append(era.name)

    def kept(self) -> None:
        """Note that the fresh ones are kept by now."""
        self.fresh.clear()
