"""Run as a process of its own: appends one command and kills itself after a numbered step of the append (trap T7)."""

import os
import signal
import sys
from uuid import UUID

import shop

from shared_chassis import recorder as recorder_module
from shared_chassis.postgres import Database, ServiceDatabase
from shared_chassis.recorder import Recorder
from shared_chassis.store import Command

STEPS = ("lock", "insert", "views", "timers", "transaction", "notify")


def die(*_: object) -> None:
    """End as a power cut does."""
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Append the command given as (service, URL, step, order, command id)."""
    service, url, step, order, key = sys.argv[1:]
    store = shop.open_store(ServiceDatabase(service, "", url))
    recorder = store._recorder
    if step == "lock":
        recorder._under_lock = die  # type: ignore[method-assign]
    if step in ("insert", "views", "timers"):
        name = {"insert": "_insert", "views": "project", "timers": "_write_timers"}[step]
        original = getattr(recorder_module, name)

        def then_die(connection: object, *rest: object) -> None:
            original(connection, *rest)
            connection.execute("SELECT 1").fetchone()  # type: ignore[attr-defined]  # the server has done all before this
            die()

        setattr(recorder_module, name, then_die)
    if step == "transaction":
        recorder_module.NOTIFY = "SELECT pg_sleep(0)"
        transact = recorder._transact
        recorder._transact = lambda work: (transact(work), die())[0]  # type: ignore[method-assign,func-returns-value]
    if step == "notify":
        commit = Recorder._commit_batch
        Recorder._commit_batch = lambda self, batch: (commit(self, batch), die())[0]  # type: ignore[method-assign,func-returns-value]
    from datetime import timedelta

    store.handle(shop.ORDER, order, shop.place(after=timedelta(hours=1)), Command(UUID(key), "resident:1"))
    assert isinstance(store.database, Database)


if __name__ == "__main__":
    main()
