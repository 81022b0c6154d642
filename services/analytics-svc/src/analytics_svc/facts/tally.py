"""What the stream processor tells: its tallies by the minute, and the events it could not count; folded beside the facts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, LiteralString, Self

import orjson
from aiokafka import ConsumerRecord

from analytics_svc.facts.file import Row
from shared_chassis.kafka import KEPT_FOR_EVER, SIGNALS_PARTITIONS, ensure_topic
from shared_chassis.view import Statement
from shared_events.ids import SIGNALS_TOPIC

TALLIES: Final = "analytics.tallies"
"""The topic of the tallies: of each window the newest count is kept."""

PARKED: Final = "analytics.parked"
"""The topic of the events the stream processor could not count, as they came, with the reason."""

ONE_PARTITION: Final = 1

WEEK: Final = str(7 * 24 * 3600 * 1000)
HOURLY: Final = str(3600 * 1000)
"""Milliseconds, as Kafka is told: what is no longer needed is removed hour by hour."""

KEPT: Final = timedelta(days=2)
"""How long the stream processor keeps a window, and so for how long back its tallies are compared with the facts."""

TOPICS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        TALLIES: {**KEPT_FOR_EVER, "cleanup.policy": "compact,delete", "retention.ms": WEEK, "segment.ms": HOURLY},
        PARKED: KEPT_FOR_EVER,
    }
)
"""What the stream processor tells us on, and how its topics are kept."""

COUNTS: LiteralString = """
    INSERT INTO tally (minute, city, district, category, count)
    SELECT r.minute, r.city, r.district, r.category, max(r.count)
    FROM (
        SELECT unnest(from_json_strict($rows, '[{
            "minute": "TIMESTAMPTZ", "city": "VARCHAR", "district": "VARCHAR", "category": "VARCHAR", "count": "BIGINT"
        }]')) AS r
    ) AS batch
    GROUP BY ALL
    ON CONFLICT (minute, city, district, category) DO UPDATE SET count = greatest(count, excluded.count)
"""
UNCOUNTED: LiteralString = """
    INSERT INTO stream_parked (topic, partition, "offset", key, type, error, parked_at)
    SELECT r.topic, r.partition, r."offset", r.key, r.type, r.error, now()
    FROM (
        SELECT unnest(from_json_strict($rows, '[{
            "topic": "VARCHAR", "partition": "INTEGER", "offset": "BIGINT", "key": "VARCHAR", "type": "VARCHAR",
            "error": "VARCHAR"
        }]')) AS r
    ) AS batch
    ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Window:
    """A minute (UTC) of the registrations of one category in one district of a city; a district that is missing is ''."""

    minute: datetime
    city: str
    district: str
    category: str

    @property
    def named(self) -> dict[str, str]:
        """What is counted, for logs."""
        return {"city": self.city, "district": self.district, "category": self.category}

    @property
    def key(self) -> bytes:
        """The window as a key of the topic."""
        return f"{self.minute.isoformat()}|{self.city}|{self.district}|{self.category}".encode()

    @classmethod
    def parse(cls, key: bytes) -> Self:
        """Read a key back; `ValueError` when it is none."""
        minute, city, district, category = key.decode().split("|")
        return cls(datetime.fromisoformat(minute), city, district, category)


async def ensure_topics(bootstrap: str) -> None:
    """Make the topics the stream processor tells us and others on, where they are missing; both of us may be first.

    Raises `TopicError` when one is not as the contract says.
    """
    for topic, config in TOPICS.items():
        await ensure_topic(bootstrap, topic, ONE_PARTITION, config)
    await ensure_topic(bootstrap, SIGNALS_TOPIC, SIGNALS_PARTITIONS)


def statements(records: Iterable["ConsumerRecord[bytes, bytes]"]) -> list[Statement]:
    """Make the facts of what the stream processor told; counts only grow, so a late word of an earlier count changes nothing."""
    return [_count(record) if record.topic == TALLIES else _uncounted(record) for record in records]


def _count(record: "ConsumerRecord[bytes, bytes]") -> Statement:
    window = Window.parse(record.key or b"")
    row: Row = {"minute": window.minute, "city": window.city, "district": window.district, "category": window.category}
    row["count"] = orjson.loads(record.value or b"")
    return Statement(COUNTS, row)


def _uncounted(record: "ConsumerRecord[bytes, bytes]") -> Statement:
    said = {name: value.decode(errors="replace") for name, value in record.headers}
    row: Row = {"topic": said["topic"], "partition": int(said["partition"]), "offset": int(said["offset"])}
    row |= {"key": (record.key or b"").decode(), "type": said["type"], "error": said["error"]}
    return Statement(UNCOUNTED, row)
