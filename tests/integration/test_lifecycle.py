"""Requests through every turn they can take: questions, disputes, refusals, an incident, a program told of it, erasure (T21)."""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from io import BytesIO
from pathlib import Path
from time import monotonic
from typing import cast
from uuid import UUID, uuid4

import pytest
from city_alive import City
from crowd import DISPATCH, NOTIFICATION, PATIENCE, PROOF, REQUEST, Crowd, Document
from PIL import Image
from programs import Program, listening
from searching import Search, analysts_tables, read_topics

from veche.demo.counted import Counted, weigh
from veche.demo.logs import connect
from veche.play.command import pseudonyms, robots_of
from veche.robot import Answer

pytestmark = [pytest.mark.stack, pytest.mark.postgres, pytest.mark.kafka]

MARK = uuid4().hex[:10]
RESIDENT = f"neighbour-{MARK}"
TOLD = {
    "description": f"Подъезд караңгы, Рөстәм Вәлиев әйтте ({MARK}d).",
    "apartment": f"кв-{MARK}a",
    "phone": f"+7 903 {MARK}p",
    "email": f"rustam.{MARK}e@example.test",
}
QUESTION, ANSWER = f"Кайсы катта ({MARK}q)?", f"Бишенче катта, ишек 41 ({MARK}w)."
DISPUTE, COMMENT = f"Әле дә караңгы ({MARK}x).", f"Озак көттек ({MARK}c)."
SEARCH = Search([*TOLD.values(), QUESTION, ANSWER, DISPUTE, COMMENT, MARK])
EXECUTOR, OTHER = "organisation-kazan-management-vakhitovsky", "organisation-kazan-improvement-committee"
WATER = "organisation-kazan-water-utility"
TOLD_OF = [
    "dispatch.request-assigned.v1",
    "dispatch.assignment-accepted.v1",
    "request.information-received.v1",
    "dispatch.case-reopened.v1",
    "request.request-rated.v1",
    "dispatch.case-closed.v1",
]

TWICE = ["dispatch.request-assigned.v1", "dispatch.assignment-accepted.v1"]
"""What the second round brings again."""


def photo() -> bytes:
    """Take a picture that tells where it was taken."""
    exif = Image.Exif()
    exif[0x010E] = f"at home {MARK}"
    exif.get_ifd(0x8825).update({1: "N", 2: (55.0, 47.0, 30.0), 3: "E", 4: (49.0, 7.0, 12.0)})
    file = BytesIO()
    Image.new("RGB", (48, 32), (90, 20, 20)).save(file, "JPEG", exif=exif)
    return file.getvalue()


@dataclass(frozen=True)
class Lived:
    """What became of the requests: one with every turn, one that was declined, two that an incident explains."""

    full: UUID
    declined: UUID
    before: UUID
    after: UUID
    waiting: Document
    attachment: str
    picture: bytes
    queued: Document
    incident: UUID
    secret: str
    program: Program


def run(city: City, act: Callable[[Crowd], Awaitable[object]]) -> object:
    """Let the crowd act in the city."""

    async def whole() -> object:
        async with robots_of(city.home, city.state) as robots:
            return await act(Crowd(robots, MARK, RESIDENT))

    return asyncio.run(whole())


@pytest.fixture(scope="module")
def lived(city: City) -> Iterator[Lived]:
    """Let everything happen, once."""
    with listening(moods=2) as program:
        happened = cast("Lived", run(city, partial(_live, program)))
        city.settle()
        yield happened


async def _live(program: Program, crowd: Crowd) -> Lived:
    wanted = {"label": "Work orders", "scopes": ["read", "work", "ask"]}
    key = str((await crowd.say(DISPATCH, f"/organisations/{EXECUTOR}/keys", wanted, crowd.dispatcher))["key"])
    subscribed = await crowd.say(NOTIFICATION, "/subscriptions", {"url": program.url, "events": TOLD_OF}, key, patient=True)
    full = await crowd.submit("entrance-lighting", "vakhitovsky", crowd.resident, **TOLD)
    attachment = str((await crowd.attach(full, photo()))["sha256"])
    waiting = await _ask_and_answer(crowd, full, key)
    picture = await _dispute_and_rate(crowd, full, key, attachment)
    declined, queued = await _decline(crowd)
    before, after, incident = await _incident(crowd)
    return Lived(
        full,
        declined,
        before,
        after,
        waiting,
        attachment,
        picture,
        queued,
        incident,
        str(subscribed["secret"]),
        program,
    )


async def _ask_and_answer(crowd: Crowd, request: UUID, key: str) -> Document:
    """Accept by a program's key, and ask the resident; the clocks stand still until the answer."""
    await crowd.case(request, organisation=EXECUTOR, state="assigned")
    mine = await crowd.robots.get(DISPATCH, f"/cases?organisation={EXECUTOR}&state=assigned", key)
    assert str(request) in {str(case["id"]) for case in cast("list[Document]", mine.body["items"])}
    await crowd.say(DISPATCH, f"/cases/{request}/acceptance", {}, key)
    await crowd.say(REQUEST, f"/requests/{request}/information-requests", {"question": QUESTION}, key, patient=True)
    waiting = await crowd.held_by(request, "resident")
    await crowd.say(REQUEST, f"/requests/{request}/information", {"answer": ANSWER}, crowd.resident)
    await crowd.held_by(request, "organisation")
    begins = datetime.now(UTC) + timedelta(hours=1)
    plan = {"begins": begins.isoformat(), "ends": (begins + timedelta(hours=2)).isoformat()}
    await crowd.say(DISPATCH, f"/cases/{request}/schedule", plan, key)
    await crowd.say(DISPATCH, f"/cases/{request}/start", {}, key)
    refused = await crowd.robots.post(DISPATCH, f"/cases/{request}/report", {"evidence": []}, key, f"{MARK}-no-proof")
    assert refused.status == 422, refused.body
    await crowd.say(DISPATCH, f"/cases/{request}/report", {"evidence": [PROOF]}, key)
    return waiting


async def _dispute_and_rate(crowd: Crowd, request: UUID, key: str, attachment: str) -> bytes:
    """Dispute the first round, be content with the second, rate it, and look at the picture."""
    path = f"/requests/{request}"
    await crowd.see(REQUEST, path, lambda shown: shown["state"] == "completion_proposed")
    await crowd.say(REQUEST, f"{path}/dispute", {"reason": DISPUTE}, crowd.resident)
    await crowd.case(request, state="assigned", round=2, organisation=EXECUTOR)
    await crowd.work(request, key)
    await crowd.see(REQUEST, path, lambda shown: (shown["state"], shown["round"]) == ("completion_proposed", 2))
    await crowd.say(REQUEST, f"{path}/confirmation", {}, crowd.resident)
    await crowd.say(REQUEST, f"{path}/rating", {"rating": 4, "comment": COMMENT}, crowd.resident)
    await crowd.case(request, state="closed", outcome="done")
    status, picture = await crowd.robots.raw("GET", REQUEST, f"{path}/attachments/{attachment}", crowd.resident)
    assert status == 200
    return picture


async def _decline(crowd: Crowd) -> tuple[UUID, Document]:
    """Decline as an executor, and let the dispatcher who claims the item assign whom was proposed."""
    request = await crowd.submit("entrance-cleaning", "vakhitovsky", crowd.robots.token(f"other-{MARK}", "resident"))
    await crowd.case(request, organisation=EXECUTOR, state="assigned")
    executor = crowd.robots.token("a-manager", "executor", EXECUTOR)
    said = {"reason": "not_our_building", "note": "The entrance is a shop's.", "proposes": OTHER}
    await crowd.say(DISPATCH, f"/cases/{request}/decline", said, executor)
    queue = "/work-items?kind=decline&city=kazan&state=waiting&district=vakhitovsky"

    def waits(page: Document) -> bool:
        return str(request) in {item["request"] for item in cast("list[Document]", page["items"])}

    await crowd.see(NOTIFICATION, queue, waits)
    claim = {"kinds": ["decline"], "city": "kazan"}
    item = await crowd.say(NOTIFICATION, "/work-items/claim", claim, crowd.dispatcher)
    await crowd.say(DISPATCH, f"/cases/{request}/assignment", {"organisation": OTHER}, crowd.dispatcher)
    done = await crowd.see(NOTIFICATION, f"/work-items/{item['id']}", lambda shown: shown["state"] == "completed")
    await crowd.case(request, organisation=OTHER, state="assigned", declines=1)
    resident = crowd.robots.token(f"other-{MARK}", "resident")
    await crowd.say(REQUEST, f"/requests/{request}/withdrawal", {"reason": "solved_itself"}, resident)
    await crowd.case(request, state="closed", outcome="withdrawn")
    return request, done


async def _incident(crowd: Crowd) -> tuple[UUID, UUID, UUID]:
    """Declare an incident between two requests, resolve it, and let each be confirmed by its own resident."""
    first, second = (crowd.robots.token(f"dry-{number}-{MARK}", "resident") for number in (1, 2))
    before = await crowd.submit("no-cold-water", "kirovsky", first)
    await crowd.case(before, organisation=WATER, state="assigned")
    began = datetime.now(UTC) - timedelta(hours=1)
    declared = {
        "city": "kazan",
        "names": {"ru": "Авария на водоводе", "tt": "Суүткәргечтә авария", "en": "A burst main"},
        "scope": {"service_types": ["no-cold-water"], "districts": ["kirovsky"]},
        "organisation": WATER,
        "began_at": began.isoformat(),
        "expected_end": (began + timedelta(hours=6)).isoformat(),
    }
    incident = UUID(str((await crowd.say(DISPATCH, "/incidents", declared, crowd.dispatcher))["id"])[-36:])
    await crowd.see(DISPATCH, f"/cases/{before}", lambda case: str(incident) in cast("list[str]", case["incidents"]))
    after = await crowd.submit("no-cold-water", "kirovsky", second)
    await crowd.see(DISPATCH, f"/cases/{after}", lambda case: str(incident) in cast("list[str]", case["incidents"]))
    await crowd.say(DISPATCH, f"/incidents/{incident}/resolution", {"note": "Welded."}, crowd.dispatcher)
    for request, token in ((before, first), (after, second)):
        await crowd.see(REQUEST, f"/requests/{request}", lambda shown: shown["state"] == "completion_proposed")
        await crowd.say(REQUEST, f"/requests/{request}/confirmation", {}, token)
        await crowd.case(request, state="closed", outcome="done")
    return before, after, incident


FACTS = "SELECT type, data, actor FROM event_log WHERE correlation_id = %s ORDER BY position"


def facts(city: City, service: str, request: UUID) -> list[tuple[str, Document]]:
    """Read what a store holds of a request."""
    rows = city.rows(service, FACTS, str(request))
    return [(str(type_).partition(".")[2].removesuffix(".v1"), cast("Document", data)) for type_, data, _ in rows]


def test_a_question_stops_the_clocks_of_the_work_and_not_the_total(city: City, lived: Lived) -> None:
    """The resident held the case meanwhile; each paused clock was due later afterwards, or as late if nothing was lost."""
    clocks = {str(clock["stage"]): clock for clock in cast("list[Document]", lived.waiting["clocks"]) if clock["state"] != "over"}
    assert {stage for stage, clock in clocks.items() if clock["state"] == "paused"} == {"start", "finish", "answer"}
    assert {stage for stage, clock in clocks.items() if clock["state"] == "running"} == {"total", "statutory"}
    assert all(clock["paused_by"] == "information_requested" for clock in clocks.values() if clock["state"] == "paused")
    happened = facts(city, "dispatch", lived.full)
    resumed = {str(data["stage"]): data for name, data in happened if name == "clock-resumed" and data["round"] == 1}
    for stage in ("start", "finish", "answer"):
        assert str(resumed[stage]["due"]) >= str(clocks[stage]["due"])


def test_a_dispute_begins_a_second_round_with_the_same_executor(city: City, lived: Lived) -> None:
    """Its clocks are its own, the total goes on, and the rating is of the round that was confirmed."""
    names = [name for name, _ in facts(city, "request", lived.full)]
    assert [name for name in names if name.startswith("completion") or "reopened" in name] == [
        "completion-proposed",
        "completion-disputed",
        "request-reopened",
        "completion-proposed",
        "completion-confirmed",
    ]
    happened = facts(city, "dispatch", lived.full)
    assigned = [(data["round"], data["by"], data["organisation"]) for name, data in happened if name == "request-assigned"]
    assert assigned == [(1, "rule", EXECUTOR), (2, "reopening", EXECUTOR)]
    started = [(data["stage"], data["round"]) for name, data in happened if name == "stage-deadline-set"]
    assert sorted(stage for stage, round_ in started if round_ == 2) == ["accept", "finish", "start"]
    assert started.count(("total", 1)) == 1
    rated = dict(facts(city, "request", lived.full))["request-rated"]
    assert (rated["round"], rated["rating"], rated["organisation"]) == (2, 4, EXECUTOR)


def test_a_refusal_reaches_a_dispatcher_who_assigns_whom_was_proposed(city: City, lived: Lived) -> None:
    """The item was completed because the request was assigned."""
    assert (lived.queued["kind"], lived.queued["request"]) == ("decline", str(lived.declined))
    happened = facts(city, "dispatch", lived.declined)
    holders = [cast("Document", data["holder"]) for name, data in happened if name == "holder-changed"]
    assert [holder["organisation"] or holder["kind"] for holder in holders] == [EXECUTOR, "dispatcher", OTHER]
    completed = dict(facts(city, "notification", lived.declined))["work-item-completed"]
    assert completed["cause_type"] == "dispatch.request-assigned.v1"


def test_an_incident_explains_what_came_before_and_after_it(city: City, lived: Lived) -> None:
    """Its end is the end of the work of each; the residents were told, and asked one by one."""
    for request in (lived.before, lived.after):
        happened = dict(facts(city, "dispatch", request))
        assert happened["request-linked-to-incident"]["incident"] == str(lived.incident)
        assert happened["work-reported-done"]["incident"] == str(lived.incident)
        assert "completion-confirmed" in dict(facts(city, "request", request))
        told = {data["template"] for name, data in facts(city, "notification", request) if name == "message-sent"}
        assert told >= {"request_registered", "incident_linked", "completion_proposed"}


def test_every_minute_of_every_case_has_its_holder(city: City, lived: Lived) -> None:
    """Counted by SQL from the submissions and the changes of holders."""
    counted = Counted()
    with connect(city.state, "request") as request, connect(city.state, "dispatch") as dispatch:
        weigh(request, dispatch, counted)
    assert counted.cases >= 4
    assert not counted.wrong


def test_a_picture_is_kept_without_where_it_was_taken_and_under_the_residents_key(city: City, lived: Lived) -> None:
    """Found by the SHA-256 of what is stored, which is no picture any more."""
    sent = Image.open(BytesIO(photo()))
    shown = Image.open(BytesIO(lived.picture))
    assert sent.getexif().get_ifd(0x8825)
    assert not shown.getexif()
    assert shown.size == sent.size
    (stored,) = [file for file in city.home.objects.rglob("*") if file.is_file() and lived.attachment in file.name]
    assert hashlib.sha256(stored.read_bytes()).hexdigest() == lived.attachment
    assert b"JFIF" not in stored.read_bytes()
    for token, status in (("another-resident", 403), (None, 401)):
        assert _status(city, f"/requests/{lived.full}/attachments/{lived.attachment}", token) == status


def _status(city: City, path: str, sub: str | None) -> int:
    async def ask() -> Answer:
        async with robots_of(city.home, city.state) as robots:
            return await robots.get(REQUEST, path, robots.token(sub, "resident") if sub else None)

    return asyncio.run(ask()).status


def test_the_executors_program_is_told_with_a_signature_and_without_a_person(city: City, lived: Lived) -> None:
    """Of its own cases alone, each thing once, although it was busy at first."""
    calls = lived.program.told(lived.full, *TOLD_OF, *TWICE)
    assert len(lived.program.refused) == 2
    assert all(call.signed_by(lived.secret) for call in [*calls, *lived.program.refused])
    assert not calls[0].signed_by("whsec_c29tZWJvZHkgZWxzZSdzIHNlY3JldCE=")
    told = [(call.body["case"], call.body["type"], json.dumps(call.body["data"], sort_keys=True)) for call in calls]
    assert {case for case, _, _ in told} <= {str(lived.full), str(lived.declined)}
    assert len({call.headers["webhook-id"] for call in calls}) == len(calls) == len(set(told))
    person = str(pseudonyms(city.home, city.state)(RESIDENT))
    assert not [call for call in calls if SEARCH.leaks(call.raw) or person.encode() in call.raw]
    assert Counter(str(type_) for case, type_, _ in told if case == str(lived.full)) == Counter(TOLD_OF + TWICE)


def test_a_history_tells_it_in_words(city: City, lived: Lived) -> None:
    """Who, when and why: refusals with their reasons, pauses, rounds."""
    declined = city.veche("history", str(lived.declined)).decode()
    assert f"{EXECUTOR} declines, refusal 1: not our building, “The entrance is a shop's.”; it proposes {OTHER}" in declined
    assert "because of: request assigned" in declined
    full = city.veche("history", str(lived.full)).decode()
    for said in (
        "The resident is asked for information by the organisation (question 1)",
        "Round 1: the clock “finish” pauses since",
        "Round 1: the resident disputes that it is done: (sealed)",
        "Reopened because disputed: round 2 begins",
        f"Round 2: {EXECUTOR} is assigned, by reopening",
        f"Round 2: the resident rates the work of {EXECUTOR} 4 of 5: (sealed)",
        "Told to the programs of",
    ):
        assert said in full
    assert not SEARCH.leaks(full.encode())
    shown = cast("list[Document]", json.loads(city.veche("history", str(lived.full), "--json")))
    stored = sum(len(facts(city, service, lived.full)) for service in ("request", "dispatch", "notification"))
    assert len(shown) == stored


KEYS = "SELECT wrapped IS NOT NULL FROM person_key WHERE person = %s"


def test_who_is_erased_is_soon_readable_nowhere(city: City, lived: Lived, tmp_path: Path) -> None:
    """Trap T21: neither by those who could read it, nor in any table, topic, log, object or file; the rest stays as it was."""
    request, person = lived.full, pseudonyms(city.home, city.state)(RESIDENT)
    before = {service: facts(city, service, request) for service in ("request", "dispatch", "notification")}
    assert QUESTION in json.dumps(_shown(city, request), ensure_ascii=False)
    began = monotonic()
    run(city, lambda crowd: crowd.say(REQUEST, "/persons/me/erasure", {}, crowd.resident))
    while SEARCH.leaks(json.dumps(shown := _shown(city, request), ensure_ascii=False).encode()):
        assert monotonic() - began < PATIENCE, shown
    assert _status(city, f"/requests/{request}/attachments/{lived.attachment}", RESIDENT) in (404, 410)
    assert not [kept for (kept,) in city.rows("keyring", KEYS, str(person)) if kept]
    assert not SEARCH.in_databases(city)
    assert not [topic for topic, raw in asyncio.run(read_topics(city.state.bootstrap)) if SEARCH.leaks(raw)]
    assert not SEARCH.in_analysts_file(city, tmp_path)
    sent = {path for path in city.home.outbox.rglob("*.eml") if SEARCH.leaks(path.read_bytes())}
    assert SEARCH.in_files(city, tmp_path) == sent, "letters have left the house; nothing else may hold it"
    assert {service: facts(city, service, request) for service in before} == before
    assert str(request).encode() in analysts_tables(city, tmp_path)["event"]


def _shown(city: City, request: UUID) -> Document:
    """Read a request as an agent, who may read everything of the person."""

    async def read(crowd: Crowd) -> Document:
        return (await crowd.robots.get(REQUEST, f"/requests/{request}", crowd.agent)).body

    return cast("Document", run(city, read))


def test_who_is_erased_can_say_nothing_in_confidence_any_more(city: City, lived: Lived) -> None:
    """A refusal in words, and nothing is stored of it."""

    async def again(crowd: Crowd) -> Answer:
        body = {"city": "kazan", "channel": "web", "service_type": "charges", "location": {}, "person": "self"}
        return await crowd.robots.post(REQUEST, "/requests", body | TOLD, crowd.resident, f"{MARK}-again")

    answer = cast("Answer", run(city, again))
    assert 400 <= answer.status < 500, answer.body
    assert answer.why
