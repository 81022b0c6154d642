"""`veche city check`: a city's pack read as the services read it, with every error by file and line."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from shared_city import check

app = typer.Typer()
city_app = typer.Typer(name="city", help="A city as data.", no_args_is_help=True)
app.add_typer(city_app)


@city_app.callback()
def cities() -> None:
    """Look after city packs."""


@city_app.command("check")
def check_pack(
    pack: Annotated[Path, typer.Argument(help="A pack's directory, as cities/kazan.", exists=True, file_okay=False)],
) -> None:
    """Say whether a pack can be used, and name every error by file and line."""
    problems = check(pack)
    console = Console()
    for problem in problems:
        console.print(f"[red]✗[/red] {escape(problem)}", highlight=False, soft_wrap=True)
    if problems:
        raise typer.Exit(1)
    console.print(f"[green]✓[/green] {pack.name} can be used.", highlight=False)
