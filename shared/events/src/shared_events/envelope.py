"""What stands around a fact: who, when and why. One CloudEvents 1.0 document is stored, sent and hashed.

Attributes in the document, in this order: `specversion, id, source, type, subject, time, recordedtime, datacontenttype,
dataschema, streamversion, correlationid, causationid, actor, data`. Source: CloudEvents 1.0, JSON event format.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared_events.event import Event

CONTENT_TYPE = "application/cloudevents+json"
"""The content type of a stored event on Kafka and over HTTP (structured mode)."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who said a fact, when it happened and became known, and what it follows from.

    `time` is when it happened, `recorded_time` when it became known (the database's clock), both UTC; `actor` is `kind:id`;
    `correlation` names the journey (a request's or discussion's uuid), `causation` the command or event it follows from.
    """

    id: UUID
    source: str
    type: str
    time: datetime
    recorded_time: datetime
    actor: str
    correlation: UUID
    causation: UUID


@dataclass(frozen=True, slots=True)
class Recorded:
    """A fact in its stream: the n-th (from 1) of the stream's life.

    Named as the eventsourcing library's protocol of a domain event asks, so that its event store and repository accept it.
    """

    originator_id: str
    originator_version: int
    envelope: Envelope
    fact: Event

    @property
    def stream_id(self) -> str:
        """The stream, as `request-<uuid>`."""
        return self.originator_id

    @property
    def version(self) -> int:
        """The place in the stream, from 1."""
        return self.originator_version


@dataclass(frozen=True, slots=True)
class Received:
    """A fact as another service hears it: with its position in the publisher's log."""

    recorded: Recorded
    position: int

    @property
    def fact(self) -> Event:
        """The fact itself."""
        return self.recorded.fact

    @property
    def envelope(self) -> Envelope:
        """Who, when and why."""
        return self.recorded.envelope

    @property
    def stream_id(self) -> str:
        """The stream it belongs to."""
        return self.recorded.originator_id
