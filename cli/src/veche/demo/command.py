"""`veche demo`: the city up, both plays, a report that is counted independently, and the addresses to look at."""

import contextlib
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast
from uuid import UUID

import psutil
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from local_stack import stack
from local_stack.places import Home
from local_stack.state import State
from local_stack.status import status
from local_stack.watch import watch
from veche import settings
from veche.demo import report as checks
from veche.demo.figures import Check, Discussions, Events, Report, Requests, Submissions
from veche.demo.logs import Books, PositionsReader, read_books, settle
from veche.play.command import city_of, play_requests, robots_of, run, show_refused, speak
from veche.play.discussions import Said
from veche.play.generated import write_discussions, write_requests
from veche.play.requests import Outcome
from veche.play.show import Tell, shown
from veche.robot import Robots
from veche.stack import addresses, progress, told

app = typer.Typer()

REQUESTS_FILE, PROPOSALS_FILE, COMMENTS_FILE = "myla311-2017.csv", "decide-madrid-proposals.csv", "decide-madrid-comments.csv"
SMALL_DAY = 300
"""Requests of the generated day that is played where there are no files."""


@dataclass(frozen=True)
class Files:
    """What is played."""

    requests: Path
    proposals: Path
    comments: Path


@dataclass
class Played:
    """What both plays came to; `settled` and `began` are monotonic seconds."""

    outcome: Outcome
    said: Said
    books: Books
    analytics_ids: set[UUID]
    totals: Mapping[str, object]
    settled: float
    retries: int


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
                played = run(console, _play(files, home, state, tell))
            report = _report(played, home, began)
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


async def _play(files: Files, home: Home, state: State, tell: Tell) -> Played:
    async with robots_of(home, state) as robots:
        discussions, said = await speak(files.proposals, files.comments, city_of("madrid"), robots, tell)
        positions = PositionsReader(lambda: _positions(robots))
        outcome = await play_requests(files.requests, city_of("los-angeles"), None, home, state, tell)
        settled = await settle(state, positions)
        await discussions.protocols(said, lambda now: tell("protocols", len(now.protocols), len(now.discussions)))
        await settle(state, positions)
        auditor = robots.token("robot-auditor", "auditor")
        totals = (await robots.get("analytics-svc", "/reports/totals", auditor)).body
        _, ids = await robots.raw("GET", "analytics-svc", "/facts/ids", auditor)
        books = await read_books(state, positions)
        return Played(outcome, said, books, {UUID(line) for line in ids.decode().split()}, totals, settled, robots.retries)


async def _positions(robots: Robots) -> Mapping[str, Mapping[str, Mapping[str, Mapping[str, int]]]]:
    answer = await robots.get("analytics-svc", "/positions", robots.token("robot-auditor", "auditor"))
    return cast("Mapping[str, Mapping[str, Mapping[str, Mapping[str, int]]]]", answer.body)


def _report(played: Played, home: Home, began: float) -> Report:
    outcome, said, books = played.outcome, played.said, played.books
    losses = checks.losses(books, played.analytics_ids)
    duplicates = checks.duplicate_effects(books)
    latency = cast("Mapping[str, float | None]", played.totals.get("e2e", {}))
    report = Report(
        requests=Requests(
            rows=outcome.rows,
            accepted=outcome.accepted,
            refused=len(outcome.refused),
            closed=outcome.finished,
            open=outcome.open,
        ),
        discussions=Discussions(count=len(said.discussions), protocols=len(said.protocols)),
        submissions=Submissions(rows=said.rows, accepted=said.accepted, refused=len(said.refused)),
        events=Events(
            stored=len(books.stored),
            published=len(books.published),
            consumed={**checks.consumed(books), "analytics-facts": len(played.analytics_ids)},
        ),
        events_by_type=checks.by_type(books.stored.values()),
        parked=len(books.parked),
        duplicate_effects=duplicates.total(),
        lost=losses.total,
        losses=vars(losses),
        retries=played.retries,
        duration_s=round(time.monotonic() - began, 1),
        requests_duration_s=round(played.settled - outcome.started, 1),
        e2e_p50_s=latency.get("p50_s"),
        e2e_p99_s=latency.get("p99_s"),
        cpu_s=cpu_seconds(home),
        checks=[],
    )
    return report.model_copy(update={"checks": _checks(report, played, duplicates)})


def _checks(report: Report, played: Played, duplicates: Counter[str]) -> list[Check]:
    """Say what must hold, with the figures; each count comes from another place than the one it is compared with."""
    books, requests, submissions = played.books, report.requests, report.submissions
    stored_requests = report.events_by_type.get("request.request-submitted.v1", 0)
    closed = report.events_by_type.get("request.request-closed.v1", 0)
    published = checks.by_type(books.published.values())
    facts = cast("Mapping[str, int]", played.totals.get("by_type", {}))
    protocols = report.events_by_type.get("discussion.protocol-drafted.v1", 0)
    return [
        Check(name=name, holds=holds, said=said)
        for name, holds, said in (
            ("rows = accepted + refused", requests.rows == requests.accepted + requests.refused, f"{requests}"),
            ("stored requests = accepted", stored_requests >= requests.accepted, f"{stored_requests} stored"),
            ("closed requests are stored", closed >= requests.closed, f"{closed} stored"),
            (
                "submissions = accepted + refused",
                submissions.rows == submissions.accepted + submissions.refused,
                f"{submissions}",
            ),
            (
                "stored submissions = accepted",
                checks.submissions(books) >= submissions.accepted,
                f"{checks.submissions(books)} stored",
            ),
            (
                "every discussion has its protocol",
                report.discussions.count == report.discussions.protocols <= protocols,
                f"{protocols} stored",
            ),
            (
                "stores = topics, by type",
                report.events_by_type == published,
                f"{report.events.stored} stored, {report.events.published} published in {books.messages} messages",
            ),
            ("stores = analytics, by type", report.events_by_type == dict(facts), f"{sum(facts.values())} facts"),
            ("nothing is lost", report.lost == 0, str(report.losses)),
            ("nothing happened twice", report.duplicate_effects == 0, str(dict(duplicates))),
            ("nothing is parked", report.parked == 0, f"{report.parked} parked"),
        )
    ]


def cpu_seconds(home: Home) -> dict[str, float]:
    """Add up the processor time of every part and service, children included, and of this command."""
    own = psutil.Process().cpu_times()
    found = {"veche": round(own.user + own.system, 1)}
    for standing in status(home):
        if standing.pid is None:
            continue
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(standing.pid)
            family = [process, *process.children(recursive=True)]
            times = [each.cpu_times() for each in family if each.is_running()]
            gone = process.cpu_times()
            found[standing.name] = round(
                sum(time.user + time.system for time in times) + gone.children_user + gone.children_system, 1
            )
    return found


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
    table.add_row("lost, twice, parked", f"{report.lost}, {report.duplicate_effects}, {report.parked}")
    table.add_row("event to report", f"half within {report.e2e_p50_s} s, 99 of 100 within {report.e2e_p99_s} s")
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
