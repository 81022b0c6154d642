"""Whether the broker that answers is one that events can be trusted to: tests on a stand-in prove nothing.

What is relied upon is tried on a topic made for it: a batch that is sent twice counts once (idempotent producer), end
offsets are the number of records sent, an aborted transaction is never read, a rebalance moves partitions from one member of
a group to another and back, committed offsets outlive the group. A few seconds; the first thing that fails ends it with a
sentence.
"""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from aiokafka.protocol.api import Request
from aiokafka.protocol.produce import ProduceRequest

from local_stack.failure import StackError

PARTITIONS = 4
RECORDS = 150
"""Records sent to each partition."""

PATIENCE = 60.0
"""Seconds that each thing may take."""


class NotConformingError(StackError):
    """The broker that answers is no Apache Kafka that events can be trusted to."""


def check(bootstrap: str) -> None:
    """Try whether the broker at this address keeps what is promised of Kafka.

    Raises:
        NotConformingError: it does not; the message is one sentence that says what.

    """
    library = logging.getLogger("aiokafka")
    level = library.level
    library.setLevel(logging.CRITICAL)  # rebalances are what is wanted here; what goes wrong is told by the error
    try:
        asyncio.run(check_async(bootstrap))
    finally:
        library.setLevel(level)


async def check_async(bootstrap: str) -> None:
    """Do as `check` within a running event loop."""
    async with _topic(bootstrap) as topic:
        steps: Sequence[tuple[str, Callable[[str, str], Awaitable[None]]]] = (
            ("an idempotent producer", _idempotence),
            ("transactions", _transactions),
            ("consumer groups", _groups),
        )
        for promise, step in steps:
            try:
                async with asyncio.timeout(PATIENCE):
                    await step(bootstrap, topic)
            except (KafkaError, OSError, TimeoutError) as error:
                told = f"{type(error).__name__}: {error}".rstrip(": ")
                raise NotConformingError(f"The broker at {bootstrap} does not support {promise} ({told}).") from error


def _partitions(topic: str) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for number in range(PARTITIONS)]


@asynccontextmanager
async def _topic(bootstrap: str) -> AsyncIterator[str]:
    """Make a topic of its own for the check, and remove it afterwards."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=30_000)
    topic = f"veche-conformance-{uuid.uuid4().hex[:12]}"  # noqa: TID251  a name for one check
    try:
        try:
            await admin.start()
            await admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
        except (KafkaError, OSError, TimeoutError) as error:
            raise NotConformingError(f"No Kafka in which topics can be made answers at {bootstrap} ({error}).") from error
        try:
            yield topic
        finally:
            await admin.delete_topics([topic])
    finally:
        await admin.close()


@asynccontextmanager
async def _reader(bootstrap: str, group: str | None = None, *, committed_only: bool = False) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        heartbeat_interval_ms=100,
        metadata_max_age_ms=2000,
        isolation_level="read_committed" if committed_only else "read_uncommitted",
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def _idempotence(bootstrap: str, topic: str) -> None:
    """Send every batch twice, as after a lost acknowledgement: each record is there once, at the offset that was told."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, acks="all", linger_ms=5)
    await producer.start()
    try:
        once = producer.client.send

        async def twice(node: int, request: Request, **options: object) -> object:
            answer = await once(node, request, **options)
            if isinstance(request, ProduceRequest):
                await once(node, request, **options)
            return answer

        producer.client.send = twice
        told = await asyncio.gather(
            *[
                await producer.send(topic, b"%d" % number, partition=partition.partition)
                for number in range(RECORDS)
                for partition in _partitions(topic)
            ]
        )
    finally:
        await producer.stop()
    for partition in _partitions(topic):
        offsets = [record.offset for record in told if record.partition == partition.partition]
        if offsets != list(range(RECORDS)):
            raise NotConformingError(
                f"The broker at {bootstrap} tells wrong offsets: {RECORDS} records sent in order were given {_brief(offsets)}."
            )
    async with _reader(bootstrap) as reader:
        ends = await reader.end_offsets(_partitions(topic))
    if set(ends.values()) != {RECORDS}:
        counted = _brief(sorted(ends.values()))
        raise NotConformingError(
            f"The broker at {bootstrap} counts {counted} records in the partitions of a topic where an idempotent producer "
            f"sent {RECORDS} to each, every batch twice: it stores duplicates or reports wrong end offsets."
        )


def _brief(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:8])) + (" …" if len(numbers) > 8 else "")


async def _transactions(bootstrap: str, topic: str) -> None:
    """Abort one transaction and commit another: who reads what is committed sees the second alone."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=f"{topic}-transactions")
    await producer.start()
    try:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"aborted", partition=0)
        await producer.abort_transaction()
        async with producer.transaction():
            await producer.send_and_wait(topic, b"committed", partition=0)
    finally:
        await producer.stop()
    first = TopicPartition(topic, 0)
    async with _reader(bootstrap, committed_only=True) as reader:
        reader.assign([first])
        reader.seek(first, RECORDS)
        seen = (await reader.getone(first)).value
    if seen != b"committed":
        raise NotConformingError(f"The broker at {bootstrap} shows an aborted transaction to a reader of what is committed.")


async def _groups(bootstrap: str, topic: str) -> None:
    """Let a second member join and leave: partitions move to it and back; what was committed is found by who comes later."""
    group = f"{topic}-group"
    everything = frozenset(_partitions(topic))
    async with _reader(bootstrap, group) as first:
        first.subscribe([topic])
        await _until(lambda: frozenset(first.assignment()) == everything, first)
        await first.commit({partition: 7 + partition.partition for partition in everything})
        async with _reader(bootstrap, group) as second:
            second.subscribe([topic])
            await _until(
                lambda: (
                    bool(first.assignment())
                    and bool(second.assignment())
                    and not first.assignment() & second.assignment()
                    and first.assignment() | second.assignment() == everything
                ),
                first,
                second,
            )
        await _until(lambda: frozenset(first.assignment()) == everything, first)
    async with _reader(bootstrap, group) as later:
        later.assign(sorted(everything))
        kept: Mapping[TopicPartition, int | None] = {partition: await later.committed(partition) for partition in everything}
    if kept != {partition: 7 + partition.partition for partition in everything}:
        raise NotConformingError(
            f"The broker at {bootstrap} forgets the offsets that a consumer group committed once its members have left."
        )


async def _until(condition: Callable[[], bool], *members: AIOKafkaConsumer) -> None:
    """Poll the members of a group until they share the partitions as expected."""
    while not condition():
        for member in members:
            await member.getmany(timeout_ms=50, max_records=1)
