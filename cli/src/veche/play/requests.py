"""Play a real day of service requests: residents and agents submit, executors work, dispatchers assign, residents confirm."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from uuid import UUID, uuid5

from shared_city import City
from shared_events.ids import NAMESPACE
from veche.failure import CommandError
from veche.play.rows import Refused, Row, gaps
from veche.robot import IN_FLIGHT, Answer, Robots

REQUEST, DISPATCH, NOTIFICATION = "request-svc", "dispatch-svc", "notification-svc"
STUCK_AFTER = 240.0
"""Seconds without any news after which the play is given up: longer than every term of the demo's pack."""
CLAIM_PAUSE = 0.5
ROWS_IN_HAND = 256
"""Rows that robots are still doing something about; the next is submitted when one is done, or waits for silence alone."""

SIGNALS = {
    "dispatch.request-assigned.v1": "assigned",
    "dispatch.routing-failed.v1": "unrouted",
    "dispatch.deadline-breached.v1": "breached",
    "request.completion-proposed.v1": "proposed",
    "request.request-closed.v1": "closed",
}


class PlayStuckError(CommandError):
    """Nothing happened any more, and not every request came to the end its row tells."""


@dataclass
class Outcome:
    """What became of the file's rows."""

    rows: int
    refused: list[Refused]
    ids: dict[UUID, Row] = field(default_factory=dict)
    closed: dict[UUID, str] = field(default_factory=dict)
    odd: list[str] = field(default_factory=list)
    started: float = 0.0

    @property
    def accepted(self) -> int:
        """How many requests were taken in."""
        return len(self.ids)

    @property
    def finished(self) -> int:
        """How many of those are closed."""
        return sum(request in self.closed for request in self.ids)

    @property
    def open(self) -> int:
        """How many of those are not closed."""
        return self.accepted - self.finished


class RequestsPlay:
    """One file's day in one city. `pseudonym` computes a caller's id from their account, as an agent's desk would find it."""

    def __init__(self, robots: Robots, city: City, system: str, pseudonym: Callable[[str], UUID]) -> None:
        self._robots = robots
        self._city = city
        self._system = system
        self._pseudonym = pseudonym
        self._signals: defaultdict[tuple[UUID, str], asyncio.Future[str]] = defaultdict(asyncio.Future)
        self._in_flight = asyncio.Semaphore(IN_FLIGHT)
        self._hands = asyncio.Semaphore(ROWS_IN_HAND)
        self._unassigned: set[UUID] = set()
        self._news = monotonic()

    async def run(self, rows: list[Row], refused: list[Refused], speed: float | None, told: Callable[[Outcome], None]) -> Outcome:
        """Play all rows to their end; `told` hears how far it is, twice a second.

        Raises `PlayStuckError` when rows stay behind.
        """
        outcome = Outcome(len(rows) + len(refused), refused, started=monotonic())
        followers = [
            asyncio.create_task(self._follow(REQUEST, outcome)),
            asyncio.create_task(self._follow(DISPATCH, outcome)),
            asyncio.create_task(self._dispatch(outcome)),
        ]
        watch = asyncio.create_task(self._watch(outcome, told, followers))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._until_played(group, rows, speed, outcome, watch))
        finally:
            for task in (*followers, watch):
                task.cancel()
            await asyncio.gather(*followers, watch, return_exceptions=True)
        told(outcome)
        return outcome

    async def _until_played(
        self, group: asyncio.TaskGroup, rows: list[Row], speed: float | None, outcome: Outcome, watch: "asyncio.Task[None]"
    ) -> None:
        tasks: list[asyncio.Task[None]] = []
        for due, row in gaps(rows, speed):
            if (left := outcome.started + due - monotonic()) > 0:
                await asyncio.sleep(left)
            await self._hands.acquire()
            tasks.append(group.create_task(self._play(row, outcome)))
        while unfinished := {task for task in tasks if not task.done()}:
            await asyncio.wait({*unfinished, watch}, return_when=asyncio.FIRST_COMPLETED, timeout=5)
            if watch.done():
                for task in unfinished:
                    task.cancel()
                await watch

    async def _play(self, row: Row, outcome: Outcome) -> None:
        """Do for a row all that its people do, then wait for its end."""
        try:
            request = await self._act(row, outcome)
        finally:
            self._hands.release()
        if request is None or row.ending is None:
            return
        if row.ending == "open":
            if self._signals[request, "assigned"].done():
                await self._signal(request, "breached")
        elif row.ending != "done" or self._signals[request, "assigned"].done():
            await self._signal(request, "closed")

    async def _act(self, row: Row, outcome: Outcome) -> UUID | None:
        """Submit a row and let everybody do their part; the request's id, None when it was refused."""
        answer = await self._submit(row)
        self._news = monotonic()
        if not answer.good:
            outcome.refused.append(Refused(row.line, answer.why))
            return None
        request = UUID(str(answer.body["id"]))
        outcome.ids[request] = row
        match row.ending:
            case "withdrawn":
                await self._step(row, REQUEST, f"/requests/{request}/withdrawal", {"reason": "other"}, self._asker(row), outcome)
            case "not_responsible":
                ground = f"The register of {self._system} refers this elsewhere ({row.status})."
                body = {"ground": ground, "outcome": "not_responsible"}
                await self._step(row, REQUEST, f"/requests/{request}/rejection", body, self._agent(), outcome)
            case "done":
                await self._work(row, request, outcome)
            case "open":
                await self._organisation(row, request)
            case None:
                outcome.odd.append(f"line {row.line}: status '{row.status}' is not known; the request stays open")
        return request

    async def _work(self, row: Row, request: UUID, outcome: Outcome) -> None:
        organisation = await self._organisation(row, request)
        if organisation is None:
            outcome.odd.append(f"line {row.line}: nobody is responsible and its owner is not known; the request stays open")
            return
        executor = self._robots.token(f"robot-{organisation}", "executor", organisation)
        for step in ("acceptance", "start", "report"):
            body: dict[str, object] = {"evidence": []} if step == "report" else {}
            await self._step(row, DISPATCH, f"/cases/{request}/{step}", body, executor, outcome)
        if row.reporter.person != "none":
            await self._signal(request, "proposed")
            await self._step(row, REQUEST, f"/requests/{request}/confirmation", {}, self._resident(row), outcome)

    async def _organisation(self, row: Row, request: UUID) -> str | None:
        """Wait until somebody is responsible; None when nobody will be."""
        assigned, unrouted = self._signals[request, "assigned"], self._signals[request, "unrouted"]
        await asyncio.wait({assigned, unrouted}, return_when=asyncio.FIRST_COMPLETED)
        if not assigned.done():
            if row.owner is None:
                return None
            self._unassigned.add(request)
        return await asyncio.shield(assigned)

    async def _submit(self, row: Row) -> Answer:
        origin = {"system": self._system, "id": row.number, "created": row.created.isoformat()}
        origin |= {
            name: time.isoformat() for name, time in (("serviced", row.serviced), ("closed", row.closed)) if time is not None
        }
        location = {"district": row.district, "address": row.address, "latitude": row.latitude, "longitude": row.longitude}
        body: dict[str, object] = {
            "city": self._city.slug,
            "channel": row.reporter.channel,
            "service_type": row.service_type,
            "location": location,
            "person": row.reporter.person,
            "language": self._city.default_language,
            "origin": origin,
        }
        if row.reporter.person == "caller":
            body["on_behalf_of"] = str(self._pseudonym(_subject(row)))
        async with self._in_flight:
            return await self._robots.post(REQUEST, "/requests", body, self._asker(row), self._key(row, "submit"))

    async def _step(self, row: Row, service: str, path: str, body: Mapping[str, object], token: str, outcome: Outcome) -> None:
        async with self._in_flight:
            answer = await self._robots.post(service, path, body, token, self._key(row, path.rpartition("/")[2]))
        self._news = monotonic()
        if not answer.good:
            outcome.odd.append(f"line {row.line}: {path} was refused: {answer.why}")

    async def _signal(self, request: UUID, name: str) -> str:
        return await asyncio.shield(self._signals[request, name])

    async def _follow(self, service: str, outcome: Outcome) -> None:
        """Hear what happened, from the beginning: a file played before is found as it was left."""
        async for _, event in self._robots.feed(service, self._robots.token("robot-auditor", "auditor")):
            name = SIGNALS.get(str(event["type"]))
            if name is None:
                continue
            self._news = monotonic()
            request = UUID(str(event["subject"])[-36:])
            data = event["data"]
            said = str(data.get("organisation") or data.get("outcome") or "") if isinstance(data, dict) else ""
            if name == "closed":
                outcome.closed[request] = said
            signal = self._signals[request, name]
            if not signal.done():
                signal.set_result(said)

    async def _dispatch(self, outcome: Outcome) -> None:
        """Be the dispatcher: claim what nobody routed, and assign the organisation the file names."""
        dispatcher = self._robots.token("robot-dispatcher", "dispatcher")
        turn = 0
        while True:
            if not self._unassigned:
                await asyncio.sleep(CLAIM_PAUSE)
                continue
            turn += 1
            wanted = {"kinds": ["unrouted_request"], "city": self._city.slug}
            key = str(uuid5(NAMESPACE, f"claim|{self._news}|{turn}"))
            claimed = await self._robots.post(NOTIFICATION, "/work-items/claim", wanted, dispatcher, key)
            if not claimed.body:
                self._unassigned -= {request for request in self._unassigned if self._signals[request, "assigned"].done()}
                await asyncio.sleep(CLAIM_PAUSE)
                continue
            await self._assign(claimed, dispatcher, outcome)

    async def _assign(self, claimed: Answer, dispatcher: str, outcome: Outcome) -> None:
        item, request = str(claimed.body["id"])[-36:], UUID(str(claimed.body["request"]))
        row = outcome.ids.get(request)
        if row is None or row.owner is None:
            note = {"note": "The file names no organisation for this request."}
            await self._robots.post(NOTIFICATION, f"/work-items/{item}/completion", note, dispatcher, f"{item}|completion")
            return
        body = {"organisation": row.owner}
        key = self._key(row, "assignment")
        answer = await self._robots.post(DISPATCH, f"/cases/{request}/assignment", body, dispatcher, key)
        self._unassigned.discard(request)
        self._news = monotonic()
        if not answer.good:
            note = {"note": answer.why[:500]}
            await self._robots.post(NOTIFICATION, f"/work-items/{item}/completion", note, dispatcher, f"{item}|completion")

    async def _watch(self, outcome: Outcome, told: Callable[[Outcome], None], followers: "list[asyncio.Task[None]]") -> None:
        while True:
            await asyncio.sleep(0.5)
            told(outcome)
            for follower in followers:
                if follower.done():
                    follower.result()
            if monotonic() - self._news > STUCK_AFTER:
                left = [f"line {row.line}" for request, row in outcome.ids.items() if request not in outcome.closed][:20]
                raise PlayStuckError(f"{PlayStuckError.__doc__} Not closed, among others: {', '.join(left)}.")

    def _asker(self, row: Row) -> str:
        return self._resident(row) if row.reporter.person == "self" else self._agent()

    def _resident(self, row: Row) -> str:
        return self._robots.token(_subject(row), "resident")

    def _agent(self) -> str:
        return self._robots.token("robot-agent", "agent")

    def _key(self, row: Row, step: str) -> str:
        return str(uuid5(NAMESPACE, f"{self._system}|{row.number}|{step}"))


def _subject(row: Row) -> str:
    return f"reporter-{row.number}"
