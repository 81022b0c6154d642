"""What holds the rooms together, without any server: every fact heard is handled, every fact said is shown and rebuilt."""

from typing import get_args

from notification_svc import domain, views, worker
from notification_svc.views.case_fact import COMPLETES, OPENS
from shared_events import notification
from shared_events.dispatch import CaseClosed, DeadlineBreached, RequestAssigned, RoutingFailed, WorkReportedDone
from shared_events.notification import MessageChannel, WorkItemKind
from shared_events.request import CompletionProposed, RequestClosed, RequestRegistered, RequestSubmitted


def test_every_fact_of_ours_stands_in_the_views() -> None:
    """Nothing this service says is missing from what it shows."""
    assert set(views.PROJECTION) == set(notification.EVENTS)


def test_every_fact_of_ours_belongs_to_a_stream() -> None:
    """The two streams' unions are the whole contract of the service."""
    assert {*get_args(domain.WorkItemFact), *get_args(domain.MessageFact)} == set(notification.EVENTS)


def test_what_opens_an_item_is_something_that_can_complete_it() -> None:
    """No kind of item is opened that no fact completes."""
    completed = {kind for kinds in COMPLETES.values() for kind in kinds}
    assert set(OPENS.values()) == completed == set(get_args(WorkItemKind))


def test_what_is_heard_is_reacted_to_and_noted() -> None:
    """Facts of a case cause reactions and are noted; facts of a request are noted alone."""
    case = {RoutingFailed, DeadlineBreached, RequestAssigned, WorkReportedDone, CaseClosed}
    assert set(worker.REACTIONS) == case
    assert set(views.FOLDS) == case | {RequestSubmitted, RequestRegistered, CompletionProposed, RequestClosed}
    assert set(worker.CHANNELS) == set(get_args(MessageChannel))
    assert set(worker.TIMERS) == {domain.LEASE}
