"""A case in full over HTTP on real PostgreSQL: bounced to the committee, divided, waiting, disputed, every clock explained."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

import pytest
from control_room import (
    AUDITOR,
    DISPATCHER,
    LIFT_FITTER,
    LIFTS,
    MINUTE,
    PIPE_FITTER,
    PIPES,
    ControlRoom,
    Person,
    adopted,
    pack,
    term,
)
from eventsourcing.persistence import StoredEvent
from psycopg import Connection
from psycopg.rows import DictRow

from dispatch_svc.application import Context
from dispatch_svc.domain.case import CASE
from shared_chassis.postgres import ServiceDatabase
from shared_chassis.recorder import Commit, Recorder
from shared_events.ids import case_stream
from shared_events.request import (
    CompletionProposed,
    InformationReceived,
    InformationRequested,
    RequestClosed,
    RequestReclassified,
    RequestReopened,
)

pytestmark = pytest.mark.postgres
PROOF = "ab" * 32
REFUSAL = {"reason": "not_our_work", "note": "The pipe is the supplier's.", "proposes": PIPES}
TERMS = {
    "version": "terms-1",
    "calendar": {"id": "round-the-clock", "version": "1", "timezone": "Europe/Moscow"},
    "stages": {
        "accept": term(30),
        "start": term(120),
        "finish": term(240),
        "answer": term(300),
        "total": term(600),
        "statutory": term(900),
        "silent_consent": term(60),
        "information": term(60),
    },
    "by_service_type": {"lift": {"finish": term(60)}},
    "warn_percent": 50,
    "ladder": [{"after_minutes": 0, "to": "dispatcher"}, {"after_minutes": 20, "to": "supervisor"}],
    "statutory_pauses": ["information_requested"],
    "most_declines": 2,
}


@pytest.fixture(scope="module")
def context(dispatch_database: ServiceDatabase) -> Iterator[Context]:
    """Give what use cases work with, where the city has a term for every stage."""
    opened = adopted(dispatch_database, pack(terms=TERMS))
    yield opened
    opened.database.close()


async def done(room: ControlRoom, request: UUID, what: str, who: Person, body: Mapping[str, object] | None = None) -> int:
    """Send a command that must succeed; the version the case then has."""
    answer = await room.post(request, what, who, body)
    assert answer.status_code in {200, 201}, answer.text
    version: int = answer.json()["version"]
    assert answer.headers["etag"] == f'"{version}"'
    return version


def asked(room: ControlRoom) -> InformationRequested:
    """State that the resident is asked for something."""
    return InformationRequested(
        number=1,
        person=UUID(int=3),
        question=None,
        by="organisation",
        until=room.now() + 60 * MINUTE,
        policy_version="terms-1",
        calendar="round-the-clock",
        calendar_version="1",
    )


def proposed(room: ControlRoom, round_: int = 1) -> CompletionProposed:
    """State that the resident is asked whether the work is done."""
    return CompletionProposed(
        round=round_,
        organisation=PIPES,
        evidence=(),
        consent_due=room.now() + 60 * MINUTE,
        policy_version="terms-1",
        calendar="round-the-clock",
        calendar_version="1",
    )


def running(seen: Mapping[str, object]) -> dict[str, str]:
    """Tell the state of every clock that is not over."""
    clocks = seen["clocks"]
    assert isinstance(clocks, list)
    return {clock["stage"]: clock["state"] for clock in clocks if clock["state"] != "over"}


async def test_a_case_lives_through_everything_and_every_minute_has_one_holder(room: ControlRoom) -> None:
    """Declined twice, decided by the committee, planned, divided, waiting, reported, disputed, reported again, closed."""
    request = room.submit()
    await done(room, request, "decline", LIFT_FITTER, REFUSAL)
    seen = await room.see(request)
    assert (seen["state"], seen["proposed"], seen["holder"]["kind"], seen["declines"]) == ("declined", PIPES, "dispatcher", 1)
    await done(room, request, "assignment", DISPATCHER, {"organisation": PIPES})
    await done(room, request, "decline", PIPE_FITTER, {**REFUSAL, "proposes": None})
    refused = await room.post(request, "assignment", DISPATCHER, {"organisation": LIFTS})
    assert refused.json()["type"] == "urn:veche:dispatch:committee-must-decide-error"
    await done(room, request, "committee-decision", DISPATCHER, {"organisation": PIPES, "ground": "It keeps the riser."})
    await done(room, request, "acceptance", PIPE_FITTER)
    plan = {"begins": (room.now() + 5 * MINUTE).isoformat(), "ends": (room.now() + 50 * MINUTE).isoformat()}
    await done(room, request, "schedule", PIPE_FITTER, plan)
    await done(room, request, "start", PIPE_FITTER)
    answer = await room.post(request, "sub-tasks", PIPE_FITTER, {"organisation": LIFTS, "title": "Open the shaft"})
    task = answer.json()["sub_task"]
    refused = await room.post(request, "report", PIPE_FITTER, {"evidence": []})
    assert (refused.status_code, "Open the shaft" in refused.json()["detail"]) == (409, True)
    await done(room, request, f"sub-tasks/{task}/done", LIFT_FITTER, {"evidence": [PROOF]})
    room.hear(request, asked(room))
    seen = await room.see(request)
    assert (seen["waiting"], seen["holder"]["kind"], seen["state"]) == (True, "resident", "started")
    assert running(seen) == {"finish": "paused", "answer": "paused", "statutory": "paused", "total": "running"}
    room.clock.put_forward(7 * MINUTE)
    room.hear(request, InformationReceived(number=1, person=UUID(int=3), answer=None))
    assert set(running(await room.see(request)).values()) == {"running"}
    await done(room, request, "report", PIPE_FITTER, {"evidence": [PROOF]})
    room.hear(request, proposed(room))
    seen = await room.see(request)
    assert (seen["state"], running(seen)) == ("asked", {"total": "paused", "statutory": "running"})
    room.clock.put_forward(11 * MINUTE)
    room.hear(request, RequestReopened(round=2, because="disputed"))
    seen = await room.see(request)
    assert (seen["state"], seen["round"], seen["organisation"], seen["assigned_by"]) == ("assigned", 2, PIPES, "reopening")
    await room.do(request, "acceptance", "start", "report", who=PIPE_FITTER)
    room.hear(request, proposed(room, 2))
    room.hear(request, RequestClosed(outcome="done"))
    seen = await room.see(request)
    assert (seen["state"], seen["outcome"], seen["holder"], running(seen)) == ("closed", "done", None, {})
    assert sum(held["minutes"] for held in seen["holders"]) == pytest.approx(seen["total_minutes"])
    assert [task["state"] for task in seen["sub_tasks"]] == ["done"]
    total = next(clock for clock in seen["clocks"] if clock["stage"] == "total")
    assert datetime.fromisoformat(total["due"]) - datetime.fromisoformat(total["starts_at"]) >= 611 * MINUTE
    known = room.context.store.load(CASE, case_stream(request)).state
    assert known.facts == seen["version"]


async def test_every_clock_is_explained_step_by_step(room: ControlRoom) -> None:
    """Where it started, what stood still, when it is due: in words, by the calendar pinned at its start."""
    request = room.submit()
    await done(room, request, "acceptance", LIFT_FITTER)
    room.hear(request, asked(room))
    room.clock.put_forward(30 * MINUTE)
    room.hear(request, InformationReceived(number=1, person=UUID(int=3), answer=None))
    finish = next(clock for clock in (await room.see(request))["clocks"] if clock["stage"] == "finish")
    assert finish["term"] == {"unit": "elapsed-minutes", "amount": 60, "opens": None, "closes": None}
    assert (finish["calendar"], finish["calendar_version"], finish["policy_version"]) == ("round-the-clock", "1", "terms-1")
    assert finish["steps"][0].startswith("Starts on ")
    assert any("still" in step for step in finish["steps"][1:-1])
    assert finish["steps"][-1].startswith("Due on ")
    assert 30 < finish["remaining_minutes"] <= 60


async def test_a_clock_that_stands_still_is_seen_to_when_it_was_counted_anew(room: ControlRoom) -> None:
    """Re-classified while the resident is asked: the later clock has the pause of the former, which is seen as recounted."""
    request = room.submit("lift")
    await done(room, request, "acceptance", LIFT_FITTER)
    room.hear(request, asked(room))
    room.hear(
        request, RequestReclassified(previous="lift", service_type="pipe", answers={}, questions_version=None, reason="seen")
    )
    seen = await room.see(request)
    finish = [clock for clock in seen["clocks"] if clock["stage"] == "finish"]
    assert [(clock["state"], clock["recounted"], clock["term"]["amount"]) for clock in finish] == [
        ("over", True, 60),
        ("paused", False, 240),
    ]
    assert (finish[1]["paused_by"], finish[1]["remaining_minutes"]) == ("information_requested", None)
    room.clock.put_forward(9 * MINUTE)
    room.hear(request, InformationReceived(number=1, person=UUID(int=3), answer=None))
    finish = [clock for clock in (await room.see(request))["clocks"] if clock["stage"] == "finish"]
    assert finish[1]["state"] == "running"
    length = datetime.fromisoformat(finish[1]["due"]) - datetime.fromisoformat(finish[1]["starts_at"])
    assert length >= 249 * MINUTE


async def test_a_command_decided_on_an_older_version_is_refused(room: ControlRoom) -> None:
    """The reader's ETag comes back as If-Match; who was slower is told to read again."""
    request = room.submit()
    seen = await room.api.get(f"/cases/{request}", headers=AUDITOR.headers())
    tag = seen.headers["etag"]
    await room.post(request, "assignment", DISPATCHER, {"organisation": PIPES})
    headers = {**DISPATCHER.headers(), "if-match": tag}
    late = await room.api.post(f"/cases/{request}/assignment", json={"organisation": LIFTS}, headers=headers)
    assert late.status_code == 412
    headers["if-match"] = (await room.api.get(f"/cases/{request}", headers=AUDITOR.headers())).headers["etag"]
    again = await room.api.post(f"/cases/{request}/assignment", json={"organisation": LIFTS}, headers=headers)
    assert again.status_code == 200, again.text


async def listed(room: ControlRoom, who: Person, **filters: str) -> set[str]:
    """Read a list; the ids."""
    answer = await room.api.get("/cases", params={"limit": "1000", **filters}, headers=who.headers())
    assert answer.status_code == 200, answer.text
    return {case["id"] for case in answer.json()["items"]}


async def test_lists_filter_by_who_holds_what_is_due_and_whose_parts_are_open(room: ControlRoom) -> None:
    """An organisation that has only a part of the work sees that case, and lists it as such."""
    soon, later, unrouted = room.submit("lift"), room.submit("lift"), room.submit("other")
    for request in (soon, later):
        await done(room, request, "acceptance", LIFT_FITTER)
    assert str(unrouted) in await listed(room, AUDITOR, holder="dispatcher")
    assert not {str(soon), str(later)} & await listed(room, AUDITOR, holder="dispatcher")
    moment = (room.now() + 90 * MINUTE).astimezone(UTC).isoformat()
    assert {str(soon), str(later)} <= await listed(room, AUDITOR, due_before=moment, stage="finish")
    assert not await listed(room, AUDITOR, due_before=room.now().isoformat())
    mine = {"sub_tasks_of": PIPES}
    assert str(soon) not in await listed(room, PIPE_FITTER, **mine)
    assert (await room.api.get(f"/cases/{soon}", headers=PIPE_FITTER.headers())).status_code == 403
    answer = await room.post(soon, "sub-tasks", DISPATCHER, {"organisation": PIPES, "title": "Switch off the riser"})
    assert str(soon) in await listed(room, PIPE_FITTER, **mine)
    assert (await room.api.get(f"/cases/{soon}", headers=PIPE_FITTER.headers())).status_code == 200
    assert (await room.api.get("/cases", params=mine, headers=LIFT_FITTER.headers())).status_code == 403
    refused = await room.post(soon, f"sub-tasks/{answer.json()['sub_task']}/cancellation", PIPE_FITTER, {"reason": "no"})
    assert refused.status_code == 403
    await done(room, soon, f"sub-tasks/{answer.json()['sub_task']}/cancellation", LIFT_FITTER, {"reason": "It was off."})
    assert str(soon) not in await listed(room, PIPE_FITTER, **mine)


async def test_a_reclassified_request_goes_elsewhere_and_an_impossible_one_ends(room: ControlRoom) -> None:
    """Routed again until it is accepted; then found impossible, the stages of the work are over and the total goes on."""
    request = room.submit("lift")
    other = RequestReclassified(previous="lift", service_type="pipe", answers={}, questions_version=None, reason="seen")
    room.hear(request, other)
    seen = await room.see(request)
    assert (seen["organisation"], seen["service_type"], seen["assigned_by"]) == (PIPES, "pipe", "rule")
    await done(room, request, "acceptance", PIPE_FITTER)
    await done(room, request, "return", PIPE_FITTER, {**REFUSAL, "reason": "not_equipped", "proposes": LIFTS})
    seen = await room.see(request)
    assert (seen["state"], seen["stage"], seen["proposed"]) == ("returned", "accept", LIFTS)
    found = {"ground": "The house is taken down.", "outcome": "impossible"}
    await done(room, request, "impossibility", DISPATCHER, found)
    seen = await room.see(request)
    assert (seen["state"], seen["impossible_ground"], seen["stage"]) == ("impossible", found["ground"], None)
    assert set(running(seen)) == {"answer", "total", "statutory"}
    refused = await room.post(request, "assignment", DISPATCHER, {"organisation": LIFTS})
    assert (refused.status_code, refused.json()["title"]) == (409, "A dispatcher has stated that this work cannot be done.")


REFUSED: list[tuple[str, Person, dict[str, object], int, str]] = [
    ("schedule", PIPE_FITTER, {"begins": "2026-01-01T10:00:00Z", "ends": "2026-01-01T09:00:00Z"}, 422, "plan-backwards-error"),
    ("schedule", PIPE_FITTER, {"begins": "2026-01-01T10:00:00Z", "ends": "2026-01-01T11:00:00Z"}, 422, "plan-in-the-past-error"),
    ("schedule", PIPE_FITTER, {"begins": "2026-01-01T10:00:00", "ends": "2026-01-01T11:00:00"}, 422, "invalid"),
    ("return", PIPE_FITTER, {**REFUSAL, "proposes": PIPES}, 422, "proposes-itself-error"),
    ("return", PIPE_FITTER, {**REFUSAL, "proposes": "organisation-x"}, 422, "unknown-organisation-error"),
    ("return", PIPE_FITTER, {"reason": "too far", "note": "no"}, 422, "invalid"),
    ("decline", PIPE_FITTER, REFUSAL, 409, "return-instead-error"),
    ("committee-decision", DISPATCHER, {"organisation": LIFTS, "ground": "x"}, 409, "already-accepted-error"),
    (f"sub-tasks/{UUID(int=5)}/done", PIPE_FITTER, {"evidence": []}, 404, "sub-task-not-found-error"),
    ("sub-tasks", PIPE_FITTER, {"organisation": PIPES, "title": "  "}, 422, "invalid"),
    ("sub-tasks", LIFT_FITTER, {"organisation": PIPES, "title": "x"}, 403, "not-your-case-error"),
]


@pytest.mark.parametrize(("what", "who", "body", "status", "name"), REFUSED)
async def test_every_refusal_has_its_name_and_status(
    room: ControlRoom, what: str, who: Person, body: dict[str, object], status: int, name: str
) -> None:
    """Asked of a case its organisation has accepted."""
    request = room.submit("pipe")
    await done(room, request, "acceptance", PIPE_FITTER)
    answer = await room.post(request, what, who, body)
    assert (answer.status_code, answer.json()["type"].rsplit(":", 1)[1]) == (status, name), answer.text


async def test_a_command_costs_a_fixed_number_of_statements(room: ControlRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lock, reading, facts, the case's row read and written, the word of it; a timer where it moves, and what the next one asks.

    No past counts: the sixth reclassification costs what the first did.
    """
    counts: list[int] = []
    transact, execute = Recorder._transact, Connection.execute

    def counted(recorder: Recorder, work: list[tuple[Commit, Sequence[StoredEvent]]]) -> object:
        counts.append(0)
        return transact(recorder, work)

    def noted(connection: Connection[DictRow], sql: str, *args: object, **kwargs: object) -> object:
        if counts:
            counts[-1] += 1
        return execute(connection, sql, *args, **kwargs)  # type: ignore[arg-type]  # handed on

    room.context.rulebooks.latest()
    monkeypatch.setattr(room.context.rulebooks, "_clock", lambda: 0.0)  # no second passes, so nobody asks for a newer rulebook
    monkeypatch.setattr(Recorder, "_transact", counted)
    monkeypatch.setattr(Connection, "execute", noted)
    request = room.submit()
    for past in range(3):
        room.hear(
            request,
            RequestReclassified(previous="lift", service_type="other", questions_version="1", reason=f"{past}", answers={}),
        )
        room.hear(
            request,
            RequestReclassified(previous="other", service_type="lift", questions_version="1", reason=f"{past}", answers={}),
        )
    await room.do(request, "acceptance", "start", "report")
    assert counts == [9] * 6 + [8, 8, 7, 7]
