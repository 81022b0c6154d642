"""Stored bytes: golden, closed to anything unknown, and sealed (traps T14, T28)."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import shop
from shop import OrderPacked, OrderPackedV2, OrderPlaced

from shared_chassis.mapper import (
    DocumentError,
    EventMapper,
    NoPersonError,
    UnknownTypeError,
    UnknownVersionError,
    to_document,
)
from shared_events.catalogue import CATALOGUE
from shared_events.envelope import Envelope, Recorded
from shared_events.event import Event
from shared_events.personal import Sealed

EXAMPLES = sorted((Path(__file__).parents[2] / "events" / "tests" / "examples").glob("*.json"))
NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


class Envelopes:
    """A sealer whose seals show what they were given."""

    def seal(self, person: UUID, event: UUID, field: str, value: str) -> Sealed:
        """Seal by spelling backwards."""
        return Sealed(event=event, person=person, field=field, box=value[::-1])


def recorded(fact: Event) -> Recorded:
    """Put a fact in an envelope."""
    envelope = Envelope(uuid4(), "/shop/sample-svc", fact.TYPE, NOW, NOW, "resident:1", uuid4(), uuid4())
    return Recorded("order-1", 1, envelope, fact)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_golden_documents_load_and_spell_the_same_bytes(path: Path) -> None:
    """Trap T14: byte for byte, for every version ever released."""
    state = path.read_bytes()
    assert to_document(EventMapper(CATALOGUE, "/x").from_document(state)) == state


def test_a_type_outside_the_catalogue_is_never_loaded() -> None:
    """An unknown type, a newer version of a known one, and broken bytes are three different refusals."""
    mapper = EventMapper(shop.CATALOGUE, "/shop/sample-svc")
    state = to_document(recorded(OrderPlaced(item="tea")))
    assert mapper.from_document(state).fact == OrderPlaced(item="tea")
    with pytest.raises(UnknownTypeError):
        mapper.from_document(state.replace(b"sample.order-placed.v1", b"os.system.v1"))
    with pytest.raises(UnknownVersionError):
        mapper.from_document(state.replace(b"order-placed.v1", b"order-placed.v9"))
    for broken in (b"", b"{}", b"[]", state.replace(b'"item":', b'"itemx":'), state[:-2]):
        with pytest.raises(DocumentError):
            mapper.from_document(broken)


def test_an_old_shape_reads_as_the_new_one() -> None:
    """Upcasting happens on reading; the stored bytes keep their version."""
    mapper = EventMapper(shop.CATALOGUE, "/shop/sample-svc")
    state = to_document(recorded(OrderPacked(by="ann")))
    assert b'"type":"sample.order-packed.v1"' in state
    assert mapper.from_document(state).fact == OrderPackedV2(by="ann", grams=None)


def test_personal_data_is_sealed_before_it_is_written() -> None:
    """The plaintext is nowhere in the document; loading keeps the seal and what it is bound to."""
    mapper = EventMapper(shop.CATALOGUE, "/shop/sample-svc", Envelopes())
    person = uuid4()
    event = recorded(OrderPlaced(item="tea", person=person, note="ring twice"))
    stored = mapper.to_stored_event(event)
    assert b"ring twice" not in stored.state
    note = mapper.from_document(stored.state).fact.note  # type: ignore[attr-defined]  # the fact is an OrderPlaced
    assert note == Sealed(event=event.envelope.id, person=person, field="note", box="eciwt gnir")


def test_personal_data_without_a_person_is_refused() -> None:
    """There is no key to seal it under."""
    mapper = EventMapper(shop.CATALOGUE, "/shop/sample-svc", Envelopes())
    with pytest.raises(NoPersonError):
        mapper.seal(recorded(OrderPlaced(item="tea", note="ring twice")))
    with pytest.raises(NoPersonError):
        EventMapper(shop.CATALOGUE, "/x").seal(recorded(OrderPlaced(item="tea", person=uuid4(), note="ring twice")))


def test_times_are_utc_with_microseconds() -> None:
    """One spelling of time: hashes depend on it."""
    assert b'"time":"2026-11-23T09:30:00.000000Z"' in to_document(recorded(OrderPlaced(item="tea")))
