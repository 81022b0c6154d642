"""One day of a city: both plays, and a report in which every count stands beside another one of the same thing."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import cast
from uuid import UUID

import psutil

from local_stack.places import Home
from local_stack.state import State
from local_stack.status import status
from veche.demo import report as checks
from veche.demo.counted import FIGURES
from veche.demo.figures import Check, Discussions, Events, Report, Requests, Submissions
from veche.demo.logs import Books, PositionsReader, read_books, settle, stored_until
from veche.failure import CommandError
from veche.play.command import city_of, play_requests, pseudonyms, robots_of, speak
from veche.play.discussions import OPEN_AT_LEAST, Said
from veche.play.requests import Outcome
from veche.play.show import Tell
from veche.robot import Robots

ANALYTICS = "analytics-svc"
MOST_READINGS = 5
"""How often the books are read, at most, until nothing was stored while they were."""


@dataclass(frozen=True)
class Files:
    """What is played."""

    requests: Path
    proposals: Path
    comments: Path


@dataclass(frozen=True)
class Told:
    """What analytics has folded: the ids of all facts, how many there are of each type, and how long they took (seconds)."""

    ids: frozenset[UUID]
    by_type: Mapping[str, int]
    p50_s: float | None
    p99_s: float | None


@dataclass(frozen=True)
class Played:
    """What both plays came to; `settled` is when every consumer stood at the end of the requests, in monotonic seconds."""

    outcome: Outcome
    said: Said
    books: Books
    told: Told
    settled: float
    retries: int


async def play(files: Files, home: Home, state: State, tell: Tell, open_at_least: timedelta = OPEN_AT_LEAST) -> Played:
    """Play discussions and requests to their end, wait until everybody has heard everything, and read all books.

    The discussions are open for `open_at_least` and up to a minute more.
    """
    async with robots_of(home, state) as robots:
        discussions, said = await speak(files.proposals, files.comments, city_of("madrid"), robots, tell, open_at_least)
        pseudonym = pseudonyms(home, state)
        outcome = await play_requests(files.requests, city_of("los-angeles"), None, robots, pseudonym, tell)
        settled = await settle(state, positions_of(robots))
        await discussions.protocols(said, lambda now: tell("protocols", len(now.protocols), len(now.discussions)))
        books, told = await read_all(robots, state)
        return Played(outcome, said, books, told, settled, robots.retries)


async def read_all(robots: Robots, state: State) -> tuple[Books, Told]:
    """Wait until everybody has heard everything, and read all books; anew if a clock let something happen meanwhile."""
    positions = positions_of(robots)
    for _ in range(MOST_READINGS):
        await settle(state, positions)
        ends = await asyncio.to_thread(stored_until, state)
        await settle(state, positions)
        told = await what_analytics_knows(robots)
        books = await read_books(state, positions)
        books.parked |= await parked_by_analytics(robots)
        if await asyncio.to_thread(stored_until, state) == ends:
            break
    return books, told


def positions_of(robots: Robots) -> PositionsReader:
    """Know where analytics stands, whose positions are in its own file."""

    async def ask() -> Mapping[str, Mapping[str, Mapping[str, Mapping[str, int]]]]:
        answer = await robots.get(ANALYTICS, "/positions", _auditor(robots))
        return cast("Mapping[str, Mapping[str, Mapping[str, Mapping[str, int]]]]", answer.body)

    return PositionsReader(ask)


async def what_analytics_knows(robots: Robots) -> Told:
    """Ask analytics for what it counts by itself."""
    totals = (await robots.get(ANALYTICS, "/reports/totals", _auditor(robots))).body
    status, ids = await robots.raw("GET", ANALYTICS, "/facts/ids", _auditor(robots))
    if status != 200:
        raise AnalyticsSilentError(f"{AnalyticsSilentError.__doc__} It says: {ids.decode(errors='replace')[:300]}")
    types = cast("Sequence[Mapping[str, object]]", totals.get("types", ()))
    latency = cast("Mapping[str, Mapping[str, float | None]]", totals.get("latency", {})).get("all", {})
    return Told(
        frozenset(UUID(line) for line in ids.decode().split()),
        {str(row["type"]): int(str(row["events"])) for row in types},
        latency.get("p50_s"),
        latency.get("p99_s"),
    )


async def parked_by_analytics(robots: Robots) -> set[tuple[str, str, int]]:
    """Ask analytics for what it has set aside, which is in its own file: consumer, topic, position."""
    parked = (await robots.get(ANALYTICS, "/parked?limit=200", _auditor(robots))).body
    items = cast("Sequence[Mapping[str, object]]", parked.get("items", ()))
    return {(str(item["consumer"]), str(item["topic"]), int(str(item["position"]))) for item in items}


class AnalyticsSilentError(CommandError):
    """analytics-svc does not say which facts it has."""


def _auditor(robots: Robots) -> str:
    return robots.token("robot-auditor", "auditor")


def reported(played: Played, duration_s: float, cpu_s: Mapping[str, float]) -> Report:
    """Put the day into figures, and check them."""
    outcome, said, books, told = played.outcome, played.said, played.books, played.told
    losses = checks.losses(books, told.ids)
    duplicates = checks.duplicate_effects(books)
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
            consumed={**checks.consumed(books), "analytics-facts": len(told.ids)},
        ),
        events_by_type=checks.by_type(books.stored.values()),
        **books.counted.figures,
        holder_minutes_sum_ok=not books.counted.wrong,
        parked=len(books.parked),
        duplicate_effects=duplicates.total(),
        lost=losses.total,
        losses=asdict(losses),
        retries=played.retries,
        duration_s=round(duration_s, 1),
        requests_duration_s=round(played.settled - outcome.started, 1),
        e2e_p50_s=told.p50_s,
        e2e_p99_s=told.p99_s,
        cpu_s=dict(cpu_s),
        checks=[],
    )
    return report.model_copy(update={"checks": _checks(report, played, duplicates)})


def _checks(report: Report, played: Played, duplicates: Counter[str]) -> list[Check]:
    """Say what must hold, with the figures; each count comes from another place than the one it is compared with."""
    books, requests, submissions, discussions = played.books, report.requests, report.submissions, report.discussions
    of_requests = {str(request) for request in played.outcome.ids}
    of_discussions = {str(discussion) for discussion in played.said.discussions}
    taken = checks.count(books, "request.request-submitted.v1", of_requests)
    closed = checks.count(books, "request.request-closed.v1", of_requests)
    said = checks.submissions(books, of_discussions)
    protocols = checks.count(books, "discussion.protocol-drafted.v1", of_discussions)
    published = checks.by_type(books.published.values())
    outcome, told_of = played.outcome, {name: report.events_by_type.get(type_, 0) for name, type_ in FIGURES.items()}
    return [
        Check(name=name, holds=holds, said=said)
        for name, holds, said in (
            ("rows = accepted + refused", requests.rows == requests.accepted + requests.refused, f"{requests}"),
            ("accepted requests = stored", requests.accepted == taken, f"{taken} stored"),
            ("closed requests = stored", requests.closed == closed, f"{closed} stored"),
            (
                "submissions = accepted + refused",
                submissions.rows == submissions.accepted + submissions.refused,
                f"{submissions}",
            ),
            ("accepted submissions = stored", submissions.accepted == said, f"{said} stored"),
            (
                "every discussion has its protocol",
                discussions.count == discussions.protocols == protocols,
                f"{protocols} stored",
            ),
            (
                "stores = topics, by type",
                report.events_by_type == published,
                f"{report.events.stored} stored, {report.events.published} published in {books.messages} messages",
            ),
            (
                "stores = analytics, by type",
                report.events_by_type == dict(played.told.by_type),
                f"{sum(played.told.by_type.values())} facts",
            ),
            ("terms and turns by SQL = stores", books.counted.figures == told_of, str(books.counted.figures)),
            (
                "disputes, declines and bounces = stored",
                outcome.turns == {name: checks.count(books, FIGURES[name], of_requests) for name in outcome.turns},
                str(outcome.turns),
            ),
            (
                "holders' minutes sum to the totals",
                report.holder_minutes_sum_ok and books.counted.cases > 0,
                f"{books.counted.cases} cases, wrong: {', '.join(books.counted.wrong[:5]) or 'none'}",
            ),
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
