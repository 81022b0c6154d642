"""A winter of requests in virtual time through the real rules and timers: `make bench-winter`.

Every request is lived through by the rules of request-svc and dispatch-svc, with Kazan's pack. Every breach that a case states is
compared with what an independent calculation expects, and every case's holders with who must have held it; the first requests are
lived again in the real store on PostgreSQL, whose clock is the bench's own, and must come to the same events.
"""

import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import psycopg
import typer
from rich.progress import Progress
from winter_city import BEGINS, DAYS, kazan
from winter_clocks import NOBODY, Lived, sums_up
from winter_people import Life
from winter_worlds import Memory, Stored, open_store, plain

from local_stack import stack
from local_stack.places import Home
from local_stack.stack import Wishes
from shared_chassis.postgres import migrate
from shared_events.dispatch import CaseClosed, HolderChanged
from shared_events.ids import case_stream, request_stream

RESULTS = Path(__file__).parent / "results" / "winter.json"
SEED = 20251101
AT_ONCE = 250
"""Requests that a process lives through before it tells how far it is."""
MOST_SHOWN = 20


@dataclass
class Tally:
    """What was counted of some requests; `wrong` names those of which a breach or a holder was not as expected."""

    requests: int = 0
    events: int = 0
    breaches: int = 0
    breaches_wrong: int = 0
    holder_sums_wrong: int = 0
    left_open: int = 0
    refused: int = 0
    facts: Counter[str] = field(default_factory=Counter)
    wrong: list[int] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Add what another process counted."""
        for name in ("requests", "events", "breaches", "breaches_wrong", "holder_sums_wrong", "left_open", "refused"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.facts += other.facts
        self.wrong += other.wrong


def judge(number: int, lived: Lived, world: Memory, tally: Tally) -> None:
    """Compare what a case stated with what was expected of it."""
    stated, expected = Counter(lived.breaches), Counter(lived.expected.breaches)
    wrong = (stated - expected) + (expected - stated)
    holders = []
    for fact, _ in world.facts[case_stream(lived.request)]:
        match fact:
            case HolderChanged():
                holders.append((fact.holder.organisation or fact.holder.kind, fact.at))
            case CaseClosed():
                holders.append((NOBODY, fact.at))
            case _:
                pass
    held_wrong = holders != lived.expected.holders or not sums_up(lived.submitted, holders)
    tally.requests += 1
    tally.breaches += stated.total()
    tally.breaches_wrong += wrong.total()
    tally.holder_sums_wrong += held_wrong
    tally.left_open += not lived.closed
    tally.refused += lived.refused
    if wrong or held_wrong or not lived.closed:
        tally.wrong.append(number)
    for facts in world.facts.values():
        tally.events += len(facts)
        tally.facts.update(fact.TYPE for fact, _ in facts)


def live_through(work: tuple[range, int]) -> Tally:
    """Live through some requests, in memory."""
    numbers, seed = work
    city, tally = kazan(seed), Tally()
    for number in numbers:
        world = Memory()
        judge(number, Life(number, seed, city, world).live(), world, tally)
    return tally


def winter(requests: int, seed: int, processes: int) -> Tally:
    """Live through the whole winter, on several cores."""
    work = [(range(begin, min(begin + AT_ONCE, requests)), seed) for begin in range(0, requests, AT_ONCE)]
    tally = Tally()
    with multiprocessing.get_context("spawn").Pool(processes) as pool, Progress() as progress:
        task = progress.add_task("requests", total=requests)
        for done in pool.imap_unordered(live_through, work):
            tally.add(done)
            progress.update(task, completed=tally.requests)
            if not sys.stdout.isatty() and tally.requests % 10_000 < AT_ONCE:
                print(f"requests: {tally.requests:,} of {requests:,}, breaches {tally.breaches:,}", flush=True)
    return tally


def stored_sample(admin_url: str, requests: int, seed: int) -> Sequence[int]:
    """Live through the first requests again, in the real store; the numbers of those that came to other events."""
    service = f"bench_{uuid4().hex[:8]}"
    database = migrate(admin_url, service, None, "bench")
    city, different = kazan(seed), []
    store = open_store(database)
    try:
        with psycopg.connect(database.owner_url, autocommit=True) as mover:
            mover.execute(f"SET search_path = {service}".encode())
            for number in range(requests):
                memory = Memory()
                life = Life(number, seed, city, memory)
                life.live()
                stored = Stored(store, life.id, mover)
                Life(number, seed, city, stored).live()
                for stream in (request_stream(life.id), case_stream(life.id)):
                    wanted = [(plain(fact), now) for fact, now in memory.facts.get(stream, [])]
                    if wanted != stored.facts(stream):
                        different.append(number)
    finally:
        store.database.close()
        with psycopg.connect(admin_url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {service} WITH (FORCE)".encode())
            connection.execute(f"DROP ROLE {service}".encode())
            connection.execute(f"DROP ROLE {service}_owner".encode())
    return different


@contextmanager
def postgres() -> Iterator[str]:
    """Lend an administrator's URL: yours by DATABASE_URL, else an embedded PostgreSQL of the benchmark's own."""
    given = os.environ.get("DATABASE_URL")
    if given:
        yield given
        return
    root = Path(__file__).parents[1] / ".veche"
    home = Home.at(root / "bench", jars=root / "kafka" / "libs")
    wishes = Wishes(cities=root.parent / "cities", environment=dict(os.environ))
    try:
        yield stack.up(home, wishes, wanted=["postgres"], parts_only=True).admin_url
    finally:
        stack.down(home)


def main(requests: int = 100_000, seed: int = SEED, sample: int = 500, processes: int = 0) -> None:
    """Live through a winter; write bench/results/winter.json, and end with status 1 if anything is not as expected."""
    began = time.monotonic()
    tally = winter(requests, seed, processes or os.cpu_count() or 1)
    lived = time.monotonic() - began
    different: Sequence[int] = ()
    if sample:
        with postgres() as admin_url:
            different = stored_sample(admin_url, sample, seed)
    report = {
        "requests": tally.requests,
        "breaches": tally.breaches,
        "breaches_wrong": tally.breaches_wrong,
        "holder_sums_wrong": tally.holder_sums_wrong,
        "left_open": tally.left_open,
        "stored_sample": sample,
        "stored_sample_different": len(different),
        "begins": BEGINS.isoformat(),
        "days": DAYS,
        "events": tally.events,
        "refused_commands": tally.refused,
        "events_by_type": dict(sorted(tally.facts.items())),
        "seed": seed,
        "seconds": round(lived, 1),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))
    if tally.wrong or different:
        print(f"Not as expected, among others: requests {sorted(tally.wrong)[:MOST_SHOWN]}, stored {different[:MOST_SHOWN]}.")
        raise SystemExit(1)


if __name__ == "__main__":
    typer.run(main)
