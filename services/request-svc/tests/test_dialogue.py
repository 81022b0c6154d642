"""What residents are asked, dispute and rate, and duplicates, over HTTP on real PostgreSQL."""

from datetime import timedelta
from uuid import UUID, uuid4

import httpx
import pytest
from citizens import (
    AGENT,
    DISPATCHER,
    LIFTS,
    RESIDENT,
    Person,
    facts,
    fire,
    give_to,
    give_up_waiting,
    person,
    refusal,
    report_done,
    say,
    submit,
    submitted,
)

from request_svc import worker
from request_svc.application import Context
from request_svc.domain import request as requests
from request_svc.domain.request import INFORMATION_CAP, REQUEST
from shared_chassis.consumer import Transient
from shared_chassis.recorder import Firing
from shared_chassis.store import Command
from shared_chassis.stream import timer_id
from shared_events.dispatch import WorkFoundImpossible
from shared_events.envelope import Envelope, Received, Recorded
from shared_events.ids import case_stream, derive, request_stream

pytestmark = pytest.mark.postgres

TIMERS = """
    SELECT kind, key, fired_at IS NULL AND cancelled_at IS NULL AS runs FROM timer WHERE stream_id = %(id)s ORDER BY kind, key
"""
STORED = "SELECT state FROM stored_events WHERE originator_id = %(id)s"
QUESTION = {"question": "Который подъезд?"}
ERP = Person("executor", uuid4(), LIFTS, scopes=("ask",))


def timers(context: Context, request: UUID) -> list[tuple[str, str, bool]]:
    """Tell a request's timers: kind, key, and whether it still runs."""
    rows = context.database.query(TIMERS, {"id": request_stream(request)})
    return [(row["kind"], row["key"], row["runs"]) for row in rows]


async def shown(api: httpx.AsyncClient, request: UUID, who: Person = AGENT) -> dict[str, object]:
    """Read a request."""
    answer = await api.get(f"/requests/{request}", headers=who.headers())
    assert answer.status_code == 200
    body: dict[str, object] = answer.json()
    return body


async def test_a_dispute_opens_round_two_which_is_asked_about_anew(api: httpx.AsyncClient, context: Context) -> None:
    """The first round's clock of silence stops; its words are sealed; the rating is of the second round."""
    request = await submitted(api)
    report_done(context, request)
    answer = await say(api, RESIDENT, request, "dispute", {"reason": "Лифт стоит."}, key := str(uuid4()))
    assert answer.status_code == 200
    assert (await say(api, RESIDENT, request, "dispute", {"reason": "Лифт стоит."}, key)).json() == answer.json()
    seen = await shown(api, request)
    assert (seen["state"], seen["round"], seen["consent_due"]) == ("registered", 2, None)
    assert seen["history"][-2]["data"]["reason"] == "Лифт стоит."  # type: ignore[index]  # JSON
    assert (await shown(api, request, person("resident")))["history"][-2]["data"]["reason"] is None  # type: ignore[index]  # JSON
    report_done(context, request, work_round=2)
    await say(api, RESIDENT, request, "confirmation", {})
    assert (await say(api, RESIDENT, request, "rating", {"rating": 5, "comment": "Спасибо"})).status_code == 200
    seen = await shown(api, request)
    assert (seen["state"], seen["round"], seen["ending"], seen["rating"]) == ("closed", 2, "confirmed", 5)
    assert timers(context, request) == [("silent-consent", "1", False), ("silent-consent", "2", False)]
    assert facts(context, request).count("RatingAsked") == 1


async def test_what_silence_closed_is_rated_but_no_longer_disputed(api: httpx.AsyncClient, context: Context) -> None:
    """Silence is consent, not contentment."""
    request = await submitted(api)
    report_done(context, request, context.store.now() - timedelta(days=30))
    fire(context, request)
    assert refusal(await say(api, RESIDENT, request, "dispute", {})) == (409, "deemed-accepted-error")
    assert (await say(api, RESIDENT, request, "rating", {"rating": 1})).status_code == 200
    assert (await shown(api, request))["ending"] == "deemed_accepted"


@pytest.mark.parametrize(("who", "by"), [(AGENT, "call_centre"), (DISPATCHER, "dispatcher"), (ERP, "organisation")])
async def test_the_resident_is_asked_and_answers_and_the_clock_stops(
    api: httpx.AsyncClient, context: Context, who: Person, by: str
) -> None:
    """By the call centre, a dispatcher, or the organisation that has the request, its program too."""
    request = await submitted(api)
    give_to(context, request)
    assert (await say(api, who, request, "information-requests", QUESTION)).status_code == 200
    seen = await shown(api, request)
    assert seen["state"] == "waiting"
    asked = seen["history"][-1]["data"]  # type: ignore[index]  # JSON
    assert (asked["by"], asked["number"], asked["question"]) == (by, 1, "Который подъезд?")
    assert asked["until"] == seen["information_due"] is not None
    assert (await say(api, RESIDENT, request, "information", {"answer": "Третий"})).status_code == 200
    seen = await shown(api, request)
    assert (seen["state"], seen["information_due"]) == ("registered", None)
    assert timers(context, request) == [("information-cap", "1", False)]
    stored = context.database.query(
        "SELECT state FROM stored_events WHERE originator_id = %(id)s", {"id": request_stream(request)}
    )
    assert not any(word.encode() in bytes(row["state"]) for row in stored for word in ("Третий", "Который"))


async def test_an_organisation_asks_about_what_it_has_only_and_its_program_needs_the_scope(
    api: httpx.AsyncClient, context: Context
) -> None:
    """Nor about what it had before."""
    request = await submitted(api)
    give_to(context, request, "organisation-kazan-another")
    executor = person("executor", LIFTS)
    assert refusal(await say(api, executor, request, "information-requests", QUESTION)) == (403, "not-your-case-error")
    working = Person("executor", uuid4(), LIFTS, scopes=("work",))
    assert refusal(await say(api, working, request, "information-requests", QUESTION)) == (403, "scope-missing")


async def test_a_question_nobody_answers_ends_with_its_cap(api: httpx.AsyncClient, context: Context) -> None:
    """Stated by the timer, once; a clock that was set back waits."""
    request = await submitted(api, city="los-angeles", service_type="bulky-items", location={"district": "cd-13"})
    await say(api, AGENT, request, "information-requests", QUESTION)
    with pytest.raises(Transient):
        give_up_waiting(context, request)
    assert timers(context, request) == [("information-cap", "1", True)]
    stream_id = request_stream(request)
    due = context.store.load(REQUEST, stream_id).state.information_due
    assert due is not None
    for _ in range(2):
        firing = Firing(timer_id(stream_id, INFORMATION_CAP, "1"), due)
        command = Command(derive(request, "cap"), "service:request-svc", fires=firing)
        context.store.handle(REQUEST, stream_id, lambda known, _now: requests.give_up_waiting(known, 1, due), command)
    assert facts(context, request)[-1] == "InformationNotReceived"
    assert (await shown(api, request))["state"] == "registered"
    assert refusal(await say(api, RESIDENT, request, "information", {"answer": "Третий"})) == (409, "nothing-asked-error")


async def test_a_duplicate_is_linked_and_unlinked(api: httpx.AsyncClient, context: Context) -> None:
    """By an agent or a dispatcher; the register names the original as long as it stands."""
    original, request = await submitted(api), await submitted(api, person("resident"))
    assert (await say(api, AGENT, request, "duplicate", {"of": str(original)})).status_code == 200
    seen = await shown(api, request)
    assert (seen["state"], seen["ending"], seen["outcome"]) == ("closed", "linked", "duplicate")
    assert seen["duplicate_of"] == str(original)
    assert (await say(api, DISPATCHER, request, "unlinking", {"reason": "Другой подъезд."})).status_code == 200
    seen = await shown(api, request)
    assert (seen["state"], seen["round"], seen["ending"], seen["duplicate_of"]) == ("registered", 2, None, None)
    assert facts(context, request)[2:] == ["RequestLinkedAsDuplicate", "RequestClosed", "RequestUnlinked", "RequestReopened"]


async def test_two_requests_linked_to_each_other_at_one_moment_do_not_both_close(
    api: httpx.AsyncClient, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both were looked at as they stood before; the second to be stored is refused by the read model."""
    first, second = await submitted(api), await submitted(api)
    before = context.store.load

    def as_it_stood(stream: object, stream_id: str) -> object:
        loaded = before(stream, stream_id)  # type: ignore[arg-type]  # handed on
        if stream_id == request_stream(second):
            return type(loaded)(before(stream, request_stream(third)).state, loaded.version)  # type: ignore[arg-type]  # as above
        return loaded

    third = await submitted(api)
    assert (await say(api, AGENT, second, "duplicate", {"of": str(first)})).status_code == 200
    monkeypatch.setattr(context.store, "load", as_it_stood)
    answer = await say(api, AGENT, first, "duplicate", {"of": str(second)})
    assert refusal(answer) == (409, "original-is-duplicate-error")
    assert facts(context, first)[-1] == "RequestRegistered"


async def test_what_may_be_the_same_is_offered_before_submission(api: httpx.AsyncClient, context: Context) -> None:
    """Open, of the type, at the address however it is written, of the last three days, newest first; nothing of a person's."""
    address = f"ул. Кремлёвская, д. {uuid4().int % 10**9}"
    there = {"location": {"district": "kirovsky", "address": address}}
    made = [await submitted(api, **there) for _ in range(3)]
    await submitted(api, service_type="roof-leak", **there)
    await submitted(api, location={"address": address + "0"})
    await say(api, RESIDENT, made[1], "withdrawal", {"reason": "other"})
    wanted = {"city": "kazan", "service_type": "lift-out-of-order", "address": f" {address.upper().replace('.', '  ')}"}
    answer = await api.get("/requests/similar", params=wanted)
    assert [item["id"] for item in answer.json()] == [str(made[2]), str(made[0])]
    assert str(RESIDENT.id) not in answer.text
    context.database.execute(
        "UPDATE request SET submitted_at = submitted_at - interval '73 hours' WHERE request_id = %(id)s", {"id": made[2]}
    )
    answer = await api.get("/requests/similar", params=wanted)
    assert [item["id"] for item in answer.json()] == [str(made[0])]
    taken = await submit(api, RESIDENT, not_duplicate_of=[str(made[0])], **there)
    assert taken.status_code == 201
    seen = await shown(api, UUID(taken.json()["id"]))
    assert seen["history"][0]["data"]["not_duplicate_of"] == [str(made[0])]  # type: ignore[index]  # JSON


async def test_what_may_be_the_same_is_offered_by_building(api: httpx.AsyncClient) -> None:
    """A building of the city's list brings its district with it."""
    building = (await api.get("/buildings", params={"city": "kazan", "limit": 1})).json()["items"][0]
    request = await submitted(api, service_type="roof-leak", location={"building": building["code"]})
    assert (await shown(api, request))["district"] == building["district"]
    wanted = {"city": "kazan", "service_type": "roof-leak", "building": building["code"]}
    assert [item["id"] for item in (await api.get("/requests/similar", params=wanted)).json()] == [str(request)]
    assert (await api.get("/requests/similar", params={**wanted, "building": "elsewhere"})).json() == []


async def test_a_request_is_reclassified_and_its_new_types_questions_are_answered(
    api: httpx.AsyncClient, context: Context
) -> None:
    """Without an answer that is required it stays what it was."""
    request = await submitted(api)
    wrong = await say(api, AGENT, request, "reclassification", {"service_type": "trapped-in-lift", "reason": "Сидят внутри."})
    assert refusal(wrong) == (422, "answer-missing-error")
    answers = {"people": 2, "feels_ill": False}
    right = {"service_type": "trapped-in-lift", "reason": "Сидят внутри.", "answers": answers}
    assert (await say(api, DISPATCHER, request, "reclassification", right)).status_code == 200
    seen = await shown(api, request)
    assert (seen["service_type"], seen["state"]) == ("trapped-in-lift", "registered")
    said = seen["history"][-1]["data"]  # type: ignore[index]  # JSON
    assert (said["previous"], said["answers"], said["questions_version"]) == ("lift-out-of-order", answers, "1")


async def test_answers_come_with_the_submission_or_with_the_registration(api: httpx.AsyncClient, context: Context) -> None:
    """And stand in the fact that starts the clocks."""
    answers = {"people": 1, "feels_ill": True}
    first = await submitted(api, service_type="trapped-in-lift", answers=answers)
    second = await submitted(api, service_type=None)
    assert refusal(await say(api, AGENT, second, "registration", {"service_type": "trapped-in-lift"})) == (
        422,
        "answer-missing-error",
    )
    body = {"service_type": "trapped-in-lift", "answers": answers, "questions_version": "1"}
    assert (await say(api, AGENT, second, "registration", body)).status_code == 200
    for request in (first, second):
        registered = (await shown(api, request))["history"][1]["data"]  # type: ignore[index]  # JSON
        assert registered["answers"] == answers


async def test_work_found_impossible_closes_the_request_without_asking(api: httpx.AsyncClient, context: Context) -> None:
    """Heard twice it is heard once; about a request nobody made a person must look."""
    request = await submitted(api)
    report_done(context, request)
    found = WorkFoundImpossible(organisation=LIFTS, round=1, ground="Частная шахта.", outcome="planned_works")
    now = context.store.now()
    envelope = Envelope(
        derive(request, "impossible"), "/kazan/dispatch-svc", found.TYPE, now, now, "dispatcher:1", request, uuid4()
    )
    for _ in range(2):
        worker.REACTIONS[WorkFoundImpossible](context, Received(Recorded(case_stream(request), 9, envelope, found), 9))
    seen = await shown(api, request)
    assert (seen["state"], seen["ending"], seen["outcome"]) == ("closed", "found_impossible", "planned_works")
    assert facts(context, request)[-1:] == ["RequestClosed"]
    assert timers(context, request) == [("silent-consent", "1", False)]


async def test_a_command_decided_on_an_older_version_is_refused(api: httpx.AsyncClient) -> None:
    """The tag of what was read is the condition of what is then done; who has it already is sent nothing."""
    request = await submitted(api)
    read = await api.get(f"/requests/{request}", headers=AGENT.headers())
    tag = read.headers["etag"]
    again = await api.get(f"/requests/{request}", headers={**AGENT.headers(), "if-none-match": tag})
    assert again.status_code == 304
    asked = await api.post(
        f"/requests/{request}/information-requests", json=QUESTION, headers={**AGENT.headers(), "if-match": tag}
    )
    assert asked.status_code == 200
    assert asked.headers["etag"] == '"3"'
    late = await api.post(
        f"/requests/{request}/withdrawal", json={"reason": "other"}, headers={**AGENT.headers(), "if-match": tag}
    )
    assert refusal(late) == (412, "precondition-failed")
    other = await api.get(f"/requests/{request}", headers=person("resident").headers())
    assert other.headers["etag"] != (await api.get(f"/requests/{request}", headers=AGENT.headers())).headers["etag"]
