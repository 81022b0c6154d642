"""Routing overrides over HTTP: what stands, what a change would do, and the change itself."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from dispatch_svc.api.call import Body, Moment, Versioned, Wired
from dispatch_svc.application import MAY, override
from dispatch_svc.domain.expression import LONGEST
from dispatch_svc.domain.override import MOST_RULES, RuleRefusedError, RulesUnchangedError
from dispatch_svc.domain.rulebook import NoRoute, Route
from shared_chassis.http import Anybody, ConditionalCommand, Page, Router, SignedIn, allow, read_cursor
from shared_events.dispatch import OverrideRule, RoutingInputs
from shared_events.request import Answer

ERRORS: Mapping[type[Exception], int] = {RuleRefusedError: 422, RulesUnchangedError: 409}

router = Router(tags=["routing rules"])

RULE_ID = r"^[a-z0-9]+(-[a-z0-9]+)*$"
MOST_SHOWN = 100
"""Requests shown of those that would go elsewhere."""

EXAMPLE_RULE: JsonDict = {
    "id": "night-accidents",
    "when": 'emergency and (hour < 6 or hour >= 22) and district in ["kirovsky"]',
    "organisation": "organisation-kazan-emergency-repair",
    "note": "At night the emergency service goes to Kirovsky.",
}


class WantedRule(Body):
    """A rule that goes before responsibility: when its expression is true of a request, this organisation gets it."""

    id: str = Field(pattern=RULE_ID, max_length=60)
    when: str = Field(min_length=1, max_length=LONGEST)
    organisation: str = Field(min_length=1, max_length=200)
    note: str = Field("", max_length=500)

    def stated(self) -> OverrideRule:
        """Spell the rule as facts do."""
        return OverrideRule(id=self.id, when=self.when, organisation=self.organisation, note=self.note)


class Activation(Body):
    """All rules of a city in their order, and why they are changed; no rules leaves responsibility alone."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"city": "kazan", "rules": [EXAMPLE_RULE], "note": "Winter duty"}]})

    city: str = Field(min_length=1, max_length=100)
    rules: list[WantedRule] = Field(max_length=MOST_RULES)
    note: str = Field(min_length=1, max_length=500)


class WantedInputs(Body):
    """A request to try rules on: what it is about, where, when (the registration's time) and what was answered."""

    service_type: str = Field(min_length=1, max_length=100)
    district: str | None = Field(None, max_length=100)
    building: str | None = Field(None, max_length=100)
    at: Moment
    answers: dict[str, Answer] = Field(default_factory=dict, max_length=100)


class RulesTest(Body):
    """Which rules to try (null: those in force) on one request, on the city's `last` real ones, or both."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "city": "kazan",
                    "rules": [EXAMPLE_RULE],
                    "inputs": {"service_type": "pipe-burst", "district": "kirovsky", "at": "2026-01-15T23:30:00+03:00"},
                    "last": 100,
                }
            ]
        },
    )

    city: str = Field(min_length=1, max_length=100)
    rules: list[WantedRule] | None = Field(None, max_length=MOST_RULES)
    inputs: WantedInputs | None = None
    last: int = Field(0, ge=0, le=1000, description="How many of the city's latest routed requests to try the rules on.")

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        """Refuse a test of nothing."""
        if self.inputs is None and self.last == 0:
            raise ValueError("give 'inputs', or 'last' real requests, to try the rules on")
        return self


class Destination(BaseModel):
    """Where a request goes: to an organisation by a rule in a version, or nowhere and why."""

    organisation: str | None = None
    rule: str | None = None
    rule_version: int | None = None
    failure: Literal["nobody_responsible", "rule_failed"] | None = None
    detail: str | None = None


class RuleTried(BaseModel):
    """What became of one rule for the request: true, false or failed and why; `looked_at` is what it saw."""

    id: str
    when: str
    organisation: str
    result: Literal["true", "false", "failed"]
    looked_at: dict[str, Answer | None]
    detail: str | None


class Explanation(BaseModel):
    """Every rule's result in order, which one decides (null: responsibility does), and where the request goes."""

    rules: list[RuleTried]
    decided_by: str | None
    destination: Destination


class Difference(BaseModel):
    """A real request that would go elsewhere than by the rules in force, or on which a rule fails."""

    case: UUID
    now: Destination
    then: Destination


class TestResult(BaseModel):
    """What the rules would do; nothing is stored. Of the requests that differ at most 100 are shown."""

    explanation: Explanation | None
    tried: int
    different: int
    differences: list[Difference]


class RuleShown(BaseModel):
    """A routing rule."""

    id: str
    when: str
    organisation: str
    note: str


class RulesShown(BaseModel):
    """A version of a city's routing rules, in their order."""

    city: str
    version: int
    rules: list[RuleShown]
    note: str
    activated_at: datetime


class RulesWanted(BaseModel):
    """Whose rules to list."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    city: str = Field(min_length=1, max_length=100)
    cursor: str | None = Field(None, max_length=2000, description="`next` of the page before; absent: from the newest.")
    limit: int = Field(20, ge=1, le=1000, description="How many versions to show at most.")


@router.get("/routing-rules")
def see_routing_rules(actor: Anybody, context: Wired, wanted: Annotated[RulesWanted, Query()]) -> Page[RulesShown]:
    """List the versions of a city's routing rules, the one in force first."""
    allow(actor, "see_routing_rules", MAY)
    rows = override.versions(context, wanted.city, read_cursor(wanted.cursor, int), wanted.limit + 1)
    return Page.cut([RulesShown.model_validate(row) for row in rows], wanted.limit, lambda row: row.version)


@router.post("/routing-rules/test")
def test_routing_rules(test: RulesTest, actor: SignedIn, context: Wired) -> TestResult:
    """Say what routing rules would do with a request or with real ones, and why; nothing is stored or changed."""
    allow(actor, "test_routing_rules", MAY)
    rules = None if test.rules is None else [rule.stated() for rule in test.rules]
    explanation = None
    if test.inputs is not None:
        inputs = RoutingInputs(city=test.city, **test.inputs.model_dump())
        explanation = _explanation(override.explain(context, rules, inputs))
    tried, differences = override.compare(context, test.city, rules, test.last)
    shown = [
        Difference(case=each.case, now=_destination(each.now), then=_destination(each.then)) for each in differences[:MOST_SHOWN]
    ]
    return TestResult(explanation=explanation, tried=tried, different=len(differences), differences=shown)


@router.post("/routing-rules", status_code=201)
def activate_routing_rules(activation: Activation, actor: SignedIn, command: ConditionalCommand, context: Wired) -> Versioned:
    """Put a city's routing rules in force, all of them anew: requests registered from now on go by them."""
    allow(actor, "activate_routing_rules", MAY)
    rules = [rule.stated() for rule in activation.rules]
    result = override.activate(context, activation.city, rules, activation.note, command)
    return Versioned(id=result.stream_id, version=result.version)


def _explanation(explained: override.Explained) -> Explanation:
    return Explanation(
        rules=[
            RuleTried(
                id=trial.rule.id,
                when=trial.rule.when,
                organisation=trial.rule.organisation,
                result=trial.result,
                looked_at=dict(trial.looked_at),
                detail=trial.detail,
            )
            for trial in explained.trials
        ],
        decided_by=explained.decided_by,
        destination=_destination(explained.destination),
    )


def _destination(route: Route | NoRoute) -> Destination:
    if isinstance(route, Route):
        return Destination(organisation=route.organisation, rule=route.rule, rule_version=route.rule_version)
    return Destination(rule=route.rule, failure=route.reason, detail=route.detail)
