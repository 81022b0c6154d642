"""Every variable a service reads is told of in `.env.example`, and the local stack sets whatever a service cannot do without."""

import importlib
import re
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from local_stack import services
from local_stack.places import Home
from local_stack.services import SERVICES, Service
from local_stack.stack import WANTED_PORTS
from local_stack.state import Secrets, State
from shared_chassis.process.settings import MigrationSettings

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = dict(re.findall(r"^([A-Z][A-Z0-9_]*)=(.+)$", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))


def settings_of(service: Service) -> type[BaseSettings]:
    """Find the one settings class of a service."""
    settings: type[BaseSettings] = importlib.import_module(f"{service.name}_svc.settings").Settings
    return settings


def variables(settings: type[BaseSettings], *, required: bool = False) -> set[str]:
    """Name the variables a settings class reads: all, or those it cannot do without."""
    return {name.upper() for name, field in settings.model_fields.items() if field.is_required() or not required}


def test_what_services_read_is_what_is_told() -> None:
    """A variable nobody is told of is never set; one nobody reads is set in vain."""
    read = set().union(*(variables(settings_of(service)) for service in SERVICES), variables(MigrationSettings))
    assert sorted(EXAMPLE) == sorted(read)


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.command)
def test_what_is_told_can_be_read_and_is_what_stands_without_it(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever copies the example starts; of what has a default the example tells the default."""
    for name, value in EXAMPLE.items():
        monkeypatch.setenv(name, value)
    settings = settings_of(service)
    read = settings()
    for name in ("drain_seconds", "log_level", f"{service.name}_pool_size", "lease_minutes", "senders", "analytics_memory"):
        if name in settings.model_fields:
            assert getattr(read, name) == settings.model_fields[name].default


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.command)
def test_the_local_stack_sets_whatever_a_service_cannot_do_without(service: Service) -> None:
    """And sets nothing that no service reads but what Python itself does."""
    state = State(ports=dict(WANTED_PORTS), admin_url="postgresql://postgres:x@127.0.0.1:15432/postgres", bootstrap="127.0.0.1:1")
    home = Home.at(Path("/srv/city"))
    given = set(services.environment(home, ROOT / "cities", state, Secrets(), service, "serve"))
    assert variables(settings_of(service), required=True) <= given
    assert given - set(EXAMPLE) == {"PYTHONUNBUFFERED"}


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.command)
def test_settings_are_one_class_of_at_most_forty_lines(service: Service) -> None:
    """A service that needs more of them decides too little itself."""
    module = importlib.import_module(f"{service.name}_svc.settings")
    own = [thing for thing in vars(module).values() if isinstance(thing, type) and thing.__module__ == module.__name__]
    assert own == [settings_of(service)]
    assert len(Path(module.__file__ or "").read_text(encoding="utf-8").splitlines()) <= 40
