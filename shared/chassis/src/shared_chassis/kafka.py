"""Apache Kafka as Veche uses it: topics made once by their owner and checked by everyone, producers that lose nothing.

Topics keep everything for ever. Their number of partitions is part of the contract, because a key's partition follows from it
and order holds only within a partition.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import cast

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code

from shared_chassis.process import MisconfiguredError

PARTITIONS = 12
SIGNALS_PARTITIONS = 1
BATCH_BYTES = 256 * 1024
REQUEST_TIMEOUT_MS = 10_000
NEW_TOPIC_LOOKS = 40

KEPT_FOR_EVER: Mapping[str, str] = MappingProxyType({"retention.ms": "-1", "min.insync.replicas": "1"})
"""The settings of every topic; a city with three brokers says `min.insync.replicas` 2 and replication 3."""

FACTS = ".events"
"""How the names of topics end that carry facts."""

_NO_ERROR = 0
_TOPIC_EXISTS = 36


class TopicError(MisconfiguredError):
    """A topic is not what the contract says it is; starting again would not help."""


class MissingTopicError(TopicError):
    """A topic does not exist; the service that owns it makes it when it starts."""


@asynccontextmanager
async def administration(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """Talk to the brokers about topics; the connections are closed afterwards."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=REQUEST_TIMEOUT_MS)
    try:
        await client.start()
        yield client
    finally:
        await client.close()


async def cluster_id(bootstrap: str) -> str:
    """Ask which cluster answers: positions in one cluster say nothing about another."""
    async with administration(bootstrap) as client:
        return str((await client.describe_cluster())["cluster_id"])


async def ensure_topic(
    bootstrap: str,
    topic: str,
    partitions: int = PARTITIONS,
    config: Mapping[str, str] = KEPT_FOR_EVER,
    replication: int = 1,
) -> None:
    """Make the owner's topic where there is none, and see that it is as the contract says.

    Raises `TopicError` with a sentence when it differs: nothing here ever changes an existing topic.
    """
    async with administration(bootstrap) as client:
        if topic not in await _partition_counts(client):
            await _create(client, NewTopic(topic, partitions, replication, topic_configs=dict(config)))
        counts = await _partition_counts(client)
        for _ in range(NEW_TOPIC_LOOKS):
            if topic in counts:
                break
            await asyncio.sleep(0.25)
            counts = await _partition_counts(client)
        await _check(client, counts, topic, partitions, config)


async def require_topics(bootstrap: str, topics: Iterable[str], partitions: Mapping[str, int] = MappingProxyType({})) -> None:
    """See that others' topics are there and as the contract says, before anything is read from them.

    `partitions` names the topics that have another number than 12. Facts are kept for ever; how long signals are is their
    owner's business. Raises `MissingTopicError` or `TopicError`.
    """
    for_ever = {"retention.ms": KEPT_FOR_EVER["retention.ms"]}
    async with administration(bootstrap) as client:
        counts = await _partition_counts(client)
        for topic in topics:
            kept = for_ever if topic.endswith(FACTS) else {}
            await _check(client, counts, topic, partitions.get(topic, PARTITIONS), kept)


async def end_offsets(bootstrap: str, topics: Iterable[str]) -> dict[str, dict[int, int]]:
    """Ask where the topics end: per topic and partition the offset the next event will get."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, request_timeout_ms=REQUEST_TIMEOUT_MS)
    await consumer.start()
    try:
        async with administration(bootstrap) as client:
            counts = await _partition_counts(client)
        ends: dict[str, dict[int, int]] = {topic: {} for topic in topics}
        places = [TopicPartition(topic, number) for topic in ends for number in range(counts.get(topic, 0))]
        for place, offset in (await consumer.end_offsets(places) if places else {}).items():
            ends[place.topic][place.partition] = int(offset)
        return ends
    finally:
        await consumer.stop()


def new_producer(bootstrap: str) -> AIOKafkaProducer:
    """Give a producer whose every batch is acknowledged by all replicas and written once."""
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        linger_ms=0,
        max_batch_size=BATCH_BYTES,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )


def new_consumer(bootstrap: str, group: str) -> AIOKafkaConsumer:
    """Give a consumer that trusts positions kept elsewhere and commits nothing by itself."""
    return AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=300,
        fetch_max_bytes=8 * 1024 * 1024,
        max_partition_fetch_bytes=BATCH_BYTES,
        session_timeout_ms=6_000,
        heartbeat_interval_ms=2_000,
    )


async def _create(client: AIOKafkaAdminClient, topic: NewTopic) -> None:
    response = await client.create_topics([topic])
    for name, code, *rest in response.topic_errors:
        if code not in (_NO_ERROR, _TOPIC_EXISTS):
            said = rest[0] if rest and rest[0] else for_code(code).__name__
            raise TopicError(f"Topic {name} could not be made: {said}")


async def _partition_counts(client: AIOKafkaAdminClient) -> dict[str, int]:
    """Count the partitions of all topics: to ask for one topic by name would make it, where a broker makes topics by itself."""
    return {
        found["topic"]: len(found["partitions"]) for found in await client.describe_topics() if found["error_code"] == _NO_ERROR
    }


async def _check(
    client: AIOKafkaAdminClient, counts: Mapping[str, int], topic: str, partitions: int, config: Mapping[str, str]
) -> None:
    if topic not in counts:
        raise MissingTopicError(f"Topic {topic} does not exist; the service that owns it makes it when it starts.")
    if counts[topic] != partitions:
        raise TopicError(
            f"Topic {topic} has {counts[topic]} partitions and must have {partitions}: with another number a stream's events "
            "would change their partition and lose their order. Publish to a new cluster instead of altering the topic."
        )
    actual = await _configs(client, topic)
    for key, wanted in config.items():
        if actual.get(key) != wanted:
            raise TopicError(f"Topic {topic} has {key}={actual.get(key)} and must have {key}={wanted}.")


async def _configs(client: AIOKafkaAdminClient, topic: str) -> dict[str, str]:
    responses = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    entries: dict[str, str] = {}
    for response in responses:
        for code, message, _kind, _name, configs in response.resources:
            if code != _NO_ERROR:
                raise for_code(code)(message)
            entries.update({str(entry[0]): str(entry[1]) for entry in cast("list[tuple[object, ...]]", configs)})
    return entries
