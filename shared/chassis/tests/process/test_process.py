"""A process on real signals and a real port: watched while it runs, drained in order when it is asked to stop."""

import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from local_stack import ports

PATIENCE = 120.0
"""Seconds a test waits for what must come to pass: only a fault takes as long, however slow the machine."""

PROGRAM = Path(__file__).parent / "program.py"
ENVIRONMENT = {
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "OIDC_ISSUER": "http://127.0.0.1:1",
    "CITY_SECRET": base64.b64encode(b"s" * 32).decode(),
}


class Program:
    """The program as a process of its own."""

    def __init__(self, folder: Path) -> None:
        """Find it a free port and a diary."""
        self.diary_file = folder / "diary"
        self.log_file = folder / "log"
        self.port = ports.choose({"http": 21_000})["http"]  # below those that outgoing connections take
        self.address = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, command: str = "serve", **settings: str) -> None:
        """Start it and go on."""
        environment = {**os.environ, **ENVIRONMENT, "DIARY": str(self.diary_file), "HTTP_PORT": str(self.port), **settings}
        with self.log_file.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(PROGRAM), command], env=environment, stdout=output, stderr=subprocess.STDOUT
            )

    def diary(self) -> list[str]:
        """Read what was done."""
        return self.diary_file.read_text().splitlines() if self.diary_file.exists() else []

    def log(self, event: str | None = None) -> list[dict[str, object]]:
        """Read what was logged."""
        written = self.log_file.read_text().rpartition("\n")[0]  # the last line may be half written
        lines = [json.loads(line) for line in written.splitlines()]
        return [line for line in lines if event is None or line["event"] == event]

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Ask it to stop."""
        assert self.process is not None
        self.process.send_signal(number)

    def ended(self, within: float = PATIENCE) -> int:
        """Wait for its end; its exit status."""
        assert self.process is not None
        return self.process.wait(within)

    def ready(self) -> None:
        """Wait until it serves."""
        until(lambda: status(self.address + "/readyz") == 200)


def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def status(address: str) -> int | None:
    """Ask an address; None when nobody listens."""
    try:
        return httpx.get(address, timeout=PATIENCE).status_code
    except httpx.HTTPError:
        return None


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """Give a program, and end it whatever happens."""
    made = Program(tmp_path)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_drains_in_order_and_ends_well(program: Program, number: int) -> None:
    """API, worker, relay, and only then what they used."""
    program.start()
    program.ready()
    program.stop(number)
    assert program.ended() == 0
    assert program.diary() == ["parts api relay worker", "worker run 1", "worker drained", "relay drained", "closed"]
    assert [line["component"] for line in program.log("component.drained")] == ["api", "worker", "relay"]


def test_calls_in_hand_are_finished_before_anything_else_stops(program: Program) -> None:
    """No new call is accepted; the old one gets its answer, however long that takes."""
    program.start(DRAIN_SECONDS="300")
    program.ready()
    answers: list[int | None] = []
    calling = threading.Thread(target=lambda: answers.append(status(program.address + "/slow")))
    calling.start()
    until(lambda: "call began" in program.diary())
    program.stop()
    until(lambda: status(program.address + "/healthz") is None)
    assert program.diary()[2:] == ["call began"]
    (program.diary_file.with_name("answer")).touch()
    assert program.ended() == 0
    calling.join()
    assert answers == [200]
    assert program.diary()[2:] == ["call began", "call done", "worker drained", "relay drained", "closed"]


def test_a_process_that_stops_says_so_for_the_notice_and_goes_on_answering(program: Program) -> None:
    """A load balancer has the time to turn elsewhere."""
    program.start(DRAIN_NOTICE_SECONDS="300", DRAIN_SECONDS="600")
    program.ready()
    program.stop()
    until(lambda: status(program.address + "/readyz") == 503)
    assert status(program.address + "/healthz") == 200
    assert "worker drained" not in program.diary()


def test_a_component_that_fails_is_told_and_started_again(program: Program) -> None:
    """With growing pauses, and counted; the others go on."""
    program.start(SCENARIO="fails twice")
    program.ready()
    until(lambda: "worker run 3" in program.diary())
    metrics = httpx.get(program.address + "/metrics", timeout=PATIENCE).text
    program.stop()
    assert program.ended() == 0
    failed = program.log("component.failed")
    assert [(line["component"], line["error"], line["again_in_s"]) for line in failed] == [
        ("worker", "RuntimeError: broken", 0.5),
        ("worker", "RuntimeError: broken", 1.0),
    ]
    assert 'veche_component_restarts_total{component="worker"} 2.0' in metrics
    assert program.diary()[-3:] == ["worker drained", "relay drained", "closed"]


def test_a_component_that_ends_unasked_is_started_again(program: Program) -> None:
    """Silence is a failure too."""
    program.start("worker", SCENARIO="returns once")
    until(lambda: "worker run 2" in program.diary())
    program.stop()
    assert program.ended() == 0
    assert [line["component"] for line in program.log("component.ended_unasked")] == ["worker"]


def test_what_a_restart_cannot_mend_ends_the_process(program: Program) -> None:
    """Drained, with a sentence and a status an orchestrator notices."""
    program.start(SCENARIO="misconfigured")
    assert program.ended() == 1
    [line] = program.log("component.misconfigured")
    assert line["error"] == "MisconfiguredError: The topic has 3 partitions, not 12."
    assert program.diary()[-2:] == ["relay drained", "closed"]


def test_a_failure_while_stopping_does_not_keep_the_process_up(program: Program) -> None:
    """It is told, and the rest is drained."""
    program.start("worker", SCENARIO="fails while stopping")
    until(lambda: "worker run 1" in program.diary())
    program.stop()
    assert program.ended() == 0
    assert program.log("component.failed")
    assert program.diary()[-1] == "closed"


def test_a_component_that_does_not_drain_is_left_behind(program: Program) -> None:
    """The bound holds: what it had in hand was not acknowledged."""
    program.start(SCENARIO="hangs", DRAIN_SECONDS="1")
    program.ready()
    program.stop()
    assert program.ended() == 1
    assert [line["component"] for line in program.log("component.not_drained")] == ["worker"]


def test_a_second_signal_ends_the_process_at_once(program: Program) -> None:
    """Whoever presses Ctrl-C twice means it."""
    program.start(SCENARIO="hangs")
    program.ready()
    program.stop(signal.SIGINT)
    until(lambda: program.log("process.draining"))
    program.stop(signal.SIGINT)
    assert program.ended() == 128 + signal.SIGINT


def test_a_port_that_is_taken_is_told_and_tried_again(program: Program) -> None:
    """The API comes up as soon as the port is free; nothing else waits for it."""
    with socket.create_server(("127.0.0.1", program.port)):
        program.start()
        until(lambda: any(line["component"] == "api" for line in program.log("component.failed")))
        assert "Address already in use" in str(program.log("component.failed")[0]["error"])
        until(lambda: "worker run 1" in program.diary())
    program.ready()
    program.stop()
    assert program.ended() == 0


def test_a_kept_connection_serves_many_calls(program: Program) -> None:
    """Robots keep theirs open; one that idles does not keep the process up."""
    program.start(DRAIN_SECONDS="600")
    program.ready()
    with httpx.Client(base_url=program.address, timeout=PATIENCE) as client:
        assert {client.get("/healthz").status_code for _ in range(50)} == {200}
        program.stop()
        assert program.ended() == 0
        with contextlib.suppress(httpx.HTTPError):
            client.get("/healthz")


@pytest.mark.parametrize(
    ("command", "parts"), [("serve", "api relay worker"), ("api", "api"), ("worker", "worker"), ("relay", "relay")]
)
def test_a_part_can_run_alone(program: Program, command: str, parts: str) -> None:
    """Each as a process of its own, or all in one."""
    program.start(command)
    until(lambda: program.log_file.exists() and "process.started" in program.log_file.read_text())
    program.stop()
    assert program.ended() == 0
    assert program.diary()[0] == f"parts {parts}"
