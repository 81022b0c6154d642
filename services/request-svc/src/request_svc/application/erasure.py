"""Erasing a person: the fact first, then the key; and again whenever a keyring came back from the past."""

from uuid import UUID

from request_svc.application.context import Context, asker_of
from request_svc.domain.person import erase as decide_erasure
from request_svc.domain.person import person_at
from request_svc.views import erasure as erasure_view
from shared_chassis.http import Actor
from shared_chassis.store import Command, Result
from shared_events.ids import person_stream


def erase(context: Context, person: UUID, actor: Actor, command: Command) -> Result:
    """State that a person's data is erased; a timer in the same commit destroys the key, also after a crash."""
    asker = asker_of(actor)
    stream = person_at(context.store.now())
    return context.store.handle(stream, person_stream(person), lambda known, _now: decide_erasure(known, person, asker), command)


def destroy_key(context: Context, person: UUID) -> None:
    """Destroy the key of an erased person; doing it again changes nothing."""
    context.keyring.destroy(person)


def apply_erasures(context: Context) -> int:
    """Destroy the keys of all who were ever erased, and open the keyring after that; how many there are.

    A keyring restored from a copy holds keys of persons who were erased since.
    """
    after: UUID | None = None
    count = 0
    while persons := erasure_view.page(context.database, after):
        context.keyring.destroy_all(persons)
        count += len(persons)
        after = persons[-1]
    context.keyring.unlock()
    return count
