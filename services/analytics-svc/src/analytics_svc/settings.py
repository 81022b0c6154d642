"""What analytics-svc reads from its environment."""

from pathlib import Path

from pydantic import Field, SecretStr

from shared_chassis.process import ServiceSettings


class Settings(ServiceSettings):
    """The settings of every service, and analytics' own: its database, its file, and what a report may take of the machine.

    `analytics_consumer` is the Kafka group: a replica with a file of its own reads everything too, so it needs a name of its own.
    `analytics_owner_url` is read to rebuild views only.
    """

    analytics_database_url: SecretStr
    analytics_owner_url: SecretStr | None = None
    analytics_pool_size: int = Field(default=4, ge=2)
    analytics_file: Path
    analytics_threads: int = Field(default=2, ge=1)
    analytics_memory: str = Field(default="1GB", pattern=r"^\d+(MB|GB)$")
    analytics_consumer: str = "analytics-svc"
