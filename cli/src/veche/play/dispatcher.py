"""The robot dispatcher of a play: claims what nobody routed and what was declined, and assigns whom the file names."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import time_ns
from uuid import UUID, uuid5

from shared_city import City
from shared_events.ids import NAMESPACE
from veche.play.news import News
from veche.robot import Answer, Robots

DISPATCH, NOTIFICATION = "dispatch-svc", "notification-svc"
CLAIM_PAUSE = 0.5
PUT_OFF = timedelta(seconds=20)
"""How long an item waits whose request this play does not know yet: its answer may be on the way."""
KINDS = ("unrouted_request", "decline")


@dataclass(frozen=True)
class Owed:
    """A request that waits for its n-th assignment, `number`; `ground` is the committee's, where it decides."""

    organisation: str
    number: int
    key: str
    ground: str | None = None


class Dispatcher:
    """Works through the queue as long as a request of the play waits to be assigned."""

    def __init__(self, robots: Robots, city: City, news: News, complain: Callable[[UUID, str], None]) -> None:
        self._robots = robots
        self._city = city
        self._news = news
        self._complain = complain
        self._owed: dict[UUID, Owed] = {}
        self._strange: set[str] = set()
        self._token = robots.token("robot-dispatcher", "dispatcher")
        self._begun = time_ns()

    def owe(self, request: UUID, owed: Owed) -> None:
        """Take on an assignment, unless it was made in a play of the same file before."""
        if not self._news.known(request, "assigned", owed.number):
            self._owed[request] = owed

    async def run(self) -> None:
        """Claim and assign until cancelled."""
        turn = 0
        while True:
            self._owed = {
                request: owed for request, owed in self._owed.items() if not self._news.known(request, "assigned", owed.number)
            }
            if not self._owed:
                await asyncio.sleep(CLAIM_PAUSE)
                continue
            turn += 1
            wanted = {"kinds": list(KINDS), "city": self._city.slug}
            key = str(uuid5(NAMESPACE, f"claim|{self._begun}|{turn}"))
            claimed = await self._robots.post(NOTIFICATION, "/work-items/claim", wanted, self._token, key)
            if claimed.body:
                await self._settle(claimed)
            else:
                await asyncio.sleep(CLAIM_PAUSE)

    async def _settle(self, claimed: Answer) -> None:
        """Assign the request of a claimed item; one that nobody here waits for is put off once, and then said to be so."""
        item, request = str(claimed.body["id"])[-36:], UUID(str(claimed.body["request"]))
        owed = self._owed.pop(request, None)
        if owed is not None:
            await self._assign(item, request, owed)
        elif item in self._strange:
            await self._item(item, "completion", {"note": "The file names no organisation for this request."})
        else:
            self._strange.add(item)
            until = datetime.now(UTC) + PUT_OFF  # noqa: TID251 - a person at the edge puts something off by the clock on the wall
            await self._item(item, "deferral", {"until": until.isoformat(), "reason": "The request is not known here yet."})

    async def _assign(self, item: str, request: UUID, owed: Owed) -> None:
        body = {"organisation": owed.organisation}
        step = "assignment"
        if owed.ground is not None:
            step, body["ground"] = "committee-decision", owed.ground
        answer = await self._robots.post(DISPATCH, f"/cases/{request}/{step}", body, self._token, owed.key)
        self._news.stir()
        if not answer.good:
            self._complain(request, f"{step} was refused: {answer.why}")
            await self._item(item, "completion", {"note": answer.why[:500]})

    async def _item(self, item: str, step: str, body: Mapping[str, object]) -> None:
        await self._robots.post(NOTIFICATION, f"/work-items/{item}/{step}", body, self._token, f"{item}|{step}")
