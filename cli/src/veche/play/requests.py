"""Play a real day of service requests: residents and agents submit, executors work, dispatchers assign, residents confirm."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from urllib.parse import urlencode
from uuid import UUID, uuid5

from shared_city import City
from shared_events.ids import NAMESPACE
from veche.failure import CommandError
from veche.play.dispatcher import Dispatcher, Owed
from veche.play.news import News
from veche.play.rows import Refused, Row, gaps
from veche.play.temper import temper
from veche.robot import IN_FLIGHT, Answer, Robots

REQUEST, DISPATCH = "request-svc", "dispatch-svc"
STUCK_AFTER = 240.0
"""Seconds without any news after which the play is given up: longer than every term of the demo's pack."""
TOLD_EVERY = 2.0
"""Seconds between two looks at how far the play is: a look goes through all its rows."""
ROWS_IN_HAND = 256
"""Rows that robots are still doing something about; the next is submitted when one is done, or waits for silence alone."""
DECLINE = {"reason": "not_our_work", "note": "The work order belongs to another yard."}
DISPUTE = {"reason": "It looks the same as before."}
GROUND = "The committee keeps the work with the organisation that the city's register names."


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
    turns: dict[str, int] = field(default_factory=lambda: {"reopened": 0, "declined": 0, "bounced": 0})
    """How often robots were told that the resident's dispute, the executor's refusal and the committee's turn stand."""
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
        self._news = News(robots)
        self._outcome = Outcome(0, [])
        self._dispatcher = Dispatcher(robots, city, self._news, self._complain)
        self._places: set[tuple[str, str | None]] = set()
        self._in_flight = asyncio.Semaphore(IN_FLIGHT)
        self._hands = asyncio.Semaphore(ROWS_IN_HAND)

    async def run(self, rows: list[Row], refused: list[Refused], speed: float | None, told: Callable[[Outcome], None]) -> Outcome:
        """Play all rows to their end; `told` hears how far it is, now and then.

        Raises `PlayStuckError` when rows stay behind.
        """
        self._outcome = outcome = Outcome(len(rows) + len(refused), refused, closed=self._news.closed, started=monotonic())
        self._news.stir()
        around = (self._news.follow(REQUEST), self._news.follow(DISPATCH), self._dispatcher.run(), self._watch(told))
        async with asyncio.TaskGroup() as city:
            running = [city.create_task(each) for each in around]
            await self._news.of_earlier_plays()
            async with asyncio.TaskGroup() as day:
                for due, row in gaps(rows, speed):
                    if (left := outcome.started + due - monotonic()) > 0:
                        await asyncio.sleep(left)
                    await self._hands.acquire()
                    day.create_task(self._play(row))
            for task in running:
                task.cancel()
        told(outcome)
        return outcome

    async def _play(self, row: Row) -> None:
        """Do for a row all that its people do, then wait for its end."""
        try:
            request = await self._act(row)
        finally:
            self._hands.release()
        if request is None or row.ending is None:
            return
        assigned = self._news.known(request, "assigned")
        if row.ending == "open":
            if assigned:
                await self._news.wait(request, "breached")
        elif row.ending != "done" or assigned:
            await self._news.wait(request, "closed")

    async def _act(self, row: Row) -> UUID | None:
        """Submit a row and let everybody do their part; the request's id, None when it was refused."""
        answer = await self._submit(row)
        self._news.stir()
        if not answer.good:
            self._outcome.refused.append(Refused(row.line, answer.why))
            return None
        request = UUID(str(answer.body["id"]))
        self._outcome.ids[request] = row
        match row.ending:
            case "withdrawn":
                await self._step(row, REQUEST, f"/requests/{request}/withdrawal", {"reason": "other"}, self._asker(row))
            case "not_responsible":
                ground = f"The register of {self._system} refers this elsewhere ({row.status})."
                body = {"ground": ground, "outcome": "not_responsible"}
                await self._step(row, REQUEST, f"/requests/{request}/rejection", body, self._agent())
            case "done":
                await self._work(row, request)
            case "open":
                await self._organisation(row, request)
            case None:
                self._complain(request, f"status '{row.status}' is not known; the request stays open")
        return request

    async def _work(self, row: Row, request: UUID) -> None:
        """Work on a request until its resident is content, or until nobody is left to be asked."""
        organisation = await self._organisation(row, request)
        if organisation is None:
            self._complain(request, "nobody is responsible and its owner is not known; the request stays open")
            return
        character, most = temper(row.number), self._city.terms.most_declines if self._city.terms is not None else 1
        refusals = {"declines": 1, "bounces": most}.get(character, 0)
        for number in range(1, refusals + 1):
            committee = number == most and character == "bounces"
            organisation = await self._decline(row, request, organisation, number, committee=committee)
        await self._carry_out(row, request, organisation, 1)
        if row.reporter.person == "none":
            return
        await self._news.wait(request, "proposed")
        if character == "disputes":
            answer = await self._step(row, REQUEST, f"/requests/{request}/dispute", DISPUTE, self._resident(row))
            if not answer.good:
                return
            self._outcome.turns["reopened"] += 1
            organisation = await self._news.wait(request, "assigned", refusals + 2)
            await self._carry_out(row, request, organisation, 2)
            await self._news.wait(request, "proposed", 2)
        await self._step(row, REQUEST, f"/requests/{request}/confirmation", {}, self._resident(row))

    async def _decline(self, row: Row, request: UUID, organisation: str, number: int, *, committee: bool) -> str:
        """Say for an organisation that the work is not its own, and wait until it, or another, is assigned again."""
        key = self._key(row, f"assignment {number + 1}")
        again = Owed(row.owner or organisation, number + 1, key, GROUND if committee else None)
        self._dispatcher.owe(request, again)
        answer = await self._step(row, DISPATCH, f"/cases/{request}/decline", DECLINE, self._executor(organisation), number)
        self._outcome.turns["declined"] += answer.good
        self._outcome.turns["bounced"] += answer.good and committee
        return await self._news.wait(request, "assigned", number + 1)

    async def _carry_out(self, row: Row, request: UUID, organisation: str, round_: int) -> None:
        for step in ("acceptance", "start", "report"):
            body: dict[str, object] = {"evidence": []} if step == "report" else {}
            await self._step(row, DISPATCH, f"/cases/{request}/{step}", body, self._executor(organisation), round_)

    async def _organisation(self, row: Row, request: UUID) -> str | None:
        """Wait until somebody is responsible; None when nobody will be."""
        assigned, unrouted = self._news.future(request, "assigned"), self._news.future(request, "unrouted")
        await asyncio.wait({assigned, unrouted}, return_when=asyncio.FIRST_COMPLETED)
        if not assigned.done():
            if row.owner is None:
                return None
            self._dispatcher.owe(request, Owed(row.owner, 1, self._key(row, "assignment")))
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
        if offered := await self._offered(row):
            body["not_duplicate_of"] = offered
        async with self._in_flight:
            return await self._robots.post(REQUEST, "/requests", body, self._asker(row), self._key(row, "submit"))

    async def _offered(self, row: Row) -> list[str]:
        """Look at what may be the same, where the file says the same of an address twice; it never is."""
        place = (row.service_type, row.address)
        again = row.address is not None and place in self._places
        self._places.add(place)
        if not again or row.number in self._news.submitted:
            return self._news.submitted.get(row.number, [])
        query = urlencode({"city": self._city.slug, "service_type": row.service_type, "address": row.address})
        async with self._in_flight:
            answer = await self._robots.get(REQUEST, f"/requests/similar?{query}", self._asker(row))
        items = answer.body.get("items")
        return [str(item["id"]) for item in items] if answer.good and isinstance(items, list) else []

    async def _step(self, row: Row, service: str, path: str, body: Mapping[str, object], token: str, number: int = 1) -> Answer:
        """Take a row's step, for the n-th time; a refusal is told of and is not the end."""
        step = path.rpartition("/")[2]
        key = self._key(row, step if number == 1 else f"{step} {number}")
        async with self._in_flight:
            answer = await self._robots.post(service, path, body, token, key)
        self._news.stir()
        if not answer.good:
            self._outcome.odd.append(f"line {row.line}: {path} was refused: {answer.why}")
        return answer

    def _complain(self, request: UUID, what: str) -> None:
        self._outcome.odd.append(f"line {self._outcome.ids[request].line}: {what}")

    async def _watch(self, told: Callable[[Outcome], None]) -> None:
        while True:
            await asyncio.sleep(TOLD_EVERY)
            told(self._outcome)
            if monotonic() - self._news.latest > STUCK_AFTER:
                ids, closed = self._outcome.ids, self._outcome.closed
                left = [f"line {row.line}" for request, row in ids.items() if request not in closed][:20]
                raise PlayStuckError(f"{PlayStuckError.__doc__} Not closed, among others: {', '.join(left)}.")

    def _asker(self, row: Row) -> str:
        return self._resident(row) if row.reporter.person == "self" else self._agent()

    def _resident(self, row: Row) -> str:
        return self._robots.token(_subject(row), "resident")

    def _executor(self, organisation: str) -> str:
        return self._robots.token(f"robot-{organisation}", "executor", organisation)

    def _agent(self) -> str:
        return self._robots.token("robot-agent", "agent")

    def _key(self, row: Row, step: str) -> str:
        return str(uuid5(NAMESPACE, f"{self._system}|{row.number}|{step}"))


def _subject(row: Row) -> str:
    return f"reporter-{row.number}"
