"""discussion-svc over HTTP on real PostgreSQL: a discussion from its registration to its protocol."""

import asyncio
import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import reduce
from typing import Any, TypeVar
from uuid import uuid4

import psycopg
import pytest
from town_hall import MINUTE, ORGANISER, Hall, fire_due, person

from discussion_svc import application, views
from discussion_svc.application import MAY, SERVICE, Context
from discussion_svc.domain.discussion import CLOSING, DISCUSSION
from discussion_svc.domain.submission import SUBMISSION
from discussion_svc.worker import TIMERS
from shared_chassis.http import ANYBODY, ROLES
from shared_chassis.postgres import ServiceDatabase
from shared_chassis.stream import Stream
from shared_chassis.timer import Timers
from shared_events.discussion import ExpositionOpened, ProposalSubmitted, ProtocolDrafted, SubmissionsClosed
from shared_events.ids import discussion_stream, procedure_stream, submission_stream, uuid_of
from shared_events.personal import Sealed

pytestmark = pytest.mark.postgres

S = TypeVar("S")


def kinds(context: Context, stream_id: str) -> list[str]:
    """Name the facts of a stream."""
    return [type(recorded.fact).__name__ for recorded in context.store.events(stream_id)]


def draws(context: Context) -> int:
    """Count the numbers that were ever drawn."""
    row = context.database.query_one("SELECT count(*) AS count FROM register_draw")
    return int(row["count"]) if row else 0


def assert_folds(context: Context, stream: Stream[S], stream_id: str) -> None:
    """Expect the remembered state to be what the log says."""
    facts = [recorded.fact for recorded in context.store.events(stream_id)]
    assert len(facts) > 1
    assert context.store.load(stream, stream_id).state == reduce(stream.evolve, facts, stream.initial)


async def test_a_discussion_goes_from_its_registration_to_its_protocol(hall: Hall) -> None:
    """It opens with its notice, takes what is said, closes by itself, and its protocol shows all of it."""
    discussion = await hall.open()
    anna, boris = person(), person()
    asked = await hall.submitted(discussion, anna, name="Anna Pérez")
    proposed = await hall.submitted(discussion, boris, kind="proposal", text=" Más\n papeleras <b> ")
    replied = await hall.submitted(discussion, boris, kind="remark", text="De acuerdo.", in_reply_to=asked["id"])
    for _ in range(2):
        assert (await hall.support(proposed["id"], anna)).status_code == 200

    shown = await hall.see(f"/discussions/{discussion}")
    assert (shown["state"], shown["submissions"]) == ("open", {"question": 1, "proposal": 1, "remark": 1})
    assert [document["name"] for document in shown["documents"]] == ["plan.txt"]
    listed = (await hall.see(f"/discussions/{discussion}/submissions"))["items"]
    assert [item["id"] for item in listed] == [asked["id"], proposed["id"], replied["id"]]
    assert [(item["replies"], item["supports"]) for item in listed] == [(1, 0), (0, 1), (0, 0)]
    assert listed[1]["text"] == " Más\n papeleras <b> "

    assert (await hall.api.get(f"/discussions/{discussion}/protocol")).status_code == 404
    hall.close()
    late = await hall.submit(discussion, anna)
    assert (late.status_code, late.json()["type"]) == (409, "urn:veche:discussion:submission-too-late-error")

    stream_id = discussion_stream(uuid_of(f"discussion-{discussion}"))  # type: ignore[arg-type]  # it is one
    assert kinds(hall.context, stream_id) == [
        "DiscussionRegistered",
        "DocumentAttached",
        "NotificationPublished",
        "ExpositionOpened",
        "SubmissionsClosed",
        "ProtocolDrafted",
    ]
    drafted = hall.context.store.events(stream_id)[-1]
    assert isinstance(drafted.fact, ProtocolDrafted)
    assert (drafted.fact.submissions, drafted.fact.participants) == (3, 2)
    pages = [(await hall.api.get(f"/discussions/{discussion}/protocol")) for _ in range(2)]
    assert pages[0].headers["content-type"] == "text/html; charset=utf-8"
    assert pages[0].content == pages[1].content
    assert hashlib.sha256(pages[0].content).hexdigest() == drafted.fact.sha256
    for taken in (asked, proposed, replied):
        assert pages[0].text.count(taken["receipt"]["sha256"]) == 1
        assert taken["number"] in pages[0].text
    assert "Anna" not in pages[0].text
    assert str(anna.id) not in pages[0].text
    after = await hall.see(f"/discussions/{discussion}")
    assert (after["state"], after["protocol"]) == ("protocol_drafted", drafted.fact.sha256)


async def test_a_receipt_tells_where_the_stored_bytes_are_and_their_hash(hall: Hall) -> None:
    """Whoever reads the log at that position finds bytes of that hash."""
    discussion = await hall.open()
    taken = await hall.submitted(discussion)
    receipt = taken["receipt"]
    assert taken["id"] == receipt["submission"]
    assert taken["number"] == receipt["number"]
    assert taken["number"].startswith("MAD-D20")
    assert taken["number"].endswith("-0001")
    (row,) = hall.context.database.query(
        "SELECT state FROM stored_events WHERE notification_id = %(position)s", {"position": receipt["position"]}
    )
    recorded = hall.context.store.mapper.from_document(bytes(row["state"]))
    assert hashlib.sha256(row["state"]).hexdigest() == receipt["sha256"]
    assert (str(recorded.envelope.id), str(recorded.envelope.correlation)) == (receipt["event_id"], discussion)
    assert recorded.envelope.recorded_time == datetime.fromisoformat(receipt["recorded_time"])


async def test_a_repeated_call_gets_the_first_receipt_even_after_the_closing(hall: Hall) -> None:
    """And stores nothing more; the same key for something else is refused."""
    discussion, anna, key = await hall.open(), person(), uuid4().hex
    first = await hall.submit(discussion, anna, key=key)
    before = draws(hall.context)
    hall.close()
    again = await hall.submit(discussion, anna, key=key)
    assert again.status_code == 201
    assert again.json() == first.json()
    assert draws(hall.context) == before
    assert (await hall.submit(discussion, anna, "Otra cosa", key=key)).status_code == 422
    assert (await hall.submit(discussion, person(), key=key)).status_code == 422


@pytest.mark.parametrize(
    ("body", "status", "problem"),
    [
        ({"text": "  "}, 422, "text-missing-error"),
        ({"text": "x" * 20_001}, 422, "text-too-long-error"),
        ({"text": "a\x00b"}, 400, None),
        ({"in_reply_to": str(uuid4())}, 422, "replied-elsewhere-error"),
        ({"kind": "vote"}, 422, "invalid"),
        ({"surprise": 1}, 422, "invalid"),
        ({"origin": {"system": "a\x00", "id": "1"}}, 400, None),
    ],
)
async def test_what_is_refused_draws_no_number(hall: Hall, body: Mapping[str, object], status: int, problem: str | None) -> None:
    """So refusals leave no holes in the register. What the front door refuses, for any service, has no type of its own."""
    discussion = await hall.open()
    before = draws(hall.context)
    answer = await hall.submit(discussion, person(), **body)  # type: ignore[arg-type]  # fields by name
    kind = f"urn:veche:discussion:{problem}" if problem else "about:blank"
    assert (answer.status_code, answer.json()["type"]) == (status, kind)
    assert draws(hall.context) == before


async def test_half_a_character_is_refused_as_text_that_cannot_be_kept(hall: Hall) -> None:
    """JSON lets a lone surrogate through; no number is drawn for it. A whole character beyond the first plane is kept."""
    discussion = await hall.open()
    before = draws(hall.context)
    headers = {**person().headers(), "content-type": "application/json"}
    path = f"/discussions/{discussion}/submissions"
    answer = await hall.api.post(path, content=b'{"kind": "question", "text": "a\\ud800b"}', headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:veche:discussion:text-unreadable-error")
    assert draws(hall.context) == before
    whole = await hall.api.post(path, content=b'{"kind": "question", "text": "a\\ud83d\\udc4d"}', headers=headers)
    assert whole.status_code == 201
    (item,) = (await hall.see(path))["items"]
    assert item["text"] == "a\U0001f44d"


async def test_taking_part_needs_a_confirmed_identity(hall: Hall) -> None:
    """To say something, and to support it."""
    discussion = await hall.open()
    taken = await hall.submitted(discussion)
    unknown = person(assurance="none")
    for answer in (await hall.submit(discussion, unknown), await hall.support(taken["id"], unknown)):
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:veche:discussion:identity-not-confirmed-error")


async def test_nobody_supports_themselves_or_what_is_over_or_what_is_not(hall: Hall) -> None:
    """Each refused by name."""
    discussion, anna = await hall.open(), person()
    taken = await hall.submitted(discussion, anna)
    assert (await hall.support(taken["id"], anna)).status_code == 409
    assert (await hall.support(str(uuid4()), anna)).status_code == 404
    hall.close()
    assert (await hall.support(taken["id"], person())).status_code == 409


async def test_a_procedure_with_a_lead_opens_by_itself_when_its_minute_comes(hall: Hall) -> None:
    """Seven days after the notice, to the minute, and not a day earlier."""
    discussion = await hall.register("kazan", "general-plan", title="Мост", territory="Кировский район")
    assert (await hall.announce(discussion, timedelta(days=8))).status_code == 409
    assert (await hall.attach(discussion)).status_code == 201
    refused = await hall.announce(discussion, timedelta(days=6))
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:veche:discussion:notice-too-late-error")
    assert (await hall.announce(discussion, timedelta(days=7, minutes=5), 60 * MINUTE)).status_code == 200
    assert (await hall.attach(discussion, b"more")).status_code == 409
    early = await hall.submit(discussion, person())
    assert (early.status_code, early.json()["type"]) == (409, "urn:veche:discussion:not-open-yet-error")
    assert (await hall.see(f"/discussions/{discussion}"))["state"] == "announced"
    hall.clock.put_forward(timedelta(days=7, minutes=5))
    in_time = await hall.submitted(discussion)
    assert in_time["number"].startswith("KZN-D20")
    assert fire_due(hall.context) >= 1
    assert (await hall.see(f"/discussions/{discussion}"))["state"] == "open"
    hall.close(62 * MINUTE)
    page = (await hall.api.get(f"/discussions/{discussion}/protocol")).text
    assert '<html lang="ru">' in page
    assert "Градостроительный кодекс РФ" in page


async def test_a_worker_that_comes_late_changes_no_period(hall: Hall) -> None:
    """Everything was said in time; opening, closing and protocol are stated hours later, with the times as published."""
    discussion = await hall.register("kazan", "city-question", title="Мост")
    await hall.attach(discussion)
    assert (await hall.announce(discussion, 2 * MINUTE)).status_code == 200
    hall.clock.put_forward(2 * MINUTE)
    taken = await hall.submitted(discussion)
    hall.clock.put_forward(timedelta(hours=5))
    assert (await hall.submit(discussion, person())).status_code == 409
    shown = await hall.see(f"/discussions/{discussion}")
    assert shown["state"] == "announced"
    assert fire_due(hall.context) >= 3
    events = hall.context.store.events(f"discussion-{discussion}")
    opened, closed, drafted = (recorded.fact for recorded in events[-3:])
    assert isinstance(opened, ExpositionOpened)
    assert isinstance(closed, SubmissionsClosed)
    assert isinstance(drafted, ProtocolDrafted)
    closes_at = datetime.fromisoformat(shown["closes_at"])
    assert (opened.closes_at, closed.closes_at) == (closes_at, closes_at)
    assert events[-2].envelope.time > closes_at + timedelta(hours=4)
    assert taken["number"] in (await hall.api.get(f"/discussions/{discussion}/protocol")).text


async def test_due_timers_fire_by_themselves(hall: Hall) -> None:
    """The worker's own part closes the discussion and draws the protocol up, with nobody's help."""
    discussion = await hall.open()
    stop = asyncio.Event()
    worker = asyncio.create_task(Timers(hall.context.database, TIMERS, hall.context).run(stop))
    hall.clock.put_forward(timedelta(minutes=12))
    async with asyncio.timeout(60):
        while True:
            if (await hall.see(f"/discussions/{discussion}"))["state"] == "protocol_drafted":
                break
            await asyncio.sleep(0.05)
    stop.set()
    await worker


async def test_a_timer_that_fires_twice_states_once(hall: Hall) -> None:
    """The second time finds it already so, whichever replica it is."""
    discussion = await hall.open()
    hall.close()
    stream_id = f"discussion-{discussion}"
    before = kinds(hall.context, stream_id)
    hall.context.database.execute(
        "UPDATE timer SET fired_at = NULL, leased_until = NULL WHERE stream_id = %(stream)s", {"stream": stream_id}
    )
    assert fire_due(hall.context) == 2
    assert kinds(hall.context, stream_id) == before
    assert CLOSING in {row["kind"] for row in hall.context.database.query("SELECT kind FROM timer")}


async def test_an_altered_event_is_noticed_and_its_protocol_is_not_shown(
    hall: Hall, discussion_database: ServiceDatabase
) -> None:
    """Whoever edits one word past every guard, as the owner, gets no other protocol shown."""
    discussion = await hall.open()
    taken = await hall.submitted(discussion, text="Más papeleras")
    hall.close()
    assert (await hall.api.get(f"/discussions/{discussion}/protocol")).status_code == 200
    with psycopg.connect(discussion_database.owner_url, autocommit=True) as connection:
        connection.execute(b"SET search_path = " + discussion_database.service.encode())
        connection.execute("ALTER TABLE stored_events DISABLE TRIGGER stored_events_append_only")
        changed = connection.execute(
            "UPDATE stored_events SET state = convert_to(replace(convert_from(state, 'UTF8'), 'Más', 'Sin'), 'UTF8')"
            " WHERE originator_id = %s AND originator_version = 1",
            [submission_stream(taken["id"])],
        )
        assert changed.rowcount == 1
        connection.execute("ALTER TABLE stored_events ENABLE TRIGGER stored_events_append_only")
    answer = await hall.api.get(f"/discussions/{discussion}/protocol")
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:veche:discussion:protocol-differs-error")
    assert "papeleras" not in answer.text


async def test_an_omitted_submission_is_noticed(hall: Hall, discussion_database: ServiceDatabase) -> None:
    """Whoever removes a submission from the log gets no shorter protocol shown."""
    discussion = await hall.open()
    kept, lost = await hall.submitted(discussion), await hall.submitted(discussion)
    hall.close()
    with psycopg.connect(discussion_database.owner_url, autocommit=True) as connection:
        connection.execute(b"SET search_path = " + discussion_database.service.encode())
        connection.execute("ALTER TABLE stored_events DISABLE TRIGGER stored_events_append_only")
        connection.execute("DELETE FROM stored_events WHERE originator_id = %s", [submission_stream(lost["id"])])
        connection.execute("ALTER TABLE stored_events ENABLE TRIGGER stored_events_append_only")
    answer = await hall.api.get(f"/discussions/{discussion}/protocol")
    assert answer.status_code == 500
    assert kept["number"] not in answer.text


async def test_many_submit_at_once_and_each_has_its_own_number_and_its_line_in_the_protocol(hall: Hall) -> None:
    """Sixty people at the same moment: numbers 1 to 60, none twice, none left out, and all on record."""
    discussion = await hall.open()
    answers = await asyncio.gather(*(hall.submitted(discussion, text=f"Propuesta {n}", kind="proposal") for n in range(60)))
    numbers = sorted(int(answer["number"].rpartition("-")[2]) for answer in answers)
    assert numbers == list(range(1, 61))
    positions = [answer["receipt"]["position"] for answer in answers]
    assert len(set(positions)) == 60
    hall.close()
    page = (await hall.api.get(f"/discussions/{discussion}/protocol")).text
    assert all(page.count(f'<article class="entry" id="{answer["number"]}"') == 1 for answer in answers)
    by_position = [answer["number"] for answer in sorted(answers, key=lambda answer: answer["receipt"]["position"])]
    places = [page.index(f'id="{number}"') for number in by_position]
    assert places == sorted(places)


async def test_one_person_who_tries_many_times_at_once_has_one_voice(hall: Hall) -> None:
    """However the calls fall together."""
    discussion = await hall.open()
    taken, people = await hall.submitted(discussion), [person() for _ in range(3)]
    answers = await asyncio.gather(*(hall.support(taken["id"], people[n % 3]) for n in range(24)))
    assert {answer.status_code for answer in answers} == {200}
    (item,) = (await hall.see(f"/discussions/{discussion}/submissions"))["items"]
    assert item["supports"] == 3
    assert kinds(hall.context, submission_stream(taken["id"])).count("SubmissionSupported") == 3


async def test_names_are_sealed_where_they_stand_and_stand_nowhere_else(hall: Hall, context: Context) -> None:
    """In no view, no list and no other column; and only this service's keyring opens them."""
    discussion, anna = await hall.open(), person()
    taken = await hall.submitted(discussion, anna, name="Ana Belén", kind="proposal")
    fact = context.store.events(submission_stream(taken["id"]))[0].fact
    assert isinstance(fact, ProposalSubmitted)
    assert isinstance(fact.name, Sealed)
    for table in views.TABLES:
        rows = context.database.query(f"SELECT t::text AS row FROM {table} t")
        assert not [row for row in rows if "Belén" in row["row"] or fact.name.box in row["row"]]
    for path in ("/discussions", f"/discussions/{discussion}", f"/discussions/{discussion}/submissions"):
        text = (await hall.api.get(path)).text
        assert "Belén" not in text
        assert str(anna.id) not in text
    rows = context.database.query("SELECT convert_from(state, 'UTF8') AS state FROM stored_events")
    assert not [row for row in rows if "Belén" in row["state"]]


async def test_adopting_the_same_packs_again_states_nothing(context: Context) -> None:
    """A restart changes nothing; the procedures are events in the store."""
    stream_id = procedure_stream("madrid", "citizen-proposals")
    assert kinds(context, stream_id) == ["ProcedureAdopted"]
    application.adopt(context)
    assert kinds(context, stream_id) == ["ProcedureAdopted"]
    assert context.store.events(stream_id)[0].envelope.actor == f"service:{SERVICE}"


async def test_states_fold_from_the_store_as_they_were_decided(hall: Hall, context: Context) -> None:
    """What the cache holds is what the log says."""
    discussion = await hall.open()
    taken = await hall.submitted(discussion)
    await hall.support(taken["id"], person())
    assert_folds(context, DISCUSSION, f"discussion-{discussion}")
    assert_folds(context, SUBMISSION, submission_stream(taken["id"]))


COMMANDS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "register_discussion": ("/discussions", {"city": "madrid", "title": "T", "procedure": "citizen-proposals"}),
    "attach_document": ("/discussions/{id}/documents", {}),
    "publish_notice": ("/discussions/{id}/notice", {"opens_at": "2026-01-01T00:00Z", "closes_at": "2026-01-02T00:00Z"}),
    "submit": ("/discussions/{id}/submissions", {"kind": "question", "text": "?"}),
    "support": ("/submissions/{id}/supports", {}),
}


@pytest.mark.parametrize("use_case", COMMANDS)
@pytest.mark.parametrize("role", [*ROLES, None])
async def test_the_table_of_roles_holds_in_every_cell(hall: Hall, use_case: str, role: str | None) -> None:
    """The role is let through or refused before anything else is looked at; without an account it is 401."""
    path, body = COMMANDS[use_case]
    headers = person(role).headers() if role else {}
    answer = await hall.api.post(
        path.format(id=uuid4()), json=body, headers={**headers, "x-file-name": "plan.txt", "content-type": "application/json"}
    )
    if role is None:
        assert answer.status_code == 401
    else:
        assert (answer.status_code == 403) == (role not in MAY[use_case])


def test_anybody_may_read() -> None:
    """The register is public; the table names no use case the tests do not know."""
    assert MAY["read"] == {ANYBODY}
    assert set(MAY) == {"read", *COMMANDS}


async def test_an_unknown_city_procedure_or_discussion_is_said_to_be_so(hall: Hall) -> None:
    """By name, and nothing is stored."""
    for body, problem in (
        ({"city": "atlantis", "procedure": "citizen-proposals"}, "unknown-city-error"),
        ({"city": "madrid", "procedure": "general-plan"}, "unknown-procedure-error"),
    ):
        answer = await hall.post("/discussions", ORGANISER, {**body, "title": "T"})
        assert (answer.status_code, answer.json()["type"]) == (422, f"urn:veche:discussion:{problem}")
    nowhere = uuid4()
    for path in ("", "/submissions", "/protocol", f"/documents/{'0' * 64}"):
        assert (await hall.api.get(f"/discussions/{nowhere}{path}")).status_code == 404
    assert (await hall.submit(str(nowhere), person())).status_code == 404
    assert (await hall.attach(str(nowhere))).status_code == 404
