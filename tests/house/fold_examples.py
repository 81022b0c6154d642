"""Folds the golden examples of every service through its own streams, and prints the SHA-256 of what comes of them."""

import hashlib
import importlib
import json
import pkgutil
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from inspect import isfunction
from pathlib import Path
from typing import get_origin, get_type_hints

from shared_chassis.mapper import EventMapper
from shared_chassis.stream import Stream
from shared_events.catalogue import CATALOGUE
from shared_events.envelope import Recorded
from shared_events.event import Event

EXAMPLES = Path(__file__).resolve().parents[2] / "shared" / "events" / "tests" / "examples"

LIVES: Mapping[str, Mapping[str, Sequence[str]]] = {
    "request": {
        "service-type": ("service-type-defined",),
        "building": ("building-registered",),
        "person": ("personal-data-erased",),
        "request": (
            "request-submitted", "request-registered", "attachment-added", "request-reclassified", "information-requested",
            "information-received", "information-not-received", "completion-proposed", "completion-disputed", "request-reopened",
            "completion-confirmed", "completion-deemed-accepted", "request-linked-as-duplicate", "request-unlinked",
            "request-rejected", "request-withdrawn", "request-closed", "rating-asked", "request-rated",
        ),
    },
    "dispatch": {
        "organisation": ("organisation-registered", "organisation-key-issued", "organisation-key-revoked"),
        "responsibility": ("responsibility-granted",),
        "rules": ("routing-rules-activated",),
        "sla": ("term-policy-adopted",),
        "calendar": ("calendar-adopted",),
        "incident": (
            "incident-suggested", "incident-dismissed", "incident-declared", "incident-prolonged", "incident-resolved",
        ),
        "case": (
            "case-opened", "routing-failed", "request-routed", "request-assigned", "stage-deadline-set", "holder-changed",
            "assignment-declined", "committee-decided", "assignment-accepted", "work-scheduled", "work-started", "clock-paused",
            "clock-resumed", "sub-task-opened", "sub-task-done", "sub-task-cancelled", "work-returned", "case-reclassified",
            "request-linked-to-incident", "request-unlinked-from-incident", "deadline-warned", "deadline-breached",
            "request-escalated", "work-reported-done", "case-reopened", "work-found-impossible", "case-closed",
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
        "subscription": ("subscription-changed",),
        "webhook": ("webhook-failed", "webhook-delivered"),
    },
    "analytics": {"report": ("report-saved",)},
}  # fmt: skip
"""Service → stream → the facts of one life in it, in an order in which they may happen."""

SIGNALS = {"surge-detected"}
"""What is said and never stored: hints, which live in no stream."""

MOMENT = datetime(2026, 11, 23, 9, tzinfo=UTC)


def recorded(service: str, fact: str) -> list[Recorded]:
    """Load the golden bytes of a fact, in every version ever released."""
    mapper = EventMapper(CATALOGUE, f"/kazan/{service}-svc")
    return [
        mapper.from_document((EXAMPLES / f"{type_}.json").read_bytes())
        for type_ in sorted(CATALOGUE)
        if type_.rpartition(".")[0] == f"{service}.{fact}"
    ]


def streams(service: str) -> dict[str, Stream[object]]:
    """Find the streams that a service's rules declare, by the names of the declarations; as of a moment where it takes one."""
    domain = importlib.import_module(f"{service}_svc.domain")
    modules = [
        domain,
        *(
            importlib.import_module(f"{domain.__name__}.{each.name}")
            for each in pkgutil.iter_modules(getattr(domain, "__path__", []))
        ),
    ]
    things = {name: thing for module in modules for name, thing in vars(module).items()}
    dated = [thing(MOMENT) for thing in things.values() if isfunction(thing) and returns_a_stream(thing)]
    return {name.lower().replace("_", "-"): thing for name, thing in things.items() if isinstance(thing, Stream)} | {
        stream.name: stream for stream in dated
    }


def returns_a_stream(function: Callable[..., object]) -> bool:
    """Say whether a function declares a stream."""
    return get_origin(get_type_hints(function).get("return")) is Stream


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
