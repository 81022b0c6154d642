"""Supervision by supervisord: its configuration, its control socket, and its end.

Every program starts when told to, is started again when it ends by itself, and carries `VECHE_STACK` in its environment,
so that what belongs to a stack can be found even when its supervisor was killed.
"""

import http.client
import os
import shlex
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from local_stack.failure import StackError
from local_stack.places import Home

MARK = "VECHE_STACK"
INHERITED = ("HOME", "JAVA_HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ", "USER")


class SupervisionError(StackError):
    """The supervisor did not do what it was asked."""


@dataclass(frozen=True)
class Program:
    """One long-running program of a stack."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    priority: int = 100
    """Lower ones start earlier and stop later."""
    stop_signal: str = "TERM"
    stop_seconds: int = 20


class ProgramInfo(BaseModel):
    """What supervisord knows of a program; times in seconds since the epoch."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    statename: str
    pid: int
    start: int
    now: int
    spawnerr: str
    exitstatus: int


def _value(text: str) -> str:
    """Write a value as supervisord reads it back: percent signs doubled, what it cannot carry refused."""
    if any(mark in text for mark in ('"', "\n", " ;")):
        raise SupervisionError(
            f"{text!r} holds a quote, a line break or ' ;', which the supervisor cannot carry: "
            "put the project into a directory with a plainer name."
        )
    return text.replace("%", "%%")


def log_file(home: Home, name: str) -> Path:
    """Name the file that a program's output goes to."""
    return home.log / f"{name}.log"


def render(home: Home, programs: Sequence[Program]) -> str:
    """Write supervisord's configuration for these programs."""
    lines = [
        "[unix_http_server]",
        f"file={_value(str(home.socket))}",
        "chmod=0600",
        "",
        "[supervisord]",
        f"logfile={_value(str(home.supervisor / 'supervisord.log'))}",
        "logfile_maxbytes=0",
        f"pidfile={_value(str(home.supervisor / 'supervisord.pid'))}",
        f"childlogdir={_value(str(home.log))}",
        "umask=022",
        *(["user=root"] if os.geteuid() == 0 else []),
        "",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface",
    ]
    for program in programs:
        environment = ",".join(f'{key}="{_value(value)}"' for key, value in sorted(program.environment.items()))
        lines += [
            "",
            f"[program:{program.name}]",
            f"command={_value(shlex.join(program.command))}",
            f"directory={_value(str(home.path))}",
            *([f"environment={environment}"] if environment else []),
            f"priority={program.priority}",
            "autostart=false",
            "autorestart=true",
            "startsecs=1",
            "startretries=10",
            f"stopsignal={program.stop_signal}",
            f"stopwaitsecs={program.stop_seconds}",
            "stopasgroup=true",
            "killasgroup=true",
            "redirect_stderr=true",
            f"stdout_logfile={_value(str(log_file(home, program.name)))}",
            "stdout_logfile_maxbytes=50MB",
            "stdout_logfile_backups=2",
        ]
    return "\n".join(lines) + "\n"


def stanzas(configuration: str) -> frozenset[str]:
    """Take a configuration apart, so that two can be compared whatever the order."""
    return frozenset(part.strip() for part in configuration.split("\n\n"))


def read_configuration(home: Home) -> str:
    """Read what the supervisor was started with."""
    file = home.supervisor / "supervisord.conf"
    return file.read_text() if file.exists() else ""


class _SocketConnection(http.client.HTTPConnection):
    """HTTP to a server that listens on a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _SocketTransport(xmlrpc.client.Transport):
    """XML-RPC over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: object) -> http.client.HTTPConnection:  # noqa: ARG002  there is only one server
        """Give a new connection to the socket."""
        return _SocketConnection(self._path)


class Supervisor:
    """The running supervisord of a home, spoken to through its control socket."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def _call(self, method: str, *arguments: str | bool) -> object:
        with xmlrpc.client.ServerProxy("http://localhost/RPC2", transport=_SocketTransport(str(self._home.socket))) as server:
            try:
                answer: object = getattr(server.supervisor, method)(*arguments)
            except xmlrpc.client.Fault as fault:
                raise SupervisionError(f"{method} {' '.join(map(str, arguments))}: {fault.faultString}") from fault
            except (OSError, http.client.HTTPException) as error:
                raise SupervisionError(f"The supervisor does not answer: {error}") from error
        return answer

    def pid(self) -> int | None:
        """Tell the supervisor's process id; None where none answers."""
        try:
            answer = self._call("getPID")
        except SupervisionError:
            return None
        return answer if isinstance(answer, int) else None

    def programs(self) -> dict[str, ProgramInfo]:
        """Tell how every program fares."""
        answer = self._call("getAllProcessInfo")
        if not isinstance(answer, list):
            raise SupervisionError(f"The supervisor answered {answer!r}.")
        infos = [ProgramInfo.model_validate(item) for item in answer]
        return {info.name: info for info in infos}

    def starting(self, name: str) -> str | None:
        """Tell what keeps a program from running: None once it runs."""
        info = self.programs()[name]
        return None if info.statename == "RUNNING" else info.spawnerr or info.statename.lower()

    def start(self, name: str) -> None:
        """Start a program unless it runs or is about to."""
        if self.programs()[name].statename not in {"RUNNING", "STARTING", "BACKOFF"}:
            self._call("startProcess", name, False)

    def stop(self, names: Sequence[str], seconds: float) -> None:
        """Stop these programs together, and wait until they have ended."""
        running = [name for name, info in self.programs().items() if name in names and info.pid]
        for name in running:
            self._call("stopProcess", name, False)
        deadline = time.monotonic() + seconds
        while any(self.programs()[name].pid for name in running) and time.monotonic() < deadline:
            time.sleep(0.05)

    def shut_down(self) -> None:
        """End the supervisor and whatever it still runs."""
        self._call("shutdown")


def environment_of_programs(home: Home, inherited: Mapping[str, str]) -> dict[str, str]:
    """Say what every program inherits: the few variables of the caller that it needs, and the mark of its stack."""
    kept = {name: inherited[name] for name in INHERITED if name in inherited}
    return {"LANG": "C.UTF-8", **kept, MARK: str(home.path)}


def launch(home: Home, configuration: str, inherited: Mapping[str, str]) -> Supervisor:
    """Start supervisord with this configuration, and wait until it answers."""
    for directory in (home.supervisor, home.log):
        directory.mkdir(parents=True, exist_ok=True)
    file = home.supervisor / "supervisord.conf"
    file.touch(mode=0o600)
    file.write_text(configuration)
    (home.supervisor / "supervisord.log").unlink(missing_ok=True)
    begun = subprocess.run(  # noqa: S603  our own interpreter
        (sys.executable, "-W", "ignore", "-m", "supervisor.supervisord", "-c", str(file)),
        check=False,
        capture_output=True,
        text=True,
        env=environment_of_programs(home, inherited),
        cwd="/",
    )
    if begun.returncode != 0:
        raise SupervisionError(f"The supervisor could not be started: {(begun.stdout + begun.stderr).strip()}")
    supervisor = Supervisor(home)
    deadline = time.monotonic() + 60
    while supervisor.pid() is None:
        if time.monotonic() > deadline:
            raise SupervisionError(f"The supervisor does not answer; its log: {home.supervisor / 'supervisord.log'}")
        time.sleep(0.05)
    return supervisor


def wait_until(supervisor: Supervisor, home: Home, name: str, trouble: Callable[[], str | None], seconds: float) -> None:
    """Wait until a program answers; give up when it was started in vain, or after that many seconds."""
    deadline = time.monotonic() + seconds
    while (said := trouble()) is not None:
        info = supervisor.programs()[name]
        if info.statename in {"FATAL", "EXITED", "STOPPED"} or time.monotonic() > deadline:
            raise SupervisionError(
                f"{name} does not answer ({said}).\n{tail(log_file(home, name))}\nIts whole log: {log_file(home, name)}"
            )
        time.sleep(0.1)


def tail(file: Path, lines: int = 8) -> str:
    """Give the last lines of a log."""
    if not file.exists():
        return ""
    return "\n".join(file.read_text(errors="replace").splitlines()[-lines:])
