"""Commits the steps of all partitions: what is ready at the same time shares one transaction."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor

from shared_chassis.consumer.position import Positions, Step
from shared_chassis.consumer.reaction import TROUBLE

Waiter = tuple[Step, "asyncio.Future[None]"]


class Ledger:
    """Takes steps to the position store, as many together as wait, waiting for nobody."""

    def __init__(self, positions: Positions, threads: Executor) -> None:
        self._positions = positions
        self._threads = threads
        self._queue: list[Waiter] = []
        self._writer: asyncio.Task[None] | None = None

    async def commit(self, step: Step) -> None:
        """Commit a step, together with what else is ready; its own error comes through, `Fenced` among them."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((step, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await done

    async def _write(self) -> None:
        while self._queue:
            batch, self._queue = self._queue, []
            try:
                await self._call([step for step, _ in batch])
            except Exception as error:  # noqa: BLE001 - each step is tried alone and hears its own error
                await self._one_by_one(batch, error)
                continue
            for _, done in batch:
                _tell(done, None)

    async def _one_by_one(self, batch: list[Waiter], error: Exception) -> None:
        if len(batch) == 1 or isinstance(error, TROUBLE):
            for _, done in batch:
                _tell(done, error)
            return
        for step, done in batch:
            try:
                await self._call([step])
            except Exception as own:  # noqa: BLE001 - handed to the partition that waits for it
                _tell(done, own)
            else:
                _tell(done, None)

    async def _call(self, steps: Sequence[Step]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._threads, self._positions.commit, steps)


def _tell(done: "asyncio.Future[None]", error: Exception | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
