"""Each service is given what it needs and nothing that is not its own."""

from pathlib import Path

import pytest

from local_stack import services
from local_stack.places import Home
from local_stack.services import SERVICES, Purpose
from local_stack.stack import WANTED_PORTS
from local_stack.state import Secrets, State

HOME = Home.at(Path("/srv/city"))
SECRETS = Secrets(database_password="of the roles")
STATE = State(
    ports=dict(WANTED_PORTS),
    admin_url="postgresql://postgres:of-the-administrator@127.0.0.1:15432/postgres",
    bootstrap="127.0.0.1:19092",
    issuer="http://127.0.0.1:18100",
)


def environment(name: str, purpose: Purpose) -> dict[str, str]:
    """Write the environment of the service with this name."""
    service = next(service for service in SERVICES if service.name == name)
    return services.environment(HOME, Path("/srv/cities"), STATE, SECRETS, service, purpose)


@pytest.mark.parametrize("name", [service.name for service in SERVICES])
def test_a_running_service_cannot_become_administrator_or_owner(name: str) -> None:
    """Append-only by privilege is worth nothing beside the owner's password."""
    variables = environment(name, "serve")
    assert "DATABASE_URL" not in variables
    assert "DATABASE_PASSWORD" not in variables
    assert not any("_OWNER_" in variable for variable in variables)
    assert not any("of-the-administrator" in value or "of the roles" in value for value in variables.values())


def test_migrate_is_the_administrators() -> None:
    """It makes the roles, whose passwords derive from one secret."""
    variables = environment("request", "migrate")
    assert variables["DATABASE_URL"] == STATE.admin_url
    assert variables["DATABASE_PASSWORD"] == "of the roles"


def test_a_roles_password_is_the_hmac_of_its_name() -> None:
    """As the chassis derives it when it makes the role."""
    import hashlib
    import hmac

    password = hmac.new(b"of the roles", b"request", hashlib.sha256).hexdigest()
    variables = environment("request", "serve")
    assert variables["REQUEST_DATABASE_URL"] == f"postgresql://request:{password}@127.0.0.1:15432/request"
    assert variables["KEYRING_URL"] == f"postgresql://request:{password}@127.0.0.1:15432/keyring"


def test_who_opens_no_personal_data_has_no_keyring() -> None:
    """Analytics sees sealed values only."""
    assert not any(variable.startswith("KEYRING") for variable in environment("analytics", "serve"))


def test_every_process_of_a_service_has_a_name() -> None:
    """The stream processor runs beside analytics, under a name of its own."""
    analytics = next(service for service in SERVICES if service.name == "analytics")
    assert analytics.processes == {"analytics-svc": "serve", "analytics-streams": "streams"}
