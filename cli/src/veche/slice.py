"""Events as services show them in their feeds, each with the very bytes that are stored."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from veche.robot import Robots, ServiceSilentError

PAGE = 1000
MOST_SUBJECTS = 50
"""Stream ids in one question; an address has its limits."""

_decoder = json.JSONDecoder()


@dataclass(frozen=True)
class Shown:
    """An event at its position in a service's log; `raw` is the stored document, byte for byte."""

    service: str
    position: int
    raw: bytes
    document: Mapping[str, object]

    def text(self, attribute: str) -> str:
        """Read an attribute as text."""
        return str(self.document[attribute])

    @property
    def id(self) -> UUID:
        """The event's id."""
        return UUID(self.text("id"))

    @property
    def time(self) -> datetime:
        """When it happened (UTC)."""
        return datetime.fromisoformat(self.text("time")).astimezone(UTC)

    @property
    def recorded_time(self) -> datetime:
        """When it became known (UTC)."""
        return datetime.fromisoformat(self.text("recordedtime")).astimezone(UTC)

    @property
    def data(self) -> Mapping[str, object]:
        """What it says."""
        data = self.document["data"]
        return data if isinstance(data, dict) else {}


async def read_feed(
    robots: Robots, service: str, token: str, subjects: Sequence[str] = (), journey: UUID | None = None
) -> AsyncIterator[Shown]:
    """Read a service's feed from its beginning to its present end, of some streams or of all, in the order of positions.

    Of a `journey`, a request's or discussion's uuid, whatever followed from it.
    """
    if len(subjects) > MOST_SUBJECTS:
        found = [
            event
            for start in range(0, len(subjects), MOST_SUBJECTS)
            async for event in read_feed(robots, service, token, subjects[start : start + MOST_SUBJECTS])
        ]
        for event in sorted(found, key=lambda each: each.position):
            yield event
        return
    chosen = "".join(f"&subject={subject}" for subject in subjects) + (f"&correlation={journey}" if journey else "")
    after = 0
    while True:
        status, raw = await robots.raw("GET", service, f"/feed?after={after}&limit={PAGE}{chosen}", token)
        if status != 200:
            raise ServiceSilentError(f"{service} does not show its feed: {raw.decode(errors='replace')[:300]}")
        events, following = _events(service, raw)
        for event in events:
            yield event
        if len(events) < PAGE:
            return
        after = following


def _events(service: str, raw: bytes) -> tuple[list[Shown], int]:
    """Cut a page into its events without touching their bytes."""
    text = raw.decode()
    page, _ = _decoder.raw_decode(text)
    shown = []
    place = 0
    for item in page["events"]:
        place = text.index('"event":', place) + len('"event":')
        _, end = _decoder.raw_decode(text, place)
        shown.append(Shown(service, item["position"], text[place:end].encode(), item["event"]))
        place = end
    return shown, page["next"]
