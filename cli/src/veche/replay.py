"""`veche replay`: any slice of the event streams, for analysts, as lines on standard output."""

import json
import sys
from datetime import UTC, datetime
from typing import Annotated, Literal

import typer
from rich.console import Console

from local_stack.state import load_running
from veche import settings
from veche.play.command import robots_of, run
from veche.slice import Shown, read_feed
from veche.stack import told

app = typer.Typer()

SERVICES = ("request", "dispatch", "discussion", "notification", "analytics")
Format = Literal["ndjson", "cloudevents"]


@app.command()
def replay(
    service: Annotated[
        list[str] | None, typer.Option(help=f"One of {', '.join(SERVICES)}; repeat for several. All without.")
    ] = None,
    type_: Annotated[
        list[str] | None, typer.Option("--type", help="An event type, or its beginning as `request.`; repeat.")
    ] = None,
    subject: Annotated[list[str] | None, typer.Option(help="A stream id as case-…; repeat for several.")] = None,
    from_: Annotated[
        datetime | None, typer.Option("--from", help="Happened at or after (your time zone, or with an offset).")
    ] = None,
    to: Annotated[datetime | None, typer.Option("--to", help="Happened before.")] = None,
    format_: Annotated[str, typer.Option("--format", help="ndjson, or cloudevents: the stored bytes.")] = "ndjson",
) -> None:
    """Write a slice of the streams, one event a line: each service's in the order of its log."""
    console = Console(stderr=True)
    chosen = [name.removesuffix("-svc") for name in service or SERVICES]
    unknown = [name for name in chosen if name not in SERVICES]
    if unknown:
        raise typer.BadParameter(
            f"There is no service {', '.join(unknown)}; take of {', '.join(SERVICES)}.", param_hint="--service"
        )
    if format_ not in ("ndjson", "cloudevents"):
        raise typer.BadParameter("Take ndjson or cloudevents.", param_hint="--format")
    with told(console):
        home = settings.home()
        state = load_running(home)

    async def write() -> int:
        count = 0
        async with robots_of(home, state) as robots:
            token = robots.token("robot-analyst", "analyst")
            for name in chosen:
                async for event in read_feed(robots, f"{name}-svc", token, subject or ()):
                    if wanted(event, type_ or (), from_, to):
                        sys.stdout.buffer.write(line(event, format_) + b"\n")
                        count += 1
        sys.stdout.buffer.flush()
        return count

    count = run(console, write())
    console.print(f"{count:,} events.", highlight=False)


def wanted(event: Shown, types: "list[str] | tuple[()]", from_: datetime | None, to: datetime | None) -> bool:
    """Say whether an event is in the slice; the end is left out."""
    if types and not any(event.text("type").startswith(each) for each in types):
        return False
    return (from_ is None or event.time >= from_.astimezone(UTC)) and (to is None or event.time < to.astimezone(UTC))


def line(event: Shown, format_: str) -> bytes:
    """Spell an event: the stored bytes, or one flat object for analysts."""
    if format_ == "cloudevents":
        return event.raw
    document = event.document
    flat = {
        "service": event.service,
        "position": event.position,
        **{name: document[name] for name in ("id", "type", "subject", "streamversion", "time", "recordedtime", "actor")},
        "correlation": document["correlationid"],
        "causation": document["causationid"],
        "data": document["data"],
    }
    return json.dumps(flat, ensure_ascii=False, separators=(",", ":")).encode()
