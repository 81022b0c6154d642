"""The AsyncAPI document says what the catalogue says, and points nowhere into the void."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from shared_events import asyncapi
from shared_events.asyncapi import ENVELOPE, FILE, HEADERS, differs, document, main, text
from shared_events.catalogue import CATALOGUE
from shared_events.ids import SIGNALS_TOPIC

WRITTEN = yaml.safe_load(FILE.read_text(encoding="utf-8"))
EXAMPLES = sorted((Path(__file__).parent / "examples").glob("*.json"))


def references(node: object) -> Iterator[str]:
    """Find every reference in a document."""
    if isinstance(node, Mapping):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_the_document_is_what_the_code_says() -> None:
    """A changed or new event without `make schemas` is red."""
    assert not differs()
    assert document() == WRITTEN


def test_a_difference_is_seen_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing file, an edited file; writing mends both."""
    file = tmp_path / "asyncapi.yaml"
    monkeypatch.setattr(asyncapi, "FILE", file)
    monkeypatch.setattr(asyncapi.differs, "__defaults__", (file,))
    with pytest.raises(SystemExit, match="make schemas"):
        main(["--check"])
    main([])
    main(["--check"])
    file.write_text(text().replace("partitions: 12", "partitions: 13", 1), encoding="utf-8")
    with pytest.raises(SystemExit, match="make schemas"):
        main(["--check"])


def test_every_event_stands_on_one_topic_of_its_own_service() -> None:
    """And every topic but that of signals has twelve partitions and keeps everything."""
    places = [(type_, topic) for topic, channel in WRITTEN["channels"].items() for type_ in channel["messages"]]
    assert sorted(type_ for type_, _ in places) == sorted(CATALOGUE)
    assert all(topic.startswith(f"{type_.partition('.')[0]}.") for type_, topic in places)
    for topic, channel in WRITTEN["channels"].items():
        kafka = channel["bindings"]["kafka"]
        assert (channel["address"], kafka["topic"]) == (topic, topic)
        signals = topic == SIGNALS_TOPIC
        assert kafka["partitions"] == (1 if signals else 12)
        assert kafka.get("topicConfiguration", {}).get("retention.ms") == (None if signals else -1)
    assert [type_ for type_, topic in places if topic == SIGNALS_TOPIC] == ["analytics.surge-detected.v1"]


def test_every_topic_has_its_one_speaker() -> None:
    """One operation a channel: whoever else reads, the service that owns it alone sends."""
    spoken = [operation["channel"]["$ref"].removeprefix("#/channels/") for operation in WRITTEN["operations"].values()]
    assert sorted(spoken) == sorted(WRITTEN["channels"])
    assert {operation["action"] for operation in WRITTEN["operations"].values()} == {"send"}


def test_every_message_has_key_headers_words_and_a_schema() -> None:
    """Nobody has to read our code to read our facts."""
    for type_, message in WRITTEN["components"]["messages"].items():
        assert message["name"] == type_
        assert message["summary"]
        assert message["bindings"]["kafka"]["key"]["type"] == "string"
        assert message["headers"] == {"$ref": "#/components/schemas/Headers"}
        envelope, own = message["payload"]["allOf"]
        assert envelope == {"$ref": "#/components/schemas/Envelope"}
        assert own["properties"]["type"]["const"] == type_


def test_every_reference_leads_somewhere() -> None:
    """Within the document by path, else to a schema file whose `$id` is the one named."""
    found = set(references(WRITTEN))
    assert len(found) > 2 * len(CATALOGUE)
    for reference in found:
        if reference.startswith("#/"):
            node = WRITTEN
            for step in reference[2:].split("/"):
                node = node[step]
        else:
            schema = json.loads((FILE.parent / reference).read_text(encoding="utf-8"))
            assert f".{schema['$id']}" == reference


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_envelope_is_that_of_the_golden_events(path: Path) -> None:
    """The same attributes in the same order, none more and none less."""
    assert list(json.loads(path.read_text(encoding="utf-8"))) == ENVELOPE["required"]
    assert list(ENVELOPE["properties"]) == ENVELOPE["required"]
    assert set(HEADERS["required"]) < set(HEADERS["properties"])
