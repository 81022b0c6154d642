"""What the tests of analytics-svc start from: an empty file of facts, in memory."""

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from analytics_svc.facts.file import IN_MEMORY, FactFile

sys.path.insert(0, str(Path(__file__).parent))


def pytest_unconfigure() -> None:
    """Take away hypothesis' watcher of the garbage collector: it outlives the modules, and DuckDB then reports a leak."""
    gc.callbacks.clear()


@pytest.fixture
def facts() -> Iterator[FactFile]:
    """Give an empty file of facts that knows three cities."""
    file = FactFile(IN_MEMORY, threads=1)
    file.know_cities({"los-angeles": "America/Los_Angeles", "kazan": "Europe/Moscow", "madrid": "Europe/Madrid"})
    yield file
    file.close()
