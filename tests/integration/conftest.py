"""One whole city for all the tests here: up once a session in a home of its own, a day played in it once, down at the end."""

import asyncio
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest

from local_stack import stack
from local_stack.places import Home
from local_stack.stack import Wishes
from veche.demo.day import Files, Played, play
from veche.play.generated import write_discussions, write_requests

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(1, str(Path(__file__).parents[2] / "cli" / "tests"))

from city_alive import City, quiet

ROOT = Path(__file__).resolve().parents[2]
REQUESTS, SUBMISSIONS, DISCUSSIONS = 150, 60, 3
SEED = 57
"""A day with every ending, and with requests that nobody is responsible for."""

ORDER = (
    "test_conformance",
    "test_requests_journey",
    "test_append_only",
    "test_history",
    "test_personal_data",
    "test_lifecycle",
    "test_killed",
    "test_openapi",
)
"""The day is played first; what kills processes comes late, and what says anything at all to the services last."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that stand here into their order, and leave all others where they are."""
    here = [item for item in items if item.path.parent == Path(__file__).parent]
    sorted_here = iter(sorted(here, key=lambda item: ORDER.index(item.path.stem)))
    items[:] = [next(sorted_here) if item in here else item for item in items]


@pytest.fixture(scope="session")
def city(stack_directory: Path) -> Iterator[City]:
    """A city with all its parts, services and the stream processor; yours are used if the environment names them."""
    home = Home.at(stack_directory / "city", jars=ROOT / ".veche" / "kafka" / "libs")
    wishes = Wishes(
        cities=ROOT / "cities",
        database_url=os.environ.get("DATABASE_URL") or None,
        bootstrap=os.environ.get("KAFKA_BOOTSTRAP_SERVERS") or None,
        environment=dict(os.environ),
    )
    yield City(home, stack.up(home, wishes))
    stack.down(home)


@dataclass(frozen=True)
class Day:
    """A day that was played in the city: its files, what came of it, how long it took (seconds)."""

    files: Files
    played: Played
    seconds: float


@pytest.fixture(scope="session")
def day(city: City) -> Day:
    """Play a made-up day as `veche demo` does: requests to their end, discussions to their protocols."""
    made = city.home.path / "generated"
    made.mkdir()
    files = Files(made / "requests.csv", made / "proposals.csv", made / "comments.csv")
    write_requests(files.requests, REQUESTS, SEED)
    write_discussions(files.proposals, files.comments, DISCUSSIONS, SUBMISSIONS, SEED)
    began = monotonic()
    played = asyncio.run(play(files, city.home, city.state, quiet, open_at_least=timedelta(minutes=1)))
    return Day(files, played, monotonic() - began)
