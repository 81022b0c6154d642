"""What is kept only for a while: who gave a command and what its body was, by which a key used twice is told from a repetition.

After 90 days both are forgotten; what the command led to stays for ever, so repeating it still gives the first result.
"""

import asyncio
from contextlib import suppress
from typing import LiteralString

import structlog

from shared_chassis.consumer.reaction import TROUBLE
from shared_chassis.log import told
from shared_chassis.metric import COMMANDS_FORGOTTEN
from shared_chassis.postgres import Database

KEPT_DAYS = 90
EVERY = 3600.0
"""Seconds between two looks for what has become too old."""

AT_ONCE = 500
"""Commands forgotten in one transaction, so that nobody waits for it."""

REST = 0.2
"""Seconds between two batches: what is 90 days old can wait, what is written now cannot."""

FORGET: LiteralString = """
    UPDATE command SET actor = NULL, body_hash = NULL
    WHERE command_id IN (
        SELECT command_id FROM command
        WHERE (actor IS NOT NULL OR body_hash IS NOT NULL) AND recorded_at < (SELECT rule_now()) - make_interval(days => %(days)s)
        ORDER BY recorded_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
"""

log = structlog.get_logger()


class Purge:
    """Forgets, once an hour and in small batches; several processes may do it at once."""

    def __init__(self, database: Database, days: int = KEPT_DAYS, every: float = EVERY) -> None:
        self._database = database
        self._days = days
        self._every = every

    async def run(self, stop: asyncio.Event) -> None:
        """Forget what is too old, now and every hour, until told to stop."""
        while not stop.is_set():
            seconds = self._every
            try:
                if await asyncio.to_thread(self.forget) == AT_ONCE:
                    seconds = REST
            except TROUBLE as error:
                log.warning("purge.interrupted", error=told(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await stop.wait()

    def forget(self) -> int:
        """Forget one batch of commands' actors and body hashes; how many."""
        count = self._database.execute(FORGET, {"days": self._days, "limit": AT_ONCE})
        COMMANDS_FORGOTTEN.inc(count)
        return count
