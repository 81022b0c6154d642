"""Read models: the queue, the ledger and the programs by own facts; requests, cases and incidents by others'."""

from types import MappingProxyType

from notification_svc.views import api_key, incident, message, request_card, subscription, trouble, webhook, work_item
from shared_chassis.consumer import Folds
from shared_chassis.view import Projection

PROJECTION: Projection = MappingProxyType(
    {**work_item.PROJECTION, **message.PROJECTION, **subscription.PROJECTION, **webhook.PROJECTION}
)
"""Own facts, as the queue, the ledger and the lists of programs show them."""

TABLES = ("work_item", "message", "subscription", "webhook")
"""What `rebuild-views` builds anew from own facts."""

FOLDS: Folds = MappingProxyType({**request_card.FOLDS, **trouble.FOLDS, **incident.FOLDS, **webhook.FOLDS, **api_key.FOLDS})
"""Others' facts, as messages and calls are made from them and items completed by them."""

__all__ = [
    "FOLDS",
    "PROJECTION",
    "TABLES",
    "incident",
    "message",
    "request_card",
    "subscription",
    "trouble",
    "webhook",
    "work_item",
]
