"""What the relay sends is what the AsyncAPI document promises."""

import json
import re
from uuid import UUID, uuid4

import shop
from warehouse import document, fact

from shared_chassis import kafka
from shared_chassis.consumer import Era
from shared_chassis.relay import message
from shared_events import asyncapi


def test_topics_are_made_as_described() -> None:
    """The same numbers of partitions, and everything is kept."""
    assert (kafka.PARTITIONS, kafka.SIGNALS_PARTITIONS) == (asyncapi.PARTITIONS, asyncapi.SIGNALS_PARTITIONS)
    channels = asyncapi.document()["channels"]
    kept = channels["request.events"]["bindings"]["kafka"]["topicConfiguration"]  # type: ignore[index]  # JSON
    assert str(kept["retention.ms"]) == kafka.KEPT_FOR_EVER["retention.ms"]


def test_a_message_has_the_described_headers_key_and_envelope() -> None:
    """All of them, in the described form."""
    stream = f"order-{uuid4()}"
    made = message(7, stream, document(fact(stream, 1, shop.OrderPlaced(item="tea"))), Era(3, str(UUID(int=9))))
    headers = {name: value.decode() for name, value in made.headers}
    described = asyncapi.HEADERS["properties"]
    assert isinstance(described, dict)
    assert list(headers) == list(described)
    assert headers["content-type"] == described["content-type"]["const"]
    for name in ("position", "era"):
        assert re.match(described[name]["pattern"], headers[name])
    envelope = json.loads(made.value)
    assert list(envelope) == asyncapi.ENVELOPE["required"]
    assert made.key.decode() == envelope["subject"] == stream
