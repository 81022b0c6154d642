"""Trap T7, whole: every process of the city is killed while requests pass through it; nothing is lost, nothing comes twice."""

import asyncio
import os
import random
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep, time_ns

import psutil
import pytest
from city_alive import City, quiet
from conftest import Day
from hypothesis import settings

from local_stack.supervision import Supervisor
from local_stack.watch import restarts
from veche.demo.day import Played, cpu_seconds, read_all, reported
from veche.play.command import city_of, play_requests, pseudonyms, robots_of
from veche.play.discussions import Said
from veche.play.generated import write_requests

pytestmark = [pytest.mark.stack, pytest.mark.postgres, pytest.mark.kafka]

VICTIMS = (
    "request-svc",
    "dispatch-svc",
    "discussion-svc",
    "notification-svc",
    "analytics-svc",
    "analytics-streams",
    "kafka",
    "postgres",
)
ROWS, SEED = 240, 26
"""A day whose only request left open comes early: its deadline is over by the time that the last rows are."""
SPEED = 220.0
"""How much faster than on the day itself requests come: they take three quarters of a minute, and so do the killings."""
FIRST, LAST = 4.0, 42.0
"""Seconds of the play between which processes are killed."""


def kill_all(city: City, chance: random.Random) -> list[tuple[float, str]]:
    """Kill each process once, at moments and in an order that nobody chose; say when which was killed."""
    supervisor = Supervisor(city.home)
    ours = [name for name in VICTIMS if name in supervisor.programs()]
    chance.shuffle(ours)
    began = monotonic()
    killed = []
    for moment, name in zip(sorted(chance.uniform(FIRST, LAST) for _ in ours), ours, strict=True):
        sleep(max(0.0, began + moment - monotonic()))
        while not kill(supervisor.programs()[name].pid):
            sleep(0.1)
        killed.append((round(monotonic() - began, 1), name))
    return killed


def kill(pid: int) -> bool:
    """Kill a process; False if there is none, for it is just being started again."""
    with suppress(ProcessLookupError):
        if pid:
            os.kill(pid, signal.SIGKILL)
            return True
    return False


async def play_and_kill(city: City, file: Path, chance: random.Random) -> tuple[Played, list[tuple[float, str]]]:
    """Play a file while everything is killed, wait until all is quiet, and read all books."""
    async with robots_of(city.home, city.state) as robots:
        killing = asyncio.create_task(asyncio.to_thread(kill_all, city, chance))
        pseudonym = pseudonyms(city.home, city.state)
        outcome = await play_requests(file, city_of("los-angeles"), SPEED, robots, pseudonym, quiet)
        killed = await killing
        books, told = await read_all(robots, city.state)
        return Played(outcome, Said(), books, told, monotonic(), robots.retries), killed


def test_nothing_is_lost_and_nothing_comes_twice_whatever_is_killed(city: City, day: Day, tmp_path: Path) -> None:
    """Each of the five services, the stream processor, the broker and the database, by `kill -9`, in the middle of a play.

    All requests come to the end of their rows; where the broker was away for longer than the term of silence, by silence.
    At a desk the moments are others each time; where laws are tried on the same examples each time, they are the same.
    """
    write_requests(tmp_path / "requests.csv", ROWS, SEED)
    before, seed = restarts(city.home), SEED if settings().derandomize else int(time_ns() // 1000 % 10**6)
    played, killed = asyncio.run(play_and_kill(city, tmp_path / "requests.csv", random.Random(seed)))  # noqa: S311 - moments, no secret
    report = reported(played, monotonic() - played.outcome.started, cpu_seconds(city.home))
    story = f"Killed, with the seed {seed}: {killed}. {report.model_dump_json()}"
    assert (report.lost, report.duplicate_effects, report.parked) == (0, 0, 0), story
    assert report.good, story
    assert (report.requests.rows, report.requests.accepted) == (ROWS, ROWS), story
    assert all("accepted by silence" in sentence for sentence in played.outcome.odd), (played.outcome.odd, story)
    ends = Counter(str(row.ending) for row in played.outcome.ids.values())
    assert report.requests.open == ends["open"] > 0, story
    breached = {fact.subject[-36:] for fact in played.books.stored.values() if fact.type == "dispatch.deadline-breached.v1"}
    left = {str(request) for request, row in played.outcome.ids.items() if row.ending == "open"}
    assert left <= breached, story
    restarted = restarts(city.home)
    assert all(restarted.get(name, 0) > before.get(name, 0) for _, name in killed), story
    assert len(killed) == len(VICTIMS) - (not city.state.embedded_kafka) - (not city.state.embedded_postgres)
    assert played.retries > 0, "no robot noticed anything"
    city.wait_until_good()
    assert psutil.pid_exists(Supervisor(city.home).pid() or 0)
