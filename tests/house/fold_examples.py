"""Folds the golden examples of every service through its own streams, and prints the SHA-256 of what comes of them."""

import hashlib
import importlib
import json
import pkgutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from shared_chassis.mapper import EventMapper
from shared_chassis.stream import Stream
from shared_events.catalogue import CATALOGUE
from shared_events.envelope import Recorded
from shared_events.event import Event

EXAMPLES = Path(__file__).resolve().parents[2] / "shared" / "events" / "tests" / "examples"

LIVES: Mapping[str, Mapping[str, Sequence[str]]] = {
    "request": {
        "service-type": ("service-type-defined",),
        "request": (
            "request-submitted", "request-registered", "completion-proposed", "completion-confirmed",
            "completion-deemed-accepted", "request-rejected", "request-withdrawn", "request-closed",
        ),
    },
    "dispatch": {
        "organisation": ("organisation-registered",),
        "responsibility": ("responsibility-granted",),
        "sla": ("term-policy-adopted",),
        "case": (
            "case-opened", "routing-failed", "request-routed", "request-assigned", "stage-deadline-set", "holder-changed",
            "assignment-accepted", "work-started", "deadline-breached", "work-reported-done", "case-closed",
        ),
    },
    "discussion": {
        "procedure": ("procedure-adopted",),
        "discussion": (
            "discussion-registered", "document-attached", "notification-published", "exposition-opened",
            "submissions-closed", "protocol-drafted",
        ),
        "submission": (
            "question-submitted", "proposal-submitted", "remark-submitted", "submission-registered", "submission-supported",
        ),
    },
    "notification": {
        "work-item": (
            "work-item-opened", "work-item-claimed", "work-item-released", "work-item-deferred", "work-item-completed",
        ),
        "message": ("message-failed", "message-sent"),
    },
    "analytics": {"report": ("report-saved",)},
}  # fmt: skip
"""Service → stream → the facts of one life in it, in an order in which they may happen."""


def recorded(service: str, fact: str) -> list[Recorded]:
    """Load the golden bytes of a fact, in every version ever released."""
    mapper = EventMapper(CATALOGUE, f"/kazan/{service}-svc")
    return [
        mapper.from_document((EXAMPLES / f"{type_}.json").read_bytes())
        for type_ in sorted(CATALOGUE)
        if type_.rpartition(".")[0] == f"{service}.{fact}"
    ]


def streams(service: str) -> dict[str, Stream[object]]:
    """Find the streams that a service's rules declare."""
    domain = importlib.import_module(f"{service}_svc.domain")
    modules = [
        domain,
        *(
            importlib.import_module(f"{domain.__name__}.{each.name}")
            for each in pkgutil.iter_modules(getattr(domain, "__path__", []))
        ),
    ]
    return {thing.name: thing for module in modules for thing in vars(module).values() if isinstance(thing, Stream)}


def fold(stream: Stream[object], facts: Sequence[Event]) -> list[str]:
    """Fold facts one by one; after each, say what the state is and which timers stand."""
    state = stream.initial
    told = []
    for fact in facts:
        state = stream.evolve(state, fact)
        told.append(f"{_canonical(state)} {[_canonical(each) for each in stream.timers(state, [fact])]}")
    return told


def _canonical(value: object) -> str:
    """Spell a value; a set in the order of its members, for its own order means nothing."""
    fields = getattr(type(value), "__dataclass_fields__", None)
    if fields is not None:
        return f"{type(value).__name__}({', '.join(f'{name}={_canonical(getattr(value, name))}' for name in fields)})"
    if isinstance(value, frozenset | set):
        return f"{{{', '.join(sorted(map(_canonical, value)))}}}"
    if isinstance(value, tuple | list):
        return f"({', '.join(map(_canonical, value))})"
    return repr(value)


def everything(service: str) -> dict[str, list[str]]:
    """Fold every life of a service."""
    declared = streams(service)
    return {
        name: fold(declared[name], [each.fact for fact in facts for each in recorded(service, fact)])
        for name, facts in LIVES[service].items()
    }


def main() -> None:
    """Print one digest a service."""
    for service in LIVES:
        digest = hashlib.sha256(json.dumps(everything(service)).encode()).hexdigest()
        sys.stdout.write(f"{service} {digest}\n")


if __name__ == "__main__":
    main()
