"""What notification-svc reads from its environment."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field, SecretStr

from shared_chassis.process import KeyringSettings, ServiceSettings


class Settings(ServiceSettings, KeyringSettings):
    """The settings of every service and of the keyring, and notification's own.

    `notification_owner_url` is read to rebuild views only; `outbox` is the directory of letters, `mail_domain` where they come
    from; `lease_minutes` is how long a claimed item is held, `senders` how many messages are sent at a time. Programs are called
    `webhook_senders` at a time and `webhook_attempts` times before it is given up, the second time after
    `webhook_first_rest_seconds`; `webhook_private_targets` lets them be inside, for developers' machines.
    """

    notification_database_url: SecretStr
    notification_owner_url: SecretStr | None = None
    notification_pool_size: int = Field(default=20, ge=2)
    outbox: Path = Path("outbox")
    mail_domain: str = "veche.invalid"
    lease_minutes: float = Field(default=15, gt=0)
    senders: int = Field(default=12, ge=1, le=64)
    webhook_private_targets: bool = False
    webhook_senders: int = Field(default=16, ge=1, le=64)
    webhook_attempts: int = Field(default=12, ge=1, le=30)
    webhook_first_rest_seconds: float = Field(default=5, gt=0)

    @property
    def lease(self) -> timedelta:
        """How long a claimed item is held."""
        return timedelta(minutes=self.lease_minutes)
