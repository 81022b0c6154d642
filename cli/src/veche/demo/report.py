"""The report's checks, as pure functions over the books: what is lost, and what happened twice for one cause."""

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from shared_events.event import topic_of
from shared_events.ids import derive
from veche.demo.logs import Books, Fact

REACTIONS: Mapping[str, Mapping[str, str]] = {
    "dispatch": {
        "request.request-submitted.v1": "open-case",
        "request.request-registered.v1": "route",
        "request.request-reclassified.v1": "reclassify",
        "request.information-requested.v1": "await-information",
        "request.information-received.v1": "go-on",
        "request.information-not-received.v1": "go-on",
        "request.request-reopened.v1": "reopen",
        "request.completion-proposed.v1": "ask-resident",
        "request.request-closed.v1": "close-case",
    },
    "request": {
        "dispatch.work-reported-done.v1": "propose-completion",
        "dispatch.work-found-impossible.v1": "find-impossible",
    },
    "notification": {
        "request.request-submitted.v1": "open-work-item",
        "request.completion-disputed.v1": "open-work-item",
        "dispatch.routing-failed.v1": "open-work-item",
        "dispatch.assignment-declined.v1": "open-work-item",
        "dispatch.work-returned.v1": "open-work-item",
        "dispatch.deadline-breached.v1": "open-work-item",
        "dispatch.request-escalated.v1": "open-work-item",
        "dispatch.incident-suggested.v1": "open-work-item",
    },
}
"""Service → type it reacts to → the reaction's name: its command id derives from event id and name, so it can be looked up."""

ONLY_WHERE: Mapping[tuple[str, str], tuple[str, object]] = {
    ("dispatch", "request.request-submitted.v1"): ("service_type", None),
    ("notification", "request.request-submitted.v1"): ("service_type", None),
}
"""Service and type → the field and its value of those facts alone that something is done about."""

CONSUMERS = {"dispatch": "dispatch-svc", "request": "request-svc", "notification": "notification-svc"}
ONCE_A_CAUSE = (
    "dispatch.case-opened.v1",
    "notification.work-item-opened.v1",
    "request.completion-proposed.v1",
    "dispatch.request-assigned.v1",
    "notification.message-sent.v1",
)
NEXT_TURN = ("dispatch.assignment-declined.v1", "dispatch.work-returned.v1", "dispatch.case-reclassified.v1")
"""After each of these a case is assigned anew within its round."""
MESSAGE_CAUSES = (
    "request.request-registered.v1",
    "request.information-requested.v1",
    "request.completion-proposed.v1",
    "request.request-reopened.v1",
    "request.request-closed.v1",
)
SUBMISSIONS = ("discussion.question-submitted.v1", "discussion.proposal-submitted.v1", "discussion.remark-submitted.v1")


@dataclass(frozen=True)
class Losses:
    """What is missing, by kind; all zero in a healthy city."""

    unpublished: int
    unapplied: int
    without_fact: int
    without_case: int
    without_message: int

    @property
    def total(self) -> int:
        """How many things are lost."""
        return self.unpublished + self.unapplied + self.without_fact + self.without_case + self.without_message


def losses(books: Books, analytics_ids: Iterable[UUID]) -> Losses:
    """Count what was stored and did not arrive, and what was caused and did not follow."""
    facts = set(analytics_ids)
    return Losses(
        unpublished=sum(event not in books.published for event in books.stored),
        unapplied=sum(1 for _ in unapplied(books)),
        without_fact=sum(event not in facts for event in books.stored),
        without_case=len(_requests(books) - {fact.subject[-36:] for fact in _of(books, "dispatch.case-opened.v1")}),
        without_message=sum(1 for _ in unmessaged(books)),
    )


def unapplied(books: Books) -> Iterable[tuple[str, Fact]]:
    """Name every published fact that a consumer has passed, and neither handled nor parked."""
    for service, reactions in REACTIONS.items():
        consumer = CONSUMERS[service]
        for fact in books.published.values():
            reaction = reactions.get(fact.type)
            field, value = ONLY_WHERE.get((service, fact.type), ("", None))
            if reaction is None or fact.data.get(field) != value or not _passed(books, consumer, fact):
                continue
            parked = (consumer, topic_of(fact.service), fact.position) in books.parked
            if not parked and derive(fact.id, reaction) not in books.commands[service]:
                yield consumer, fact


def unmessaged(books: Books) -> Iterable[Fact]:
    """Name every fact a resident should have been told of and was not."""
    persons = {fact.subject for fact in _of(books, "request.request-submitted.v1") if fact.data.get("person")}
    told = {
        str(fact.data["cause"])
        for fact in books.stored.values()
        if fact.type in ("notification.message-sent.v1", "notification.message-failed.v1")
    }
    for fact in books.stored.values():
        if fact.type in MESSAGE_CAUSES and fact.subject in persons and str(fact.id) not in told:
            yield fact


def duplicate_effects(books: Books) -> Counter[str]:
    """Count, by type, every effect beyond the first: of a cause, or, where a case goes through rounds, of its turn in a round."""
    turns: Counter[str] = Counter()
    seen: Counter[tuple[str, ...]] = Counter()
    for fact in books.stored.values():
        if fact.type in NEXT_TURN:
            turns[fact.subject] += 1
        elif fact.type in ONCE_A_CAUSE:
            seen[fact.type, *_cause(fact, turns)] += 1
    return sum((Counter({type_: count - 1}) for (type_, *_), count in seen.items() if count > 1), Counter())


def _cause(fact: Fact, turns: Mapping[str, int]) -> tuple[str, ...]:
    """Name what may have an effect once: a second round has its own proposal, and a declined assignment its next one."""
    said = fact.data
    match fact.type:
        case "dispatch.case-opened.v1":
            return (fact.subject,)
        case "request.completion-proposed.v1":
            return (fact.subject, str(said["round"]))
        case "dispatch.request-assigned.v1":
            return (fact.subject, str(said["round"]), str(turns.get(fact.subject, 0)), str(said["organisation"]))
        case _:
            return (str(said.get("cause") or fact.causation), str(said.get("channel", "")))


def consumed(books: Books) -> dict[str, int]:
    """Count the distinct facts each consumer has passed, parked ones left out."""
    counts: dict[str, int] = {}
    for consumer, topics in books.consumed.items():
        parked = {(topic, position) for who, topic, position in books.parked if who == consumer}
        counts[consumer] = sum(
            topic_of(fact.service) in topics
            and _passed(books, consumer, fact)
            and (topic_of(fact.service), fact.position) not in parked
            for fact in books.published.values()
        )
    return counts


def count(books: Books, type_: str, uuids: Container[str]) -> int:
    """Count the stored facts of a type about some requests or discussions, named by the uuids of their streams."""
    return sum(fact.subject[-36:] in uuids for fact in _of(books, type_))


def submissions(books: Books, discussions: Container[str]) -> int:
    """Count the submissions stored in some discussions, named by their uuids."""
    return sum(fact.type in SUBMISSIONS and fact.data["discussion"] in discussions for fact in books.stored.values())


def by_type(facts: Iterable[Fact]) -> dict[str, int]:
    """Count facts by type."""
    return dict(sorted(Counter(fact.type for fact in facts).items()))


def _requests(books: Books) -> set[str]:
    return {fact.subject[-36:] for fact in _of(books, "request.request-submitted.v1")}


def _of(books: Books, type_: str) -> list[Fact]:
    return [fact for fact in books.stored.values() if fact.type == type_]


def _passed(books: Books, consumer: str, fact: Fact) -> bool:
    topic, partition, offset = books.offsets[fact.id]
    return offset < books.consumed.get(consumer, {}).get(topic, {}).get(partition, 0)
