"""Routing overrides over HTTP on real PostgreSQL: tried before they count, in force at once, and an alarm when they fail."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID, uuid4

import pytest
from control_room import DISPATCHER, LIFTS, PIPES, ControlRoom, Person, registered, submitted
from httpx import Response

from shared_events.dispatch import HolderChanged, RequestRouted, RoutingFailed
from shared_events.request import RequestRegistered

pytestmark = pytest.mark.postgres
ANALYST = Person("analyst")


def rule(name: str, when: str, organisation: str = PIPES) -> dict[str, str]:
    """Write a rule."""
    return {"id": name, "when": when, "organisation": organisation, "note": "n"}


async def activate(room: ControlRoom, *rules: Mapping[str, str], key: str | None = None) -> Response:
    """Put rules in force."""
    body = {"city": "kazan", "rules": [dict(each) for each in rules], "note": "Because"}
    return await room.api.post("/routing-rules", json=body, headers=DISPATCHER.headers(key))


async def tried(room: ControlRoom, who: Person = ANALYST, **body: object) -> Response:
    """Try rules out."""
    return await room.api.post("/routing-rules/test", json={"city": "kazan", **body}, headers=who.headers())


def asking(at: datetime) -> dict[str, object]:
    """Write a request of a moment to try rules on."""
    return {"service_type": "lift", "district": "volga", "at": at.isoformat()}


async def test_rules_are_explained_before_they_count_and_route_once_they_do(room: ControlRoom) -> None:
    """Every rule's result and what it saw; nothing is stored by a test; the routed request names rule and version."""
    rules = [rule("kirov", 'district = "kirov"', LIFTS), rule("lifts", 'service_type = "lift" and weekday != "never"')]
    moment = room.now()
    answer = await tried(room, rules=rules, inputs=asking(moment))
    assert answer.status_code == 422
    assert (
        "rule 'lifts', column 38: weekday is never 'never'; known: fri, mon, sat, sun, thu, tue, wed" in answer.json()["detail"]
    )
    rules[1] = rule("lifts", 'service_type = "lift" and hour >= 0')
    answer = await tried(room, rules=rules, inputs=asking(moment))
    assert answer.status_code == 200, answer.text
    explanation = answer.json()["explanation"]
    hour = moment.astimezone(room.context.cities["kazan"].timezone).hour
    assert [(each["id"], each["result"], each["looked_at"]) for each in explanation["rules"]] == [
        ("kirov", "false", {"district": "volga"}),
        ("lifts", "true", {"service_type": "lift", "hour": hour}),
    ]
    assert explanation["decided_by"] == "lifts"
    assert explanation["destination"]["organisation"] == PIPES
    assert routed(room, room.submit("lift"))[0] == LIFTS
    version = (await activate(room, *rules, key="rules")).json()["version"]
    assert (await activate(room, *rules, key="rules")).json()["version"] == version
    assert routed(room, room.submit("lift")) == (PIPES, "rules-kazan#lifts", version)
    unchanged = await activate(room, *rules)
    assert (unchanged.status_code, unchanged.json()["title"]) == (409, "These routing rules stand already.")
    shown = (await room.api.get("/routing-rules", params={"city": "kazan", "limit": 1})).json()
    assert [each["id"] for each in shown["items"][0]["rules"]] == ["kirov", "lifts"]
    assert (await activate(room)).status_code == 201
    assert routed(room, room.submit("lift"))[0] == LIFTS
    versions = await room.api.get("/routing-rules", params={"city": "kazan", "limit": 1, "cursor": shown["next"] or ""})
    assert versions.status_code in {200, 400}


def routed(room: ControlRoom, request: UUID) -> tuple[str, str, int]:
    """Say where a request went and by which rule."""
    (fact,) = [each for each in room.facts(request) if isinstance(each, RequestRouted)]
    return fact.organisation, fact.rule, fact.rule_version


async def test_a_rule_that_fails_is_an_alarm_and_never_a_skip(room: ControlRoom) -> None:
    """A type the pack does not know: `group` cannot be told. A dispatcher holds the request, with the rule and the reason."""
    assert (await activate(room, rule("house", 'group = "house"'))).status_code == 201
    request = room.submit("lift")
    assert routed(room, request)[1] == "rules-kazan#house"
    unknown = uuid4()
    room.hear(unknown, submitted("teleport"))
    room.hear(unknown, registered("teleport"))
    (failed,) = [fact for fact in room.facts(unknown) if isinstance(fact, RoutingFailed)]
    assert (failed.reason, failed.rule) == ("rule_failed", "rules-kazan#house")
    assert failed.detail == "group is not known of this request"
    held = [fact.holder.kind for fact in room.facts(unknown) if isinstance(fact, HolderChanged)]
    assert held[-1] == "dispatcher"
    again = room.submit("lift")
    assert routed(room, again)[1] == "rules-kazan#house"
    assert (await activate(room)).status_code == 201


async def test_rules_are_tried_on_the_latest_real_requests(room: ControlRoom) -> None:
    """How many would go elsewhere, and which; those that stay are not shown. What was asked is stored with the request."""
    request = UUID(int=4242)
    room.hear(request, submitted("lift"))
    facts = registered("lift").model_copy(update={"answers": {"floor": 9}})
    assert isinstance(facts, RequestRegistered)
    room.hear(request, facts)
    answer = await tried(room, rules=[rule("all", 'service_type = "lift"')], last=5)
    result = answer.json()
    assert result["tried"] >= 1
    (mine,) = [each for each in result["differences"] if each["case"] == str(request)]
    assert (mine["now"]["organisation"], mine["then"]["organisation"]) == (LIFTS, PIPES)
    assert result["different"] == len(result["differences"])
    same = (await tried(room, rules=None, last=5)).json()
    assert (same["different"], same["explanation"]) == (0, None)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"city": "atlantis", "last": 1}, 422, "There is no city 'atlantis' here"),
        ({}, 422, "give 'inputs', or 'last' real requests"),
        ({"rules": [rule("x", "import os")], "last": 1}, 422, "rule 'x', column 8: 'os' cannot stand here"),
        ({"rules": [rule("x", "emergency", "organisation-madrid-x")], "last": 1}, 422, "no organisation 'organisation-madrid-x'"),
        ({"rules": [rule("X", "emergency")], "last": 1}, 422, "rules.0.id has another form"),
        ({"last": "5"}, 422, "last must be a whole number"),
    ],
)
async def test_a_test_that_cannot_be_is_refused_in_words(
    room: ControlRoom, body: dict[str, object], status: int, words: str
) -> None:
    """By rule and column, or by field."""
    answer = await tried(room, **body)
    assert (answer.status_code, words in answer.text) == (status, True), answer.text
