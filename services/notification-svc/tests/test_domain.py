"""The rules of the queue and of telling people, without any server."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import get_args
from uuid import UUID

import pytest
from hypothesis import given as for_any
from hypothesis import strategies as st

from notification_svc.domain import message as telling
from notification_svc.domain import work_item as domain
from notification_svc.domain.message import MESSAGE, Message, Telling
from notification_svc.domain.work_item import KIND_POINTS, WORK_ITEM, WorkItem
from shared_chassis.stream import Cancel, Set
from shared_events.event import Event
from shared_events.notification import (
    MessageFailed,
    MessageSent,
    WorkItemClaimed,
    WorkItemCompleted,
    WorkItemDeferred,
    WorkItemKind,
    WorkItemOpened,
    WorkItemReleased,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LEASE = timedelta(minutes=15)
ANNA, BORIS = "agent:anna", "dispatcher:boris"
CAUSE = UUID("11111111-1111-5111-8111-111111111111")
OPENED = WorkItemOpened(
    kind="unrouted_request",
    cause=CAUSE,
    cause_type="dispatch.routing-failed.v1",
    request=UUID(int=1),
    city="kazan",
    district="Вахитовский",
    service_type="other",
    language="tt",
    priority=120,
    due=None,
)
TELLING = Telling(
    person=UUID(int=2),
    request=UUID(int=1),
    city="kazan",
    number="KZN-2026-0000001",
    template="request_registered",
    channel="file",
    cause=CAUSE,
    cause_type="request.request-registered.v1",
)


def item_after(*facts: Event) -> WorkItem:
    """Given: these facts of a work item."""
    item = WORK_ITEM.initial
    for fact in facts:
        item = WORK_ITEM.evolve(item, fact)
    return item


def claimed_by(agent: str, at: datetime = NOON) -> WorkItemClaimed:
    """Build a claim whose lease began at a moment."""
    return WorkItemClaimed(agent=agent, lease_until=at + LEASE)


def deferred_until(until: datetime) -> WorkItemDeferred:
    """Build a deferral by Anna."""
    return WorkItemDeferred(agent=ANNA, until=until, reason="nobody answers")


COMPLETED = WorkItemCompleted(cause=None, cause_type=None, note="called back")


def test_a_fact_opens_one_item() -> None:
    """Opening twice because of one fact opens one item."""
    assert domain.open_item(item_after(), OPENED) == [OPENED]
    assert domain.open_item(item_after(OPENED), OPENED) == []
    assert domain.open_item(item_after(OPENED, COMPLETED), OPENED) == []


def test_a_waiting_item_is_claimed_for_the_lease() -> None:
    """Who claims holds the item for a quarter of an hour."""
    assert domain.claim(item_after(OPENED), ANNA, LEASE, NOON) == [claimed_by(ANNA)]


def test_two_agents_never_get_the_same_item() -> None:
    """While one holds it everybody is refused; the holder too, who asks for another one."""
    item = item_after(OPENED, claimed_by(ANNA))
    for agent in (ANNA, BORIS):
        with pytest.raises(domain.AlreadyClaimedError, match="Somebody is working"):
            domain.claim(item, agent, LEASE, NOON + LEASE - timedelta(microseconds=1))


def test_an_expired_lease_is_taken_back_by_the_next_claim() -> None:
    """An agent need not wait for the timer."""
    item = item_after(OPENED, claimed_by(ANNA))
    assert domain.claim(item, BORIS, LEASE, NOON + LEASE) == [
        WorkItemReleased(agent=ANNA, reason="lease_expired"),
        claimed_by(BORIS, NOON + LEASE),
    ]


def test_an_expired_lease_returns_the_item() -> None:
    """The timer's word: back in the queue; too early or too late it changes nothing."""
    held = item_after(OPENED, claimed_by(ANNA))
    released = WorkItemReleased(agent=ANNA, reason="lease_expired")
    assert domain.expire(held, NOON + LEASE) == [released]
    assert domain.expire(held, NOON) == []
    assert domain.expire(item_after(OPENED, claimed_by(ANNA), released), NOON + LEASE) == []
    assert domain.expire(item_after(OPENED, deferred_until(NOON)), NOON + LEASE) == []


def test_a_deferred_item_is_back_at_its_moment() -> None:
    """Before it, nobody gets it; from it on, anybody."""
    item = item_after(OPENED, claimed_by(ANNA), deferred_until(NOON + LEASE))
    with pytest.raises(domain.StillDeferredError):
        domain.claim(item, ANNA, LEASE, NOON)
    assert domain.claim(item, BORIS, LEASE, NOON + LEASE) == [claimed_by(BORIS, NOON + LEASE)]


def test_only_the_holder_releases_and_defers() -> None:
    """Others are told to claim it first."""
    held = item_after(OPENED, claimed_by(ANNA))
    assert domain.release(held, ANNA) == [WorkItemReleased(agent=ANNA, reason="given_back")]
    assert domain.defer(held, ANNA, NOON + LEASE, "nobody answers", NOON) == [deferred_until(NOON + LEASE)]
    for item in (held, item_after(OPENED)):
        with pytest.raises(domain.NotHeldError):
            domain.release(item, BORIS)
        with pytest.raises(domain.NotHeldError):
            domain.defer(item, BORIS, NOON + LEASE, "later", NOON)


def test_an_item_is_not_deferred_into_the_past() -> None:
    """A deferral ends at a moment that is still to come."""
    with pytest.raises(domain.DeferralInThePastError):
        domain.defer(item_after(OPENED, claimed_by(ANNA)), ANNA, NOON, "later", NOON)


def test_a_person_completes_with_a_note() -> None:
    """A person's word needs words, and nobody else at work on it."""
    held = item_after(OPENED, claimed_by(ANNA))
    assert domain.complete(held, ANNA, " called back ", NOON) == [COMPLETED]
    assert domain.complete(held, BORIS, "called back", NOON + LEASE) == [COMPLETED]
    assert domain.complete(item_after(OPENED), BORIS, "called back", NOON) == [COMPLETED]
    assert domain.complete(item_after(OPENED, COMPLETED), BORIS, "again", NOON) == []
    with pytest.raises(domain.AlreadyClaimedError):
        domain.complete(held, BORIS, "called back", NOON)
    with pytest.raises(domain.NoteMissingError):
        domain.complete(held, ANNA, "  ", NOON)


def test_a_fact_completes_an_item_whoever_holds_it() -> None:
    """What leaves nothing to do completes it once; before it was opened there is nothing to complete."""
    done = WorkItemCompleted(cause=CAUSE, cause_type="dispatch.request-assigned.v1", note=None)
    for facts in ((OPENED,), (OPENED, claimed_by(ANNA)), (OPENED, claimed_by(ANNA), deferred_until(NOON + LEASE))):
        assert domain.complete_because(item_after(*facts), CAUSE, "dispatch.request-assigned.v1") == [done]
    assert domain.complete_because(item_after(OPENED, done), CAUSE, "dispatch.request-assigned.v1") == []
    assert domain.complete_because(item_after(), CAUSE, "dispatch.request-assigned.v1") == []


@pytest.mark.parametrize(
    "act",
    [
        lambda item: domain.claim(item, ANNA, LEASE, NOON),
        lambda item: domain.release(item, ANNA),
        lambda item: domain.defer(item, ANNA, NOON + LEASE, "later", NOON),
    ],
)
def test_a_completed_or_unknown_item_is_refused_by_name(act: Callable[[WorkItem], Sequence[Event]]) -> None:
    """A refusal says which of the two it is."""
    with pytest.raises(domain.AlreadyCompletedError):
        act(item_after(OPENED, COMPLETED))
    with pytest.raises(domain.WorkItemUnknownError):
        act(item_after())


def test_completing_an_unknown_item_is_refused() -> None:
    """There must be an item to complete."""
    with pytest.raises(domain.WorkItemUnknownError):
        domain.complete(item_after(), ANNA, "called back", NOON)


def test_the_lease_has_one_timer() -> None:
    """Set by a claim, moved by the next one, cancelled when the item is no longer held; what nobody held has none."""
    claims = [claimed_by(ANNA)]
    assert WORK_ITEM.timers(item_after(OPENED, *claims), claims) == [Set("lease", "lease", NOON + LEASE)]
    taken_over = [WorkItemReleased(agent=ANNA, reason="lease_expired"), claimed_by(BORIS, NOON + LEASE)]
    assert WORK_ITEM.timers(item_after(OPENED, *claims, *taken_over), taken_over) == [Set("lease", "lease", NOON + LEASE * 2)]
    assert WORK_ITEM.timers(item_after(OPENED, *claims, COMPLETED), [COMPLETED]) == [Cancel("lease", "lease")]
    assert WORK_ITEM.timers(item_after(OPENED), [OPENED]) == []
    assert WORK_ITEM.timers(item_after(OPENED, COMPLETED), [COMPLETED]) == []
    put_off = deferred_until(NOON + LEASE)
    assert WORK_ITEM.timers(item_after(OPENED, *claims, put_off), [put_off]) == [Cancel("lease", "lease")]
    assert WORK_ITEM.timers(item_after(OPENED, *claims, put_off, COMPLETED), [COMPLETED]) == []


def test_urgency_is_kind_emergency_and_overdue() -> None:
    """Each part counts on its own."""
    assert domain.priority("unrouted_request", emergency=False, due=None, now=NOON) == 120
    assert domain.priority("unrouted_request", emergency=True, due=None, now=NOON) == 360
    assert domain.priority("deadline_breach", emergency=False, due=NOON, now=NOON) == 120
    assert domain.priority("deadline_breach", emergency=False, due=NOON + LEASE, now=NOON) == 60


def test_every_kind_has_its_urgency() -> None:
    """None is missing; what many wait for comes first, what can be sent again last."""
    assert set(KIND_POINTS) == set(get_args(WorkItemKind))
    urgency = sorted(KIND_POINTS, key=lambda kind: -KIND_POINTS[kind])
    assert (urgency[0], urgency[1], urgency[-1]) == ("incident", "escalation", "failed_delivery")
    assert KIND_POINTS["decline"] == KIND_POINTS["unrouted_request"] > KIND_POINTS["dispute"] > KIND_POINTS["deadline_breach"]


@for_any(
    kind=st.sampled_from(get_args(WorkItemKind)),
    emergency=st.booleans(),
    due=st.none() | st.integers(-300, 300),
    waited=st.integers(0, 10_000),
)
def test_the_explanation_sums_to_the_priority(kind: WorkItemKind, *, emergency: bool, due: int | None, waited: int) -> None:
    """Whatever an item is and however long it waited, every point has its reason."""
    due_at = None if due is None else NOON + timedelta(minutes=due)
    at_opening = domain.priority(kind, emergency=emergency, due=due_at, now=NOON)
    reasons = domain.explain(kind, at_opening, due_at, NOON, NOON + timedelta(minutes=waited))
    assert sum(reason.points for reason in reasons) == at_opening + waited
    assert ("emergency" in [reason.because for reason in reasons]) == emergency


def test_a_person_is_told_once() -> None:
    """A repeated sending states nothing new; a message given up may still arrive after all."""
    sent = telling.tell(Message(), TELLING, "tt")
    assert sent == [
        MessageSent(
            person=TELLING.person,
            request=TELLING.request,
            city="kazan",
            number="KZN-2026-0000001",
            template="request_registered",
            language="tt",
            channel="file",
            cause=CAUSE,
            cause_type="request.request-registered.v1",
        )
    ]
    assert telling.tell(MESSAGE.evolve(Message(), sent[0]), TELLING, "tt") == []
    assert telling.give_up(MESSAGE.evolve(Message(), sent[0]), TELLING, 5, "disk full") == []


def test_a_message_is_given_up_once() -> None:
    """Giving up is a fact with the number of attempts and the reason."""
    failed = telling.give_up(Message(), TELLING, 5, "disk full")
    assert [type(fact) for fact in failed] == [MessageFailed]
    assert telling.give_up(MESSAGE.evolve(Message(), failed[0]), TELLING, 6, "disk full") == []
    assert [type(fact) for fact in telling.tell(MESSAGE.evolve(Message(), failed[0]), TELLING, "tt")] == [MessageSent]
