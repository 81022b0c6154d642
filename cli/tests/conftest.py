"""What the tests of the command line share: they import what stands beside them, and read the real city packs."""

import sys
from pathlib import Path

import pytest

from shared_city import City, load_city

sys.path.insert(0, str(Path(__file__).parent))

CITIES = Path(__file__).resolve().parents[2] / "cities"


@pytest.fixture(scope="session")
def los_angeles() -> City:
    """The pack whose files of requests are played."""
    return load_city(CITIES / "los-angeles")
