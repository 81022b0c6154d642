"""What a resident tells in confidence is shown to those who may read it, and stands in plain nowhere else (traps T21, T28)."""

import asyncio
import email
import email.policy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from city_alive import City
from searching import Search, analysts_tables, found_in, read_topics, spellings

from shared_events.event import topic_of
from veche.demo.logs import SERVICES
from veche.play.command import pseudonyms, robots_of
from veche.robot import Answer, Robots

pytestmark = [pytest.mark.stack, pytest.mark.postgres, pytest.mark.kafka]

MARK, KEY = uuid4().hex[:10], uuid4().hex
TOLD = {
    "description": f"Батареи салкын, Гөлнара Сафина әйтте ({MARK}d). Код домофона 17К{MARK}.",
    "apartment": f"кв-{MARK}a",
    "phone": f"+7 900 {MARK}p",
    "email": f"gulnara.{MARK}e@example.test",
}
"""What somebody tells of herself; each value is found nowhere else in the world."""
NAME = f"Гөлнара Сафина {MARK}n"
REFUSED = f"+7 901 {MARK}r"
"""What somebody told in calls that were refused."""
SECRETS = (*TOLD.values(), NAME, REFUSED, "Сафина", f"{MARK}")

SUBJECT = f"resident-{uuid4().hex[:8]}"


SEARCH = Search(SECRETS)


@dataclass(frozen=True)
class Confided:
    """A request that was submitted with everything one can tell of oneself, and a remark with a name."""

    request: UUID
    person: UUID
    letters: Sequence[Path]


@pytest.fixture(scope="module")
def confided(city: City) -> Confided:
    """Let somebody tell the city about herself, by calls that are taken and by calls that are refused."""
    request = asyncio.run(_confide(city))
    person = pseudonyms(city.home, city.state)(SUBJECT)
    sent = (
        "SELECT originator_id FROM stored_events WHERE topic = 'notification.message-sent.v1' "
        "AND convert_from(state, 'UTF8')::jsonb ->> 'correlationid' = %s"
    )
    (stream,) = city.wait_for("notification", sent, str(request))[0]
    city.settle()
    return Confided(request, person, sorted(city.home.outbox.rglob(f"{stream}.eml")))


async def _confide(city: City) -> UUID:
    body = {
        "city": "kazan",
        "channel": "web",
        "service_type": "no-heating",
        "location": {"district": "vakhitovsky", "address": "ул. Баумана, 1"},
        "language": "tt",
        "person": "self",
        **TOLD,
    }
    async with robots_of(city.home, city.state) as robots:
        resident = robots.token(SUBJECT, "resident")
        taken = await robots.post("request-svc", "/requests", body, resident, f"{KEY}-taken")
        assert taken.status == 201, taken.body
        await _be_refused(robots, body, resident)
        await _remark(robots, resident)
        return UUID(str(taken.body["id"]))


async def _be_refused(robots: Robots, body: Mapping[str, object], resident: str) -> None:
    """Say what is refused, with personal data in every part of the call that takes any."""
    other = {**body, "phone": REFUSED}
    wrong = [
        (await robots.post("request-svc", "/requests", other, resident, f"{KEY}-taken"), 422),
        (await robots.post("request-svc", "/requests", other | {"channel": REFUSED}, resident, "a"), 422),
        (await robots.post("request-svc", "/requests", other | {REFUSED: 1}, resident, "b"), 422),
        (await robots.post("request-svc", "/requests", other | {"phone": REFUSED * 50}, resident, "c"), 422),
        (await robots.post("request-svc", "/requests", other | {"service_type": REFUSED}, resident, "d"), 422),
        (await robots.post("request-svc", "/requests", other, None, "e"), 401),
        (await robots.get("request-svc", f"/requests/{REFUSED.replace(' ', '%20')}", resident), 422),
        (await robots.get("request-svc", f"/requests?state={REFUSED.replace(' ', '%20')}", resident), 422),
        (await robots.ask("POST", "request-svc", "/requests", resident, content=f'{{"phone": "{REFUSED}'.encode()), 400),
    ]
    assert not [(answer.status, answer.body) for answer, expected in wrong if answer.status != expected]


async def _remark(robots: Robots, resident: str) -> None:
    """Make a remark under one's own name, in a discussion that stays open."""
    organiser = robots.token("robot-organiser", "organiser")
    about = {"city": "madrid", "title": "Árboles", "procedure": "citizen-proposals", "subject": "city-question"}
    registered = await robots.post("discussion-svc", "/discussions", about, organiser, f"{KEY}-discussion")
    place = f"/discussions/{registered.body['id']}"
    headers = {"Content-Type": "text/plain", "X-File-Name": "plan.txt", "Idempotency-Key": f"{KEY}-plan"}
    await robots.ask("POST", "discussion-svc", f"{place}/documents", organiser, content=b"Un plan.", headers=headers)
    minute = datetime.now(UTC).replace(second=0, microsecond=0)
    period = {"opens_at": minute.isoformat(), "closes_at": (minute + timedelta(days=7)).isoformat()}
    await robots.post("discussion-svc", f"{place}/notice", period, organiser, f"{KEY}-notice")
    said = {"kind": "remark", "text": "Me parece bien.", "name": NAME}
    answer = await robots.post("discussion-svc", f"{place}/submissions", said, resident, f"{KEY}-remark")
    assert answer.status == 201, answer.body


def shown(city: City, request: UUID, sub: str | None, role: str = "resident") -> Answer:
    """Read the request as somebody."""

    async def ask() -> Answer:
        async with robots_of(city.home, city.state) as robots:
            token = robots.token(sub, role) if sub is not None else None
            return await robots.get("request-svc", f"/requests/{request}", token)

    return asyncio.run(ask())


@pytest.mark.parametrize(("sub", "role"), [(SUBJECT, "resident"), ("somebody-at-the-desk", "agent")])
def test_those_who_may_read_it_are_shown_everything(city: City, confided: Confided, sub: str, role: str) -> None:
    """The person, and the agents who speak with her."""
    answer = shown(city, confided.request, sub, role)
    history = answer.body["history"]
    assert isinstance(history, list)
    assert answer.body["personal_data"] == "shown"
    assert {name: history[0]["data"][name] for name in TOLD} == TOLD
    assert history[0]["data"]["person"] == str(confided.person)


@pytest.mark.parametrize(
    ("sub", "role"),
    [
        ("another-resident", "resident"),
        (None, ""),
        ("robot-analyst", "analyst"),
        ("robot-auditor", "auditor"),
        ("org", "organiser"),
    ],
)
def test_everybody_else_is_shown_that_there_is_nothing_to_see(city: City, confided: Confided, sub: str | None, role: str) -> None:
    """The request, and nothing of the person."""
    answer = shown(city, confided.request, sub, role)
    assert (answer.status, answer.body["personal_data"]) == (200, "hidden")
    assert not SEARCH.leaks(json.dumps(answer.body, ensure_ascii=False).encode())


def test_the_letter_is_addressed_to_the_person_and_holds_nothing_else_of_hers(city: City, confided: Confided) -> None:
    """In her language, about her request."""
    (file,) = confided.letters
    letter = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert str(letter["To"]) == TOLD["email"]
    assert str(letter["Content-Language"]) == "tt"
    meant = {spelling for secret in (TOLD["email"], MARK) for spelling in spellings(secret)}
    assert set(SEARCH.leaks(file.read_bytes())) <= meant


def test_no_table_of_any_database_holds_it(city: City, confided: Confided) -> None:
    """Nor a parked event, a delivery, a view or a timer; a search for what is public finds it, so the search works."""
    assert not SEARCH.in_databases(city)
    public = found_in(city, "request", ["ул. Баумана, 1".encode()])
    assert {("request", "request", "stored_events"), ("request", "request", "request")} <= set(public)


def test_no_topic_holds_it(city: City, confided: Confided) -> None:
    """In no key, no header and no value, the stream processor's own topics included."""
    read = asyncio.run(read_topics(city.state.bootstrap))
    topics = {topic for topic, _ in read}
    assert {topic_of(service) for service in SERVICES} - {"analytics.events"} <= topics
    assert "analytics.registrations" in topics
    assert not [topic for topic, raw in read if SEARCH.leaks(raw)]
    assert [topic for topic, raw in read if "ул. Баумана, 1".encode() in raw] == ["request.events"]


def test_the_analysts_file_does_not_hold_it(city: City, confided: Confided, tmp_path: Path) -> None:
    """Nor does the file beside it; the request is there."""
    assert not SEARCH.in_analysts_file(city, tmp_path)
    assert str(confided.request).encode() in analysts_tables(city, tmp_path)["event"]


def test_no_file_of_the_city_holds_it_but_the_letter(city: City, confided: Confided, tmp_path: Path) -> None:
    """Whatever lies on the disk is searched: logs, write-ahead logs, topics, objects, what was removed and is not yet gone."""
    assert SEARCH.in_files(city, tmp_path) == set(confided.letters)


def test_logs_tell_of_the_calls_and_not_of_the_person(city: City, confided: Confided) -> None:
    """Trap T28: each call has its line, also one that was refused, and no line says what was in it."""
    lines = [line for log in sorted(city.home.log.glob("*.log*")) for line in log.read_bytes().splitlines()]
    assert not [line for line in lines if SEARCH.leaks(line)]
    calls = [json.loads(line) for line in lines if b"/requests" in line and line.startswith(b"{")]
    assert {201, 401, 422} <= {call.get("status") for call in calls}
    assert all(call["correlation"] for call in calls)
