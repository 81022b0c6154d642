"""Routing overrides: the first that is true decides, one that fails alarms, and none counts before it was looked over."""

import pytest

from dispatch_svc.domain.expression import Vocabulary, Word
from dispatch_svc.domain.override import (
    FROM_PACK,
    MOST_RULES,
    RULES,
    Activated,
    Overrides,
    RuleRefusedError,
    RulesUnchangedError,
    activate,
    adopt_overrides,
    attempt,
    attempt_until_decided,
    prepare,
    ready,
)
from shared_events.dispatch import OverrideRule, RoutingRulesActivated
from shared_events.event import Event

VOCABULARY: Vocabulary = {"hour": Word(frozenset({"number"})), "emergency": Word(frozenset({"truth"}))}
NAMES = frozenset({"organisation-kazan-lifts"})


def rule(name: str, when: str = "hour > 5", organisation: str = "organisation-kazan-lifts") -> OverrideRule:
    """Write a rule."""
    return OverrideRule(id=name, when=when, organisation=organisation)


def activated(version: int, *rules: OverrideRule, note: str = "by hand") -> RoutingRulesActivated:
    """State an activation."""
    return RoutingRulesActivated(city="kazan", version=version, rules=rules, note=note)


def after(*facts: Event) -> Activated:
    """Fold the stream of rules."""
    state = RULES.initial
    for fact in facts:
        state = RULES.evolve(state, fact)
    return state


def standing(*rules: OverrideRule) -> Overrides:
    """Have rules in force."""
    return ready(activated(3, *rules))


def test_the_first_true_rule_decides_and_says_what_it_looked_at() -> None:
    """Those before it were false, those after it are not tried."""
    overrides = standing(rule("day", "hour < 3"), rule("night", "hour > 20 and emergency"), rule("never", "hour > 20"))
    trial = attempt_until_decided(overrides, {"hour": 23, "emergency": True})
    assert trial is not None
    assert (trial.rule.id, trial.result, trial.looked_at) == ("night", "true", {"hour": 23, "emergency": True})
    assert overrides.name(trial.rule) == "rules-kazan#night"


def test_a_rule_that_fails_ends_the_trial_and_is_not_passed_over() -> None:
    """A later rule that would be true does not hide it."""
    trial = attempt_until_decided(standing(rule("broken", "emergency"), rule("true", "hour > 20")), {"hour": 23})
    assert trial is not None
    assert (trial.rule.id, trial.result, trial.detail) == ("broken", "failed", "emergency is not known of this request")


def test_no_true_rule_decides_nothing() -> None:
    """Responsibility then does."""
    assert attempt_until_decided(standing(rule("day", "hour < 3")), {"hour": 23}) is None


def test_a_stored_rule_this_program_cannot_read_fails_and_is_told() -> None:
    """A newer program may have stored it: nothing goes past it."""
    trial = attempt(prepare(rule("newer", "hour ~ 3")), {"hour": 3})
    assert (trial.result, trial.detail) == ("failed", "column 6: '~' cannot stand here")


def test_rules_are_put_in_force_in_the_next_version() -> None:
    """All of them anew, with the reason."""
    first = activate(after(), "kazan", [rule("a")], "Winter", VOCABULARY, NAMES)
    assert first == [activated(1, rule("a"), note="Winter")]
    second = activate(after(*first), "kazan", [], "Spring", VOCABULARY, NAMES)
    assert second == [activated(2, note="Spring")]


def test_rules_that_stand_already_are_refused() -> None:
    """Nothing would change."""
    with pytest.raises(RulesUnchangedError):
        activate(after(activated(1, rule("a"))), "kazan", [rule("a")], "again", VOCABULARY, NAMES)


def test_every_mistake_is_told_by_its_rule_and_column() -> None:
    """All at once: nobody is sent back three times."""
    wrong = [
        rule("a", "hour >"),
        rule("b", "minute = 1"),
        rule("c", organisation="organisation-kazan-none"),
        rule("a", "hour = 1"),
    ]
    with pytest.raises(RuleRefusedError) as refused:
        activate(after(), "kazan", wrong, "no", VOCABULARY, NAMES)
    told = str(refused.value)
    for words in (
        "rule 'a', column 7: the expression ends too early",
        "rule 'b', column 1: there is no 'minute'",
        "rule 'c': the city has no organisation 'organisation-kazan-none'",
        "there is more than one rule 'a'",
    ):
        assert words in told


def test_too_many_rules_are_refused() -> None:
    """They are tried one after another at every routing."""
    with pytest.raises(RuleRefusedError, match="at most"):
        activate(after(), "kazan", [rule(f"r{n}") for n in range(MOST_RULES + 1)], "no", VOCABULARY, NAMES)


def test_a_pack_puts_its_rules_in_force_once_and_takes_back_nothing_people_decided() -> None:
    """Until the pack itself says something else than it did."""
    by_pack = adopt_overrides(after(), "kazan", [rule("a")])
    assert by_pack == [activated(1, rule("a"), note=FROM_PACK)]
    by_hand = activated(2, rule("b"))
    assert adopt_overrides(after(*by_pack, by_hand), "kazan", [rule("a")]) == []
    assert adopt_overrides(after(*by_pack, by_hand), "kazan", [rule("c")]) == [activated(3, rule("c"), note=FROM_PACK)]
    assert adopt_overrides(after(*by_pack), "kazan", []) == [activated(2, note=FROM_PACK)]


def test_a_pack_without_rules_states_nothing() -> None:
    """Most cities have none."""
    assert adopt_overrides(after(), "kazan", []) == []
