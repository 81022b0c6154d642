"""The contract as one AsyncAPI 3 document: which topic carries which facts, in which envelope, under which key.

Written from the catalogue by `make schemas`, compared by `make check`. The JSON Schemas of the facts stand in files of their own.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import yaml

from shared_events.analytics import SurgeDetected
from shared_events.catalogue import CATALOGUE, schema_name
from shared_events.envelope import CONTENT_TYPE
from shared_events.event import Event, topic_of
from shared_events.ids import SIGNALS_TOPIC

FILE = Path(__file__).parents[2] / "asyncapi.yaml"
PARTITIONS: Final = 12
"""Partitions of a topic of facts, fixed for life: a stream's place follows from it."""

SIGNALS_PARTITIONS: Final = 1
SIGNALS: frozenset[type[Event]] = frozenset({SurgeDetected})
"""What stands on the topic of signals instead of its service's own."""

KAFKA_BINDING: Final = "0.5.0"
MOMENT: Final = {"type": "string", "format": "date-time"}

Node = Mapping[str, object]

INTRODUCTION: Final = (
    "Facts of Veche, the city's requests and discussions. Each service alone states its own facts, on a topic of its own; a "
    "message is the stored event, byte for byte. The key is the stream (`subject`), so the facts of one stream arrive in "
    "order; delivery is at least once, and a consumer skips by the `position` header. Fields of personal data carry a "
    "sealed value that opens with the person's key alone. A released type is never edited: a new shape is a new version of "
    "the type."
)

KEY: Node = {"type": "string", "description": "The stream the fact belongs to; the same as `subject`.", "examples": ["request-…"]}

HEADERS: Node = {
    "type": "object",
    "description": "What one can filter and trace by without reading the event.",
    "required": ["content-type", "type", "position", "traceparent"],
    "properties": {
        "content-type": {"type": "string", "const": CONTENT_TYPE},
        "type": {"type": "string", "description": "The event's type, as in the envelope."},
        "position": {
            "type": "string",
            "pattern": "^[0-9]+$",
            "description": "The place in the publisher's log; it grows. A message not beyond the last handled is a repetition.",
        },
        "traceparent": {"type": "string", "description": "The journey, as W3C Trace Context."},
        "era": {
            "type": "string",
            "pattern": "^[0-9]+:[0-9a-f-]{36}$",
            "description": "The stretch of the publisher's log the fact belongs to: the position it begins after, and its id. An "
            "unknown stretch that begins before what was handled means that the log was restored from an older copy: stop.",
        },
    },
}

ENVELOPE: Node = {
    "type": "object",
    "description": "One CloudEvents 1.0 document, structured mode. Times are UTC with microseconds.",
    "required": [
        "specversion", "id", "source", "type", "subject", "time", "recordedtime", "datacontenttype", "dataschema",
        "streamversion", "correlationid", "causationid", "actor", "data",
    ],
    "properties": {
        "specversion": {"type": "string", "const": "1.0"},
        "id": {"type": "string", "format": "uuid", "description": "Derives from the command and the place in what it decided."},
        "source": {"type": "string", "format": "uri-reference", "description": "Who says it, as `/veche/request-svc`."},
        "type": {"type": "string"},
        "subject": {"type": "string", "description": "The stream."},
        "time": {**MOMENT, "description": "When it happened."},
        "recordedtime": {**MOMENT, "description": "When it became known, by the database's clock."},
        "datacontenttype": {"type": "string", "const": "application/json"},
        "dataschema": {"type": "string", "format": "uri-reference"},
        "streamversion": {"type": "integer", "minimum": 1, "description": "The place in the stream, from 1."},
        "correlationid": {"type": "string", "format": "uuid", "description": "The journey: a request's or a discussion's uuid."},
        "causationid": {"type": "string", "format": "uuid", "description": "The command, event or timer it follows from."},
        "actor": {"type": "string", "description": "Who, as `kind:id`; a pseudonym."},
        "data": {"type": "object", "description": "The fact itself, as its own schema says."},
    },
}  # fmt: skip


def topic_of_event(event: type[Event]) -> str:
    """Name the topic a type of event stands on."""
    return SIGNALS_TOPIC if event in SIGNALS else topic_of(event.SERVICE)


def document() -> dict[str, object]:
    """Give the whole description."""
    topics: dict[str, list[type[Event]]] = {}
    for event in CATALOGUE.values():
        topics.setdefault(topic_of_event(event), []).append(event)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Veche: facts of the city's services", "version": "1.0.0", "description": INTRODUCTION},
        "defaultContentType": CONTENT_TYPE,
        "channels": {topic: _channel(topic, events) for topic, events in topics.items()},
        "operations": {_operation_name(topic): _operation(topic, events[0].SERVICE) for topic, events in topics.items()},
        "components": {
            "messages": {event.TYPE: _message(event) for event in CATALOGUE.values()},
            "schemas": {"Envelope": ENVELOPE, "Headers": HEADERS},
        },
    }


def text() -> str:
    """Spell the description as YAML."""
    return "# Written by `make schemas` from the catalogue; not edited by hand.\n" + yaml.dump(
        document(), Dumper=_Plain, allow_unicode=True, sort_keys=False, width=130
    )


def differs(file: Path = FILE) -> bool:
    """Say whether the file is missing or not what the code says."""
    return not file.exists() or file.read_text(encoding="utf-8") != text()


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the description, or with --check say whether it differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the file differs from the code")
    if not parser.parse_args(arguments).check:
        FILE.write_text(text(), encoding="utf-8")
    elif differs():
        sys.exit(f"{FILE.name} differs from the events; run `make schemas` and commit the file.")


class _Plain(yaml.SafeDumper):
    """Writes every value where it stands: anchors are hard to read."""

    def ignore_aliases(self, _data: object) -> bool:
        """Never refer back."""
        return True


def _channel(topic: str, events: Sequence[type[Event]]) -> Node:
    signals = topic == SIGNALS_TOPIC
    partitions = SIGNALS_PARTITIONS if signals else PARTITIONS
    kept = {} if signals else {"topicConfiguration": {"retention.ms": -1}}
    service = events[0].SERVICE
    return {
        "address": topic,
        "title": f"{'Signals' if signals else 'Facts'} of {service}-svc",
        "description": "Hints, not facts: nothing is decided by them." if signals else f"Every fact {service}-svc states.",
        "messages": {event.TYPE: {"$ref": f"#/components/messages/{event.TYPE}"} for event in events},
        "bindings": {"kafka": {"topic": topic, "partitions": partitions, **kept, "bindingVersion": KAFKA_BINDING}},
    }


def _operation_name(topic: str) -> str:
    return "say" + "".join(word.capitalize() for word in topic.split("."))


def _operation(topic: str, service: str) -> Node:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{topic}"},
        "title": f"{service}-svc says what it decided",
        "tags": [{"name": f"{service}-svc"}],
    }


def _message(event: type[Event]) -> Node:
    words = " ".join((event.__doc__ or "").split("\n\n")[0].split())
    return {
        "name": event.TYPE,
        "title": event.__name__,
        "summary": words,
        "contentType": CONTENT_TYPE,
        "headers": {"$ref": "#/components/schemas/Headers"},
        "payload": {
            "allOf": [
                {"$ref": "#/components/schemas/Envelope"},
                {
                    "type": "object",
                    "properties": {
                        "type": {"const": event.TYPE},
                        "dataschema": {"const": schema_name(event.TYPE)},
                        "data": {"$ref": f".{schema_name(event.TYPE)}"},
                    },
                },
            ]
        },
        "correlationId": {"description": "The journey.", "location": "$message.payload#/correlationid"},
        "bindings": {"kafka": {"key": KEY, "bindingVersion": KAFKA_BINDING}},
    }


if __name__ == "__main__":
    main()
