"""One key's events of a batch, handled in order by one thread at a time, and what came of them."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic

import structlog

from shared_chassis.consumer.breaker import Breaker
from shared_chassis.consumer.position import Again, Asked, Fenced, Parked, Reason, Settled
from shared_chassis.consumer.reaction import TROUBLE, Apart, C, Early, Folds, Invalid, Only, Reactions
from shared_chassis.log import correlated, told
from shared_chassis.mapper import DocumentError, EventMapper, UnknownVersionError
from shared_chassis.metric import CONSUMER_EARLY, CONSUMER_HANDLED, CONSUMER_PARKED
from shared_chassis.view import Writing
from shared_events.envelope import Received

TRIES = 3
"""How often an unforeseen error is met before the event is parked."""

log = structlog.get_logger()


class Dropped(Exception):
    """This partition is no longer ours, or the breaker stopped everything: what is unfinished is left to the next owner."""


@dataclass(frozen=True, slots=True)
class Item:
    """An event to handle; `parked_id` when it was set aside before, `asked` what a person wants then."""

    position: int
    key: str
    type: str
    state: bytes
    parked_id: int | None = None
    asked: Asked | None = None


@dataclass(slots=True)
class Done:
    """A handled event; `fold` is its statement as long as it is not committed."""

    item: Item
    fold: Writing | None


@dataclass(frozen=True, slots=True)
class Aside:
    """An event that must wait, and why."""

    item: Item
    reason: Reason
    awaits: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class Handler(Generic[C]):
    """What a consumer does with an event: which reaction, which fold, in which context."""

    consumer: str
    mapper: EventMapper
    reactions: Reactions[C]
    folds: Folds
    context: C
    wanted: frozenset[str] = field(init=False)
    acted_on: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        acted_on = frozenset(_family(event.TYPE) for event in self.reactions)
        object.__setattr__(self, "acted_on", acted_on)
        object.__setattr__(self, "wanted", acted_on | {_family(event.TYPE) for event in self.folds})

    def wants(self, type_: str) -> bool:
        """Say whether somebody here handles a type, in any version of it."""
        return _family(type_) in self.wanted

    def acts_on(self, type_: str) -> bool:
        """Say whether handling a type, in any version of it, may do more than compute what is written."""
        return _family(type_) in self.acted_on

    def knows(self, type_: str) -> bool:
        """Say whether a type is in the catalogue at all."""
        return type_ in self.mapper.catalogue

    def read(self, item: Item) -> Received:
        """Read the event's document. Raises `DocumentError`, or `Invalid` when its key is not its stream."""
        recorded = self.mapper.from_document(item.state)
        if recorded.stream_id != item.key:
            raise Invalid(f"The event's key {item.key} is not its stream {recorded.stream_id}.")
        return Received(recorded, item.position)


def _family(type_: str) -> str:
    return type_.rpartition(".v")[0]


class Lane(Generic[C]):
    """Handles one key's events in order until they are done or the world is not ready.

    `flush` commits folds at once: a reaction must see what the folds before it wrote. `dropped` tells when to give up.
    """

    def __init__(
        self,
        handler: Handler[C],
        breaker: Breaker,
        key: str,
        flush: Callable[[Sequence[Writing]], None],
        dropped: Callable[[], bool],
        *,
        blocked: bool = False,
    ) -> None:
        self.key = key
        self.todo: deque[Item] = deque()
        self.done: list[Done] = []
        self.skipped: list[Item] = []
        self.aside: list[Aside] = []
        self._handler = handler
        self._breaker = breaker
        self._flush = flush
        self._dropped = dropped
        self._blocked = blocked
        self._tries = 0

    @property
    def reacts(self) -> bool:
        """Say whether handling what is to do may do more than compute what is written."""
        return not self._blocked and any(self._handler.acts_on(item.type) for item in self.todo)

    @property
    def needs_a_person(self) -> bool:
        """Say whether an event is set aside here that nothing but a person will release."""
        return any(aside.reason in ("invalid", "unknown_version") for aside in self.aside)

    def run(self) -> Exception | None:
        """Handle what is to do; an error that is given back asks for another run after a pause.

        Raises `Dropped`, or `Fenced` when another process has taken the partition over.
        """
        while self.todo:
            if self._dropped():
                raise Dropped(Dropped.__doc__)
            item = self.todo[0]
            if self._blocked:
                self._set_aside(item, "behind")
            elif item.asked == "skip":
                self.skipped.append(item)
            elif (trouble := self._try(item)) is not None:
                return trouble
            self.todo.popleft()
            self._tries = 0
        return None

    def isolate(self) -> None:
        """Commit the folds one by one to find the one that is refused; it and what follows is set aside."""
        for place, done in enumerate(self.done):
            if done.fold is None:
                continue
            if self._dropped():
                raise Dropped(Dropped.__doc__)
            try:
                self._flush([done.fold])
            except (*TROUBLE, Fenced):
                raise
            except Exception as error:  # noqa: BLE001 - the database refuses it, or it does not fit its row: a person must look
                followers = [each.item for each in self.done[place + 1 :]]
                del self.done[place:]
                self._refuse(done.item, "invalid", error)
                for item in followers:
                    self._set_aside(item, "behind")
                return
            done.fold = None

    def parked(self) -> list[Parked]:
        """Give the rows of events set aside for the first time."""
        return [
            Parked(a.item.position, a.item.key, a.item.type, a.item.state, a.reason, a.awaits, a.error)
            for a in self.aside
            if a.item.parked_id is None
        ]

    def settled(self) -> list[Settled]:
        """Name the rows that are done with."""
        handled = [Settled(d.item.parked_id, "handled") for d in self.done if d.item.parked_id is not None]
        return [*handled, *(Settled(item.parked_id, "skipped") for item in self.skipped if item.parked_id is not None)]

    def again(self) -> list[Again]:
        """Name the rows that were tried and wait on; those behind them stay as they are."""
        return [
            Again(a.item.parked_id, a.reason, a.awaits, a.error, a.item.asked)
            for a in self.aside
            if a.item.parked_id is not None and a.reason != "behind"
        ]

    def folds(self) -> list[tuple[int, Writing]]:
        """Give the statements not yet committed, with their positions."""
        return [(done.item.position, done.fold) for done in self.done if done.fold is not None]

    def _try(self, item: Item) -> Exception | None:
        try:
            self._handle(item)
        except (Dropped, Fenced):
            raise
        except TROUBLE as error:
            return error
        except Early as error:
            self._set_aside(item, "early", awaits=error.awaits)
        except UnknownVersionError as error:
            self._refuse(item, "unknown_version", error)
        except (Invalid, DocumentError) as error:
            self._refuse(item, "invalid", error)
        except Exception as error:  # noqa: BLE001 - whatever a reaction raises, its key waits and the others go on
            self._tries += 1
            if self._tries < TRIES:
                return error
            self._refuse(item, "invalid", error)
        return None

    def _handle(self, item: Item) -> None:
        handler = self._handler
        received = handler.read(item)
        kind = type(received.fact)
        reaction, fold = handler.reactions.get(kind), handler.folds.get(kind)
        if isinstance(reaction, Only) and not reaction.when(received):
            reaction = None
        with correlated(received.envelope.correlation):
            statement = fold(received) if fold is not None else None
            if reaction is not None:
                if not isinstance(reaction, Apart) and not self._commit_folds():
                    self._set_aside(item, "behind")
                    return
                reaction(handler.context, received)
            log.debug("event.handled", consumer=handler.consumer, type=item.type, position=item.position)
        self.done.append(Done(item, statement))
        self._breaker.record(self.key, good=True)
        CONSUMER_HANDLED.labels(handler.consumer, item.type).inc()

    def _commit_folds(self) -> bool:
        """Commit what earlier events of this key folded; False when the database refuses one, which then is set aside."""
        pending = [done for done in self.done if done.fold is not None]
        if not pending:
            return True
        try:
            self._flush([done.fold for done in pending if done.fold is not None])
        except (*TROUBLE, Fenced):
            raise
        except Exception:  # noqa: BLE001 - whichever of them is refused is found one by one
            self.isolate()
            return not self._blocked
        for done in pending:
            done.fold = None
        return True

    def _refuse(self, item: Item, reason: Reason, error: Exception) -> None:
        """Set an event aside for a person to look at."""
        if item.parked_id is None:
            self._breaker.record(self.key, good=False)
        about = {"consumer": self._handler.consumer, "type": item.type, "position": item.position, "reason": reason}
        log.error("event.refused", **about, exc_info=error)
        self._set_aside(item, reason, error=told(error))

    def _set_aside(self, item: Item, reason: Reason, *, awaits: str | None = None, error: str | None = None) -> None:
        """Let an event wait, and all that follow it in this key."""
        self._blocked = True
        self.aside.append(Aside(item, reason, awaits, error))
        if item.parked_id is None:
            consumer = self._handler.consumer
            (CONSUMER_EARLY.labels(consumer) if reason == "early" else CONSUMER_PARKED.labels(consumer, reason)).inc()
