"""The processes of a stack: known by what was recorded and by the mark they carry, and ended without a trace."""

import os
from collections.abc import Mapping, Sequence

import psutil

from local_stack.places import Home
from local_stack.state import ProcessMark, load, save
from local_stack.supervision import MARK, SupervisionError, Supervisor


def marks(supervisor: Supervisor) -> dict[str, ProcessMark]:
    """Mark every process that the supervisor runs now, and the supervisor itself."""
    pids = {name: info.pid for name, info in supervisor.programs().items() if info.pid}
    pids["supervisor"] = supervisor.pid() or 0
    return {name: mark for name, pid in pids.items() if (mark := ProcessMark.of(pid))}


def remember_processes(home: Home, supervisor: Supervisor) -> None:
    """Record what runs now, so that it can be found should the supervisor be killed."""
    try:
        state = load(home)
        save(home, state.model_copy(update={"pids": marks(supervisor)}))
    except SupervisionError:
        return


def own_processes(home: Home, pids: Mapping[str, ProcessMark]) -> list[psutil.Process]:
    """Find the living processes of this stack: those recorded, those that carry its mark, and their children."""
    recorded = {mark.pid: mark.created for mark in pids.values()}
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        try:
            if recorded.get(process.pid) == process.create_time() or process.environ().get(MARK) == str(home.path):
                for member in (process, *process.children(recursive=True)):
                    found[member.pid] = member
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    found.pop(os.getpid(), None)
    return [process for process in found.values() if _lives(process)]


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def end(processes: Sequence[psutil.Process], seconds: float = 20) -> None:
    """End processes: ask first, then insist."""
    for process in processes:
        _signal(process, insist=False)
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    for process in alive:
        _signal(process, insist=True)
    psutil.wait_procs(alive, timeout=5)


def _signal(process: psutil.Process, *, insist: bool) -> None:
    try:
        if insist:
            process.kill()
        else:
            process.terminate()
    except psutil.NoSuchProcess:
        return
