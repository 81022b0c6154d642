"""A feed is cut into events whose bytes are the stored ones: their SHA-256 is what an auditor compares."""

import json
from uuid import UUID

import orjson
import pytest
from feeds import Feed, document, page
from hypothesis import given
from hypothesis import strategies as st

from veche import slice as cutting
from veche.robot import ServiceSilentError
from veche.slice import MOST_SUBJECTS, Shown, _events, read_feed

TRICKY = [
    {"note": '"event":{"id":1}', "event": {"event": [{"event": '"event":'}]}},
    {"text": 'he said: {"position":7,"event":{}} and left'},
    {"text": 'вече, җыен, ¿árboles? 🏛️ \u2028 \\ " \u0000'},
    {"deep": {"event": {"events": [{"position": 3, "event": {"next": 9}}]}}},
    {},
]


def spelt(data: object, *, index: int, ascii_only: bool, spaced: bool) -> bytes:
    """Spell an event's document in one of the ways JSON allows."""
    separators = (", ", " : ") if spaced else (",", ":")
    return json.dumps(document(index, data=data), ensure_ascii=ascii_only, separators=separators).encode()


def test_events_are_cut_by_the_byte() -> None:
    """Whatever stands inside them, however it is spelt."""
    stored = [
        (index * 5 + 1, spelt(data, index=index, ascii_only=bool(index % 2), spaced=bool(index % 3)))
        for index, data in enumerate(TRICKY)
    ]
    events, following = _events("request-svc", page(stored, 99))
    assert [(event.position, event.raw) for event in events] == stored
    assert [event.document["data"] for event in events] == TRICKY
    assert following == 99


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["event", "events", "position", "ё"]), inner),
    max_leaves=12,
)


@given(st.lists(JSON, max_size=4))
def test_no_event_is_cut_wrongly(contents: list[object]) -> None:
    """Any content, as the services spell it."""
    stored = [(index, orjson.dumps(document(index, data=data))) for index, data in enumerate(contents, start=1)]
    events, _ = _events("request-svc", page(stored, 0))
    assert [(event.position, event.raw) for event in events] == stored


async def told(feed: Feed, subjects: list[str] | None = None) -> list[Shown]:
    """Read a feed to its end."""
    return [event async for event in read_feed(feed, "request-svc", "token", subjects or ())]


async def test_a_long_feed_is_read_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each event once, in order, also when the last page is full."""
    monkeypatch.setattr(cutting, "PAGE", 3)
    events = {index * 2: orjson.dumps(document(index)) for index in range(1, 10)}
    feed = Feed(events)
    assert [(event.position, event.raw) for event in await told(feed)] == list(events.items())
    assert len(feed.asked) == 4


async def test_many_streams_are_asked_for_a_few_at_a_time_and_come_in_order() -> None:
    """An address has its limits; the log's order does not."""
    count = MOST_SUBJECTS * 2 + 7
    events = {index: orjson.dumps(document(index)) for index in range(1, count + 20)}
    wanted = [f"request-{UUID(int=index)}" for index in range(count, 0, -1)]
    feed = Feed(events)
    assert [event.position for event in await told(feed, wanted)] == list(range(1, count + 1))
    assert max(path.count("subject=") for path in feed.asked) == MOST_SUBJECTS


async def test_a_feed_that_is_not_shown_says_why() -> None:
    """A refusal is told, not taken for an empty feed."""

    class Refused(Feed):
        async def raw(self, *_asked: object, **_more: object) -> tuple[int, bytes]:
            return 403, b'{"detail":"Your role may not."}'

    with pytest.raises(ServiceSilentError, match="Your role may not"):
        await told(Refused({}))
