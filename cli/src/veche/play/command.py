"""`veche play requests` and `veche play discussions`: real days through the public APIs of a city that is up."""

import base64
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, TypeVar
from uuid import UUID

import typer
import uvloop
from rich.console import Console
from rich.markup import escape

from local_stack.places import Home
from local_stack.state import State, load_running, load_secrets
from shared_city import City, MissingColumnsError, PackError, load_city
from veche import settings
from veche.failure import CommandError
from veche.play.comments import read_comments, read_proposals
from veche.play.discussions import OPEN_AT_LEAST, DiscussionsPlay, Said
from veche.play.requests import Outcome, RequestsPlay
from veche.play.rows import Refused, read_rows
from veche.play.show import Tell, shown
from veche.robot import Robots
from veche.stack import told

app = typer.Typer()
play_app = typer.Typer(name="play", help="Play real days through the public APIs of the city that is up.", no_args_is_help=True)
app.add_typer(play_app)

SPEEDS = {"max": None, "1x": 1.0, "60x": 60.0}
MOST_SHOWN = 10
T = TypeVar("T")
KNOWN = (CommandError, MissingColumnsError)
"""What stops a play for a reason a person can act on."""

EXPLAIN_REQUESTS = """\
What becomes of each row:
  Order      by creation; 1x and 60x keep the gaps, max keeps the order with at most 64 requests in flight.
  Time       an event's time is now; the file's number and dates stand in the submission's origin.
  Refused    an unknown type or an unreadable date: the row is named with its line and reason.
  Channel    as the pack says: residents submit for themselves, else an agent for a caller. A pseudonymous person a row,
             none for anonymous rows; those are closed by silent consent.
  Routing    by the pack's responsibilities; where there is none, a robot dispatcher claims the work item and assigns the
             file's owner.
  Closed     accepted, started, reported done; the resident confirms. Cancelled: withdrawn. Referred out: rejected, outcome
             not responsible. Open: assigned, never accepted, so its deadline is breached. Other statuses: left open, reported.
  Tempers    of closed rows, by SHA-256(file number) mod 100. 0-1: the resident, if there is one, disputes the first completion;
             the executor works a second round, then the resident confirms. 2-4: the executor declines once; a robot dispatcher
             claims the work item and assigns the file's owner again. 5: it declines until no more refusals are allowed; the
             dispatcher records that the committee decided. The supervisor's look at a dispute stays in the queue.
  Twice      a row that repeats an address and type looks at what is offered as the same, and says that it is not.
  Retries    5xx and lost answers are asked again with the same Idempotency-Key; playing a file twice adds nothing."""
EXPLAIN_DISCUSSIONS = """\
What becomes of the two files:
  Proposals  each is a discussion, with its text as the document, under the pack's procedure.
  Comments   a top-level one that asks is a question, any other a proposal; an answer is a remark in reply. Answers to an
             absent or refused comment stand at the top, their origin keeps the parent. Empty texts are refused.
  People     one pseudonymous account a user, with a confirmed identity. Votes are counts without persons: not played.
  Closing    at the first full minute at least three minutes ahead; a submission refused as late fails the play."""


def city_of(slug: str) -> City:
    """Load a city's pack, or end with its errors by file and line."""
    path = settings.root() / "cities" / slug
    try:
        return load_city(path)
    except PackError as error:
        Console(stderr=True).print(escape(str(error)), highlight=False)
        raise typer.Exit(1) from error


def robots_of(home: Home, state: State) -> Robots:
    """Gather the robots of a city that is up."""
    return Robots(home.path, state)


def pseudonyms(home: Home, state: State) -> Callable[[str], UUID]:
    """Know people as the city's services do: by the city's secret and the issuer."""
    from shared_chassis.http import pseudonym

    secret = base64.b64decode(load_secrets(home).city_secret)
    return lambda subject: pseudonym(secret, state.issuer, subject)


async def play_requests(
    file: Path, city: City, speed: float | None, robots: Robots, pseudonym: Callable[[str], UUID], tell: Tell
) -> Outcome:
    """Play a file of service requests; how far it is goes to `tell`."""
    rows, refused = read_rows(file, city)
    system = city.request_import.system if city.request_import is not None else city.slug

    def count(outcome: Outcome) -> None:
        tell("requests submitted", outcome.accepted, len(rows))
        tell("requests closed", outcome.finished, len(rows))

    return await RequestsPlay(robots, city, system, pseudonym).run(rows, refused, speed, count)


async def speak(
    proposals: Path, comments: Path, city: City, robots: Robots, tell: Tell, open_at_least: timedelta = OPEN_AT_LEAST
) -> tuple[DiscussionsPlay, Said]:
    """Announce the discussions and submit the comments."""
    play = DiscussionsPlay(robots, city, "decide-madrid", open_at_least)
    rows = read_comments(comments, city.timezone)

    def count(said: Said) -> None:
        tell("submissions", said.accepted + len(said.refused), len(rows))

    now = datetime.now(UTC)  # noqa: TID251 - a person at the edge picks the closing minute by the clock on the wall
    return play, await play.speak(read_proposals(proposals, city.timezone), rows, now, count)


def run(console: Console, playing: Coroutine[object, object, T]) -> T:
    """Run a play; what stops it is one sentence and status 1."""
    try:
        return uvloop.run(playing)
    except* KNOWN as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        console.print(f"[red]✗[/red] {escape(str(error))}", highlight=False)
        raise typer.Exit(1) from error
    raise AssertionError("unreachable")


def show_refused(console: Console, refused: list[Refused]) -> None:
    """Name the first refused rows with line and reason."""
    for row in sorted(refused, key=lambda each: each.line)[:MOST_SHOWN]:
        console.print(f"  line {row.line}: {escape(row.reason)}", highlight=False)
    if len(refused) > MOST_SHOWN:
        console.print(f"  … and {len(refused) - MOST_SHOWN} more", highlight=False)


@play_app.command()
def requests(
    file: Annotated[Path, typer.Argument(help="A CSV file of service requests.", exists=True, dir_okay=False)],
    city: Annotated[str, typer.Option(help="The city's pack.")] = "los-angeles",
    speed: Annotated[str, typer.Option(help="max, 1x or 60x: how fast the day passes.")] = "max",
    *,
    explain: Annotated[bool, typer.Option("--explain", help="Say what is made of each row, and play nothing.")] = False,
) -> None:
    """Play a day of service requests to its end."""
    console = Console()
    if explain:
        console.print(EXPLAIN_REQUESTS, highlight=False)
        return
    if speed not in SPEEDS:
        raise typer.BadParameter(f"'{speed}' is no speed; take one of {', '.join(SPEEDS)}.", param_hint="--speed")
    with told(console):
        home = settings.home()
        state = load_running(home)
    pack = city_of(city)

    async def whole(tell: Tell) -> Outcome:
        async with robots_of(home, state) as robots:
            return await play_requests(file, pack, SPEEDS[speed], robots, pseudonyms(home, state), tell)

    with shown(console) as tell:
        outcome = run(console, whole(tell))
    console.print(
        f"{outcome.rows:,} rows: {outcome.accepted:,} accepted, {len(outcome.refused):,} refused; "
        f"{outcome.finished:,} closed, {outcome.open:,} open.",
        highlight=False,
    )
    show_refused(console, outcome.refused)
    for sentence in outcome.odd[:MOST_SHOWN]:
        console.print(f"  {escape(sentence)}", highlight=False)


@play_app.command()
def discussions(
    proposals: Annotated[Path, typer.Argument(help="A CSV file of proposals.", exists=True, dir_okay=False)],
    comments: Annotated[Path, typer.Argument(help="A CSV file of the comments under them.", exists=True, dir_okay=False)],
    city: Annotated[str, typer.Option(help="The city's pack.")] = "madrid",
    *,
    explain: Annotated[bool, typer.Option("--explain", help="Say what is made of each row, and play nothing.")] = False,
) -> None:
    """Play public discussions until each has closed and its protocol is drawn up."""
    console = Console()
    if explain:
        console.print(EXPLAIN_DISCUSSIONS, highlight=False)
        return
    with told(console):
        home = settings.home()
        state = load_running(home)
    pack = city_of(city)

    async def whole(tell: Tell) -> Said:
        async with robots_of(home, state) as robots:
            play, said = await speak(proposals, comments, pack, robots, tell)
            await play.protocols(said, lambda now: tell("protocols", len(now.protocols), len(now.discussions)))
            return said

    with shown(console) as tell:
        said = run(console, whole(tell))
    console.print(
        f"{len(said.discussions)} discussions, {len(said.protocols)} protocols; {said.rows:,} submissions: "
        f"{said.accepted:,} accepted, {len(said.refused):,} refused.",
        highlight=False,
    )
    show_refused(console, said.refused)


__all__ = ["app", "city_of", "play_requests", "speak"]
