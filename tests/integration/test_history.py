"""What the command line shows is what the stores hold: counted, ordered and hashed here by SQL of its own."""

import asyncio
import hashlib
import json
from datetime import datetime
from typing import cast
from uuid import UUID

import pytest
from city_alive import City
from conftest import Day

from veche.demo.logs import SERVICES
from veche.play.command import robots_of

pytestmark = [pytest.mark.stack, pytest.mark.postgres, pytest.mark.kafka]

OF_JOURNEY = """
    SELECT position, event_id, type, stream_id, version, data::text FROM event_log
    WHERE correlation_id = %s ORDER BY position
"""
KNOWN_BY = """
    SELECT event_id, (max(recorded_time) OVER (ORDER BY position))::text FROM event_log WHERE correlation_id = %s
"""
"""A log is right against its clock: an event became known no earlier than those before it."""
HASHES = "SELECT notification_id, encode(sha256(state), 'hex') FROM stored_events ORDER BY 1"
Item = dict[str, object]


def shown(city: City, id_: object) -> list[Item]:
    """Ask the command line for a history."""
    return cast("list[Item]", json.loads(city.veche("history", str(id_), "--json")))


def rows_of(items: list[Item], service: str) -> list[tuple[object, ...]]:
    """Bring what the command line shows of a service into the shape of the query's rows."""
    rows = []
    for item in items:
        event = cast("Item", item["event"])
        if item["service"] == f"{service}-svc":
            fields = [event[name] for name in ("id", "type", "subject", "streamversion")]
            rows.append((item["position"], *fields, event["data"]))
    return rows


def stored(city: City, service: str, journey: UUID) -> list[tuple[object, ...]]:
    """Read a journey from a store."""
    return [(*row[:-1], json.loads(str(row[-1]))) for row in city.rows(service, OF_JOURNEY, str(journey))]


@pytest.mark.parametrize("kind", ["discussion", "request"])
def test_a_history_equals_what_the_stores_hold(city: City, day: Day, kind: str) -> None:
    """Event by event, in each store's order, over all services; in the order in which things became known."""
    played = day.played
    journey = max(played.said.discussions) if kind == "discussion" else _closed_by_its_resident(day)
    items = shown(city, f"{kind}-{journey}")
    expected = {service: stored(city, service, journey) for service in SERVICES}
    assert {service: rows_of(items, service) for service in SERVICES} == expected
    assert len(items) == sum(len(rows) for rows in expected.values())
    speaking = {service for service, rows in expected.items() if rows}
    assert speaking == ({"discussion"} if kind == "discussion" else {"request", "dispatch", "notification"})
    known = {row[0]: row[1] for service in SERVICES for row in city.rows(service, KNOWN_BY, str(journey))}
    order = [known[cast("Item", item["event"])["id"]] for item in items]
    assert order == sorted(order, key=str)


def test_a_discussions_history_holds_every_submission(city: City, day: Day) -> None:
    """And ends with the protocol that counted them."""
    discussion = max(day.played.said.discussions)
    items = shown(city, discussion)
    events = [cast("Item", item["event"]) for item in items]
    submissions = {event["subject"] for event in events if str(event["subject"]).startswith("submission-")}
    assert len(submissions) > 5
    assert events[0]["type"] == "discussion.discussion-registered.v1"
    assert events[-1]["type"] == "discussion.protocol-drafted.v1"
    assert cast("Item", events[-1]["data"])["submissions"] == len(submissions)
    protocol = day.played.said.protocols[discussion]
    assert cast("Item", events[-1]["data"])["sha256"] == protocol
    assert _sha256(asyncio.run(_protocol(city, discussion))) == protocol


async def _protocol(city: City, discussion: UUID) -> bytes:
    """Read the protocol as anybody may."""
    async with robots_of(city.home, city.state) as robots:
        return (await robots.raw("GET", "discussion-svc", f"/discussions/{discussion}/protocol", None))[1]


def test_a_register_number_stands_for_its_request(city: City, day: Day) -> None:
    """As people have it in their letters."""
    request = _closed_by_its_resident(day)
    number = city.rows(
        "request",
        "SELECT data ->> 'number' FROM event_log WHERE correlation_id = %s AND type LIKE '%%registered%%'",
        str(request),
    )[0][0]
    assert shown(city, number) == shown(city, f"request-{request}")
    assert str(number).encode() in city.veche("history", str(number))


@pytest.mark.parametrize("service", SERVICES)
def test_a_replay_gives_the_stored_bytes(city: City, day: Day, service: str) -> None:
    """Their SHA-256 is the one that PostgreSQL computes, line by line."""
    hashes = [digest for _, digest in city.rows(service, HASHES)]
    lines = city.veche("replay", "--service", service, "--format", "cloudevents").splitlines()
    assert [_sha256(line) for line in lines[: len(hashes)]] == hashes


def test_a_slice_is_a_part_of_the_whole(city: City, day: Day) -> None:
    """By service, type and time, in the order of the log."""
    of_type = ("replay", "--service", "request", "--type", "request.request-closed.")
    lines = [json.loads(line) for line in city.veche(*of_type).splitlines()]
    closed = city.rows(
        "request", "SELECT position, event_id, recorded_time FROM event_log WHERE type = 'request.request-closed.v1' ORDER BY 1"
    )
    assert [(line["position"], line["id"]) for line in lines] == [row[:2] for row in closed]
    middle = lines[len(lines) // 2]["time"]
    early = city.veche(*of_type, "--to", _typed(middle)).splitlines()
    late = city.veche(*of_type, "--from", _typed(middle)).splitlines()
    assert sorted(early + late) == sorted(city.veche(*of_type).splitlines())
    assert early
    assert late


def _typed(time: str) -> str:
    """Write a moment as one types it, to the second, in the zone of this machine."""
    return datetime.fromisoformat(time).astimezone().strftime("%Y-%m-%dT%H:%M:%S")


def _closed_by_its_resident(day: Day) -> UUID:
    return min(
        request for request, row in day.played.outcome.ids.items() if row.ending == "done" and row.reporter.person == "self"
    )


def _sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
