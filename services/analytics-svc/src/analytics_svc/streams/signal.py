"""How a surge is told, on `analytics.signals`: in the form of every fact, so that whoever hears facts hears it.

The message is the relay's: the document under the stream's name, with its type and position in headers. The position is the
microsecond of the telling, always higher than the one before. Id and stream follow from what the surge is about and when its
window begins: the same window told twice is the same event.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from analytics_svc.domain.surge import MINUTE, Surge
from analytics_svc.facts.tally import Window
from shared_chassis.mapper import to_document
from shared_chassis.relay import Message, message
from shared_events.analytics import SurgeDetected
from shared_events.envelope import Envelope, Recorded
from shared_events.ids import SIGNALS_TOPIC, derive

SPEAKER: Final = "analytics-svc"
"""Who says that there is a surge."""

LOOK_BACK: Final = 1000
"""How many signals are read at the start: those of many days."""

LONGEST_LOOK: Final = 30.0
"""Seconds in which they are to be read."""


@dataclass(slots=True)
class Spoken:
    """What was told: the last position, and of each category and district the end of the last window (minutes since 1970)."""

    position: int = 0
    until: dict[str, int] = field(default_factory=dict)

    def next_position(self) -> int:
        """Number what is told now."""
        self.position = max(self.position + 1, time.time_ns() // 1000)
        return self.position

    def note(self, position: int, name: str, end: int) -> None:
        """Remember that a window was told."""
        self.position = max(self.position, position)
        self.until[name] = max(self.until.get(name, 0), end)


def name_of(category: str, district: str, city: str) -> str:
    """Spell what registrations are brought together by."""
    return f"{category}|{district}|{city}"


def signal(window: Window, found: Surge, position: int) -> Message:
    """Make the message of a surge."""
    start, end = (datetime.fromtimestamp(minute * MINUTE, UTC) for minute in (found.start, found.end))
    about = derive("surge", window.city, window.category, window.district, start.isoformat())
    now = datetime.fromtimestamp(position / 1e6, UTC)
    fact = SurgeDetected(
        city=window.city,
        service_type=window.category,
        district=window.district or None,
        window_start=start,
        window_end=end,
        count=found.count,
        average=round(found.average, 3),
    )
    envelope = Envelope(derive(about, 0), f"/veche/{SPEAKER}", fact.TYPE, now, now, f"service:{SPEAKER}", about, about)
    stream = f"surge-{about}"
    return message(position, stream, to_document(Recorded(stream, 1, envelope, fact)))


async def spoken(bootstrap: str) -> Spoken:
    """Read what was told last, by this processor or one before it.

    Raises `TimeoutError` when the topic cannot be read to its end.
    """
    said, place = Spoken(), TopicPartition(SIGNALS_TOPIC, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    consumer.assign([place])
    await consumer.start()
    try:
        begin = (await consumer.beginning_offsets([place]))[place]
        end = (await consumer.end_offsets([place]))[place]
        consumer.seek(place, max(begin, end - LOOK_BACK))
        deadline = time.monotonic() + LONGEST_LOOK
        while await consumer.position(place) < end:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{SIGNALS_TOPIC} cannot be read to its end.")
            for record in (await consumer.getmany(place, timeout_ms=1000)).get(place, ()):
                _note(said, dict(record.headers), record.value or b"")
    finally:
        await consumer.stop()
    return said


def _note(said: Spoken, headers: Mapping[str, bytes], document: bytes) -> None:
    told = orjson.loads(document)["data"]
    end = int(datetime.fromisoformat(told["window_end"]).timestamp()) // MINUTE
    said.note(int(headers["position"]), name_of(told["service_type"], told["district"] or "", told["city"]), end)
