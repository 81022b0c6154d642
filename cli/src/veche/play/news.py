"""What a play hears of its requests: it follows the services' feeds instead of asking for each request by itself."""

import asyncio
from collections import defaultdict
from time import monotonic
from typing import Literal
from uuid import UUID

from veche.robot import Robots

Heard = Literal["assigned", "unrouted", "breached", "proposed", "closed"]

SIGNALS: dict[str, Heard] = {
    "dispatch.request-assigned.v1": "assigned",
    "dispatch.routing-failed.v1": "unrouted",
    "dispatch.deadline-breached.v1": "breached",
    "request.completion-proposed.v1": "proposed",
    "request.request-closed.v1": "closed",
}
REQUEST = "request-svc"
SUBMITTED = "request.request-submitted.v1"
GATHER = 0.1
"""Seconds between two looks at a feed: what comes meanwhile is one page, not a page an event."""


class News:
    """The facts a play waits for, each request's n-th of a kind by itself; `latest` is when anything was heard last."""

    def __init__(self, robots: Robots) -> None:
        self._robots = robots
        self._heard: defaultdict[tuple[UUID, Heard, int], asyncio.Future[str]] = defaultdict(asyncio.Future)
        self._counts: defaultdict[tuple[UUID, Heard], int] = defaultdict(int)
        self._submitted = asyncio.Event()
        self.closed: dict[UUID, str] = {}
        self.submitted: dict[str, list[str]] = {}
        """The rows played before, by their number: the requests that were offered as being the same and were not."""
        self.latest = monotonic()

    def stir(self) -> None:
        """Note that something happened just now."""
        self.latest = monotonic()

    def known(self, request: UUID, kind: Heard, number: int = 1) -> bool:
        """Say whether a request's n-th fact of a kind has been heard."""
        return self._counts[request, kind] >= number

    def future(self, request: UUID, kind: Heard, number: int = 1) -> "asyncio.Future[str]":
        """Give what is done once a request's n-th fact of a kind is heard; its result is the organisation or the outcome."""
        return self._heard[request, kind, number]

    async def wait(self, request: UUID, kind: Heard, number: int = 1) -> str:
        """Wait for a request's n-th fact of a kind."""
        return await asyncio.shield(self.future(request, kind, number))

    async def follow(self, service: str) -> None:
        """Hear what happened, from the beginning: a file played before is found as it was left."""
        auditor = self._robots.token("robot-auditor", "auditor")
        known = self._submitted if service == REQUEST else None
        async for _, event in self._robots.feed(service, auditor, gather=GATHER, caught_up=known):
            type_, data = str(event["type"]), event["data"]
            if not isinstance(data, dict):
                raise TypeError("an event's data is an object")
            if type_ in SIGNALS:
                said = str(data.get("organisation") or data.get("outcome") or "")
                self._hear(UUID(str(event["subject"])[-36:]), SIGNALS[type_], said)
            elif type_ == SUBMITTED and data.get("origin"):
                self.submitted[str(data["origin"]["id"])] = data.get("not_duplicate_of", [])

    async def of_earlier_plays(self) -> None:
        """Wait until all that was submitted before the play has been heard."""
        await self._submitted.wait()

    def _hear(self, request: UUID, kind: Heard, said: str) -> None:
        self.stir()
        self._counts[request, kind] = number = self._counts[request, kind] + 1
        if kind == "closed":
            self.closed[request] = said
        future = self.future(request, kind, number)
        if not future.done():
            future.set_result(said)
