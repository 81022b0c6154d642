"""`veche parked`: events that a consumer set aside, and what a person decides about them."""

import uuid
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from local_stack.state import load_running
from veche import settings
from veche.play.command import robots_of, run
from veche.robot import Answer
from veche.stack import told

app = typer.Typer()
parked_app = typer.Typer(name="parked", help="Events that a consumer set aside: list, retry or skip them.", no_args_is_help=True)
app.add_typer(parked_app)

SERVICES = ("request-svc", "dispatch-svc", "notification-svc", "analytics-svc")
"""Those who hear others; discussion-svc hears nobody yet, so nothing can be set aside there."""

Service = Annotated[str, typer.Argument(help=f"One of {', '.join(SERVICES)}.")]
Number = Annotated[int, typer.Argument(help="The number that `veche parked list` shows.")]


def _ask(method: str, service: str, path: str, body: object | None = None) -> Answer:
    console = Console(stderr=True)
    if service not in SERVICES:
        raise typer.BadParameter(f"There is no service {service}; take one of {', '.join(SERVICES)}.")
    with told(console):
        home = settings.home()
        state = load_running(home)

    async def ask() -> Answer:
        async with robots_of(home, state) as robots:
            token = robots.token("robot-dispatcher", "dispatcher")
            if method == "GET":
                return await robots.get(service, path, token)
            return await robots.post(service, path, body, token, str(uuid.uuid4()))  # noqa: TID251 - one key a person's word, made at the edge

    answer = run(console, ask())
    if not answer.good:
        console.print(f"[red]✗[/red] {escape(answer.why)}", highlight=False)
        raise typer.Exit(1)
    return answer


@parked_app.command("list")
def list_parked() -> None:
    """List what every service has set aside, and why."""
    table = Table("service", "number", "type", "key", "reason", "error", "since")
    count = 0
    for service in SERVICES:
        items = _ask("GET", service, "/parked").body.get("items", [])
        for item in items if isinstance(items, list) else []:
            count += 1
            columns = ("id", "type", "key", "reason", "error", "parked_at")
            table.add_row(service, *(escape(str(item.get(column) or "")) for column in columns))
    Console().print(table if count else "Nothing is parked.")


@parked_app.command()
def retry(service: Service, number: Number) -> None:
    """Try a parked event again; what waited behind it follows."""
    _ask("POST", service, f"/parked/{number}/retry", {})
    Console().print("It is tried again now; `veche parked list` shows whether it went through.")


@parked_app.command()
def skip(
    service: Service, number: Number, reason: Annotated[str, typer.Option(help="Why it may be left out; kept for good.")]
) -> None:
    """Leave a parked event out for good, with a reason; what waited behind it follows."""
    _ask("POST", service, f"/parked/{number}/skip", {"reason": reason})
    Console().print("It is skipped, and the reason is kept.")
