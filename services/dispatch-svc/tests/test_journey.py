"""The journey of a case on real PostgreSQL: what is heard, done and refused, and what people then see."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID, uuid4

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
    registered,
    submitted,
)

from shared_chassis.consumer import Early
from shared_events.event import Event
from shared_events.ids import case_stream, responsibility_stream
from shared_events.request import (
    CompletionProposed,
    InformationNotReceived,
    RequestClosed,
    RequestReclassified,
    RequestRejected,
    RequestReopened,
    RequestWithdrawn,
)

pytestmark = pytest.mark.postgres
PROOF = "ab" * 32
LONG_AGO = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
NO_NUMBER = "This request has no number yet, so nobody can be assigned to it."
ASSIGN_PIPES = {"organisation": PIPES}


def proposed(due: datetime) -> CompletionProposed:
    """State that the resident is asked."""
    return CompletionProposed(
        round=1,
        organisation=LIFTS,
        evidence=(PROOF,),
        consent_due=due,
        policy_version="terms-1",
        calendar="round-the-clock",
        calendar_version="1",
    )


async def test_a_request_goes_from_its_submission_to_its_end_and_every_minute_has_one_holder(room: ControlRoom) -> None:
    """Routed by a rule, accepted, started, reported, confirmed: the view tells who held it when, and why it went there."""
    request, correlation = uuid4(), uuid4()
    room.hear(request, submitted(), 5 * MINUTE, correlation)
    routed = room.hear(request, registered(), 5 * MINUTE, correlation)
    await room.do(request, "acceptance", "start")
    answer = await room.post(request, "report", LIFT_FITTER, {"evidence": [PROOF]})
    assert answer.json() == {"id": str(request), "version": 9}
    asked = room.hear(request, proposed(room.now()), correlation=correlation)
    room.clock.put_forward(7 * MINUTE)
    closed = room.hear(request, RequestClosed(outcome="done"), correlation=correlation)
    assert room.named(request) == [
        "CaseOpened",
        "RequestRouted",
        "RequestAssigned",
        "HolderChanged",
        "StageDeadlineSet",
        "AssignmentAccepted",
        "StageDeadlineSet",
        "WorkStarted",
        "WorkReportedDone",
        "HolderChanged",
        "CaseClosed",
    ]
    seen = await room.see(request)
    assert (seen["state"], seen["outcome"], seen["evidence"], seen["holder"]) == ("closed", "done", [PROOF], None)
    assert seen["routing"] == {
        "rule": responsibility_stream("kazan", "lift", "city"),
        "rule_version": 1,
        "failure": None,
        "inputs": {
            "city": "kazan",
            "service_type": "lift",
            "district": "volga",
            "building": "7",
            "at": routed.envelope.time.isoformat().replace("+00:00", "Z"),
            "answers": {},
        },
    }
    holders = seen["holders"]
    assert [(held["kind"], held["organisation"]) for held in holders] == [
        ("organisation", LIFTS),
        ("resident", None),
    ]
    assert [held["until"] for held in holders[:-1]] == [held["since"] for held in holders[1:]]
    assert holders[1]["since"] == asked.envelope.time.isoformat().replace("+00:00", "Z")
    assert holders[1]["until"] == seen["closed_at"] == closed.envelope.time.isoformat().replace("+00:00", "Z")
    assert sum(held["minutes"] for held in holders) == pytest.approx(seen["total_minutes"])
    assert seen["total_minutes"] == pytest.approx((closed.envelope.time - routed.envelope.time) / MINUTE)
    assert seen["total_minutes"] >= 12


async def test_everything_about_a_case_keeps_the_correlation_of_its_request_and_names_its_cause(room: ControlRoom) -> None:
    """Also what an executor does, and what a timer states: the request's own uuid names the journey."""
    request = uuid4()
    room.hear(request, submitted(), 40 * MINUTE)
    routed = room.hear(request, registered(), 40 * MINUTE)
    assert room.fire_due() == 1
    await room.do(request, "acceptance")
    recorded = room.context.store.events(case_stream(request))
    assert {each.envelope.correlation for each in recorded} == {request}
    assert {each.envelope.causation for each in recorded[:5]} == {routed.envelope.id}
    assert [each.envelope.actor for each in recorded[-3:]] == ["service:dispatch-svc", *[f"executor:{LIFT_FITTER.id}"] * 2]


async def test_a_request_no_rule_routes_is_held_by_a_dispatcher_who_assigns_it(room: ControlRoom) -> None:
    """Then the organisation has it, and its accept clock starts now."""
    request = room.submit("other")
    seen = await room.see(request)
    assert (seen["state"], seen["organisation"], seen["stage"]) == ("unrouted", None, "accept")
    assert (seen["holder"]["kind"], seen["routing"]["failure"]) == ("dispatcher", "nobody_responsible")
    room.clock.put_forward(20 * MINUTE)
    answer = await room.post(request, "assignment", DISPATCHER, ASSIGN_PIPES)
    assert answer.status_code == 200, answer.text
    assert room.named(request)[-3:] == ["RequestAssigned", "HolderChanged", "StageDeadlineSet"]
    seen = await room.see(request)
    assert (seen["state"], seen["organisation"], seen["assigned_by"], seen["stage"]) == (
        "assigned",
        PIPES,
        "dispatcher",
        "accept",
    )
    clocks = seen["clocks"]
    assert [clock["state"] for clock in clocks] == ["over", "running"]
    assert 10 < clocks[1]["remaining_minutes"] <= 30
    await room.do(request, "acceptance", "start", "report", who=PIPE_FITTER)


async def test_a_reassigned_request_has_one_clock_and_one_organisation(room: ControlRoom) -> None:
    """Before acceptance a dispatcher may change who is to act: the old clock and its timer are over, a new one runs."""
    request = room.submit()
    await room.post(request, "assignment", DISPATCHER, ASSIGN_PIPES)
    seen = await room.see(request)
    clocks = seen["clocks"]
    assert [(clock["stage"], clock["remaining_minutes"] is None) for clock in clocks] == [("accept", True), ("accept", False)]
    assert open_timers(room, request) == ["next"]
    refused = await room.post(request, "acceptance", LIFT_FITTER)
    assert refused.status_code == 403
    await room.do(request, "acceptance", who=PIPE_FITTER)
    refused = await room.post(request, "assignment", DISPATCHER, {"organisation": LIFTS})
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "An organisation has accepted this request, so it cannot be given to another one.",
    )


def open_timers(room: ControlRoom, request: UUID) -> list[str]:
    """List the keys of a case's timers that stand."""
    rows = room.context.database.query(
        "SELECT key FROM timer WHERE stream_id = %(id)s AND fired_at IS NULL AND cancelled_at IS NULL ORDER BY key",
        {"id": case_stream(request)},
    )
    return [row["key"] for row in rows]


async def test_refusals_are_told_in_words(room: ControlRoom) -> None:
    """Who, what and when: each with its status and a sentence."""
    request, unrouted, unregistered = room.submit(), room.submit("other"), room.submit(None)
    cases: list[tuple[UUID, str, Person, Mapping[str, object] | None, int, str]] = [
        (uuid4(), "acceptance", LIFT_FITTER, None, 404, "No request is known under this id."),
        (request, "acceptance", PIPE_FITTER, None, 403, "This request is not assigned to your organisation."),
        (request, "start", Person("executor"), None, 403, "This request is not assigned to your organisation."),
        (unrouted, "acceptance", LIFT_FITTER, None, 403, "This request is not assigned to your organisation."),
        (request, "start", LIFT_FITTER, None, 409, "Accept this request before you start the work."),
        (
            unregistered,
            "assignment",
            DISPATCHER,
            ASSIGN_PIPES,
            409,
            NO_NUMBER,
        ),
        (
            unrouted,
            "assignment",
            DISPATCHER,
            {"organisation": "organisation-los-angeles-bos"},
            422,
            "The city of this request has no such organisation.",
        ),
    ]
    for about, what, who, body, status, sentence in cases:
        answer = await room.post(about, what, who, body)
        assert (answer.status_code, answer.json()["detail"]) == (status, sentence)
    answer = await room.post(request, "report", LIFT_FITTER, {"evidence": ["photo.jpg"]})
    assert answer.status_code == 422


async def test_a_repeated_command_has_its_first_result_though_the_case_has_moved_on(room: ControlRoom) -> None:
    """The same Idempotency-Key twice is one acceptance; by somebody else it is refused."""
    request, key = room.submit(), str(uuid4())
    first = await room.post(request, "acceptance", LIFT_FITTER, key=key)
    await room.do(request, "start", "report")
    again = await room.post(request, "acceptance", LIFT_FITTER, key=key)
    assert (again.status_code, again.json()) == (200, first.json())
    other = await room.post(request, "acceptance", Person("executor", LIFTS, UUID(int=2)), key=key)
    assert other.status_code == 422
    assert room.named(request).count("AssignmentAccepted") == 1


async def test_every_word_of_request_svc_heard_twice_has_one_effect(room: ControlRoom) -> None:
    """A consumer repeats what it is not sure of; the case is the same, and so are its views."""
    request = uuid4()
    heard = [room.hear(request, submitted()), room.hear(request, registered())]
    await room.do(request, "acceptance", "start", "report")
    heard += [room.hear(request, proposed(room.now())), room.hear(request, RequestClosed(outcome="done"))]
    facts, seen = room.facts(request), await room.see(request)
    for received in [*heard, *reversed(heard)]:
        room.hear_again(received)
    assert (room.facts(request), await room.see(request)) == (facts, seen)


@pytest.mark.parametrize(
    "early",
    [
        proposed(LONG_AGO),
        RequestClosed(outcome="done"),
        RequestReopened(round=2, because="unlinked"),
        RequestReclassified(previous="lift", service_type="pipe", answers={}, questions_version=None, reason="seen"),
        InformationNotReceived(number=1, until=LONG_AGO),
    ],
)
async def test_what_comes_before_its_case_is_known_waits_for_it(room: ControlRoom, early: Event) -> None:
    """The event awaits the case's stream; nothing is invented, and once the case is there it takes its effect."""
    request = uuid4()
    with pytest.raises(Early) as waits:
        room.hear(request, early)
    assert waits.value.awaits == case_stream(request)
    assert room.facts(request) == []
    room.hear(request, submitted(None))
    room.hear(request, early)
    has_an_effect = not isinstance(early, CompletionProposed | InformationNotReceived)
    assert (len(room.facts(request)) > 2) == has_an_effect


@pytest.mark.parametrize(
    "ending", [RequestWithdrawn(reason="solved_itself"), RequestRejected(ground="not ours", outcome="refused")]
)
async def test_a_withdrawn_or_rejected_request_closes_its_case_by_its_closing(room: ControlRoom, ending: Event) -> None:
    """Also before it was ever registered; its timers go, and nothing more happens after."""
    for request in (room.submit(), room.submit(None)):
        room.hear(request, ending)
        room.hear(request, RequestClosed(outcome="withdrawn"))
        assert room.named(request)[-1] == "CaseClosed"
        assert open_timers(room, request) == []
        facts = room.facts(request)
        for what, body in (("acceptance", None), ("start", None), ("report", {"evidence": []})):
            answer = await room.post(request, what, LIFT_FITTER, body)
            assert answer.status_code in {403, 409}
        assert (await room.post(request, "assignment", DISPATCHER, ASSIGN_PIPES)).status_code == 409
        room.hear(request, registered())
        assert room.facts(request) == facts


async def test_the_holder_never_begins_before_the_one_before_though_clocks_disagree(room: ControlRoom) -> None:
    """request-svc's clock is ten minutes behind: the intervals stay contiguous and none is negative."""
    request = room.submit("other")
    await room.post(request, "assignment", DISPATCHER, {"organisation": LIFTS})
    await room.do(request, "acceptance", "start", "report")
    room.hear(request, proposed(room.now()), ago=10 * MINUTE)
    room.hear(request, RequestClosed(outcome="done"), ago=10 * MINUTE)
    seen = await room.see(request)
    holders = seen["holders"]
    assert all(held["minutes"] >= 0 for held in holders)
    assert sum(held["minutes"] for held in holders) == pytest.approx(seen["total_minutes"])
    assert seen["total_minutes"] < 10


async def test_an_executor_sees_the_cases_of_its_own_organisation_only(room: ControlRoom) -> None:
    """Staff see every case."""
    lift, pipe = room.submit("lift"), room.submit("pipe")
    assert (await room.api.get(f"/cases/{pipe}", headers=LIFT_FITTER.headers())).status_code == 403
    assert (await room.api.get("/cases", params={"organisation": PIPES}, headers=LIFT_FITTER.headers())).status_code == 403
    assert (await room.api.get("/cases", headers=Person("executor").headers())).status_code == 403
    mine = await listed(room, LIFT_FITTER)
    assert (str(lift) in mine, str(pipe) in mine) == (True, False)
    assert {str(lift), str(pipe)} <= set(await listed(room, AUDITOR))


async def listed(room: ControlRoom, who: Person, **filters: str) -> list[str]:
    """Read a whole list, a page of three at a time; the ids in order."""
    ids: list[str] = []
    params = {"limit": "3", **filters}
    while True:
        answer = await room.api.get("/cases", params=params, headers=who.headers())
        assert answer.status_code == 200, answer.text
        page = answer.json()
        ids += [case["id"] for case in page["items"]]
        if page["next"] is None:
            return ids
        params["cursor"] = page["next"]


async def test_lists_filter_and_page_with_nothing_twice_and_nothing_lost(room: ControlRoom) -> None:
    """By city, organisation, state, district and the stage whose clock runs; the longest open first."""
    ages = [9, 8, 7, 6, 5]
    cases = [str(room.submit("lift", "kirov", ago=age * MINUTE * 100_000)) for age in ages]
    assert await listed(room, AUDITOR, organisation=PIPES, district="kirov") == cases
    assert await listed(room, AUDITOR, city="madrid") == []
    await room.do(UUID(cases[2]), "acceptance", who=PIPE_FITTER)
    await room.do(UUID(cases[3]), "acceptance", "start", who=PIPE_FITTER)
    room.hear(UUID(cases[4]), RequestClosed(outcome="withdrawn"))
    wanted = {"district": "kirov", "city": "kazan"}
    assert await listed(room, AUDITOR, **wanted, state="assigned") == cases[:2]
    assert await listed(room, AUDITOR, **wanted, state="started") == cases[3:4]
    assert await listed(room, AUDITOR, **wanted, stage="accept") == cases[:2]
    assert await listed(room, AUDITOR, **wanted, stage="finish") == cases[2:4]
    assert await listed(room, AUDITOR, **wanted, state="closed") == cases[4:]
    for misspelt in ({"stat": "assigned"}, {"state": "lost"}, {"cursor": "x"}):
        answer = await room.api.get("/cases", params=misspelt, headers=AUDITOR.headers())
        assert answer.status_code in {400, 422}


async def test_anybody_sees_the_organisations_and_who_is_responsible(room: ControlRoom) -> None:
    """Without an account; a page at a time."""
    answer = await room.api.get("/organisations", params={"city": "kazan", "limit": 1})
    first = answer.json()
    assert [(each["id"], each["slug"], each["kind"]) for each in first["items"]] == [(LIFTS, "lifts", "contractor")]
    rest = (await room.api.get("/organisations", params={"city": "kazan", "cursor": first["next"]})).json()
    assert ([each["id"] for each in rest["items"]], rest["next"]) == ([PIPES], None)
    rules = (await room.api.get("/responsibilities", params={"city": "kazan", "limit": 2})).json()
    more = (await room.api.get("/responsibilities", params={"city": "kazan", "cursor": rules["next"]})).json()
    shown = [(each["service_type"], each["district"], each["organisation"]) for each in rules["items"] + more["items"]]
    assert sorted(shown, key=str) == sorted([("lift", None, LIFTS), ("lift", "kirov", PIPES), ("pipe", None, PIPES)], key=str)
