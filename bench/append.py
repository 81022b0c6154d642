"""Our append beside the library's stock recorder, on the same PostgreSQL, in interleaved rounds: `make bench-append`.

Ours stores events, a view row and the command id in one transaction, as the application's role; the stock recorder stores the
events alone, as their owner. Both write two events a command, each command to a stream of its own, from the same mapper. While
they write, a reader tails positions and checks at the end that it saw every stored event (commit order is position order).
"""

import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
import typer
from eventsourcing.persistence import EventStore
from eventsourcing.postgres import PostgresApplicationRecorder
from psycopg.sql import SQL, Identifier
from rich.progress import track

from local_stack import stack
from local_stack.places import Home
from local_stack.progress import Progress
from local_stack.stack import Wishes
from shared_chassis.mapper import EventMapper
from shared_chassis.postgres import Database, ServiceDatabase, migrate
from shared_chassis.recorder import Commit, Recorder
from shared_chassis.store import Command, Store
from shared_chassis.stream import Stream
from shared_chassis.view import Projection, Statement
from shared_events.catalogue import catalogue_of
from shared_events.envelope import Envelope, Recorded
from shared_events.event import Event

RESULTS = Path(__file__).parent / "results" / "append.json"
EVENTS_A_COMMAND = 2
POOL = 40


class BenchEvent(Event, service="bench"):
    """A fact of this benchmark."""


class ParcelMoved(BenchEvent):
    """About as many bytes as a fact of the city."""

    parcel: str
    place: str
    note: str


CATALOGUE = catalogue_of([ParcelMoved])
PARCEL: Stream[int] = Stream("parcel", 0, lambda count, _event: count + 1)
INSERT_VIEW = "INSERT INTO parcel_view (stream_id, version, place) VALUES (%(stream_id)s, %(version)s, %(place)s)"


def _view(recorded: Recorded) -> Statement:
    assert isinstance(recorded.fact, ParcelMoved)
    return Statement(INSERT_VIEW, {"stream_id": recorded.stream_id, "version": recorded.version, "place": recorded.fact.place})


PROJECTION: Projection = {ParcelMoved: _view}
NOTE = "left at the neighbour's door on the second floor, as agreed by telephone in the morning"


def facts() -> Sequence[Event]:
    """Say what one command decides."""
    return [ParcelMoved(parcel="p", place=place, note=NOTE) for place in ("hall", "yard")][:EVENTS_A_COMMAND]


def recorded(stream: str, now: datetime) -> list[Recorded]:
    """Put the facts of one command in envelopes, outside the timed part of neither: both sides pay for it."""
    return [
        Recorded(stream, n, Envelope(uuid4(), "/bench/bench-svc", fact.TYPE, now, now, "service:bench", uuid4(), uuid4()), fact)
        for n, fact in enumerate(facts(), 1)
    ]


class Tail:
    """Reads positions as they appear, looking only ahead."""

    def __init__(self, recorder: PostgresApplicationRecorder) -> None:
        self._recorder = recorder
        self._last = recorder.max_notification_id() or 0
        self._first = self._last
        self.seen = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while True:
            finished = self._done.is_set()
            found = self._recorder.select_notifications(self._last, 2000, inclusive_of_start=False)
            if found:
                self._last = found[-1].id
                self.seen += len(found)
            elif finished:
                return
            else:
                time.sleep(0.05)

    def finish(self, database: Database) -> bool:
        """Say whether everything stored since the start was seen."""
        self._done.set()
        self._thread.join()
        with database.connection() as connection:
            row = connection.execute(
                SQL("SELECT count(*) AS n FROM {} WHERE notification_id > %s").format(
                    Identifier(database.schema, "stored_events")
                ),
                [self._first],
            ).fetchone()
        return row is not None and row["n"] == self.seen


def rate(writers: int, commands: int, append: Callable[[], object]) -> float:
    """Append so many commands from so many threads; commands a second."""
    start = threading.Barrier(writers + 1)

    def work() -> None:
        start.wait()
        for _ in range(commands // writers):
            append()

    with ThreadPoolExecutor(writers) as pool:
        futures = [pool.submit(work) for _ in range(writers)]
        start.wait()
        started = time.perf_counter()
        for future in futures:
            future.result()
        return (commands // writers) * writers / (time.perf_counter() - started)


class Ours:
    """Our append and whole `handle` calls, as the application's role, with a view and command ids."""

    def __init__(self, database: ServiceDatabase) -> None:
        self.database = Database(database.app_url, database.service, POOL)
        self.recorder = Recorder(self.database, PROJECTION)
        mapper = EventMapper(CATALOGUE, "/bench/bench-svc")
        self._events: EventStore[str] = EventStore(mapper, self.recorder)
        self._store = Store(self.database, self.recorder, mapper)

    def append(self) -> None:
        """Append one command."""
        now = datetime.now(UTC)
        stream = f"parcel-{uuid4()}"
        events = recorded(stream, now)
        self._events.put(events, commit=Commit(uuid4(), stream, 0, events, actor="service:bench"))

    def handle(self) -> None:
        """Look up, load, decide and append one command."""
        self._store.handle(PARCEL, f"parcel-{uuid4()}", lambda _state, _now: facts(), Command(uuid4(), "service:bench"))


class Stock:
    """The library's recorder as it comes, as the tables' owner, without views or command ids."""

    def __init__(self, database: ServiceDatabase) -> None:
        self.database = Database(database.owner_url, f"{database.service}_stock", POOL)
        with psycopg.connect(database.owner_url, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {database.service}_stock".encode())
        self.recorder = PostgresApplicationRecorder(self.database.datastore, events_table_name="stored_events")
        self.recorder.create_table()
        self._events: EventStore[str] = EventStore(EventMapper(CATALOGUE, "/bench/bench-svc"), self.recorder)

    def append(self) -> None:
        """Append one command's events."""
        self._events.put(recorded(f"parcel-{uuid4()}", datetime.now(UTC)))


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
        yield stack.up(home, wishes, progress=Progress(), wanted=["postgres"], parts_only=True).admin_url
    finally:
        stack.down(home)


def prepare(admin_url: str) -> tuple[Ours, Stock, str]:
    """Make a database of the benchmark's own, with a view table."""
    service = f"bench_{uuid4().hex[:8]}"
    database = migrate(admin_url, service, None, "bench")
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute(f"SET search_path = {service}".encode())
        connection.execute(
            "CREATE TABLE parcel_view (stream_id text, version bigint, place text, PRIMARY KEY (stream_id, version))"
        )
        connection.execute(f"GRANT SELECT, INSERT ON parcel_view TO {service}".encode())
    return Ours(database), Stock(database), service


def ratio(ours: Sequence[float], stock: Sequence[float]) -> float:
    """Give the median over the rounds of ours to the stock recorder's, each round by itself."""
    return round(statistics.median(a / b for a, b in zip(ours, stock, strict=True)), 2)


def main(rounds: int = 7, commands: int = 2400, single: int = 150) -> None:
    """Compare at 1 and 32 writers; write bench/results/append.json."""
    with postgres() as admin_url:
        ours, stock, service = prepare(admin_url)
        names = ("ours_1", "stock_1", "handle_1", "ours_32", "stock_32", "handle_32")
        figures: dict[str, list[float]] = {name: [] for name in names}
        for round_ in track(range(rounds + 1), "rounds", disable=not sys.stdout.isatty()):
            measured = {}
            for writers, count in ((1, single), (32, commands)):
                tails = [Tail(ours.recorder), Tail(stock.recorder)]
                measured[f"ours_{writers}"] = rate(writers, count, ours.append)
                measured[f"stock_{writers}"] = rate(writers, max(count // 4, 100), stock.append)
                measured[f"handle_{writers}"] = rate(writers, count, ours.handle)
                if not all(tail.finish(side.database) for tail, side in zip(tails, (ours, stock), strict=True)):
                    sys.exit("A reader that only looks ahead missed a stored event: the append's order is broken.")
            if round_ > 0:  # the first round warms up
                for name, value in measured.items():
                    figures[name].append(value)
        ours.database.close()
        stock.database.close()
        with psycopg.connect(admin_url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {service} WITH (FORCE)".encode())
            connection.execute(f"DROP ROLE {service}".encode())
            connection.execute(f"DROP ROLE {service}_owner".encode())
    median = {name: round(statistics.median(values), 1) for name, values in figures.items()}
    report = {
        "rounds": rounds,
        "events_per_command": EVENTS_A_COMMAND,
        "commands_per_s": {name: {"median": median[name], "all": [round(value) for value in figures[name]]} for name in figures},
        "ratio_at_1_writer": ratio(figures["ours_1"], figures["stock_1"]),
        "ratio_at_32_writers": ratio(figures["ours_32"], figures["stock_32"]),
        "handles_per_s_at_32_threads": median["handle_32"],
        "commit_order_checked": True,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    typer.run(main)
