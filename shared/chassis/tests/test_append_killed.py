"""kill -9 after each numbered step of the append: all or nothing, and the repeated command gives exactly one event (trap T7)."""

import signal
import subprocess
import sys
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from append_until_killed import STEPS
from shop import ORDER, place

from shared_chassis.postgres import ServiceDatabase
from shared_chassis.store import Command, Store

pytestmark = pytest.mark.postgres
CHILD = Path(__file__).parent / "append_until_killed.py"
COUNTS = """
    SELECT (SELECT count(*) FROM stored_events) AS events, (SELECT count(*) FROM command) AS commands,
        (SELECT count(*) FROM order_view) AS rows, (SELECT count(*) FROM timer) AS timers
"""


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_after_any_step_loses_and_doubles_nothing(shop_database: ServiceDatabase, store: Store, step: str) -> None:
    """Before COMMIT nothing is there, after it everything; asking again tells which, and stores once."""
    order, key = f"order-{uuid4()}", str(uuid4())
    child = subprocess.run(
        [sys.executable, str(CHILD), shop_database.service, shop_database.app_url, step, order, key],
        check=False,
        timeout=60,
        capture_output=True,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()
    committed = int(step in ("transaction", "notify"))
    assert store.database.query_one(COUNTS) == dict.fromkeys(("events", "commands", "rows", "timers"), committed)
    result = store.handle(ORDER, order, place(), Command(UUID(key), "resident:1"))
    assert result.repeated is bool(committed)
    assert store.load(ORDER, order).version == 1
