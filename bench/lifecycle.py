"""CREATE → ASSIGN → RESOLVE → SEARCH over HTTP, on an empty store and on a full one, in one run: `make bench-lifecycle`.

The whole city runs, every process of it, and so do the clients, all on this machine. A lifecycle is four steps: an agent
registers a caller's request; a dispatcher assigns an organisation, for nobody is responsible for its type; the organisation
reports the work done; the agent finds the request, by its number or on the newest page of its district and type. The stored
requests are copies of lifecycles that ran in the same city to their closing: COPY puts their events into the stores, and the
services' own `rebuild-views` makes the rest. The two cities are measured in turns, several times each, for a machine is not
equally fast from one minute to the next; what counts is the median.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import psycopg
import typer
from psycopg import sql
from psycopg.rows import class_row, dict_row
from rich.progress import Progress as Bar
from rich.progress import TaskID

from local_stack import services, stack
from local_stack.places import Home
from local_stack.progress import Progress
from local_stack.services import SERVICES, Service
from local_stack.stack import Wishes
from local_stack.state import State, load_secrets
from shared_chassis.postgres import role_password, role_url
from shared_city import load_city
from shared_events.ids import derive
from veche.demo.day import cpu_seconds, positions_of
from veche.demo.logs import settle
from veche.robot import Robots

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results" / "lifecycle.json"
CITY = "kazan"
UNROUTED = "other"
ORGANISATION = "organisation-kazan-emergency-repair"
IN_FLIGHT = 192
TEMPLATES = 200
"""How many closed lifecycles the stored requests are copies of."""

MOST_WAITS = 100

WARM_UP = 800
"""Lifecycles before those that are measured: a city that has just started plans its statements and compiles its broker."""

ROUNDS = 3

DAYS = 240
"""Over how many days before today the copies are spread."""


@dataclass
class Crowd:
    """What a crowd's lifecycles were, in the order in which they finished, and the clients' own waits for dispatch to hear."""

    ids: list[str] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    waits: int = 0


@dataclass
class Measured:
    """A store's rounds: lifecycles a second and median seconds of each, and what all that were lived cost."""

    rates: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    cpu_s: Counter[str] = field(default_factory=Counter)
    waits: int = 0
    lived: int = 0

    def add(self, crowd: Crowd, lifecycles: int, cpu_s: Mapping[str, float]) -> None:
        """Add a round: the crowd's last lifecycles but those still going on when so many had finished after the warm-up."""
        began, ended = crowd.ends[WARM_UP - 1], crowd.ends[WARM_UP + lifecycles - 1]
        self.rates.append(lifecycles / (ended - began))
        self.latencies.append(statistics.median(crowd.seconds[WARM_UP : WARM_UP + lifecycles]))
        self.cpu_s.update(cpu_s)
        self.waits += crowd.waits
        self.lived += len(crowd.ends)

    @property
    def rate(self) -> float:
        """Lifecycles a second, of the median round."""
        return statistics.median(self.rates)

    def report(self) -> dict[str, object]:
        """Say all of it, in the report's words."""
        return {
            "rounds_per_s": [round(rate, 1) for rate in self.rates],
            "latency_p50_s": round(statistics.median(self.latencies), 2),
            "asked_too_early_per_lifecycle": round(self.waits / self.lived, 2),
            "cpu_ms_per_lifecycle": {name: round(1000 * spent / self.lived, 1) for name, spent in self.cpu_s.items()},
        }


class Desk:
    """The people of the benchmark, and what each does."""

    def __init__(self, robots: Robots, districts: Sequence[str]) -> None:
        self._robots = robots
        self._districts = districts
        self._agent = robots.token("bench-agent", "agent")
        self._dispatcher = robots.token("bench-dispatcher", "dispatcher")
        self._executor = robots.token("bench-executor", "executor", ORGANISATION)
        self._numbers = count()
        self._hearing_takes = 0.3

    async def lifecycle(self, crowd: Crowd, *, closes: bool = False) -> None:
        """Bring one request from its creation to its finding; with `closes` the caller also confirms."""
        began, place = time.perf_counter(), next(self._numbers)
        district = self._districts[place % len(self._districts)]
        made = await self._post(
            "request-svc",
            "/requests",
            {
                "city": CITY,
                "channel": "call_centre",
                "service_type": UNROUTED,
                "location": {"district": district, "address": f"улица Баумана, {place % 90 + 1}"},
                "person": "caller",
            },
            self._agent,
        )
        request, number = str(made["id"]), str(made["number"])
        waits = await self._heard(f"/cases/{request}/assignment", {"organisation": ORGANISATION}, self._dispatcher)
        await self._post("dispatch-svc", f"/cases/{request}/report", {"evidence": []}, self._executor)
        by_number = f"/requests?city={CITY}&number={number}"
        newest = f"/requests?city={CITY}&district={district}&service_type={UNROUTED}&limit=20"
        found = await self._robots.get("request-svc", by_number if place % 2 else newest, self._agent)
        items = found.body["items"]
        if not isinstance(items, list) or (place % 2 and [item["id"] for item in items] != [request]) or not items:
            raise SystemExit(f"The request {number} was not found: {found}")
        if closes:
            await self._heard(f"/requests/{request}/confirmation", {}, self._agent, service="request-svc")
        crowd.ids.append(request)
        crowd.ends.append(time.perf_counter())
        crowd.seconds.append(crowd.ends[-1] - began)
        crowd.waits += waits

    async def _post(self, service: str, path: str, body: object, token: str) -> dict[str, object]:
        answer = await self._robots.post(service, path, body, token, uuid4().hex)
        if not answer.good:
            raise SystemExit(f"{service} refused {path}: {answer.status} {answer.why}")
        return dict(answer.body)

    async def _heard(self, path: str, body: object, token: str, service: str = "dispatch-svc") -> int:
        """Act once the service has heard what the step needs; how often it had not.

        Nobody is told when that is, so the desk waits as long as it lately took, and asks again after a third of that.
        """
        key, began = uuid4().hex, time.perf_counter()
        await asyncio.sleep(self._hearing_takes * 0.9)
        for waits in count():
            answer = await self._robots.post(service, path, body, token, key)
            if answer.good:
                self._hearing_takes += 0.1 * (time.perf_counter() - began - self._hearing_takes)
                return waits
            if answer.status not in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT} or waits > MOST_WAITS:
                raise SystemExit(f"{service} refused {path}: {answer.status} {answer.why}")
            await asyncio.sleep(max(0.05, self._hearing_takes / 3))
        raise AssertionError


async def live(home: Home, state: State, lifecycles: int, what: str, *, closes: bool = False) -> Crowd:
    """Have at least so many lifecycles lived, 192 at a time until the last of them has finished."""
    districts = [district.code for district in load_city(ROOT / "cities" / CITY).districts]
    async with Robots(home.path, state) as robots:
        desk, crowd = Desk(robots, districts), Crowd()
        with Bar(disable=not sys.stdout.isatty()) as bar:
            shown = bar.add_task(what, total=lifecycles)

            async def one_after_another() -> None:
                while len(crowd.ends) < lifecycles:
                    await desk.lifecycle(crowd, closes=closes)
                    bar.update(shown, completed=len(crowd.ends))

            async with asyncio.TaskGroup() as group:
                for _ in range(IN_FLIGHT):
                    group.create_task(one_after_another())
        await settle(state, positions_of(robots))
    return crowd


@dataclass(frozen=True)
class Stored:
    """An event of a template, as it stands in a store."""

    stream: str
    version: int
    topic: str
    state: bytes


class Copies:
    """Copies of closed lifecycles: other ids, other numbers, another day."""

    def __init__(self, home: Home, state: State, requests: Sequence[str]) -> None:
        self._home = home
        self._state = state
        self._templates = [self._template(request) for request in requests]

    def connect(self, service: str) -> "psycopg.Connection[dict[str, object]]":
        """Open a service's database as its owner."""
        owner = f"{service}_owner"
        url = role_url(self._state.admin_url, owner, role_password(load_secrets(self._home).database_password, owner), service)
        return psycopg.connect(url, autocommit=True, row_factory=dict_row, options=f"-c search_path={service}")

    def _template(self, request: str) -> dict[str, list[Stored]]:
        found = {}
        for service, stream in (("request", f"request-{request}"), ("dispatch", f"case-{request}")):
            with self.connect(service) as connection:
                found[service] = (
                    connection.cursor(row_factory=class_row(Stored))
                    .execute(
                        "SELECT originator_id AS stream, originator_version AS version, topic, state FROM stored_events"
                        " WHERE originator_id = %s ORDER BY originator_version",
                        [stream],
                    )
                    .fetchall()
                )
        if not found["request"] or b'"outcome":"done"' not in found["request"][-1].state + found["request"][-2].state:
            raise SystemExit(f"The lifecycle {request} did not close; its copies would not be closed requests.")
        return found

    def write(self, service: str, requests: int, advance: Iterator[None]) -> int:
        """COPY the events of so many requests into a service's store; how many events."""
        written = 0
        with (
            self.connect(service) as connection,
            connection.cursor() as cursor,
            cursor.copy("COPY stored_events (originator_id, originator_version, topic, state) FROM STDIN") as copy,
        ):
            for place in range(requests):
                for row in self._copy(service, place):
                    copy.write_row(row)
                    written += 1
                next(advance)
        return written

    def _copy(self, service: str, place: int) -> Iterable[tuple[str, int, str, bytes]]:
        """Write a template anew: under a request id that both services derive alike, and on a day before today."""
        template = self._templates[place % len(self._templates)]
        old = template["request"][0].stream.removeprefix("request-").encode()
        new = str(derive("bench-lifecycle", place)).encode()
        day = _day(template["request"][0].state)
        then = day - timedelta(days=place % DAYS + 1)
        for stored in template[service]:
            state = stored.state.replace(old, new)
            identity = json.loads(stored.state)["id"].encode()
            state = state.replace(identity, str(derive(service, new.decode(), stored.version)).encode())
            for ahead in range(2):
                was, becomes = day + timedelta(days=ahead), then + timedelta(days=ahead)
                state = state.replace(f"{was.isoformat()}T".encode(), f"{becomes.isoformat()}T".encode())
            if stored.topic == "request.request-registered.v1":
                number = json.loads(stored.state)["data"]["number"]
                state = state.replace(number.encode(), f"{number.split('-')[0]}-{then.year - 10}-{place:07d}".encode())
            yield stored.stream.replace(old.decode(), new.decode()), stored.version, stored.topic, state

    def published(self, service: str) -> None:
        """Tell the relay that what was copied needs no publishing: it has been heard long ago."""
        with self.connect(service) as connection:
            connection.execute(
                "UPDATE relay_checkpoint SET position = (SELECT max(notification_id) FROM stored_events), epoch = epoch + 1"
            )
            for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [service]).fetchall():
                connection.execute(sql.SQL("VACUUM ANALYZE {}").format(sql.Identifier(str(row["tablename"]))))


def _day(state: bytes) -> date:
    return date.fromisoformat(str(json.loads(state)["time"])[:10])


def rebuild(home: Home, wishes: Wishes, state: State, service: Service) -> "subprocess.Popen[bytes]":
    """Start a service's own `rebuild-views`."""
    environment = services.environment(
        home, ROOT / "cities", state, load_secrets(home), service, "rebuild-views", wishes.log_level
    )
    return subprocess.Popen([services.script(service), "rebuild-views"], env={**os.environ, **environment})  # noqa: S603 - our own script


def seed(home: Home, wishes: Wishes, templates: Sequence[str], requests: int) -> dict[str, int]:
    """Fill both stores while the services are down, and build their views from the events; events by service."""
    seeded = {}
    state = stack.up(home, wishes, progress=Progress(), wanted=["postgres"], parts_only=True)
    copies = Copies(home, state, templates)
    both = [service for service in SERVICES if service.name in {"request", "dispatch"}]
    with Bar(disable=not sys.stdout.isatty()) as bar:
        for service in both:
            shown = bar.add_task(f"copying into {service.command}", total=requests)

            def advance(task: TaskID = shown) -> Iterator[None]:
                while True:
                    bar.advance(task)
                    yield

            seeded[service.name] = copies.write(service.name, requests, advance())
    print("Building the views anew from the events …", flush=True)
    failed = [service.command for service, run in [(each, rebuild(home, wishes, state, each)) for each in both] if run.wait()]
    if failed:
        raise SystemExit(f"rebuild-views failed in {', '.join(failed)}")
    for service in both:
        copies.published(service.name)
    return seeded


def measure(home: Home, wishes: Wishes, lifecycles: int, what: str, measured: Measured) -> None:
    """Start a city, measure a round in it once it is warm, and stop it."""
    state = stack.up(home, wishes, progress=Progress())
    before = cpu_seconds(home)
    crowd = asyncio.run(live(home, state, WARM_UP + lifecycles, what))
    measured.add(crowd, lifecycles, {name: spent - before.get(name, 0.0) for name, spent in cpu_seconds(home).items()})
    stack.down(home)


def main(
    lifecycles: Annotated[int, typer.Option(help="Measured lifecycles a round.", min=100)] = 1200,
    stored: Annotated[int, typer.Option(help="Requests in the full store.", min=1000)] = 250_000,
) -> None:
    """Fill a store, measure on it and on an empty one in turns; write bench/results/lifecycle.json."""
    place, jars = ROOT / ".veche" / "bench-lifecycle", ROOT / ".veche" / "kafka" / "libs"
    if place.exists():
        raise SystemExit(f"{place} is left from an earlier run: remove it, an empty store is wanted.")
    empty_home, full_home = Home.at(place / "empty", jars=jars), Home.at(place / "full", jars=jars)
    wishes = Wishes(cities=ROOT / "cities", environment=dict(os.environ))
    empty, full = Measured(), Measured()
    try:
        state = stack.up(full_home, wishes, progress=Progress())
        made = asyncio.run(live(full_home, state, TEMPLATES, "lifecycles to copy", closes=True))
        stack.down(full_home)
        began = time.perf_counter()
        seeded = seed(full_home, wishes, made.ids[:TEMPLATES], stored)
        seeding_s = time.perf_counter() - began
        stack.down(full_home)
        for turn in range(1, ROUNDS + 1):
            measure(empty_home, wishes, lifecycles, f"round {turn}, empty store", empty)
            measure(full_home, wishes, lifecycles, f"round {turn}, {stored:,} stored requests", full)
    finally:
        stack.down(empty_home)
        stack.down(full_home)
    report = {
        "empty_per_s": round(empty.rate, 1),
        "stored_per_s": round(full.rate, 1),
        "stored_to_empty": round(full.rate / empty.rate, 3),
        "stored_requests": stored,
        "stored_events": seeded,
        "seeding_s": round(seeding_s),
        "lifecycles_a_round": lifecycles,
        "in_flight": IN_FLIGHT,
        "cores": os.cpu_count(),
        "empty": empty.report(),
        "stored": full.report(),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    typer.run(main)
