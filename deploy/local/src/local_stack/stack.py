"""A whole stack up and down: parts first, then migrations, then services, each waited for until it answers."""

import fcntl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from local_stack import answers, conformance, kafka, parts, ports, postgres, services
from local_stack.failure import StackError
from local_stack.parts import EVERY_PART, PATIENCE, TITLES, Part
from local_stack.places import Home
from local_stack.processes import end, marks, own_processes
from local_stack.progress import Progress
from local_stack.services import SERVICES, Service
from local_stack.state import ProcessMark, Secrets, State, load, load_secrets, save
from local_stack.supervision import (
    Supervisor,
    environment_of_programs,
    launch,
    log_file,
    read_configuration,
    render,
    stanzas,
    wait_until,
)

WANTED_PORTS: Mapping[str, int] = {"postgres": 15432, "kafka": 19092, "kafka-controller": 19093, "oidc": 18100} | {
    service.command: service.port for service in SERVICES
}
SERVICE_PATIENCE = 300.0
"""Seconds until a service that does not get ready is taken for broken."""

QUIET = Progress()


class UpError(StackError):
    """The city could not be started."""


@dataclass(frozen=True)
class Wishes:
    """What the caller's environment asks for; read at the edge."""

    cities: Path
    """The directory of city packs."""
    database_url: str | None = None
    """An administrator's URL of a PostgreSQL of yours: none is started then."""
    bootstrap: str | None = None
    """The address of a Kafka of yours: none is started then."""
    log_level: str = "INFO"
    environment: Mapping[str, str] = field(default_factory=dict)

    def embedded(self, wanted: Sequence[Part]) -> tuple[Part, ...]:
        """Choose from these parts those that are ours to start."""
        yours = {part for part, given in (("postgres", self.database_url), ("kafka", self.bootstrap)) if given}
        return tuple(part for part in wanted if part not in yours)


@dataclass(frozen=True)
class _Start:
    """One start of a stack."""

    home: Home
    wishes: Wishes
    progress: Progress
    supervisor: Supervisor
    secrets: Secrets
    wanted: Sequence[Part]
    serving: Sequence[Service]
    state: State = field(default_factory=State)


def up(
    home: Home,
    wishes: Wishes,
    *,
    progress: Progress = QUIET,
    wanted: Sequence[Part] = EVERY_PART,
    parts_only: bool = False,
) -> State:
    """Start whatever does not run yet, in order, and wait until each answers; what runs already is left as it is.

    With `parts_only` no service is started. Raises `StackError` of some kind when something does not come up.
    """
    serving: Sequence[Service] = () if parts_only else SERVICES
    for service in serving:
        services.script(service)
    with _alone(home):
        start = _Start(home, wishes, progress, Supervisor(home), load_secrets(home), wanted, serving)
        start = replace(start, state=_addresses(start, _ports(start)))
        save(home, start.state)
        _check_yours(start)
        _start_parts(start)
        embedded = wishes.embedded(wanted)
        _wait_for_parts(start, [part for part in embedded if part == "postgres"])
        _migrate_services(start)  # while Kafka is still starting
        _wait_for_parts(start, [part for part in embedded if part != "postgres"])
        _start_services(start)
        state = start.state.model_copy(update={"up": True, "pids": marks(start.supervisor)})
        save(home, state)
        return state


@contextmanager
def _alone(home: Home) -> Iterator[None]:
    """Let one at a time start and stop things in a home."""
    home.path.mkdir(parents=True, exist_ok=True)
    with (home.path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _ports(start: _Start) -> Mapping[str, int]:
    """Keep the ports of the last time as long as nobody else has taken them."""
    kept = load(start.home)
    if start.supervisor.pid() is not None:
        return kept.ports
    _end_leftovers(start.home, kept, start.progress)
    wanted = {name: kept.ports.get(name, port) for name, port in WANTED_PORTS.items()}
    chosen = ports.choose(wanted, claimant=str(start.home.path))
    for name, port in kept.ports.items():
        if chosen.get(name, port) != port:
            start.progress.say(f"Port {port} of {name} is taken by another program: {name} is at {chosen[name]} from now on")
    return chosen


def _addresses(start: _Start, chosen: Mapping[str, int]) -> State:
    """Write down where everything answers."""
    own_url = postgres.admin_url(chosen["postgres"], start.secrets.administrator_password)
    kept = load(start.home)
    return State(
        ports=dict(chosen),
        admin_url=start.wishes.database_url or own_url,
        embedded_postgres=not start.wishes.database_url,
        bootstrap=start.wishes.bootstrap or kafka.bootstrap(chosen["kafka"]),
        embedded_kafka=not start.wishes.bootstrap,
        issuer=f"http://{ports.ADDRESS}:{chosen['oidc']}",
        urls=services.addresses(chosen, SERVICES),
        up=kept.up,
        pids=kept.pids,
    )


def _check_yours(start: _Start) -> None:
    """Make sure that a PostgreSQL and a Kafka of yours answer, and that your Kafka is one."""
    wishes, progress = start.wishes, start.progress
    if wishes.database_url and "postgres" in start.wanted:
        address = postgres.without_password(wishes.database_url)
        said = postgres.trouble(wishes.database_url)
        if said:
            raise UpError(f"DATABASE_URL is set, but the PostgreSQL at {address} does not let us in: {said}")
        progress.say(f"Using your PostgreSQL at {address} (DATABASE_URL)")
    if wishes.bootstrap and "kafka" in start.wanted:
        with progress.step(
            f"Trying whether the Kafka at {wishes.bootstrap} keeps its promises",
            f"Using your Kafka at {wishes.bootstrap} (KAFKA_BOOTSTRAP_SERVERS), which passed the conformance check",
        ):
            conformance.check(wishes.bootstrap)


def _start_parts(start: _Start) -> None:
    """Make the parts that are ours ready, and start them."""
    home, state, progress = start.home, start.state, start.progress
    embedded = start.wishes.embedded(start.wanted)
    named = ", ".join(TITLES[part] for part in embedded)
    with progress.step(f"Preparing {named}", f"Prepared {named}"):
        parts.prepare(home, state, start.secrets, embedded, progress.say)
    _supervise(start, embedded)
    for part in embedded:
        start.supervisor.start(part)


def _wait_for_parts(start: _Start, awaited: Sequence[Part]) -> None:
    """Wait until each of these parts answers."""
    state, progress = start.state, start.progress
    for part in awaited:
        with progress.step(f"Waiting for {TITLES[part]}", f"{TITLES[part]} answers at {parts.address(state, part)}"):
            wait_until(start.supervisor, start.home, part, _later(parts.trouble, state, part), PATIENCE)


def _later(ask: Callable[..., str | None], *words: object) -> Callable[[], str | None]:
    return lambda: ask(*words)


def _supervise(start: _Start, embedded: Sequence[Part]) -> None:
    """Have a supervisor that knows our programs exactly as declared; one that knows them otherwise is replaced."""
    home, wishes, state = start.home, start.wishes, start.state
    declared = services.programs(home, wishes.cities, state, start.secrets, start.serving, wishes.log_level)
    configuration = render(home, [*parts.programs(home, state, embedded), *declared])
    if start.supervisor.pid() is not None:
        if stanzas(configuration) <= stanzas(read_configuration(home)):
            return
        start.progress.say("What is to run has changed since the last start: stopping what runs")
        _stop(home, start.supervisor)
    launch(home, configuration, wishes.environment)
    save(home, state.model_copy(update={"up": True, "pids": marks(start.supervisor)}))


def _migrate_services(start: _Start) -> None:
    """Bring the databases of the services that do not run yet to what their migrations say."""
    running = {name for name, info in start.supervisor.programs().items() if info.pid}
    for service in start.serving:
        if service.command not in running:
            with start.progress.step(f"Migrating the database of {service.command}", f"{service.command} has its database"):
                _migrate(start, service)


def _start_services(start: _Start) -> None:
    """Start the services that do not run yet, and wait until every one is ready."""
    home, state, progress, supervisor = start.home, start.state, start.progress, start.supervisor
    for directory in (home.objects, home.outbox, home.analytics):
        directory.mkdir(exist_ok=True)
    for service in start.serving:
        for name in service.processes:
            supervisor.start(name)
    for service in start.serving:
        address = state.urls[service.command]
        with progress.step(f"Waiting for {service.command}", f"{service.command} is ready at {address}"):
            wait_until(supervisor, home, service.command, _later(answers.trouble, f"{address}/readyz"), SERVICE_PATIENCE)
        for name in service.processes:
            wait_until(supervisor, home, name, _later(supervisor.starting, name), SERVICE_PATIENCE)


def _migrate(start: _Start, service: Service) -> None:
    home, wishes = start.home, start.wishes
    variables = services.environment(home, wishes.cities, start.state, start.secrets, service, "migrate", wishes.log_level)
    done = subprocess.run(  # noqa: S603  the service's own console script
        (services.script(service), "migrate"),
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment_of_programs(home, wishes.environment) | variables,
        cwd=home.path,
    )
    file = log_file(home, f"{service.name}-migrate")
    file.write_text(done.stdout)
    if done.returncode != 0:
        raise UpError(f"{service.command} could not migrate its database:\n{done.stdout.strip()[-2000:]}\nAll of it: {file}")


def down(home: Home, *, progress: Progress = QUIET) -> bool:
    """Stop everything that this stack started; no process is left. False if nothing ran."""
    if not home.path.exists():
        return False
    with _alone(home):
        state, supervisor = load(home), Supervisor(home)
        if home.state.exists():
            save(home, state.model_copy(update={"up": False}))
        ran = supervisor.pid() is not None
        if ran:
            state = state.model_copy(update={"pids": {**state.pids, **marks(supervisor)}})
            with progress.step("Stopping", "Stopped everything"):
                _stop(home, supervisor)
        ran = _end_leftovers(home, state, progress) or ran
        if home.state.exists():
            save(home, state.model_copy(update={"up": False, "pids": {}}))
        return ran


def _stop(home: Home, supervisor: Supervisor) -> None:
    """Stop the services together, then the parts one after the other, then the supervisor; wait for its end."""
    mark = ProcessMark.of(supervisor.pid() or 0)
    names = set(supervisor.programs())
    supervisor.stop(sorted(names - set(EVERY_PART)), 60)
    for part in reversed(EVERY_PART):
        supervisor.stop(sorted(names & {part}), 90)
    supervisor.shut_down()
    deadline = time.monotonic() + 60
    while mark and ProcessMark.of(mark.pid) == mark and time.monotonic() < deadline:
        time.sleep(0.02)
    home.socket.unlink(missing_ok=True)


def _end_leftovers(home: Home, state: State, progress: Progress) -> bool:
    """End what outlived its supervisor; False if there was nothing."""
    left = own_processes(home, state.pids)
    if left:
        progress.say(f"The supervisor of this city was killed: ending the {len(left)} processes that it left behind")
        end(left)
    return bool(left)
