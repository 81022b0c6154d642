"""Dispatchers grant and end responsibilities over HTTP on real PostgreSQL, and requests go where they say at once."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta

import pytest
from control_room import DISPATCHER, LIFTS, PIPES, Clock, ControlRoom
from httpx import Response

from dispatch_svc.application import Context
from shared_events.dispatch import RequestRouted

pytestmark = pytest.mark.postgres
OTHER = {"city": "kazan", "service_type": "other", "organisation": LIFTS}


@pytest.fixture(scope="module", autouse=True)
def noon(context: Context, clock: Clock) -> None:
    """Let it be noon in the city, so that today is the same day throughout this file."""
    now = context.store.now().astimezone(context.cities["kazan"].timezone)
    clock.put_forward(datetime.combine(now.date() + timedelta(days=1), time(12), now.tzinfo) - now)


async def post(room: ControlRoom, path: str, body: Mapping[str, object], key: str | None = None, **headers: str) -> Response:
    """Send a dispatcher's command."""
    return await room.api.post(path, json=dict(body), headers={**DISPATCHER.headers(key), **headers})


def today(room: ControlRoom) -> date:
    """Say what day it is in the city."""
    return room.now().astimezone(room.context.cities["kazan"].timezone).date()


async def test_a_grant_is_refused_where_another_stands_and_routes_from_its_first_day(room: ControlRoom) -> None:
    """Granted, overlapping refused by name, ended, granted to another: each request names the version that sent it."""
    first, tomorrow = today(room), today(room) + timedelta(days=1)
    unrouted = room.submit("other", "kirov")
    assert room.named(unrouted)[-1] != "RequestAssigned"
    answer = await post(room, "/responsibilities", {**OTHER, "valid_from": first.isoformat()}, key="grant-1")
    assert answer.status_code == 201, answer.text
    granted = answer.json()
    again = await post(room, "/responsibilities", {**OTHER, "valid_from": first.isoformat()}, key="grant-1")
    assert (again.status_code, again.json()) == (201, granted)
    assert routed(room, room.submit("other", "kirov")) == (LIFTS, granted["id"], 1)
    overlap = await post(room, "/responsibilities", {**OTHER, "organisation": PIPES, "valid_from": tomorrow.isoformat()})
    assert overlap.status_code == 409
    problem = overlap.json()
    assert problem["type"] == "urn:veche:dispatch:responsibility-overlaps-error"
    assert f"It is {LIFTS}, from {first} for good, by {granted['id']} version 1." in problem["detail"]
    ended = await post(room, f"/responsibilities/{granted['id']}/end", {"valid_to": first.isoformat()})
    assert (ended.status_code, ended.json()["version"]) == (200, 2)
    answer = await post(room, "/responsibilities", {**OTHER, "organisation": PIPES, "valid_from": first.isoformat()})
    assert answer.json() == {"id": granted["id"], "version": 3}
    assert routed(room, room.submit("other", "kirov")) == (PIPES, granted["id"], 3)
    listed = (await room.api.get("/responsibilities", params={"service_type": "other"})).json()["items"]
    assert [(each["version"], each["organisation"], each["valid_to"], each["stated_by"]) for each in listed] == [
        (1, LIFTS, None, "by hand"),
        (2, LIFTS, first.isoformat(), "by hand"),
        (3, PIPES, None, "by hand"),
    ]


def routed(room: ControlRoom, request: object) -> tuple[str, str, int]:
    """Say where a request went and by which rule."""
    (fact,) = [each for each in room.facts(request) if isinstance(each, RequestRouted)]  # type: ignore[arg-type]  # a uuid
    return fact.organisation, fact.rule, fact.rule_version


async def test_a_decision_on_an_older_version_is_refused(room: ControlRoom) -> None:
    """If-Match: whoever was overtaken reads again."""
    stream = (await room.api.get("/responsibilities", params={"service_type": "pipe"})).json()["items"][0]["id"]
    later = (today(room) + timedelta(days=30)).isoformat()
    stale = await post(room, f"/responsibilities/{stream}/end", {"valid_to": later}, **{"if-match": '"7"'})
    assert stale.status_code == 412
    fresh = await post(room, f"/responsibilities/{stream}/end", {"valid_to": later}, **{"if-match": '"1"'})
    assert fresh.status_code == 200


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"city": "atlantis"}, 422, "There is no city 'atlantis' here; known: kazan."),
        ({"service_type": "teleport"}, 422, "There is no service type 'teleport' in this city; known: lift, other, pipe."),
        ({"district": "moon"}, 422, "There is no district 'moon' in this city; known: kirov, volga."),
        ({"building": "9"}, 422, "There is no building '9' in this city; known: none."),
        ({"organisation": "organisation-kazan-none"}, 422, "The city of this request has no such organisation."),
        ({"valid_to": "2026-01-01"}, 422, "A responsibility ends after its first day."),
        ({"valid_from": 20260101}, 422, "valid_from"),
        ({"valid_from": "soon"}, 422, "valid_from must be a date, as 2026-01-31"),
        ({"colour": "red"}, 422, "colour is not known here"),
    ],
)
async def test_a_grant_that_cannot_be_is_refused_in_words(
    room: ControlRoom, changes: dict[str, object], status: int, words: str
) -> None:
    """Each with what is known instead."""
    answer = await post(room, "/responsibilities", {**OTHER, "district": "volga", "valid_from": "2027-01-01", **changes})
    assert (answer.status_code, words in answer.text) == (status, True), answer.text


@pytest.mark.parametrize(
    ("stream", "valid_to", "status", "words"),
    [
        ("responsibility-none", "2099-01-01", 404, "No responsibility is known under this id."),
        (None, "2020-01-01", 422, "A responsibility ends today or later"),
        (None, "1990-01-01", 422, "A responsibility ends today or later"),
    ],
)
async def test_an_end_that_cannot_be_is_refused_in_words(
    room: ControlRoom, stream: str | None, valid_to: str, status: int, words: str
) -> None:
    """Unknown, or in the past."""
    known = (await room.api.get("/responsibilities", params={"service_type": "lift"})).json()["items"][0]["id"]
    answer = await post(room, f"/responsibilities/{stream or known}/end", {"valid_to": valid_to})
    assert (answer.status_code, words in answer.text) == (status, True), answer.text


async def test_a_responsibility_that_is_over_cannot_be_ended_again(room: ControlRoom) -> None:
    """There is nothing left to end after its end."""
    first = today(room)
    body = {**OTHER, "district": "volga", "valid_from": first.isoformat(), "valid_to": (first + timedelta(days=2)).isoformat()}
    granted = (await post(room, "/responsibilities", body)).json()["id"]
    answer = await post(room, f"/responsibilities/{granted}/end", {"valid_to": (first + timedelta(days=9)).isoformat()})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:veche:dispatch:nothing-to-end-error")


async def test_misspelt_filters_are_refused(room: ControlRoom) -> None:
    """Not ignored: an unfiltered list would be taken for the answer."""
    assert (await room.api.get("/responsibilities", params={"servicetype": "lift"})).status_code == 422
