"""What every use case works with, and who may do what."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

from notification_svc.domain.refusal import NotificationError
from notification_svc.outbound.letter import Outbox
from notification_svc.outbound.text import Texts
from notification_svc.outbound.webhook import Programs
from shared_chassis.http import ROLES, Rules
from shared_chassis.http.feed import READERS
from shared_chassis.keyring import Keyring
from shared_chassis.postgres import Database
from shared_chassis.store import Store
from shared_city import City, ServiceType

SERVICE: Final = "notification-svc"

STAFF: Final = frozenset({"agent", "dispatcher"})

MAY: Rules = {
    "claim_work_item": STAFF,
    "release_work_item": STAFF,
    "defer_work_item": STAFF,
    "complete_work_item": STAFF,
    "read_queue": STAFF | {"auditor"},
    "read_own_messages": frozenset(ROLES),
    "read_messages_of_others": STAFF | {"auditor"},
    "manage_subscriptions": frozenset({"executor"}),
    "read_subscriptions": STAFF | {"executor", "auditor"},
    "resend_webhook": STAFF | {"executor"},
    "read_feed": READERS,
}
"""Who may: use case → roles. An executor may with subscriptions of its own organisation only."""


class CityUnknownError(NotificationError):
    """This city is not served here."""


@dataclass(frozen=True)
class Context:
    """What the use cases work with.

    `lease` is how long a claimed item is held, `mail_domain` where letters come from, `secret` the city's, from which the secrets
    of subscriptions derive.
    """

    store: Store
    database: Database
    keyring: Keyring
    cities: Mapping[str, City]
    texts: Texts
    outbox: Outbox
    programs: Programs
    lease: timedelta
    mail_domain: str
    secret: bytes = field(repr=False)
    service_types: Mapping[tuple[str, str], ServiceType] = field(init=False)

    def __post_init__(self) -> None:
        """Lay the service types out by city and code: every message names one."""
        types = {(city.slug, each.code): each for city in self.cities.values() for each in city.service_types}
        object.__setattr__(self, "service_types", types)

    def city(self, slug: str) -> City:
        """Find a city. Raises `CityUnknownError`."""
        city = self.cities.get(slug)
        if city is None:
            raise CityUnknownError
        return city


def item_stream(item: UUID) -> str:
    """Name the stream of a work item."""
    return f"work-item-{item}"
