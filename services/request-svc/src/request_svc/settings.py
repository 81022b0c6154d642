"""What request-svc reads from its environment."""

from pathlib import Path

from pydantic import Field, SecretStr

from shared_chassis.process import KeyringSettings, ServiceSettings


class Settings(ServiceSettings, KeyringSettings):
    """The settings of every service, the keyring's, and request-svc's own: its database, and the directory of attachments.

    `request_owner_url` is read to rebuild views only.
    """

    request_database_url: SecretStr
    request_owner_url: SecretStr | None = None
    request_pool_size: int = Field(default=16, ge=2)
    objects: Path = Path("objects")
