"""`veche history`: everything that ever happened to one request or one discussion, with who, when and why."""

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.markup import escape

from local_stack.state import load_running
from veche import settings
from veche.failure import CommandError
from veche.play.command import robots_of, run
from veche.robot import Robots
from veche.slice import Shown, read_feed
from veche.stack import told
from veche.wording import sentence, words

app = typer.Typer()

REQUEST, DISCUSSION = "request-svc", "discussion-svc"
SERVICES = (REQUEST, "dispatch-svc", "notification-svc", DISCUSSION)
LONGEST = 90
"""Characters of one value in a table; --json shows all."""


class NothingFoundError(CommandError):
    """Nothing is known under this id; give a register number, a stream id as `request-…` or `discussion-…`, or its uuid."""


@app.command()
def history(
    id_: Annotated[str, typer.Argument(metavar="ID", help="A register number, or a stream id as request-… or discussion-….")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="The events as a JSON array: service, position, event.")] = False,
) -> None:
    """Show everything that ever happened to a request (with its case) or a discussion (with its submissions), in order."""
    console = Console()
    with told(console):
        home = settings.home()
        state = load_running(home)

    async def collect() -> list[Shown]:
        async with robots_of(home, state) as robots:
            return await whole_history(robots, id_)

    events = run(Console(stderr=True), collect())
    if as_json:
        shown = [{"service": event.service, "position": event.position, "event": event.document} for event in events]
        typer.echo(json.dumps(shown, ensure_ascii=False, indent=2))
        return
    write(console, events)
    console.print(f"{len(events)} events of {len({event.text('subject') for event in events})} streams.", highlight=False)


async def whole_history(robots: Robots, id_: str) -> list[Shown]:
    """Gather the events of everything an id stands for.

    Raises `NothingFoundError`.
    """
    auditor = robots.token("robot-auditor", "auditor")
    kind, uuid = await _resolve(robots, id_, auditor)
    if kind in ("request", "case", "discussion", ""):
        return _found(await _journey(robots, uuid, auditor))
    streams = [f"{kind}-{uuid}"]
    heard = await asyncio.gather(*(_read(robots, service, auditor, streams) for service in SERVICES))
    return _found(in_order([event for events in heard for event in events]))


def in_order(events: Sequence[Shown]) -> list[Shown]:
    """Merge several logs: each in the order of its positions, among each other by when they became known.

    A clock may run against its log's positions; the log is right, so an event counts as no earlier than those before it.
    """
    latest: dict[str, datetime] = {}
    keyed = []
    for event in sorted(events, key=lambda each: (each.service, each.position)):
        latest[event.service] = max(latest.get(event.service, event.recorded_time), event.recorded_time)
        keyed.append((latest[event.service], event))
    return [event for _, event in sorted(keyed, key=lambda pair: pair[0])]


async def _resolve(robots: Robots, id_: str, token: str) -> tuple[str, UUID]:
    """Read an id: the kind of stream and its uuid; the kind is empty for a bare uuid."""
    kind, uuid = id_[:-36].rstrip("-"), id_[-36:]
    try:
        return kind, UUID(uuid)
    except ValueError:
        pass
    for service, path, kind in ((REQUEST, "/requests", "request"), (DISCUSSION, "/submissions", "submission")):
        answer = await robots.get(service, f"{path}?number={id_}", token)
        items = answer.body.get("items") if answer.good else None
        if isinstance(items, list) and items:
            return kind, UUID(str(items[0]["id"]))
    raise NothingFoundError(f"{NothingFoundError.__doc__} ({id_})")


async def _journey(robots: Robots, journey: UUID, token: str) -> list[Shown]:
    """Gather whatever followed from a request or a discussion, in every service."""
    heard = await asyncio.gather(*(_read(robots, service, token, (), journey) for service in SERVICES))
    return in_order([event for events in heard for event in events])


async def _read(robots: Robots, service: str, token: str, streams: Sequence[str], journey: UUID | None = None) -> list[Shown]:
    return [event async for event in read_feed(robots, service, token, streams, journey)]


def _found(events: list[Shown]) -> list[Shown]:
    if not events:
        raise NothingFoundError(NothingFoundError.__doc__)
    return events


def write(console: Console, events: Sequence[Shown]) -> None:
    """Print each event as people read it: when, what in a sentence, who and why; its fields below."""
    known = {event.id: event for event in events}
    day = ""
    for event in events:
        local = event.time.astimezone()
        if f"{local:%Y-%m-%d}" != day:
            day = f"{local:%Y-%m-%d}"
            console.print(f"[bold]{day}[/bold] ({local:%Z})", highlight=False)
        cause = known.get(UUID(event.text("causationid")))
        why = f"because of: {words(cause.text('type'))}" if cause is not None else "asked for"
        said = escape(sentence(event.text("type"), event.data))
        head = f"{local:%H:%M:%S}  [bold]{said}[/bold]  [dim]by {event.text('actor')}, {why}[/dim]"
        console.print(head, highlight=False, soft_wrap=True)
        console.print(f"          [dim]{escape(details(event))}[/dim]", highlight=False, soft_wrap=True)


def details(event: Shown) -> str:
    """Give what an event says, a line; sealed values are said to be sealed."""
    return "; ".join(f"{name.replace('_', ' ')}: {said}" for name, value in event.data.items() if (said := _said(value)))


def _said(value: object) -> str:
    """Spell a value in a line: nothing for what is empty, the names and values of what has parts."""
    if value is None or value in ({}, []):
        return ""
    if isinstance(value, dict):
        if set(value) == {"sealed"}:
            return "(sealed)"
        return ", ".join(f"{name.replace('_', ' ')} {said}" for name, each in value.items() if (said := _said(each)))
    if isinstance(value, list):
        return ", ".join(_said(each) for each in value)
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
