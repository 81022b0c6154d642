"""Facts to stored bytes and back: one CloudEvents 1.0 JSON document an event, written once, sent and hashed as it is."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

import orjson
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import JSONTranscoder, Mapper, StoredEvent
from pydantic import ValidationError

from shared_events.catalogue import Catalogue, newest, schema_name
from shared_events.envelope import Envelope, Recorded
from shared_events.event import Event
from shared_events.personal import Sealed, personal_fields


class DocumentError(ValueError):
    """A stored document cannot be read as an event."""


class UnknownTypeError(DocumentError):
    """This type of event is in no catalogue here."""


class UnknownVersionError(DocumentError):
    """This event is a newer version of a type known here; newer code must read it."""


class NoPersonError(ValueError):
    """Personal data needs a person: the event's `person` is empty."""


class Sealer(Protocol):
    """Seals a person's value under that person's key."""

    def seal(self, person: UUID, event: UUID, field: str, value: str) -> Sealed:
        """Give the sealed value."""
        ...


class EventMapper(Mapper[str]):
    """Reads and writes the documents of a closed catalogue; anything else is refused, and no module is ever imported by name.

    `source` names who writes, as `/kazan/request-svc`; without a `sealer`, events with personal data cannot be written.
    """

    def __init__(self, catalogue: Catalogue, source: str, sealer: Sealer | None = None) -> None:
        super().__init__(JSONTranscoder())
        self.catalogue = catalogue
        self.source = source
        self._sealer = sealer
        self._personal = {event: personal_fields(event) for event in catalogue.values()}
        self._families = {_family(type_) for type_ in catalogue}

    def seal(self, recorded: Recorded) -> Recorded:
        """Seal what is still plain of the person's data; an event without such data comes back as it is.

        Raises `NoPersonError` when there is personal data and no person.
        """
        fact = recorded.fact
        plain = {name: value for name in self._personal[type(fact)] if isinstance(value := getattr(fact, name), str)}
        if not plain:
            return recorded
        person = getattr(fact, "person", None)
        if self._sealer is None or not isinstance(person, UUID):
            raise NoPersonError(NoPersonError.__doc__)
        event = recorded.envelope.id
        sealed = {name: self._sealer.seal(person, event, name, value) for name, value in plain.items()}
        return replace(recorded, fact=fact.model_copy(update=sealed))

    def to_stored_event(self, domain_event: DomainEventProtocol[str]) -> StoredEvent:
        """Write the document of a recorded fact."""
        recorded = self.seal(_as_recorded(domain_event))
        return StoredEvent(recorded.stream_id, recorded.version, recorded.fact.TYPE, to_document(recorded))

    def to_domain_event(self, stored_event: StoredEvent) -> Recorded:
        """Read a stored event."""
        return self.from_document(stored_event.state)

    def from_document(self, state: bytes) -> Recorded:
        """Read a document: the fact in its newest shape, personal data still sealed.

        Raises `UnknownTypeError`, `UnknownVersionError` or `DocumentError`.
        """
        try:
            document = orjson.loads(state)
            type_ = document["type"]
            event = self.catalogue.get(type_)
            if event is None:
                raise (UnknownVersionError if _family(type_) in self._families else UnknownTypeError)(type_)
            envelope = Envelope(
                UUID(document["id"]),
                document["source"],
                type_,
                datetime.fromisoformat(document["time"]),
                datetime.fromisoformat(document["recordedtime"]),
                document["actor"],
                UUID(document["correlationid"]),
                UUID(document["causationid"]),
            )
            data = document["data"]
            if self._personal[event]:
                data = _unseal_form(data, self._personal[event], envelope.id)
            fact = newest(event.model_validate(data))
            return Recorded(document["subject"], document["streamversion"], envelope, fact)
        except DocumentError:
            raise
        except (KeyError, TypeError, ValueError, ValidationError) as error:
            raise DocumentError(f"{DocumentError.__doc__} {error}") from error


def to_document(recorded: Recorded) -> bytes:
    """Spell the CloudEvents document of a fact whose personal data is sealed; times in UTC with microseconds."""
    envelope, fact = recorded.envelope, recorded.fact
    head = orjson.dumps(
        {
            "specversion": "1.0",
            "id": str(envelope.id),
            "source": envelope.source,
            "type": fact.TYPE,
            "subject": recorded.stream_id,
            "time": _utc(envelope.time),
            "recordedtime": _utc(envelope.recorded_time),
            "datacontenttype": "application/json",
            "dataschema": schema_name(fact.TYPE),
            "streamversion": recorded.version,
            "correlationid": str(envelope.correlation),
            "causationid": str(envelope.causation),
            "actor": envelope.actor,
        }
    )
    return head[:-1] + b',"data":' + fact.__pydantic_serializer__.to_json(fact) + b"}"


def facts_of(recorded: Sequence[Recorded]) -> list[Event]:
    """Give the facts without their envelopes."""
    return [each.fact for each in recorded]


def _utc(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _family(type_: str) -> str:
    return type_.rpartition(".v")[0]


def _unseal_form(data: Mapping[str, object], fields: frozenset[str], event: UUID) -> dict[str, object]:
    """Put sealed values in place of their stored form: what they are bound to comes from where they stand."""
    loaded = dict(data)
    for name in fields:
        value = loaded.get(name)
        if isinstance(value, dict):
            loaded[name] = Sealed(event=event, person=UUID(str(loaded["person"])), field=name, box=value["sealed"])
    return loaded


def _as_recorded(event: object) -> Recorded:
    if not isinstance(event, Recorded):
        raise TypeError(f"Only recorded facts are stored, not {type(event).__name__}.")
    return event
