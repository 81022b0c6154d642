"""Word of what ends unexpectedly, read from the supervisor's journal as it is written."""

import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from local_stack.places import Home
from local_stack.processes import remember_processes
from local_stack.state import load
from local_stack.supervision import Supervisor, log_file

EVENT = re.compile(r" (?P<what>exited|success|gave up|spawnerr): (?P<name>[^ :]+)(?P<rest>.*)$")
KILLED = re.compile(r"terminated by (SIG\w+)")
STATUS = re.compile(r"exit status (-?\d+)")


def how_it_ended(rest: str) -> str:
    """Read how a process ended: its exit status, or the signal that ended it."""
    if killed := KILLED.search(rest):
        named = signal.Signals.__members__.get(killed.group(1))
        return f"signal {named.value}" if named else killed.group(1)
    status = STATUS.search(rest)
    return f"exit status {status.group(1)}" if status else "no reason known"


class Journal:
    """Turns the supervisor's lines into sentences for people; remembers who has ended and is not back yet."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._ended: dict[str, str] = {}

    def sentence(self, line: str) -> str | None:
        """Say what a line means to somebody who watches; None for what is as it should be."""
        event = EVENT.search(line)
        if event is None:
            return None
        name, log = event["name"], f"its log: {self._shown(event['name'])}"
        if event["what"] == "exited":
            again = name in self._ended
            self._ended[name] = how_it_ended(event["rest"])
            return f"{name} could not be started again ({self._ended[name]}) and is tried once more; {log}" if again else None
        if event["what"] == "success":
            ended = self._ended.pop(name, None)
            return f"{name} ended unexpectedly ({ended}) and was restarted; {log}" if ended else None
        self._ended.pop(name, None)
        return f"{name} does not start and was given up: see {self._shown(name)}, then run `veche up` again"

    def _shown(self, name: str) -> Path:
        file = log_file(self._home, name)
        return file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file


def restarts(home: Home) -> dict[str, int]:
    """Count how often each program ended by itself since the supervisor started."""
    journal = home.supervisor / "supervisord.log"
    counted: dict[str, int] = {}
    for line in journal.read_text(errors="replace").splitlines() if journal.exists() else ():
        event = EVENT.search(line)
        if event and event["what"] == "exited":
            counted[event["name"]] = counted.get(event["name"], 0) + 1
    return counted


def watch(home: Home, *, pause: float = 0.5) -> Iterator[str]:
    """Yield a sentence for everything that ends unexpectedly from now on; look every `pause` seconds.

    Ends when the supervisor itself has gone: said in a sentence unless somebody took the city down.
    """
    journal = Journal(home)
    supervisor = Supervisor(home)
    with (home.supervisor / "supervisord.log").open(errors="replace") as lines:
        lines.seek(0, 2)
        begun = ""
        while True:
            begun += lines.readline()
            if begun.endswith("\n"):
                sentence = journal.sentence(begun.rstrip("\n"))
                begun = ""
                if sentence:
                    remember_processes(home, supervisor)
                    yield sentence
            elif supervisor.pid() is None:
                if load(home).up:
                    yield "The supervisor has gone, so nothing is restarted any more: run `veche up` to start the city again"
                return
            else:
                time.sleep(pause)
