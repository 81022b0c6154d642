"""The people of a journey: they ask, look until something is as it should be, and work, each over the public APIs."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from time import monotonic
from typing import cast
from uuid import UUID

from veche.robot import Robots

REQUEST, DISPATCH, NOTIFICATION = "request-svc", "dispatch-svc", "notification-svc"
PATIENCE = 180.0
"""Seconds that people wait for what others have yet to hear."""
PROOF = hashlib.sha256(b"a lamp that burns").hexdigest()
Document = Mapping[str, object]


class Crowd:
    """Everybody who acts in these tests; each thing is done once, under a key of its own."""

    def __init__(self, robots: Robots, mark: str, resident: str) -> None:
        self.robots = robots
        self._mark = mark
        self._said = 0
        self.resident = robots.token(resident, "resident")
        self.agent = robots.token("robot-agent", "agent")
        self.dispatcher = robots.token("robot-dispatcher", "dispatcher")

    async def say(self, service: str, path: str, body: object, token: str, *, patient: bool = False) -> Document:
        """Ask for something that is to be done; a patient one asks again while it is refused, for what others hear later."""
        self._said += 1
        until = monotonic() + PATIENCE
        while True:
            answer = await self.robots.post(service, path, body, token, f"{self._mark}-{self._said}")
            if answer.good:
                return answer.body
            assert patient, (path, answer.status, answer.body)
            assert monotonic() < until, (path, answer.status, answer.body)
            await asyncio.sleep(0.3)

    async def see(self, service: str, path: str, holds: Callable[[Document], bool], token: str | None = None) -> Document:
        """Look at something until it is as it should be."""
        until = monotonic() + PATIENCE
        while True:
            answer = await self.robots.get(service, path, token or self.dispatcher)
            if answer.good and holds(answer.body):
                return answer.body
            assert monotonic() < until, (path, answer.status, answer.body)
            await asyncio.sleep(0.2)

    async def case(self, request: object, **wanted: object) -> Document:
        """Wait until a case is as it should be."""
        path = f"/cases/{request}"
        return await self.see(DISPATCH, path, lambda case: all(case[name] == value for name, value in wanted.items()))

    async def held_by(self, request: object, kind: str) -> Document:
        """Wait until somebody of a kind holds a case."""
        return await self.see(DISPATCH, f"/cases/{request}", lambda case: cast("Document", case["holder"])["kind"] == kind)

    async def submit(self, service_type: str, district: str, token: str, **more: object) -> UUID:
        """Submit a request in Kazan."""
        place = {"district": district, "address": f"ул. Татарстан, {service_type}"}
        body = {"city": "kazan", "channel": "web", "service_type": service_type, "location": place, "language": "tt"}
        taken = await self.say(REQUEST, "/requests", body | {"person": "self"} | more, token)
        return UUID(str(taken["id"]))

    async def attach(self, request: UUID, picture: bytes) -> Document:
        """Add a picture to a request of the resident's."""
        self._said += 1
        path, key = f"/requests/{request}/attachments", f"{self._mark}-{self._said}"
        headers = {"Content-Type": "application/octet-stream", "Idempotency-Key": key}
        answer = await self.robots.ask("POST", REQUEST, path, self.resident, content=picture, headers=headers)
        assert answer.status == 201, answer.body
        return answer.body

    async def work(self, request: object, token: str) -> None:
        """Accept, start and report a case as its executor."""
        await self.say(DISPATCH, f"/cases/{request}/acceptance", {}, token)
        await self.say(DISPATCH, f"/cases/{request}/start", {}, token)
        await self.say(DISPATCH, f"/cases/{request}/report", {"evidence": [PROOF]}, token)
