"""Routing overrides: what they may speak of, trying them out, putting them in force."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from psycopg.rows import DictRow

from dispatch_svc.application.context import Context, city_of
from dispatch_svc.domain import override
from dispatch_svc.domain.expression import ANSWERS, Kind, Vocabulary, Word
from dispatch_svc.domain.override import RULES, Overrides, Trial, attempt, prepare
from dispatch_svc.domain.rulebook import WEEKDAYS, NoRoute, Route, Rulebook
from dispatch_svc.views.override import latest_routed, page
from shared_chassis.http import ANYBODY
from shared_chassis.store import Command, Result
from shared_city import City
from shared_events.dispatch import OverrideRule, RoutingInputs
from shared_events.ids import organisation_stream, rules_stream

MAY: Mapping[str, frozenset[str]] = {
    "see_routing_rules": frozenset({ANYBODY}),
    "test_routing_rules": frozenset({"dispatcher", "analyst"}),
    "activate_routing_rules": frozenset({"dispatcher"}),
}
"""Who may: use case → roles."""

_TEXT: frozenset[Kind] = frozenset({"text"})
_NUMBER: frozenset[Kind] = frozenset({"number"})
_TRUTH: frozenset[Kind] = frozenset({"truth"})
_ANSWERS: Mapping[str, frozenset[Kind]] = {"yes_no": _TRUTH, "number": _NUMBER, "choice": _TEXT}


@dataclass(frozen=True, slots=True)
class Explained:
    """What became of every rule for one request, which one decides (None: no rule), and where the request would go."""

    trials: Sequence[Trial]
    decided_by: str | None
    destination: Route | NoRoute


@dataclass(frozen=True, slots=True)
class Difference:
    """A real request that would go elsewhere, or nowhere."""

    case: UUID
    now: Route | NoRoute
    then: Route | NoRoute


def rules_of(city: City) -> tuple[OverrideRule, ...]:
    """Spell a pack's overrides as facts do."""
    return tuple(
        OverrideRule(id=rule.id, when=rule.when, organisation=organisation_stream(city.slug, rule.organisation), note=rule.note)
        for rule in city.routing
    )


def vocabulary_of(city: City) -> Vocabulary:
    """Say what a city's overrides may speak of, and which values there are."""
    suburbs = frozenset(each.suburb for each in city.buildings if each.suburb is not None)
    return {
        "service_type": Word(_TEXT, frozenset(each.code for each in city.service_types)),
        "group": Word(_TEXT, frozenset(each.group for each in city.service_types)),
        "emergency": Word(_TRUTH),
        "district": Word(_TEXT, frozenset(each.code for each in city.districts)),
        "suburb": Word(_TEXT, suburbs),
        "building": Word(_TEXT),
        "hour": Word(_NUMBER),
        "weekday": Word(_TEXT, frozenset(WEEKDAYS)),
        "holiday": Word(_TRUTH),
        **_answers(city),
    }


def activate(context: Context, city: str, rules: Sequence[OverrideRule], note: str, command: Command) -> Result:
    """Put a city's rules in force, all of them anew, in the next version."""
    known = city_of(context, city)
    vocabulary, organisations = vocabulary_of(known), _organisations(context.rulebooks.latest(), city)
    result = context.store.handle(
        RULES,
        rules_stream(city),
        lambda state, _now: override.activate(state, city, rules, note, vocabulary, organisations),
        command,
    )
    context.rulebooks.forget()
    return result


def explain(context: Context, rules: Sequence[OverrideRule] | None, inputs: RoutingInputs) -> Explained:
    """Say what every rule (None: those in force) makes of a request, and where it would go. Nothing is stored."""
    city_of(context, inputs.city)
    rulebook = _with_rules(context, inputs.city, rules)
    overrides = rulebook.overrides.get(inputs.city, Overrides(inputs.city))
    values = rulebook.looked_at(inputs)
    trials = [attempt(rule, values) for rule in overrides.rules]
    decided = next((trial.rule.id for trial in trials if trial.result != "false"), None)
    return Explained(trials, decided, rulebook.route(inputs))


def compare(context: Context, city: str, rules: Sequence[OverrideRule] | None, last: int) -> tuple[int, list[Difference]]:
    """Try rules on a city's latest real requests: how many were tried, and which would go elsewhere than now."""
    city_of(context, city)
    now, then = context.rulebooks.latest(), _with_rules(context, city, rules)
    tried = [(row["case_id"], RoutingInputs.model_validate(row["routing_inputs"])) for row in _latest(context, city, last)]
    routes = [Difference(case, now.route(inputs), then.route(inputs)) for case, inputs in tried]
    return len(tried), [each for each in routes if _differ(each.now, each.then)]


def versions(context: Context, city: str, before: int | None, limit: int) -> list[dict[str, object]]:
    """List the versions of a city's rules, the newest first."""
    city_of(context, city)
    return page(context.database, city, before, limit)


def _latest(context: Context, city: str, last: int) -> list[DictRow]:
    return latest_routed(context.database, city, last) if last else []


def _differ(now: Route | NoRoute, then: Route | NoRoute) -> bool:
    """Say whether a request would go elsewhere, or whether a rule fails on it."""
    if isinstance(now, Route) and isinstance(then, Route):
        return now.organisation != then.organisation
    return now != then or (isinstance(then, NoRoute) and then.reason == "rule_failed")


def _with_rules(context: Context, city: str, rules: Sequence[OverrideRule] | None) -> Rulebook:
    """Give the rulebook with these overrides of a city in force, after looking for mistakes in them."""
    rulebook = context.rulebooks.latest()
    if rules is None:
        return rulebook
    override.refuse_mistakes(rules, vocabulary_of(context.cities[city]), _organisations(rulebook, city))
    standing = rulebook.overrides.get(city, Overrides(city))
    tried = Overrides(city, standing.version + 1, tuple(prepare(rule) for rule in rules))
    return replace(rulebook, overrides={**rulebook.overrides, city: tried})


def _organisations(rulebook: Rulebook, city: str) -> frozenset[str]:
    return frozenset(each.stream_id for each in rulebook.organisations.values() if each.city == city)


def _answers(city: City) -> dict[str, Word]:
    """Say which answers there may be; a question several types ask may have several kinds and all their choices."""
    kinds: dict[str, frozenset[Kind]] = defaultdict(frozenset)
    choices: dict[str, frozenset[str]] = defaultdict(frozenset)
    for question in (question for each in city.service_types for question in each.questions):
        kinds[question.code] |= _ANSWERS[question.kind]
        choices[question.code] |= frozenset(question.choices)
    return {ANSWERS + code: Word(kind, choices[code] or None) for code, kind in kinds.items()}
