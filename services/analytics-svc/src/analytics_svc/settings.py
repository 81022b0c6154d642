"""What analytics-svc reads from its environment."""

from pathlib import Path

from pydantic import Field, SecretStr

from shared_chassis.process import ServiceSettings


class Settings(ServiceSettings):
    """The settings of every service, and analytics' own: its database, its file, and what a report may take of the machine.

    `analytics_consumer` is the Kafka group: a replica with a file of its own reads everything too, so it needs a name of its own.
    `analytics_owner_url` is read to rebuild views only.

    The last six are the stream processor's: of the last `surge_window_minutes` registrations of a type in a district are a surge
    when they are at least `surge_least`, and `surge_times` as many as on average. The average forgets half of what it knows in
    `surge_half_life_hours`; of a city not known for `surge_warm_up_hours` there is none yet; and a surge that ended
    `surge_stale_minutes` ago, heard of after an outage, is no news.
    """

    analytics_database_url: SecretStr
    analytics_owner_url: SecretStr | None = None
    analytics_pool_size: int = Field(default=4, ge=2)
    analytics_file: Path
    analytics_threads: int = Field(default=1, ge=1)
    analytics_memory: str = Field(default="1GB", pattern=r"^\d+(MB|GB)$")
    analytics_consumer: str = "analytics-svc"
    surge_window_minutes: int = Field(default=30, ge=1, le=1440)
    surge_least: int = Field(default=20, ge=2)
    surge_times: float = Field(default=4.0, gt=1)
    surge_half_life_hours: float = Field(default=24.0, gt=0)
    surge_warm_up_hours: float = Field(default=24.0, ge=0)
    surge_stale_minutes: int = Field(default=60, ge=1)
