"""A broker of a test's own, to be killed, restarted and replaced by an empty one."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_stack import kafka, ports
from local_stack.places import Home, project_root


class Broker:
    """One Apache Kafka in the foreground of nobody."""

    def __init__(self, directory: Path) -> None:
        self._home = Home.at(directory, jars=project_root(Path(__file__)) / ".veche" / "kafka" / "libs")
        chosen = ports.choose({"kafka": 29492, "kafka-controller": 29493})
        self._ports = chosen["kafka"], chosen["kafka-controller"]
        self.bootstrap = kafka.bootstrap(self._ports[0])
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it unless it runs, formatted if it never was, and wait until it answers."""
        if self._process is not None and self._process.poll() is None:
            return
        kafka.prepare(self._home, *self._ports, lambda _sentence: None)
        with (self._home.path / "kafka.log").open("ab") as log:
            self._process = subprocess.Popen(kafka.command(self._home), stdout=log, stderr=log)
        deadline = time.monotonic() + 180
        while kafka.trouble(self.bootstrap) is not None:
            assert self._process.poll() is None, (self._home.path / "kafka.log").read_text()[-2000:]
            assert time.monotonic() < deadline, (self._home.path / "kafka.log").read_text()[-2000:]
            time.sleep(0.2)

    def kill(self) -> None:
        """Kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def forget(self) -> None:
        """Lose everything: when it starts again it is another, empty cluster at the same address."""
        shutil.rmtree(self._home.kafka)


@contextmanager
def own_broker(directory: Path) -> Iterator[Broker]:
    """Give a running broker that nobody else uses."""
    broker = Broker(directory)
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()
