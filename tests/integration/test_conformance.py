"""T27: the broker that the other tests run on is one, and a stand-in is told from it (local_stack.conformance)."""

import socket
import threading

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from city_alive import City

from local_stack import conformance
from local_stack.conformance import NotConformingError


@pytest.mark.stack
@pytest.mark.kafka
def test_the_broker_keeps_what_kafka_promises(city: City) -> None:
    """Idempotence, end offsets, transactions, rebalances, committed offsets."""
    conformance.check(city.state.bootstrap)


@pytest.mark.stack
@pytest.mark.kafka
def test_a_broker_that_stores_a_repeated_batch_is_refused(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without sequence numbers real Kafka, too, keeps both copies: the check sees it."""

    def careless(**options: object) -> AIOKafkaProducer:
        return AIOKafkaProducer(**{**options, "enable_idempotence": False})

    monkeypatch.setattr(conformance, "AIOKafkaProducer", careless)
    with pytest.raises(NotConformingError, match=r"counts 300, 300, 300, 300 records|tells wrong offsets"):
        conformance.check(city.state.bootstrap)


@pytest.mark.stack
@pytest.mark.kafka
def test_wrong_end_offsets_are_noticed(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a stand-in that counts batches instead of records."""
    real = AIOKafkaConsumer.end_offsets

    async def wrong(consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {partition: end // 10 for partition, end in (await real(consumer, partitions)).items()}

    monkeypatch.setattr(AIOKafkaConsumer, "end_offsets", wrong)
    with pytest.raises(NotConformingError, match="counts 15, 15, 15, 15 records"):
        conformance.check(city.state.bootstrap)


@pytest.mark.stack
@pytest.mark.kafka
def test_a_reader_that_sees_aborted_transactions_is_noticed(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a stand-in that ignores transactions."""
    real = conformance._reader

    def careless(bootstrap: str, group: str | None = None, *, committed_only: bool = False) -> object:
        return real(bootstrap, group)

    monkeypatch.setattr(conformance, "_reader", careless)
    with pytest.raises(NotConformingError, match="shows an aborted transaction"):
        conformance.check(city.state.bootstrap)


def test_a_stand_in_that_is_no_kafka_is_refused_in_one_sentence() -> None:
    """A port behind which nobody speaks Kafka."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            while True:
                try:
                    server.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=hang_up, daemon=True).start()
        with pytest.raises(NotConformingError, match="No Kafka in which topics can be made answers at") as told:
            conformance.check(f"127.0.0.1:{server.getsockname()[1]}")
        assert "\n" not in str(told.value)
