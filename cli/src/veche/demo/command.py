"""`veche demo`: the city up, both plays, a report that is counted independently, and the addresses to look at."""

import contextlib
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from local_stack import stack
from local_stack.places import Home
from local_stack.state import State
from local_stack.watch import watch
from veche import settings
from veche.demo.day import Files, Played, cpu_seconds, play, reported
from veche.demo.figures import Report
from veche.play.command import run, show_refused
from veche.play.generated import write_discussions, write_requests
from veche.play.show import shown
from veche.stack import addresses, progress, told

app = typer.Typer()

REQUESTS_FILE, PROPOSALS_FILE, COMMENTS_FILE = "myla311-2017.csv", "decide-madrid-proposals.csv", "decide-madrid-comments.csv"
SMALL_DAY = 300
"""Requests of the generated day that is played where there are no files."""


@app.command()
def demo(
    *,
    once: Annotated[
        bool, typer.Option("--once", help="Write the report, stop everything, and exit 0 only if its checks hold.")
    ] = False,
    requests: Annotated[Path | None, typer.Option(help="A file of service requests.", exists=True, dir_okay=False)] = None,
    proposals: Annotated[Path | None, typer.Option(help="A file of proposals.", exists=True, dir_okay=False)] = None,
    comments: Annotated[Path | None, typer.Option(help="A file of comments.", exists=True, dir_okay=False)] = None,
    generate: Annotated[int | None, typer.Option(min=1, help="Play a made-up day of so many requests instead of files.")] = None,
    data: Annotated[Path, typer.Option(help="Where the real files are.")] = Path("../shared/data"),
) -> None:
    """Run the city and play a real day of requests and real discussions through it; stays up until Ctrl-C."""
    console = Console()
    began = time.monotonic()
    if (proposals is None) != (comments is None):
        raise typer.BadParameter("Proposals and comments belong together: give both files or neither.")
    home = settings.home()
    good = False
    with told(console):
        with progress(console, "Starting the city") as shown_progress:
            state = stack.up(home, settings.wishes(), progress=shown_progress)
        try:
            files = _files(home, data, requests, proposals, comments, generate)
            with shown(console) as tell:
                played = run(console, play(files, home, state, tell))
            report = reported(played, time.monotonic() - began, cpu_seconds(home))
            file = home.path / "demo-report.json"
            file.write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
            show(console, report, played)
            console.print(f"The report is {file}", highlight=False, soft_wrap=True)
            good = report.good
            if not once:
                _stay(console, home, state)
        finally:
            with progress(console, "Stopping the city") as shown_progress:
                stack.down(home, progress=shown_progress)
    if once and not good:
        raise typer.Exit(1)


def _files(
    home: Home, data: Path, requests: Path | None, proposals: Path | None, comments: Path | None, generate: int | None
) -> Files:
    """Take the files named, then the real ones, then a made-up day."""
    made = home.path / "generated"
    real = data if data.is_absolute() else settings.root() / data
    if generate is None and (real / REQUESTS_FILE).exists():
        return Files(requests or real / REQUESTS_FILE, proposals or real / PROPOSALS_FILE, comments or real / COMMENTS_FILE)
    rows = generate or SMALL_DAY
    made.mkdir(parents=True, exist_ok=True)
    files = Files(made / "requests.csv", made / "proposals.csv", made / "comments.csv")
    write_requests(files.requests, rows)
    write_discussions(files.proposals, files.comments, max(2, rows // 100), max(10, rows // 4))
    return Files(requests or files.requests, proposals or files.proposals, comments or files.comments)


def show(console: Console, report: Report, played: Played) -> None:
    """Print what happened, as a person wants to know it."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    requests, submissions = report.requests, report.submissions
    table.add_row(
        "requests",
        f"{requests.rows:,} rows: {requests.accepted:,} accepted, {requests.refused:,} refused; {requests.closed:,} closed, "
        f"{requests.open:,} open; {report.requests_duration_s:,.0f} s until every consumer stood at the end",
    )
    table.add_row("discussions", f"{report.discussions.count} held, {report.discussions.protocols} protocols")
    table.add_row("submissions", f"{submissions.rows:,} rows: {submissions.accepted:,} accepted, {submissions.refused:,} refused")
    table.add_row("events", f"{report.events.stored:,} stored, {report.events.published:,} published")
    for consumer, count in sorted(report.events.consumed.items()):
        table.add_row("", f"{count:,} consumed by {consumer}")
    table.add_row(
        "terms and turns",
        f"{report.warned:,} warnings, {report.breaches:,} breaches; {report.silent_acceptances:,} accepted by silence, "
        f"{report.reopened:,} reopened; {report.declined:,} refusals, {report.bounced:,} decided by the committee",
    )
    table.add_row("lost, twice, parked", f"{report.lost}, {report.duplicate_effects}, {report.parked}")
    if report.e2e_p50_s is not None and report.e2e_p99_s is not None:
        table.add_row("event to report", f"half within {report.e2e_p50_s:.1f} s, 99 of 100 within {report.e2e_p99_s:.1f} s")
    table.add_row("processor", ", ".join(f"{name} {seconds:.0f} s" for name, seconds in report.cpu_s.items()))
    console.print(table)
    show_refused(console, played.outcome.refused)
    show_refused(console, played.said.refused[:3])
    for check in report.checks:
        mark = "[green]✓[/green]" if check.holds else "[red]✗[/red]"
        console.print(f"{mark} {escape(check.name)} ({escape(check.said)})", highlight=False)


def _stay(console: Console, home: Home, state: State) -> None:
    """Stay until Ctrl-C, and say what ends unexpectedly meanwhile."""
    console.print(addresses(state))
    console.print(
        "Try in another terminal: veche history <a register number>, veche status. Ctrl-C stops the city.", highlight=False
    )
    with contextlib.suppress(KeyboardInterrupt):
        for sentence in watch(home):
            console.print(f"[yellow]![/yellow] {escape(sentence)}", highlight=False)
