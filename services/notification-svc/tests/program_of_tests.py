"""An organisation's program on this machine, and its being called until every call has come to an end."""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid4

import city_of_tests as city
from aiohttp import web

from notification_svc import worker
from notification_svc.application import subscription as application
from notification_svc.application.context import Context
from notification_svc.domain import subscription as rules
from notification_svc.views.webhook import Row
from shared_chassis.http import Actor
from shared_chassis.sender import Sender
from shared_chassis.store import Command

ASSIGNED, ACCEPTED = "dispatch.request-assigned.v1", "dispatch.assignment-accepted.v1"
DECLINED, ANSWERED = "dispatch.assignment-declined.v1", "request.information-received.v1"
EVERYTHING = tuple(rules.TOLD)
LONG_AGO = timedelta(days=365)


@dataclass
class Program:
    """An organisation's program: what it was sent, and what it answers next; out of answers it says 200."""

    url: str = ""
    answers: list[web.StreamResponse | float] = field(default_factory=list)
    seen: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)
    elsewhere: int = 0

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Note a call and answer it, after a while where that is a number of seconds."""
        self.seen.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        answer = self.answers.pop(0) if self.answers else 200.0
        if isinstance(answer, float) and answer < 100:
            await asyncio.sleep(answer)
            return web.Response()
        return web.Response(status=int(answer)) if isinstance(answer, float) else answer

    async def go_elsewhere(self, _request: web.Request) -> web.StreamResponse:
        """Be where a redirect leads."""
        self.elsewhere += 1
        return web.Response()

    def bodies(self) -> list[dict[str, object]]:
        """Read what was sent."""
        return [json.loads(body) for _, body in self.seen]


def executor(organisation: str | None = city.ROADS) -> Actor:
    """Sign an executor in."""
    return Actor("executor", str(uuid4()), frozenset({"executor"}), organisation)


DISPATCHER = Actor("dispatcher", str(uuid4()), frozenset({"dispatcher"}))


def by(actor: Actor) -> Command:
    """Make a command of somebody."""
    return Command(uuid4(), str(actor))


def subscribed(
    context: Context, url: str, events: tuple[str, ...] = EVERYTHING, organisation: str = city.ROADS
) -> application.WithSecret:
    """Subscribe a program, long before anything happens in these tests."""
    actor = executor(organisation)
    made = application.subscribe(context, actor, url, events, by(actor))
    context.database.execute("UPDATE subscription SET since = %(since)s", {"since": city.NOON - LONG_AGO})
    return made


def calls(context: Context, made: application.WithSecret) -> list[Row]:
    """List the calls to a program."""
    return list(application.calls(context, DISPATCHER, made.row.subscription, None, None, 100))


async def send_everything(context: Context, attempts: int = 3) -> None:
    """Let the sender run until every call has come to an end."""
    sender = Sender(
        context.database,
        worker.PROGRAMS,
        context,
        delivered=worker.when_sent_then_state_it,
        failed=worker.when_given_up_then_state_it,
        attempts=attempts,
        first_rest=0.01,
    )
    stop = asyncio.Event()
    running = asyncio.create_task(sender.run(stop))
    await asyncio.to_thread(wait_until_reported, context)
    stop.set()
    await running


def wait_until_reported(context: Context) -> None:
    """Wait until every call has come to its end, a minute at most."""
    deadline = time.monotonic() + 60
    while context.database.query("SELECT 1 FROM delivery WHERE channel = 'webhook' AND reported_at IS NULL LIMIT 1"):
        assert time.monotonic() < deadline, "a call does not come to its end"
        time.sleep(0.02)
