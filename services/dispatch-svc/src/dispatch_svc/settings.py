"""What dispatch-svc reads from its environment."""

from pydantic import Field, SecretStr

from shared_chassis.process import ServiceSettings


class Settings(ServiceSettings):
    """The settings of every service, and dispatch's own: its database as the application's role and as the owner.

    `dispatch_owner_url` is read to rebuild views only.
    """

    dispatch_database_url: SecretStr
    dispatch_owner_url: SecretStr | None = None
    dispatch_pool_size: int = Field(default=16, ge=2)
