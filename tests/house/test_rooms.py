"""Every service has the same rooms under the same names, and every name follows from the service's own."""

import ast
import importlib
import re
import tomllib
from pathlib import Path

import pytest

from local_stack.services import SERVICES
from shared_events.catalogue import CATALOGUE
from shared_events.event import topic_of

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("request", "dispatch", "discussion", "notification", "analytics")

ROOMS = {"domain", "application", "views", "api", "worker", "outbound", "settings", "main", "migrations", "templates"}
IN_EVERY_SERVICE = {"__init__.py", "py.typed", "domain", "application", "api", "settings", "main", "migrations"}
ANALYSTS_ROOMS = (ROOMS - {"views", "outbound", "templates"}) | {"facts", "reports", "streams"}
"""Analytics folds facts and answers with reports; it keeps no views and speaks to nobody outside."""


def package(name: str) -> Path:
    """Find the package of a service."""
    return ROOT / "services" / f"{name}-svc" / "src" / f"{name}_svc"


def rooms(name: str) -> set[str]:
    """Name what stands in a service's package: modules and packages by their names, other files by theirs."""
    found = {path.name if path.is_dir() or path.suffix != ".py" else path.stem for path in package(name).iterdir()}
    return (found - {"__pycache__", "__init__"}) | {path.name for path in package(name).glob("__init__.py")}


def test_these_are_all_the_services() -> None:
    """A new service is added to these tests, to the local stack and to the contract, or it is none."""
    assert {path.name for path in (ROOT / "services").glob("*-svc")} == {f"{name}-svc" for name in NAMES}
    assert {service.name for service in SERVICES} == set(NAMES)
    assert {event.SERVICE for event in CATALOGUE.values()} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_service_has_the_rooms_and_no_other(name: str) -> None:
    """A file under any other name hides where a reader looks for it."""
    allowed = ANALYSTS_ROOMS if name == "analytics" else ROOMS
    assert rooms(name) - {"__init__.py", "py.typed"} <= allowed
    assert rooms(name) >= IN_EVERY_SERVICE


@pytest.mark.parametrize("name", NAMES)
def test_migrations_and_templates_hold_no_program(name: str) -> None:
    """They are read by others: plain SQL, and what people read."""
    for room in ("migrations", "templates"):
        assert {path.name for path in (package(name) / room).glob("*.py")} <= {"__init__.py"}
    wrong = [
        path.name
        for path in (package(name) / "migrations").glob("*.sql")
        if not re.fullmatch(r"\d{4}_(pre|post)_\w+\.sql", path.name)
    ]
    assert not wrong


@pytest.mark.parametrize("name", NAMES)
def test_the_front_door_says_what_the_service_decides_and_says(name: str) -> None:
    """It holds words and no program."""
    front_door = ast.parse((package(name) / "__init__.py").read_text(encoding="utf-8"))
    assert ast.get_docstring(front_door)
    assert len(front_door.body) == 1


@pytest.mark.parametrize("name", NAMES)
def test_every_name_follows_from_the_services_own(name: str) -> None:
    """Directory, distribution, import, console script, topic and the name under which it acts."""
    member = tomllib.loads((ROOT / "services" / f"{name}-svc" / "pyproject.toml").read_text(encoding="utf-8"))
    assert member["project"]["name"] == f"{name}-svc"
    assert member["project"]["scripts"] == {f"{name}-svc": f"{name}_svc.main:main"}
    assert member["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == [f"src/{name}_svc"]
    assert topic_of(name) == f"{name}.events"
    assert all(type_.startswith(f"{event.SERVICE}.") for type_, event in CATALOGUE.items())
    application = importlib.import_module(f"{name}_svc.application")
    assert f"{name}-svc" == application.SERVICE
    service = next(service for service in SERVICES if service.name == name)
    assert service.command == f"{name}-svc"


def test_members_are_named_as_their_imports() -> None:
    """`shared/events` is distributed as shared-events and imported as shared_events; the command line is veche."""
    named = {
        member.parent.relative_to(ROOT).as_posix(): tomllib.loads(member.read_text(encoding="utf-8"))["project"]["name"]
        for member in (*ROOT.glob("shared/*/pyproject.toml"), *ROOT.glob("deploy/*/pyproject.toml"), ROOT / "cli/pyproject.toml")
    }
    expected = {place: place.replace("shared/", "shared-") for place in named if place.startswith("shared/")}
    assert named == {**expected, "deploy/local": "local-stack", "cli": "veche"}
    for place, distribution in named.items():
        assert (ROOT / place / "src" / distribution.replace("-", "_") / "py.typed").exists()


FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "core", "mixins", "misc"}


def test_no_file_bears_a_name_that_says_nothing() -> None:
    """Such a name fits everything, so everything ends up in it."""
    sources = [*ROOT.glob("*/*/src/**/*.py"), *ROOT.glob("cli/src/**/*.py")]
    assert len(sources) > 100
    assert not [path for path in sources if FORBIDDEN_NAMES & {path.stem, path.parent.name}]


OPEN = [place for place in ROOT.iterdir() if place.is_dir() and not place.name.startswith(".")]
"""What is kept; in hidden places files come and go while others test."""
LOCKS = sorted(
    (
        *ROOT.glob("requirements*.lock"),
        *(path for place in OPEN for name in ("package-lock.json", "*.lock") for path in place.rglob(name)),
    )
)
PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[a-z0-9,._-]+\])?==[A-Za-z0-9.!+_-]+( ; [^\\]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


def test_the_lock_holds_pins_and_hashes_and_no_address() -> None:
    """Where packages come from is the machine's choice; that they are the same ones is the lock's."""
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if not PIN.fullmatch(line) and not HASH.fullmatch(line)]
    pins = [index for index, line in enumerate(lines) if PIN.fullmatch(line)]
    assert len(pins) > 50
    assert all(HASH.fullmatch(lines[index + 1]) for index in pins)


def test_no_lock_names_an_address() -> None:
    """Nor does any other lock that is kept."""
    kept = [path for path in LOCKS if "node_modules" not in path.parts]
    assert kept
    assert not [path for path in kept if "://" in path.read_text(encoding="utf-8")]
