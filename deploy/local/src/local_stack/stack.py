"""A whole stack up and down: parts first, then migrations, then services, each waited for until it answers."""

import fcntl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from local_stack import answers, conformance, kafka, parts, ports, postgres, services
from local_stack.parts import EVERY_PART, PATIENCE, Part
from local_stack.places import Home
from local_stack.processes import end, marks, own_processes
from local_stack.services import SERVICES, Service
from local_stack.state import ProcessMark, Secrets, State, load, load_secrets, save
from local_stack.supervision import (
    Program,
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
SERVICE_PATIENCE = 60.0
"""Seconds until a service that does not get ready is taken for broken."""

Say = Callable[[str], None]


class UpFailed(Exception):
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


def up(
    home: Home, wishes: Wishes, *, say: Say, wanted: Sequence[Part] = EVERY_PART, parts_only: bool = False
) -> State:
    """Start whatever does not run yet, in order, and wait until each answers; what runs already is left as it is.

    With `parts_only` the services stay down. Progress is told by `say`, a line at a time.
    """
    serving: Sequence[Service] = () if parts_only else SERVICES
    with _alone(home):
        return _up(home, wishes, say, wanted, serving)


def _up(home: Home, wishes: Wishes, say: Say, wanted: Sequence[Part], serving: Sequence[Service]) -> State:
    embedded = wishes.embedded(wanted)
    for service in serving:
        services.script(service)
    supervisor = Supervisor(home)
    if supervisor.pid() is None:
        _end_leftovers(home, load(home), say)
        ports_ = _choose_ports(load(home).ports, say)
    else:
        ports_ = load(home).ports
    secrets = load_secrets(home)
    state = _addresses(State(ports=ports_, pids=load(home).pids), wishes, secrets, serving or SERVICES)
    save(home, state)
    _check_yours(state, wishes, wanted, say)
    with _timed(say, f"Prepared {', '.join(embedded)}"):
        parts.prepare(home, state, secrets, embedded, say)
    declared = parts.programs(home, state, embedded)
    declared_services = services.programs(home, wishes.cities, state, secrets, serving, wishes.log_level)
    _supervise(home, supervisor, [*declared, *declared_services], wishes, say)
    state = state.model_copy(update={"up": True})
    for part in embedded:
        supervisor.start(part)
    save(home, state)
    for part in embedded:
        with _timed(say, f"{part} answers"):
            wait_until(supervisor, home, part, lambda part=part: parts.trouble(state, part), PATIENCE)  # type: ignore[misc]  bound now
    _start_services(home, supervisor, state, secrets, wishes, serving, say)
    state = state.model_copy(update={"pids": marks(supervisor)})
    save(home, state)
    return state


def _choose_ports(kept: Mapping[str, int], say: Say) -> dict[str, int]:
    """Keep the ports of the last time as long as nobody else has taken them."""
    chosen = ports.choose({name: kept.get(name, port) for name, port in WANTED_PORTS.items()})
    for name, port in kept.items():
        if chosen.get(name, port) != port:
            say(f"Port {port} of {name} is taken by another program: {name} is at {chosen[name]} from now on")
    return chosen


def _addresses(state: State, wishes: Wishes, secrets: Secrets, serving: Sequence[Service]) -> State:
    """Write down where everything answers."""
    own_url = postgres.admin_url(state.ports["postgres"], secrets.administrator_password)
    return state.model_copy(
        update={
            "admin_url": wishes.database_url or own_url,
            "embedded_postgres": not wishes.database_url,
            "bootstrap": wishes.bootstrap or kafka.bootstrap(state.ports["kafka"]),
            "embedded_kafka": not wishes.bootstrap,
            "issuer": f"http://{ports.ADDRESS}:{state.ports['oidc']}",
            "urls": services.addresses(state.ports, serving),
        }
    )


def _check_yours(state: State, wishes: Wishes, wanted: Sequence[Part], say: Say) -> None:
    """Make sure that a PostgreSQL and a Kafka of yours answer, and that your Kafka is one."""
    if wishes.database_url and "postgres" in wanted:
        said = postgres.trouble(wishes.database_url)
        if said:
            raise UpFailed(f"The PostgreSQL of DATABASE_URL does not answer: {said}")
        say("Using the PostgreSQL of DATABASE_URL")
    if wishes.bootstrap and "kafka" in wanted:
        with _timed(say, f"The Kafka at {state.bootstrap} behaves as one"):
            conformance.check(wishes.bootstrap)


def _supervise(home: Home, supervisor: Supervisor, programs: Sequence[Program], wishes: Wishes, say: Say) -> None:
    """Have a supervisor that knows these programs exactly as declared; one that knows them otherwise is replaced."""
    configuration = render(home, programs)
    if supervisor.pid() is not None:
        if stanzas(configuration) <= stanzas(read_configuration(home)):
            return
        say("What is to run has changed: stopping what runs first")
        _stop(home, supervisor)
    launch(home, configuration, wishes.environment)


def _start_services(
    home: Home, supervisor: Supervisor, state: State, secrets: Secrets, wishes: Wishes, serving: Sequence[Service], say: Say
) -> None:
    """Migrate and start the services that do not run yet, and wait until every one is ready."""
    running = {name for name, info in supervisor.programs().items() if info.statename in {"RUNNING", "STARTING"}}
    for directory in (home.objects, home.outbox, home.analytics):
        directory.mkdir(exist_ok=True)
    for service in serving:
        if service.command not in running:
            with _timed(say, f"{service.command} migrated its database"):
                _migrate(home, state, secrets, wishes, service)
    for service in serving:
        for name in service.processes:
            supervisor.start(name)
    for service in serving:
        ready = f"{state.urls[service.command]}/readyz"
        with _timed(say, f"{service.command} is ready at {state.urls[service.command]}"):
            wait_until(supervisor, home, service.command, lambda ready=ready: answers.trouble(ready), SERVICE_PATIENCE)  # type: ignore[misc]  bound now
        for name in service.processes:
            wait_until(supervisor, home, name, lambda name=name: supervisor.starting(name), SERVICE_PATIENCE)  # type: ignore[misc]  bound now


def _migrate(home: Home, state: State, secrets: Secrets, wishes: Wishes, service: Service) -> None:
    variables = services.environment(home, wishes.cities, state, secrets, service, "migrate", wishes.log_level)
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
        raise UpFailed(f"{service.command} could not migrate its database:\n{done.stdout.strip()[-2000:]}\nThe whole output: {file}")


@contextmanager
def _alone(home: Home) -> Iterator[None]:
    """Let one at a time start and stop things in a home."""
    home.path.mkdir(parents=True, exist_ok=True)
    with (home.path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _timed(say: Say, what: str) -> Iterator[None]:
    begun = time.monotonic()
    yield
    say(f"{what} ({time.monotonic() - begun:.1f} s)")


def down(home: Home, *, say: Say = lambda _sentence: None) -> bool:
    """Stop everything that this stack started; no process is left. False if nothing ran."""
    if not home.path.exists():
        return False
    with _alone(home):
        return _down(home, say)


def _down(home: Home, say: Say) -> bool:
    state = load(home)
    supervisor = Supervisor(home)
    if home.state.exists():
        save(home, state.model_copy(update={"up": False}))
    ran = supervisor.pid() is not None
    if ran:
        state = state.model_copy(update={"pids": {**state.pids, **marks(supervisor)}})
        _stop(home, supervisor)
    ran = _end_leftovers(home, state, say) or ran
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


def _end_leftovers(home: Home, state: State, say: Say) -> bool:
    """End what outlived its supervisor; False if there was nothing."""
    left = own_processes(home, state.pids)
    if left:
        say(f"The supervisor of this city was killed: ending the {len(left)} processes that it left behind")
        end(left)
    return bool(left)
