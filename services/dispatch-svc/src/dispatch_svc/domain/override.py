"""Routing overrides: a city's ordered rules that go before responsibility, in versions, each tried before it counts.

The first rule that is true of a request decides. A rule that cannot be worked out is an alarm: the request is not routed by it,
nor past it, and the rule stays as it is until a person activates other ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from dispatch_svc.domain.expression import (
    CannotTellError,
    Expression,
    ExpressionError,
    Literals,
    Sight,
    Vocabulary,
    check,
    evaluate,
    parse,
)
from dispatch_svc.domain.refusal import DispatchRefusalError
from shared_chassis.stream import Stream
from shared_events.dispatch import OverrideRule, RoutingRulesActivated
from shared_events.event import Event
from shared_events.ids import rules_stream

FROM_PACK = "city pack"
"""The note of an activation that a city pack caused."""

MOST_RULES = 200
"""Rules a city may have: they are tried one after another at every routing."""


class RuleRefusedError(DispatchRefusalError):
    """A routing rule cannot be activated."""


class RulesUnchangedError(DispatchRefusalError):
    """These routing rules stand already."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule ready to be worked out; `when` is its text, `broken` why it cannot be read by this program, if so."""

    id: str
    when: str
    organisation: str
    note: str
    expression: Expression | None
    broken: str | None = None


@dataclass(frozen=True, slots=True)
class Overrides:
    """A city's rules in one version, in their order; version 0 has none."""

    city: str = ""
    version: int = 0
    rules: tuple[Rule, ...] = ()

    def name(self, rule: Rule) -> str:
        """Name a rule as routed requests do: `rules-<city>#<rule id>`."""
        return f"{rules_stream(self.city)}#{rule.id}"


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of one rule for one request, what it looked at, and in words why it failed."""

    rule: Rule
    result: Literal["true", "false", "failed"]
    looked_at: Mapping[str, Literals | None]
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Activated:
    """A city's rules as they were last activated, and what the city pack said last."""

    latest: RoutingRulesActivated | None = None
    by_pack: tuple[OverrideRule, ...] = ()


def ready(activated: RoutingRulesActivated) -> Overrides:
    """Make a city's rules ready; one this program cannot read stays among them and fails when its turn comes."""
    return Overrides(activated.city, activated.version, tuple(prepare(rule) for rule in activated.rules))


def prepare(rule: OverrideRule) -> Rule:
    """Read a rule."""
    try:
        return Rule(rule.id, rule.when, rule.organisation, rule.note, parse(rule.when))
    except ExpressionError as error:
        return Rule(rule.id, rule.when, rule.organisation, rule.note, None, str(error))


def attempt(rule: Rule, values: Mapping[str, Literals | None]) -> Trial:
    """Work a rule out for a request, and keep what it looked at."""
    sight = Sight(values)
    if rule.expression is None:
        return Trial(rule, "failed", {}, rule.broken)
    try:
        return Trial(rule, "true" if evaluate(rule.expression, sight) else "false", sight.seen)
    except CannotTellError as error:
        return Trial(rule, "failed", sight.seen, str(error))


def attempt_until_decided(overrides: Overrides, values: Mapping[str, Literals | None]) -> Trial | None:
    """Try the rules in order up to the first that is true or fails; None when all are false."""
    for rule in overrides.rules:
        trial = attempt(rule, values)
        if trial.result != "false":
            return trial
    return None


def activate(
    known: Activated, city: str, rules: Sequence[OverrideRule], note: str, vocabulary: Vocabulary, organisations: frozenset[str]
) -> list[Event]:
    """Put a city's rules in force, all of them anew, in the next version.

    Raises `RuleRefusedError`, which names every rule that cannot be, `RulesUnchangedError` when nothing would change.
    """
    refuse_mistakes(rules, vocabulary, organisations)
    if known.latest is not None and known.latest.rules == tuple(rules):
        raise RulesUnchangedError
    return [_next(known, city, rules, note)]


def adopt_overrides(known: Activated, city: str, wanted: Sequence[OverrideRule]) -> list[Event]:
    """Activate what a city pack says, when it says something else than the last pack did; what people activated stays else."""
    return [] if known.by_pack == tuple(wanted) else [_next(known, city, wanted, FROM_PACK)]


def refuse_mistakes(rules: Sequence[OverrideRule], vocabulary: Vocabulary, organisations: frozenset[str]) -> None:
    """See that every rule can be read, speaks of what exists and names an organisation of the city.

    Raises `RuleRefusedError` with every mistake found, by rule and column.
    """
    mistakes = [mistake for rule in rules if (mistake := _mistake(rule, vocabulary, organisations)) is not None]
    ids = [rule.id for rule in rules]
    mistakes += [f"there is more than one rule '{twice}'" for twice in sorted({each for each in ids if ids.count(each) > 1})]
    if len(rules) > MOST_RULES:
        mistakes.append(f"a city has at most {MOST_RULES} rules")
    if mistakes:
        raise RuleRefusedError(f"{RuleRefusedError.__doc__} {'; '.join(mistakes)}.")


def _mistake(rule: OverrideRule, vocabulary: Vocabulary, organisations: frozenset[str]) -> str | None:
    try:
        check(parse(rule.when), vocabulary)
    except ExpressionError as error:
        return f"rule '{rule.id}', {error}"
    if rule.organisation not in organisations:
        return f"rule '{rule.id}': the city has no organisation '{rule.organisation}'"
    return None


def _next(known: Activated, city: str, rules: Sequence[OverrideRule], note: str) -> RoutingRulesActivated:
    version = known.latest.version + 1 if known.latest is not None else 1
    return RoutingRulesActivated(city=city, version=version, rules=tuple(rules), note=note)


def _activated(known: Activated, fact: Event) -> Activated:
    activated = cast("RoutingRulesActivated", fact)  # the stream holds nothing else
    return Activated(activated, activated.rules if activated.note == FROM_PACK else known.by_pack)


RULES: Stream[Activated] = Stream("rules", Activated(), _activated)
"""A city's routing overrides, version after version."""
