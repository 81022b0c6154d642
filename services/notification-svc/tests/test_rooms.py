"""What holds the rooms together, without any server: every fact heard is handled, every fact said is shown and rebuilt."""

import inspect
from types import ModuleType
from typing import get_args

from notification_svc import api, views, worker
from notification_svc.domain import message, refusal, subscription, target, work_item
from notification_svc.views.trouble import BY_HAND, COMPLETES, OPENS
from shared_events import dispatch, notification, request
from shared_events.notification import MessageChannel, WorkItemKind


def test_every_fact_of_ours_stands_in_the_views() -> None:
    """Nothing this service says is missing from what it shows."""
    assert set(views.PROJECTION) == set(notification.EVENTS)


def test_every_fact_of_ours_belongs_to_a_stream() -> None:
    """The streams' unions are the whole contract of the service."""
    said = {
        *get_args(work_item.WorkItemFact),
        *get_args(message.MessageFact),
        *get_args(subscription.WebhookFact),
        notification.SubscriptionChanged,
    }
    assert said == set(notification.EVENTS)


def test_what_opens_an_item_is_something_that_can_complete_it() -> None:
    """Every kind is opened by a fact of others or by our own failing, and completed by a fact or by hand."""
    completed = {kind for kinds in COMPLETES.values() for kind in kinds}
    assert {*OPENS.values(), "failed_delivery"} == set(get_args(WorkItemKind))
    assert completed | BY_HAND == set(get_args(WorkItemKind))
    assert not completed & BY_HAND


def test_what_is_heard_is_reacted_to_and_noted() -> None:
    """What opens or settles an item causes reactions; what anybody is told of is noted."""
    waits = {dispatch.RequestLinkedToIncident, request.RequestLinkedAsDuplicate, request.RequestUnlinked}
    assert set(worker.REACTIONS) == {*OPENS, *COMPLETES, *waits}
    told = {event for name, event in subscription.TOLD.items() if name == event.TYPE}
    assert told <= set(views.FOLDS)
    assert set(worker.CHANNELS) == {*get_args(MessageChannel), "incident"}
    assert set(worker.PROGRAMS) == {"webhook"}
    assert set(worker.TIMERS) == {work_item.LEASE}


def test_every_refusal_has_a_status() -> None:
    """A refusal without one would be answered as our own mistake."""

    def refusals(module: ModuleType) -> set[type[Exception]]:
        found = {each for _, each in inspect.getmembers(module, inspect.isclass)}
        return {each for each in found if issubclass(each, refusal.NotificationError) and each.__module__ == module.__name__}

    named = {each for module in (message, subscription, target, work_item) for each in refusals(module)}
    assert named <= set(api.ERRORS)
    assert all((each.__doc__ or "").strip().endswith(".") for each in named)
