"""What discussion-svc reads from its environment."""

from pathlib import Path

from pydantic import Field, SecretStr

from shared_chassis.process import KeyringSettings, ServiceSettings


class Settings(ServiceSettings, KeyringSettings):
    """The settings of every service and of the keyring, and discussion's own: its database and the directory of documents.

    `discussion_owner_url` is read to rebuild views only.
    """

    discussion_database_url: SecretStr
    discussion_owner_url: SecretStr | None = None
    discussion_pool_size: int = Field(default=16, ge=2)
    objects: Path = Path("objects")
