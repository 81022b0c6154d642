"""How every process of a stack fares: whether it runs and answers, since when, and how often it was restarted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from local_stack import answers, parts
from local_stack.parts import EVERY_PART, Part
from local_stack.places import Home
from local_stack.processes import marks
from local_stack.services import SERVICES
from local_stack.state import State, load_running, save
from local_stack.supervision import ProgramInfo, Supervisor
from local_stack.watch import restarts

Condition = Literal["running", "not ready", "starting", "stopped", "down", "yours", "unreachable"]
GOOD: frozenset[Condition] = frozenset({"running", "yours"})


@dataclass(frozen=True)
class Standing:
    """How one process fares; `uptime` in seconds; `said` is what is wrong."""

    name: str
    condition: Condition
    address: str
    pid: int | None = None
    uptime: int | None = None
    restarts: int = 0
    said: str | None = None

    @property
    def good(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.condition in GOOD


def status(home: Home) -> list[Standing]:
    """Tell how everything that belongs to this stack fares.

    Raises:
        NotUpError: nothing was started in this home.

    """
    state = load_running(home)
    supervisor = Supervisor(home)
    if supervisor.pid() is None:
        return [Standing("supervisor", "down", str(home.socket), said="was killed; `veche up` starts everything again")]
    save(home, state.model_copy(update={"pids": marks(supervisor)}))
    infos, ended = supervisor.programs(), restarts(home)
    told = _yours(state)
    for name in sorted(infos, key=_order):
        told.append(_standing(state, infos[name], ended.get(name, 0)))
    return told


def _yours(state: State) -> list[Standing]:
    """Tell of what the stack uses and did not start."""
    embedded: Mapping[Part, bool] = {"postgres": state.embedded_postgres, "kafka": state.embedded_kafka}
    found = []
    for part in (part for part, ours in embedded.items() if not ours):
        said = parts.trouble(state, part)
        found.append(Standing(part, "unreachable" if said else "yours", parts.address(state, part), said=said))
    return found


def _order(name: str) -> int:
    names = [*EVERY_PART, *(process for service in SERVICES for process in service.processes)]
    return names.index(name) if name in names else len(names)


def _standing(state: State, info: ProgramInfo, ended: int) -> Standing:
    condition, said = _condition(state, info)
    running = info.pid or None
    return Standing(
        name=info.name,
        condition=condition,
        address=_address(state, info.name),
        pid=running,
        uptime=max(0, info.now - info.start) if running else None,
        restarts=ended,
        said=said,
    )


def _condition(state: State, info: ProgramInfo) -> tuple[Condition, str | None]:
    if info.statename == "BACKOFF" or (info.statename == "STARTING" and not _answers(state, info.name)):
        return "starting", info.spawnerr or None
    if info.statename not in {"RUNNING", "STARTING"}:
        return ("stopped" if info.statename == "STOPPED" else "down"), info.spawnerr or None
    said = _trouble(state, info.name)
    return ("not ready" if said else "running"), said


def _answers(state: State, name: str) -> bool:
    """Say whether a program that can be asked already answers, though the supervisor still waits to see it stay up."""
    return (_part(name) is not None or name in state.urls) and _trouble(state, name) is None


def _part(name: str) -> Part | None:
    return next((part for part in EVERY_PART if part == name), None)


def _trouble(state: State, name: str) -> str | None:
    part = _part(name)
    if part:
        return parts.trouble(state, part)
    return answers.trouble(f"{state.urls[name]}/readyz") if name in state.urls else None


def _address(state: State, name: str) -> str:
    part = _part(name)
    return parts.address(state, part) if part else state.urls.get(name, "")
