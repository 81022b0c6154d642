"""Topics on real Kafka: made once by their owner, and refused at start-up when they are not as the contract says (trap T26)."""

from uuid import uuid4

import pytest

from shared_chassis import kafka
from shared_chassis.kafka import MissingTopicError, TopicError
from shared_chassis.process import MisconfiguredError

pytestmark = pytest.mark.kafka


def new_name() -> str:
    """Name a topic of this test alone."""
    return f"sample-{uuid4().hex[:8]}.events"


async def test_a_topic_is_made_with_twelve_partitions_and_keeps_everything(kafka_bootstrap: str) -> None:
    """Making it again changes nothing."""
    name = new_name()
    for _ in range(2):
        await kafka.ensure_topic(kafka_bootstrap, name)
    await kafka.require_topics(kafka_bootstrap, [name])
    assert await kafka.end_offsets(kafka_bootstrap, [name]) == {name: dict.fromkeys(range(12), 0)}
    async with kafka.administration(kafka_bootstrap) as client:
        configs = await kafka._configs(client, name)
    assert (configs["retention.ms"], configs["min.insync.replicas"]) == ("-1", "1")


async def test_another_number_of_partitions_is_refused_with_a_sentence(kafka_bootstrap: str) -> None:
    """By its owner and by whoever reads it; the process must not be started again for it."""
    name = new_name()
    await kafka.ensure_topic(kafka_bootstrap, name, partitions=6)
    with pytest.raises(TopicError, match="has 6 partitions and must have 12"):
        await kafka.ensure_topic(kafka_bootstrap, name)
    with pytest.raises(TopicError, match="has 6 partitions and must have 12"):
        await kafka.require_topics(kafka_bootstrap, [name])
    await kafka.require_topics(kafka_bootstrap, [name], {name: 6})
    assert issubclass(TopicError, MisconfiguredError)


async def test_a_topic_that_forgets_is_refused_with_a_sentence(kafka_bootstrap: str) -> None:
    """Retention is part of the contract: rebuilding reads everything."""
    name = new_name()
    await kafka.ensure_topic(kafka_bootstrap, name, config={"retention.ms": "60000"})
    with pytest.raises(TopicError, match=r"retention\.ms=60000 and must have retention\.ms=-1"):
        await kafka.ensure_topic(kafka_bootstrap, name)
    with pytest.raises(TopicError, match=r"retention\.ms=60000"):
        await kafka.require_topics(kafka_bootstrap, [name])


async def test_a_missing_topic_is_named(kafka_bootstrap: str) -> None:
    """Looking for it does not make it."""
    name = new_name()
    for _ in range(2):
        with pytest.raises(MissingTopicError, match=name):
            await kafka.require_topics(kafka_bootstrap, [name])
    assert await kafka.end_offsets(kafka_bootstrap, [name]) == {name: {}}
