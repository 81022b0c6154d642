"""Feeds made by hand, served as the services serve theirs: stored bytes put into a page unparsed."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid5

from local_stack.state import State
from veche.robot import Robots
from veche.slice import Shown

SPACE = UUID(int=3)


def page(events: Sequence[tuple[int, bytes]], following: int) -> bytes:
    """Write a page of a feed."""
    items = b",".join(b'{"position":%d,"event":%b}' % event for event in events)
    return b'{"events":[%b],"next":%d}' % (items, following)


def document(index: int, *, time: str = "2026-11-23T09:30:15.123456Z", recorded: str = "", **more: object) -> dict[str, object]:
    """Make an event's document; `more` replaces attributes."""
    return {
        "id": str(uuid5(SPACE, str(index))),
        "type": "request.request-submitted.v1",
        "subject": f"request-{UUID(int=index)}",
        "time": time,
        "recordedtime": recorded or time,
        "streamversion": 1,
        "correlationid": str(UUID(int=index)),
        "causationid": str(UUID(int=index + 1000)),
        "actor": "service:tests",
        "data": {},
    } | more


def shown(service: str, position: int, **attributes: object) -> Shown:
    """Make an event as a feed shows it."""
    told = document(position, **attributes)  # type: ignore[arg-type]  # attributes are as `document` takes them
    return Shown(service, position, json.dumps(told).encode(), told)


class Feed(Robots):
    """Robots that know one feed by heart, and remember what they were asked."""

    def __init__(self, events: Mapping[int, bytes]) -> None:
        super().__init__(Path(), State())
        self.events = events
        self.asked: list[str] = []

    async def raw(self, *asked: str | None, **_more: object) -> tuple[int, bytes]:
        """Answer as a service's feed does."""
        path = str(asked[2])
        self.asked.append(path)
        query = parse_qs(urlsplit(path).query)
        after, limit = int(query["after"][0]), int(query["limit"][0])
        subjects = set(query.get("subject", ()))
        found = [
            (position, raw)
            for position, raw in sorted(self.events.items())
            if position > after and (not subjects or json.loads(raw)["subject"] in subjects)
        ][:limit]
        return 200, page(found, found[-1][0] if len(found) == limit else max([after, *self.events]))
