"""`veche up`, `down`, `status` and `parts`: the city on this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from local_stack import java, kafka, stack
from local_stack.failure import StackError
from local_stack.progress import Progress
from local_stack.state import State
from local_stack.status import Standing, status
from veche import settings

app = typer.Typer()

CONDITIONS = {"running": "green", "yours": "green", "starting": "yellow", "not ready": "yellow"}


@contextmanager
def told(console: Console) -> Iterator[None]:
    """Let a failure of the stack end the command with its sentence and status 1, without a traceback."""
    try:
        yield
    except StackError as error:
        console.print(f"[red]✗[/red] {escape(str(error))}", highlight=False)
        raise typer.Exit(1) from error
    except PermissionError as error:
        console.print(
            f"[red]✗[/red] {error.filename} may not be read or written: was the city started by another user?", highlight=False
        )
        raise typer.Exit(1) from error


@contextmanager
def progress(console: Console, doing: str) -> Iterator[Progress]:
    """Show what has begun beside a spinner, and what is done as lines."""
    with console.status(doing) as spinner:
        yield Progress(
            say=lambda sentence: console.print(f"[green]✓[/green] {escape(sentence)}", highlight=False),
            doing=lambda what: spinner.update(escape(what)),
        )


@app.command()
def up(
    *,
    parts_only: Annotated[
        bool, typer.Option("--parts-only", help="Start PostgreSQL, Kafka and the sign-in, no services.")
    ] = False,
) -> None:
    """Start the city: PostgreSQL, Kafka, the sign-in and the services. What runs already is left as it is."""
    console = Console()
    with told(console):
        place = settings.home()
        with progress(console, "Starting the city") as shown:
            state = stack.up(place, settings.wishes(), progress=shown, parts_only=parts_only)
        console.print(addresses(state, parts_only=parts_only))
        console.print(
            f"Data and logs are in {place.path}; `veche status` says how everything fares, `veche down` stops it.", soft_wrap=True
        )


@app.command()
def down() -> None:
    """Stop everything that `veche up` started. The data stays."""
    console = Console()
    with told(console):
        with progress(console, "Stopping the city") as shown:
            ran = stack.down(settings.home(), progress=shown)
        console.print("The city is down; its data stays for the next `veche up`." if ran else "Nothing was running.")


@app.command("status")
def show() -> None:
    """Say how every part and service fares; ends with status 1 if something is down."""
    console = Console()
    with told(console):
        standings = status(settings.home())
    console.print(table(standings))
    bad = [standing for standing in standings if not standing.good]
    for standing in bad:
        console.print(
            f"[red]✗[/red] {escape(standing.name)} is {standing.condition}: {escape(standing.said or 'see its log')}",
            highlight=False,
        )
    if bad:
        raise typer.Exit(1)


@app.command()
def parts() -> None:
    """Fetch what PostgreSQL and Kafka need, so that `up` and the tests need no network; on Debian as root, Java and Maven too."""
    console = Console()
    with told(console), progress(console, "Looking for what Kafka needs") as shown:
        if settings.Settings().kafka_bootstrap_servers:
            shown.say("Using your Kafka (KAFKA_BOOTSTRAP_SERVERS): nothing to fetch")
            return
        java.install_java(shown.say)
        place = settings.home()
        kafka.fetch_jars(place, shown.doing)
        shown.say(f"Java and Apache Kafka {kafka.jar_version(place.jars)} are here")


def addresses(state: State, *, parts_only: bool = False) -> Table:
    """Show where everything answers."""
    shown = Table(show_header=False, box=None, padding=(0, 2, 0, 2))
    for name, address in {**({} if parts_only else state.urls), "sign-in": state.issuer, "Kafka": state.bootstrap}.items():
        shown.add_row(name, address)
    return shown


def table(standings: list[Standing]) -> Table:
    """Show how everything fares."""
    shown = Table("part", "state", "pid", "up for", "restarts", Column("address", overflow="fold"), box=box.SIMPLE_HEAD)
    for each in standings:
        colour = CONDITIONS.get(each.condition, "red")
        shown.add_row(
            each.name,
            f"[{colour}]{each.condition}[/{colour}]",
            str(each.pid or ""),
            duration(each.uptime),
            str(each.restarts) if each.restarts else "",
            each.address,
        )
    return shown


def duration(seconds: int | None) -> str:
    """Write seconds as people say them: `4 s`, `3 min`, `2 h 5 min`, `3 d 4 h`."""
    if seconds is None:
        return ""
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if not minutes:
        return f"{seconds} s"
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60} min" if not days else f"{days} d {hours % 24} h"
