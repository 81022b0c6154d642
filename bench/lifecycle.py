"""CREATE → ASSIGN → RESOLVE → SEARCH over HTTP, on an empty store and on a full one, in one run: `make bench-lifecycle`.

The whole city runs, every process of it, and so do the clients, all on this machine. A lifecycle is four steps: an agent
registers a caller's request; a dispatcher assigns an organisation, for nobody is responsible for its type; the organisation
reports the work done; the agent finds the request, by its number or on the newest page of its district and type. The stored
requests are copies of lifecycles that ran in the same city to their closing: COPY puts their events into the stores, and the
services' own `rebuild-views` makes the rest.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
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
from psycopg.rows import dict_row
from rich.progress import Progress as Bar

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

WARM_UP = 1000
"""Lifecycles before those that are measured: a city that has just started plans its statements and compiles its broker."""

DAYS = 240
"""Over how many days before today the copies are spread."""


@dataclass
class Window:
    """What came of a measured window: lifecycles finished, their seconds, and the clients' own waits for dispatch to hear."""

    seconds: list[float] = field(default_factory=list)
    waits: int = 0
    ids: list[str] = field(default_factory=list)


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

    async def lifecycle(self, window: Window, *, closes: bool = False) -> None:
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
        window.waits += waits
        window.seconds.append(time.perf_counter() - began)
        window.ids.append(request)
        if closes:
            await self._heard(f"/requests/{request}/confirmation", {}, self._agent, service="request-svc")

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


async def measure(home: Home, state: State, lifecycles: int, what: str, *, closes: bool = False) -> tuple[float, Window]:
    """Run so many lifecycles, 192 at a time, after some to warm up; lifecycles a second."""
    districts = [district.code for district in load_city(ROOT / "cities" / CITY).districts]
    async with Robots(home.path, state) as robots:
        desk = Desk(robots, districts)
        window = Window()
        with Bar(disable=not sys.stdout.isatty()) as bar:
            await _crowd(desk, Window(), min(WARM_UP, lifecycles), bar, f"{what}: warming up", closes=closes)
            began = time.perf_counter()
            await _crowd(desk, window, lifecycles, bar, what, closes=closes)
            rate = lifecycles / (time.perf_counter() - began)
        await settle(state, positions_of(robots))
    return rate, window


async def _crowd(desk: Desk, window: Window, lifecycles: int, bar: Bar, what: str, *, closes: bool) -> None:
    shown = bar.add_task(what, total=lifecycles)
    left = iter(range(lifecycles))

    async def one_after_another() -> None:
        for _ in left:
            await desk.lifecycle(window, closes=closes)
            bar.advance(shown)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(IN_FLIGHT, lifecycles)):
            group.create_task(one_after_another())


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
                rows = connection.execute(
                    "SELECT originator_id, originator_version, topic, state FROM stored_events"
                    " WHERE originator_id = %s ORDER BY originator_version",
                    [stream],
                ).fetchall()
            found[service] = [Stored(*row.values()) for row in rows]  # type: ignore[arg-type]  # the columns of the statement
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

            def advance(task: object = shown) -> Iterator[None]:
                while True:
                    bar.advance(task)  # type: ignore[arg-type]  # the task's id, whose type is not public
                    yield

            seeded[service.name] = copies.write(service.name, requests, advance())
    print("Building the views anew from the events …", flush=True)
    failed = [service.command for service, run in [(each, rebuild(home, wishes, state, each)) for each in both] if run.wait()]
    if failed:
        raise SystemExit(f"rebuild-views failed in {', '.join(failed)}")
    for service in both:
        copies.published(service.name)
    return seeded


def main(
    lifecycles: Annotated[int, typer.Option(help="Measured lifecycles on each store.", min=100)] = 3000,
    stored: Annotated[int, typer.Option(help="Requests in the full store.", min=1000)] = 250_000,
) -> None:
    """Measure on an empty store, fill it, measure again; write bench/results/lifecycle.json."""
    home = Home.at(ROOT / ".veche" / "bench-lifecycle", jars=ROOT / ".veche" / "kafka" / "libs")
    wishes = Wishes(cities=ROOT / "cities", environment=dict(os.environ))
    if home.path.exists():
        raise SystemExit(f"{home.path} is left from an earlier run: remove it, an empty store is wanted.")
    try:
        state = stack.up(home, wishes, progress=Progress())
        before = cpu_seconds(home)
        empty, first = asyncio.run(measure(home, state, lifecycles, "empty store"))
        spent = {name: seconds - before.get(name, 0.0) for name, seconds in cpu_seconds(home).items()}
        _, made = asyncio.run(measure(home, state, TEMPLATES, "lifecycles to copy", closes=True))
        stack.down(home)
        began = time.perf_counter()
        seeded = seed(home, wishes, made.ids, stored)
        seeding_s = time.perf_counter() - began
        stack.down(home)
        state = stack.up(home, wishes, progress=Progress())
        full, second = asyncio.run(measure(home, state, lifecycles, f"{stored:,} stored requests"))
    finally:
        stack.down(home)
    report = {
        "lifecycles": lifecycles,
        "in_flight": IN_FLIGHT,
        "empty_per_s": round(empty, 1),
        "stored_per_s": round(full, 1),
        "stored_to_empty": round(full / empty, 3),
        "stored_requests": stored,
        "stored_events": seeded,
        "seeding_s": round(seeding_s),
        "asked_too_early_per_lifecycle": {
            "empty": round(first.waits / lifecycles, 2),
            "stored": round(second.waits / lifecycles, 2),
        },
        "latency_p50_s": {"empty": _p50(first), "stored": _p50(second)},
        "cpu_ms_per_lifecycle_empty": {name: round(1000 * s / (lifecycles + WARM_UP), 1) for name, s in spent.items()},
        "cores": os.cpu_count(),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))


def _p50(window: Window) -> float:
    return round(statistics.median(window.seconds), 2)


if __name__ == "__main__":
    typer.run(main)
