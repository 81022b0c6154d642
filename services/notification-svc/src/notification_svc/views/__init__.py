"""Read models: the queue and the messages by own facts; requests and their cases by others'."""

from types import MappingProxyType

from notification_svc.views import case_fact, message, request_card, work_item
from shared_chassis.consumer import Folds
from shared_chassis.view import Projection

PROJECTION: Projection = MappingProxyType({**work_item.PROJECTION, **message.PROJECTION})
"""Own facts, as the queue and the ledger show them."""

TABLES = ("work_item", "message")
"""What `rebuild-views` builds anew from own facts."""

FOLDS: Folds = MappingProxyType({**request_card.FOLDS, **case_fact.FOLDS})
"""Others' facts, as messages are written from them and items completed by them."""

__all__ = ["FOLDS", "PROJECTION", "TABLES", "case_fact", "message", "request_card", "work_item"]
