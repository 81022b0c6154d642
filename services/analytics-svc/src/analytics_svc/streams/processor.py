"""The stream processor: registrations tallied by the minute, per category and district, as they come. A hint, never a fact.

    request.events ─ header ─► analytics.registrations (by category|district|city) ─► table `tallies` ─ timer ─► analytics.tallies
                                                                                   └► table `surges` ──────────► analytics.signals

A surge is told, and acknowledged, before the table remembers that it was, so that none is forgotten in a crash; that it is not
told again follows from the topic, which is read at the start. Surges are looked for after the tally is kept: what goes wrong
there is parked, and costs no count.

Windows are of the event's own recorded time, so a restart changes no window. Faust acknowledges an event whether or not its agent
managed it, so each loop catches every error and parks the event on `analytics.parked`. What is repeated after a crash is known by
its position and not counted again. Nothing waits for the end of a window: in a restart Faust forgets which it has not closed.

This is the only package that imports faust.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, TypeAlias, cast

import faust
import orjson
import structlog
from aiokafka import ConsumerRecord
from faust.tables.wrappers import WindowWrapper
from faust.transport.consumer import RecordMap
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, EventT, StreamT, TopicT

from analytics_svc.domain import surge
from analytics_svc.domain.surge import MINUTE, History, Sensitivity
from analytics_svc.facts.tally import HOURLY, KEPT, PARKED, TALLIES, WEEK, Window, ensure_topics
from analytics_svc.streams.signal import Spoken, name_of, signal, spoken
from shared_chassis.kafka import PARTITIONS, MissingTopicError, ensure_topic, require_topics
from shared_chassis.log import told
from shared_events.event import topic_of
from shared_events.ids import SIGNALS_TOPIC
from shared_events.request import RequestRegistered

APP: Final = "analytics-streams"
"""The Kafka group."""

SOURCE: Final = topic_of("request")
REGISTRATIONS: Final = "analytics.registrations"
CHANGELOGS: Final = (f"{APP}-tallies-changelog", f"{APP}-surges-changelog")

TELL_EVERY: Final = 2.0
"""Seconds between two words about the windows that changed."""

GATHER: Final = 0.1
"""Seconds in which what comes in, and what goes out, is gathered: a round through Faust costs more than an event."""

SESSION: Final = 10.0
"""Seconds after which a processor that was killed has lost its partitions."""

OWN: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        REGISTRATIONS: {"retention.ms": WEEK},
        **{topic: {"cleanup.policy": "compact", "segment.ms": HOURLY} for topic in CHANGELOGS},
    }
)
"""The processor's own topics, with as many partitions as its source."""

_TYPE: Final = RequestRegistered.TYPE.encode()
_log = structlog.get_logger()

Tally = dict[str, object]
Fetched: TypeAlias = "ConsumerRecord[bytes, bytes]"


@dataclass(frozen=True, slots=True)
class Registration:
    """A registration as it is tallied: in which window, and where it stood in the source, to know it again."""

    window: Window
    partition: int
    position: int

    @property
    def key(self) -> bytes:
        """What registrations are brought together by."""
        return name_of(self.window.category, self.window.district, self.window.city).encode()

    @property
    def value(self) -> bytes:
        """The rest, as it is sent."""
        return orjson.dumps([self.window.minute.timestamp(), self.partition, self.position])

    @classmethod
    def parse(cls, key: bytes, value: bytes) -> "Registration":
        """Read a registration back; `ValueError` when it is none."""
        category, district, city = key.decode().split("|")
        minute, partition, position = orjson.loads(value)
        return cls(Window(datetime.fromtimestamp(minute, UTC), city, district, category), partition, position)


def registration(partition: int, headers: Mapping[str, bytes], document: bytes) -> Registration:
    """Read what is tallied from an event's document; whatever is wrong with it comes through as an error."""
    event = orjson.loads(document)
    data = event["data"]
    known = datetime.fromisoformat(event["recordedtime"]).replace(second=0, microsecond=0)
    window = Window(known, data["city"], data["district"] or "", data["service_type"])
    return Registration(window, partition, int(headers["position"]))


class Streams:
    """The processor, as a part of a process."""

    def __init__(self, bootstrap: str, sensitivity: Sensitivity) -> None:
        self._bootstrap = bootstrap
        self._sensitivity = sensitivity

    async def run(self, stop: asyncio.Event) -> None:
        """Tally until told to stop. Raises what the processor died of; a new one goes on from where it stood."""
        await self._prepare(stop)
        if stop.is_set():
            return
        app = Processor(self._bootstrap, self._sensitivity, await spoken(self._bootstrap)).app
        await app.start()
        _log.info("streams.started", source=SOURCE)
        stopped, ended = asyncio.create_task(_until(stop)), asyncio.create_task(app.wait_until_stopped())
        try:
            await asyncio.wait([stopped, ended], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            ended.cancel()
            await app.stop()
        if app.crash_reason is not None:
            raise app.crash_reason

    async def _prepare(self, stop: asyncio.Event) -> None:
        """Make the processor's own topics, and wait for the source, which its owner makes."""
        await ensure_topics(self._bootstrap)
        for topic, config in OWN.items():
            await ensure_topic(self._bootstrap, topic, PARTITIONS, config)
        while not stop.is_set():
            try:
                await require_topics(self._bootstrap, [SOURCE])
            except MissingTopicError:
                with suppress(TimeoutError):
                    async with asyncio.timeout(1.0):
                        await stop.wait()
            else:
                return


class _Skipping(driver.Consumer):
    """Passes over, by its header, whatever is no registration, before Faust spends a third of a millisecond on it.

    What is passed over counts as acknowledged, so the place that is committed moves past it.
    """

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> RecordMap:  # noqa: ASYNC109 - Faust's signature
        await asyncio.sleep(GATHER)
        fetched = await super()._getmany(active_partitions, timeout)
        return {at: kept for at, records in fetched.items() if (kept := self._sift(at, records))}

    def _sift(self, at: TP, records: Sequence[Fetched]) -> list[Fetched]:
        if at.topic != SOURCE:
            return list(records)
        kept: list[Fetched] = []
        committed, acknowledged = self._committed_offset[at] or 0, self._acked_index[at]
        for record in records:
            if _wanted(record.headers):
                kept.append(record)
            elif record.offset >= committed and record.offset not in acknowledged:
                acknowledged.add(record.offset)
                self._acked[at].append(record.offset)
        return kept

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Leave gaps in the source alone: Faust's own way merges all gaps anew for each one."""
        if tp.topic != SOURCE:
            await super()._add_gap(tp, offset_from, offset_to)


class _SkippingTransport(driver.Transport):
    Consumer = _Skipping


class Processor:
    """Two agents, two tables and a timer, wired to a broker."""

    def __init__(self, bootstrap: str, sensitivity: Sensitivity, said: Spoken) -> None:
        self._sensitivity = sensitivity
        self._said = said
        self.app = faust.App(
            APP,
            broker=f"kafka://{bootstrap}",
            store="memory://",
            web_enabled=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            topic_partitions=PARTITIONS,
            broker_session_timeout=SESSION,
            broker_heartbeat_interval=SESSION / 4,
            broker_commit_interval=1.0,
            producer_linger=GATHER,
            stream_wait_empty=False,
        )
        self.app.transport = _SkippingTransport(self.app.conf.broker_consumer, self.app)
        self._registrations, self._told, self._parked = (self._topic(name) for name in (REGISTRATIONS, TALLIES, PARKED))
        self._signals = self._topic(SIGNALS_TOPIC)
        self._table = self.app.Table("tallies", default=dict, partitions=PARTITIONS, key_type=str)
        self._windows = cast("WindowWrapper", self._table.tumbling(float(MINUTE), expires=KEPT)).relative_to(_moment_of)
        self._histories = self.app.Table("surges", default=dict, partitions=PARTITIONS, key_type=str)
        self._changed: dict[bytes, int] = {}
        self.app.agent(self._topic(SOURCE), name="bring-together")(self.bring_together)
        self.app.agent(self._registrations, name="tally")(self.tally)
        self.app.timer(TELL_EVERY, name="tell")(self.tell)
        self._table.on_recover(self.remember)

    async def bring_together(self, stream: StreamT[bytes]) -> None:
        """Send each registration to where those of its category and district are tallied."""
        async for event in stream.events():
            try:
                message = event.message
                found = registration(message.partition, _headers(event), message.value or b"")
                await self._registrations.send(key=found.key, value=found.value)
            except Exception as error:  # noqa: BLE001 - Faust acknowledges it either way
                await self._park(event, error)

    async def tally(self, stream: StreamT[bytes]) -> None:
        """Count each registration in its minute, once; then see whether it makes a surge."""
        async for event in stream.events():
            try:
                found = Registration.parse(event.message.key or b"", event.message.value or b"")
                self._count(found)
                await self._watch(found, event.message.partition)
            except Exception as error:  # noqa: BLE001 - Faust acknowledges it either way
                await self._park(event, error)

    async def tell(self) -> None:
        """Say the counts of the windows that changed."""
        for key, count in list(self._changed.items()):
            await self._told.send(key=key, value=orjson.dumps(count))
            if self._changed.get(key) == count:
                del self._changed[key]

    async def remember(self) -> None:
        """Say all counts again after a restart: the last word about them may not have been sent."""
        for (name, (begin, _)), counted in self._table.data.items():
            category, district, city = name.split("|")
            self._changed[Window(datetime.fromtimestamp(begin, UTC), city, district, category).key] = _total(counted)

    def _count(self, found: Registration) -> None:
        name = found.key.decode()
        counted = _counted(self._windows[name].value(), found)
        if counted is not None:
            self._windows[name] = counted
            self._changed[found.window.key] = _total(counted)

    async def _watch(self, found: Registration, partition: int) -> None:
        """Tell a surge, once a window, and remember what was heard."""
        by, name, minute = self._sensitivity, found.key.decode(), int(found.window.minute.timestamp()) // MINUTE
        before = History.of(self._histories.get(name), minute + 1 - by.window, self._said.until.get(name, 0) + by.window)
        history = surge.counted(before, minute, found.partition, found.position, by)
        if history is None:
            return
        detected = surge.surge(history, self._known_since(found.window.city, partition, minute), int(time.time()) // MINUTE, by)
        if detected is not None:
            said = signal(found.window, detected, self._said.next_position())
            await (await self._signals.send(key=said.key, value=said.value, headers=list(said.headers)))
            history = surge.told(history, detected, by)
            _log.info("streams.surge", **found.window.named, count=detected.count, average=round(detected.average, 2))
        self._histories[name] = history.stored

    def _known_since(self, city: str, partition: int, minute: int) -> int:
        """Tell, and remember, the earliest minute in which anything of a city was heard of in this partition."""
        name = f"{city}|{partition}"
        since = cast("int", self._histories[name]) if name in self._histories else minute + 1
        if minute < since:
            self._histories[name] = minute
        return min(minute, since)

    async def _park(self, event: EventT[bytes], error: Exception) -> None:
        """Set an event aside with the reason; like all that is sent, it is acknowledged before the event's place is committed."""
        message = event.message
        _log.error("streams.parked", topic=message.topic, offset=message.offset, exc_info=error)
        reason = {
            "type": _headers(event).get("type", message.topic.encode()),
            "topic": message.topic.encode(),
            "partition": str(message.partition).encode(),
            "offset": str(message.offset).encode(),
            "error": told(error).encode(),
        }
        await self._parked.send(key=message.key, value=message.value, headers=reason)

    def _topic(self, name: str) -> TopicT:
        """Name a topic that carries bytes as they are; it was made before."""
        return self.app.topic(name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")


def _wanted(headers: Sequence[tuple[str, bytes]]) -> bool:
    return ("type", _TYPE) in headers


def _headers(event: EventT[bytes]) -> dict[str, bytes]:
    return dict(cast("Sequence[tuple[str, bytes]]", event.message.headers or ()))


def _moment_of(event: EventT[bytes] | None) -> float:
    """Tell the moment a registration is tallied under (seconds since 1970)."""
    if event is None:
        raise LookupError("Nothing is tallied outside of a registration.")
    return float(orjson.loads(event.message.value or b"")[0])


def _counted(before: Tally, found: Registration) -> Tally | None:
    """Count one more; None for what was counted before a crash: positions of one partition only rise."""
    seen = cast("Mapping[str, int]", before.get("seen", {}))
    place = str(found.partition)
    if found.position <= seen.get(place, 0):
        return None
    return {"count": _total(before) + 1, "seen": {**seen, place: found.position}}


def _total(tally: Tally) -> int:
    return cast("int", tally.get("count", 0))


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()
