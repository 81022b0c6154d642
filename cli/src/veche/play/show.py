"""How a play shows how far it is: bars on a terminal, a line now and then in a log."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

EVERY = 10.0
"""Seconds between two lines in a log."""

Tell = Callable[[str, int, int], None]
"""What is counted, how many are done, of how many."""


@contextmanager
def shown(console: Console) -> Iterator[Tell]:
    """Show counts as they grow."""
    if console.is_terminal:
        columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console) as progress:
            tasks = {}

            def draw(what: str, done: int, total: int) -> None:
                if what not in tasks:
                    tasks[what] = progress.add_task(what, total=total)
                progress.update(tasks[what], completed=done, total=total)

            yield draw
        return
    last: dict[str, tuple[float, int]] = {}

    def line(what: str, done: int, total: int) -> None:
        time, before = last.get(what, (0.0, -1))
        if done != before and (done == total or monotonic() - time >= EVERY):
            console.print(f"{what}: {done:,} of {total:,}", highlight=False)
            last[what] = (monotonic(), done)

    yield line
