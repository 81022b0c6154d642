"""Mass outages on real PostgreSQL: suggested, declared, linked as requests come and afterwards, resolved for all of them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from control_room import AUDITOR, DISPATCHER, LIFT_FITTER, LIFTS, MINUTE, PIPES, ControlRoom, registered, submitted
from httpx import Response

from dispatch_svc.worker import SIGNALS
from shared_events.analytics import SurgeDetected
from shared_events.dispatch import IncidentSuggested, RequestLinkedToIncident, WorkReportedDone
from shared_events.envelope import Envelope, Received, Recorded
from shared_events.ids import incident_stream
from shared_events.request import RequestClosed

pytestmark = pytest.mark.postgres
PROOF = "cd" * 32


async def post(room: ControlRoom, path: str, body: Mapping[str, object], key: str | None = None, **headers: str) -> Response:
    """Send a dispatcher's command about an incident."""
    return await room.api.post(f"/incidents{path}", json=dict(body), headers={**DISPATCHER.headers(key), **headers})


def declaration(room: ControlRoom, district: str = "volga", **changes: object) -> dict[str, object]:
    """Write a declaration: the lifts of a district stand since ten minutes ago."""
    return {
        "city": "kazan",
        "names": {"ru": "Лифты стоят"},
        "scope": {"service_types": ["lift"], "districts": [district]},
        "organisation": LIFTS,
        "began_at": (room.now() - 10 * MINUTE).isoformat(),
        "expected_end": (room.now() + 60 * MINUTE).isoformat(),
        **changes,
    }


async def declared(room: ControlRoom, district: str = "volga", **changes: object) -> str:
    """Declare an incident; its id."""
    answer = await post(room, "", declaration(room, district, **changes))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def seen(room: ControlRoom, incident: str) -> dict[str, Any]:
    """Look at an incident."""
    answer = await room.api.get(f"/incidents/{incident}")
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def links(room: ControlRoom, request: UUID) -> list[tuple[str, str]]:
    """Say which incidents a request was linked to, and by what."""
    return [(str(fact.incident), fact.by) for fact in room.facts(request) if isinstance(fact, RequestLinkedToIncident)]


def surge(room: ControlRoom, window: datetime, district: str | None = "kirov", service_type: str = "pipe") -> Received:
    """Let analytics have noticed a surge, as its signal says."""
    fact = SurgeDetected(
        city="kazan",
        service_type=service_type,
        district=district,
        window_start=window,
        window_end=window + 30 * MINUTE,
        count=42,
        average=3.5,
    )
    signal = uuid4()
    envelope = Envelope(signal, "/tests/analytics-svc", fact.TYPE, window, window, "service:analytics-svc", signal, signal)
    return Received(Recorded(f"surge-{signal}", 1, envelope, fact), 1)


def hear(room: ControlRoom, received: Received) -> None:
    """React to a signal as the consumer does."""
    SIGNALS[type(received.fact)](room.context, received)


async def suggestions(room: ControlRoom) -> list[dict[str, Any]]:
    """List what was suggested."""
    answer = await room.api.get("/incidents", params={"city": "kazan", "state": "suggested"})
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_a_surge_is_suggested_once_and_not_again_while_people_look_at_it(room: ControlRoom) -> None:
    """The same window twice, the next window: one question. Dismissed, the next surge asks again; declared, it does not."""
    window = room.now().replace(second=0, microsecond=0)
    first = surge(room, window)
    for received in (first, first, surge(room, window), surge(room, window + MINUTE)):
        hear(room, received)
    (suggested,) = await suggestions(room)
    assert (suggested["scope"]["service_types"], suggested["scope"]["districts"]) == (["pipe"], ["kirov"])
    assert (suggested["surge"]["count"], suggested["surge"]["average"]) == (42, 3.5)
    (fact,) = [each.fact for each in room.context.store.events(incident_stream(UUID(suggested["id"])))]
    assert isinstance(fact, IncidentSuggested)
    hear(room, surge(room, window, district="volga"))
    assert len(await suggestions(room)) == 2
    for each in await suggestions(room):
        assert (await post(room, f"/{each['id']}/dismissal", {"reason": "An exercise"})).status_code == 200
    hear(room, surge(room, window + 2 * MINUTE))
    (again,) = await suggestions(room)
    assert again["id"] != suggested["id"]
    body = declaration(room, suggestion=again["id"], scope={"service_types": ["pipe"]}, organisation=PIPES)
    answer = await post(room, "", body)
    assert answer.json() == {"id": again["id"], "version": 2}
    hear(room, surge(room, window + 3 * MINUTE))
    hear(room, surge(room, window + 3 * MINUTE, district=None))
    assert await suggestions(room) == []
    await post(room, f"/{again['id']}/resolution", {"note": "Over"})
    room.fire_due()


async def test_a_surge_of_an_unknown_city_is_nobodys(room: ControlRoom) -> None:
    """Another stack's signals may share a broker."""
    received = surge(room, room.now())
    fact = received.fact.model_copy(update={"city": "atlantis"})
    hear(room, Received(Recorded("surge-x", 1, received.envelope, fact), 1))
    assert await suggestions(room) == []


async def test_requests_are_linked_as_they_come_and_afterwards_and_done_at_its_end(room: ControlRoom) -> None:
    """Those before the beginning, of another district or type are not; each case is done once, by its own organisation."""
    before = room.submit("lift", "volga", ago=20 * MINUTE)
    earlier = [room.submit("lift", "volga", ago=5 * MINUTE) for _ in range(3)]
    elsewhere = room.submit("lift", "kirov", ago=5 * MINUTE)
    incident = await declared(room)
    coming = room.submit("lift", "volga")
    other_type = room.submit("pipe", "volga")
    assert links(room, coming) == [(incident, "scope")]
    assert links(room, earlier[0]) == []
    room.fire_due()
    assert [links(room, each) for each in earlier] == [[(incident, "scope")]] * 3
    assert [links(room, each) for each in (before, elsewhere, other_type)] == [[], [], []]
    shown = await seen(room, incident)
    assert (shown["linked"], shown["linked_open"], shown["state"]) == (4, 4, "declared")
    await room.do(earlier[0], "acceptance", "start")
    room.hear(earlier[1], RequestClosed(outcome="withdrawn"))
    await post(room, f"/{incident}/prolongation", {"expected_end": None, "reason": "Nobody knows"})
    answer = await post(room, f"/{incident}/resolution", {"note": "They run again", "evidence": [PROOF]})
    assert answer.status_code == 200, answer.text
    for _ in range(2):
        room.fire_due()
    done = [fact for each in (*earlier, coming) for fact in room.facts(each) if isinstance(fact, WorkReportedDone)]
    assert [(fact.organisation, str(fact.incident), fact.evidence) for fact in done] == [(LIFTS, incident, (PROOF,))] * 3
    shown = await seen(room, incident)
    assert (shown["state"], shown["linked"], shown["linked_open"], shown["reason"]) == ("resolved", 4, 3, "They run again")
    late = room.submit("lift", "volga")
    assert links(room, late) == []
    room.clock.put_forward(timedelta(seconds=5))
    room.fire_due()
    assert links(room, late) == []


async def test_a_replica_that_did_not_know_the_incident_yet_loses_no_request(
    room: ControlRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it routed in that second is linked by the last look, and what is linked after the end is reported done by it."""
    monkeypatch.setattr("dispatch_svc.application.incident.LATECOMERS", 10 * MINUTE)
    incident = await declared(room)
    room.fire_due()
    stale = uuid4()
    known = room.context.rulebooks.latest()
    room.context.rulebooks._rulebook = type(known)(**{**vars_of(known), "incidents": ()})
    room.hear(stale, submitted("lift"))
    room.hear(stale, registered("lift"))
    assert links(room, stale) == []
    room.clock.put_forward(11 * MINUTE)
    room.fire_due()
    assert links(room, stale) == [(incident, "scope")]
    await post(room, f"/{incident}/resolution", {"note": "Over"})
    room.fire_due()


def vars_of(rulebook: object) -> dict[str, object]:
    """Read the fields of a frozen record."""
    return {name: getattr(rulebook, name) for name in type(rulebook).__dataclass_fields__}  # type: ignore[attr-defined]  # a dataclass


async def test_a_dispatcher_links_and_unlinks_by_hand(room: ControlRoom) -> None:
    """What cannot be linked is told apart with the reason, the others are linked; unlinking says why."""
    incident = await declared(room, "volga")
    fine, unregistered, closed = room.submit("pipe", "kirov"), room.submit(None), room.submit("pipe", "kirov")
    room.hear(closed, RequestClosed(outcome="done"))
    nobody = uuid4()
    answer = await post(room, f"/{incident}/requests", {"requests": [str(each) for each in (fine, unregistered, closed, nobody)]})
    assert answer.status_code == 200, answer.text
    refused = {each["request"]: each["reason"] for each in answer.json()["not_linked"]}
    assert set(refused) == {str(unregistered), str(closed), str(nobody)}
    assert refused[str(nobody)] == "No request is known under this id."
    assert links(room, fine) == [(incident, "dispatcher")]
    assert (await seen(room, incident))["linked"] == 1
    path = f"/{incident}/requests/{fine}/unlinking"
    assert (await post(room, path, {"reason": "Its own fault"})).status_code == 200
    assert (await seen(room, incident))["linked"] == 0
    again = await post(room, path, {"reason": "Its own fault"})
    assert (again.status_code, again.json()["title"]) == (409, "This request is not linked to that incident.")
    await post(room, f"/{incident}/resolution", {"note": "Over"})
    room.fire_due()
    assert not any(isinstance(fact, WorkReportedDone) for fact in room.facts(fine))


async def test_requests_since_a_moment_are_linked_when_asked(room: ControlRoom) -> None:
    """Also those registered before the incident was said to have begun; asked twice is linked once."""
    before = room.submit("lift", "volga", ago=40 * MINUTE)
    long_before = room.submit("lift", "volga", ago=90 * MINUTE)
    incident = await declared(room)
    room.fire_due()
    assert links(room, before) == []
    for _ in range(2):
        since = (room.now() - 60 * MINUTE).isoformat()
        assert (await post(room, f"/{incident}/requests", {"since": since})).json() == {"id": incident, "not_linked": []}
        room.fire_due()
    assert links(room, before) == [(incident, "scope")]
    assert links(room, long_before) == []
    await post(room, f"/{incident}/resolution", {"note": "Over"})
    room.fire_due()


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"city": "atlantis"}, 422, "There is no city 'atlantis' here"),
        ({"scope": {"service_types": ["teleport"]}}, 422, "There is no service type 'teleport'"),
        ({"scope": {"service_types": ["lift"], "districts": ["moon"]}}, 422, "There is no district 'moon'"),
        ({"scope": {"service_types": ["lift"], "buildings": ["9"]}}, 422, "There is no building '9'"),
        ({"scope": {"service_types": []}}, 422, "scope.service_types must have at least 1 entries"),
        ({"organisation": "organisation-kazan-none"}, 422, "no such organisation"),
        ({"names": {"en": "Lifts"}}, 422, "Names are by language: one in 'ru' is needed"),
        ({"names": {"ru": "Лифты", "tt": "Лифтлар"}}, 422, "Names are by language"),
        ({"began_at": "2999-01-01T00:00:00Z", "expected_end": None}, 422, "An incident began before now"),
        ({"expected_end": "2020-01-01T00:00:00Z"}, 422, "The expected end is a moment to come"),
        ({"began_at": "2020-01-01T00:00:00"}, 422, "began_at must say its offset from UTC"),
        ({"suggestion": str(UUID(int=9))}, 404, "No incident is known under this id."),
    ],
)
async def test_a_declaration_that_cannot_be_is_refused_in_words(
    room: ControlRoom, changes: dict[str, object], status: int, words: str
) -> None:
    """Each with what is known instead."""
    answer = await post(room, "", declaration(room, **changes))
    assert (answer.status_code, words in answer.text) == (status, True), answer.text


async def test_an_incident_that_is_over_takes_no_more_commands(room: ControlRoom) -> None:
    """Nor does one nobody knows, nor one decided on at an older version."""
    incident = await declared(room)
    stale = await post(room, f"/{incident}/resolution", {"note": "Over"}, **{"if-match": '"5"'})
    assert stale.status_code == 412
    later = {"note": "Over", "at": (room.now() + 60 * MINUTE).isoformat()}
    assert (await post(room, f"/{incident}/resolution", later)).status_code == 422
    key = str(uuid4())
    first = await post(room, f"/{incident}/resolution", {"note": "Over"}, key)
    assert (await post(room, f"/{incident}/resolution", {"note": "Over"}, key)).json() == first.json()
    room.fire_due()
    for path, body in (
        ("prolongation", {"expected_end": None, "reason": "x"}),
        ("dismissal", {"reason": "x"}),
        ("requests", {"requests": [str(uuid4())]}),
        ("requests", {"since": room.now().isoformat()}),
    ):
        answer = await post(room, f"/{incident}/{path}", body)
        assert (answer.status_code, answer.json()["title"]) == (409, "This incident is over."), path
        unknown = await post(room, f"/{UUID(int=3)}/{path}", body)
        assert unknown.status_code == 404
    both = await post(room, f"/{incident}/requests", {"since": room.now().isoformat(), "requests": [str(uuid4())]})
    assert (both.status_code, "either 'requests' or 'since'" in both.text) == (422, True)


async def test_anybody_sees_incidents_a_page_at_a_time(room: ControlRoom) -> None:
    """The latest first; a reader who has the version gets no body."""
    ids = [await declared(room, "kirov", names={"ru": f"Авария {number}"}) for number in range(3)]
    listed: list[str] = []
    cursor: str | None = None
    while True:
        params = {"city": "kazan", "state": "declared", "limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await room.api.get("/incidents", params=params)).json()
        listed += [each["id"] for each in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert [each for each in listed if each in ids] == ids[::-1]
    assert len(listed) == len(set(listed))
    tag = (await room.api.get(f"/incidents/{ids[0]}")).headers["etag"]
    assert (await room.api.get(f"/incidents/{ids[0]}", headers={"if-none-match": tag})).status_code == 304
    assert (await room.api.get(f"/incidents/{UUID(int=3)}")).status_code == 404
    refused = await room.api.post(f"/incidents/{ids[0]}/resolution", json={"note": "x"}, headers=LIFT_FITTER.headers())
    assert refused.status_code == 403
    assert (await room.api.get("/incidents", params={"stat": "declared"}, headers=AUDITOR.headers())).status_code == 422
    for each in ids:
        await post(room, f"/{each}/resolution", {"note": "Over"})
    room.fire_due()
