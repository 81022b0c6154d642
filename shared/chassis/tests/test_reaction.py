"""A reaction to some events of a type alone: the others are folded, and cost nothing more."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

import pytest
import shop

from shared_chassis.consumer.breaker import Breaker
from shared_chassis.consumer.lane import Handler, Item, Lane
from shared_chassis.consumer.reaction import Apart, Only
from shared_chassis.mapper import EventMapper, to_document
from shared_chassis.view import Statement, Writing
from shared_events.envelope import Envelope, Received, Recorded

FOLD = Statement("SELECT 1", {})


def item(place: int) -> Item:
    """Make an event of an order to handle."""
    now = datetime.now(UTC)
    envelope = Envelope(uuid4(), "/tests", shop.OrderPaid.TYPE, now, now, "service:tests", uuid4(), uuid4())
    document = to_document(Recorded("order-1", place, envelope, shop.OrderPaid()))
    return Item(place, "order-1", shop.OrderPaid.TYPE, document)


@pytest.mark.parametrize(("holds", "reacted", "flushed"), [(True, 2, 1), (False, 0, 0)])
def test_what_is_not_reacted_to_does_not_commit_what_was_folded_before(holds: bool, reacted: int, flushed: int) -> None:  # noqa: FBT001 - a case
    """A reaction must see what the folds before it wrote; where there is none, folds wait for the batch's commit."""
    reactions: list[Received] = []
    flushes: list[Sequence[Writing]] = []
    only = Only(lambda _received: holds, lambda _context, received: reactions.append(received))
    mapper = EventMapper(shop.CATALOGUE, "/tests")
    handler = Handler("tests", mapper, {shop.OrderPaid: only}, {shop.OrderPaid: lambda _r: FOLD}, None)
    lane = Lane(handler, Breaker(), "order-1", flushes.append, lambda: False)
    lane.todo.extend([item(1), item(2)])
    assert lane.run() is None
    assert (len(reactions), len(flushes)) == (reacted, flushed)
    assert len(lane.done) == 2


def test_a_reaction_apart_leaves_the_folds_to_the_commit_of_the_batch() -> None:
    """It reads nothing of them; both its own fold and the earlier one are still to be committed."""
    reactions: list[Received] = []
    flushes: list[Sequence[Writing]] = []
    apart = Apart(lambda _context, received: reactions.append(received))
    mapper = EventMapper(shop.CATALOGUE, "/tests")
    lane = Lane(
        Handler("tests", mapper, {shop.OrderPaid: apart}, {shop.OrderPaid: lambda _r: FOLD}, None),
        Breaker(),
        "order-1",
        flushes.append,
        lambda: False,
    )
    lane.todo.extend([item(1), item(2)])
    assert lane.reacts
    assert lane.run() is None
    assert (len(reactions), flushes, [place for place, _ in lane.folds()]) == (2, [], [1, 2])


def test_a_lane_that_only_folds_asks_for_no_hand_of_its_own() -> None:
    """What is to do decides, not what the service could do."""
    mapper = EventMapper(shop.CATALOGUE, "/tests")
    reactions = {shop.OrderPlaced: lambda _context, _received: None}
    handler = Handler("tests", mapper, reactions, {shop.OrderPaid: lambda _r: FOLD}, None)
    lane = Lane(handler, Breaker(), "order-1", lambda _folds: None, lambda: False)
    lane.todo.append(item(1))
    assert not lane.reacts
    lane.todo.append(Item(2, "order-1", shop.OrderPlaced.TYPE, b""))
    assert lane.reacts


def test_it_can_be_called_as_any_reaction() -> None:
    """Also without a lane it does what it says."""
    heard: list[Received] = []
    received = Received(EventMapper(shop.CATALOGUE, "/tests").from_document(item(1).state), 1)
    Only(lambda _received: False, lambda _context, each: heard.append(each))(None, received)
    assert heard == []
    Only(lambda _received: True, lambda _context, each: heard.append(each))(None, received)
    assert heard == [received]
