"""The root of the `veche` command: each module brings its own commands."""

import typer

from veche import city, history, parked, replay, stack
from veche.demo import command as demo
from veche.play import command as play

app = typer.Typer(
    name="veche",
    help="Run a city on this machine, play real days through it, and see what ever happened in it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for module in (stack, play, demo, history, replay, parked, city):
    app.add_typer(module.app)


def main() -> None:
    """Run the command line."""
    app()
