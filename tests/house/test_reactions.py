"""The demo's report looks up every reaction by the id of its command: it must know the names the services give them."""

import importlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace
from uuid import UUID

import pytest
from fold_examples import EXAMPLES

from local_stack.services import SERVICES
from shared_chassis.consumer import Early, Reactions
from shared_chassis.mapper import EventMapper
from shared_chassis.store import Command
from shared_events.catalogue import CATALOGUE
from shared_events.envelope import Received, Recorded
from shared_events.event import Event
from shared_events.ids import derive
from veche.demo.counted import FIGURES
from veche.demo.report import CONSUMERS, MESSAGE_CAUSES, NEXT_TURN, ONCE_A_CAUSE, ONLY_WHERE, REACTIONS, SUBMISSIONS

SOMEBODY = UUID(int=1)


class NamedError(Exception):
    """The reaction has named its command: enough is known."""


class OneRow:
    """A database that knows one row, whatever is asked; `cause` and `request` are all that a reaction reads of it."""

    def query(self, _sql: str, _params: object = None) -> list[dict[str, object]]:
        """Give the one row."""
        return [{"cause": SOMEBODY}]

    def query_one(self, _sql: str, _params: object = None) -> None:
        """Know nothing of one thing."""


def reactions(service: str) -> Reactions[object]:
    """Read the table of what a service does when others speak."""
    worker = importlib.import_module(f"{service}_svc.worker")
    table: Reactions[object] = worker.REACTIONS
    return table


def name_of(service: str, fact: type[Event], monkeypatch: pytest.MonkeyPatch) -> str | None:
    """Tell a reaction of a golden example, and hear which name it gives its command; None where it only waits for others.

    Where something is done only about some facts of a type, it is told of one of these.
    """
    recorded = EventMapper(CATALOGUE, "/kazan/tests").from_document((EXAMPLES / f"{fact.TYPE}.json").read_bytes())
    if (service, fact.TYPE) in ONLY_WHERE:
        field, value = ONLY_WHERE[service, fact.TYPE]
        recorded = replace(recorded, fact=recorded.fact.model_copy(update={field: value}))
    named: list[str] = []

    def because_of(event: Received | Recorded, reaction: str, _service: str) -> Command:
        assert event.envelope.id == recorded.envelope.id
        named.append(reaction)
        raise NamedError

    monkeypatch.setattr(Command, "because_of", because_of)
    nothing = {"service_types": {}, "cities": {}, "store": None, "is_emergency": lambda *_: False}
    context = SimpleNamespace(database=OneRow(), **nothing)
    with suppress(NamedError, Early):
        reactions(service)[fact](context, Received(recorded, position=7))
    return named[0] if named else None


def names(service: str, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """Name every reaction of a service that acts once a fact; one that acts on each of several things is not found by one id."""
    found = {fact.TYPE: name_of(service, fact, monkeypatch) for fact in reactions(service)}
    return {type_: name for type_, name in found.items() if name is not None and str(derive(SOMEBODY)) not in name}


LISTENING = [service.name for service in SERVICES if service.name != "analytics"]
"""Analytics decides nothing when others speak: it folds, and is compared fact by fact."""


@pytest.mark.parametrize("service", LISTENING)
def test_the_report_knows_every_reaction_by_its_name(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were one missing, its loss would not be counted; were one named otherwise, all of its facts would count as lost."""
    assert dict(REACTIONS.get(service, {})) == names(service, monkeypatch)


def test_the_report_knows_every_listener() -> None:
    """Consumers bear the names of their distributions."""
    listening = {service for service in LISTENING if reactions(service)}
    assert listening == set(REACTIONS) == set(CONSUMERS)
    assert all(consumer == f"{service}-svc" for service, consumer in CONSUMERS.items())


def test_the_report_speaks_of_facts_that_there_are() -> None:
    """A type misspelt would never be found, and its check would hold for ever."""
    told = {*ONCE_A_CAUSE, *NEXT_TURN, *MESSAGE_CAUSES, *SUBMISSIONS, *FIGURES.values()}
    assert told <= set(CATALOGUE)
