"""request-svc over HTTP on real PostgreSQL: what residents and agents do, see, and are refused."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from citizens import Person, person
from psycopg.sql import SQL, Identifier, Literal

from request_svc import application, worker
from request_svc.application import Context
from request_svc.domain.city import series, year
from request_svc.domain.request import REQUEST, SILENT_CONSENT
from request_svc.views import register
from shared_chassis.consumer import Invalid, Transient
from shared_chassis.http import command_id
from shared_chassis.postgres import ServiceDatabase
from shared_chassis.store import Command
from shared_chassis.stream import timer_id
from shared_chassis.timer import DueTimer
from shared_events.dispatch import WorkReportedDone
from shared_events.envelope import Envelope, Received, Recorded
from shared_events.ids import case_stream, derive, request_stream

pytestmark = pytest.mark.postgres

RESIDENT = person("resident")
AGENT = person("agent")
DISPATCHER = person("dispatcher")
LIFTS = "organisation-kazan-lift-service"
"""Who has the requests of these tests."""


def asked(**more: Any) -> dict[str, object]:
    """Make the body of a submission."""
    return {
        "city": "kazan",
        "channel": "web",
        "service_type": "lift-out-of-order",
        "location": {"district": "kirovsky", "address": "ул. Баумана, 1", "latitude": "55.796127", "longitude": "49.106405"},
        **more,
    }


async def submit(api: httpx.AsyncClient, who: Person, key: str | None = None, **more: Any) -> httpx.Response:
    """Submit a request."""
    return await api.post("/requests", json=asked(**more), headers=who.headers(key))


async def submitted(api: httpx.AsyncClient, who: Person = RESIDENT, **more: Any) -> UUID:
    """Submit a request that is taken."""
    answer = await submit(api, who, **more)
    assert answer.status_code == 201, answer.text
    return UUID(answer.json()["id"])


async def say(
    api: httpx.AsyncClient, who: Person, request: UUID, what: str, body: Mapping[str, object], key: str | None = None
) -> httpx.Response:
    """Say something of a request."""
    return await api.post(f"/requests/{request}/{what}", json=body, headers=who.headers(key))


def report_done(context: Context, request: UUID, at: datetime | None = None, work_round: int = 1) -> Received:
    """Let dispatch-svc say that the work is done."""
    at = at or context.store.now()
    fact = WorkReportedDone(organisation=LIFTS, round=work_round, evidence=())
    envelope = Envelope(
        derive(request, "report", work_round), "/kazan/dispatch-svc", fact.TYPE, at, at, "executor:1", request, uuid4()
    )
    received = Received(Recorded(case_stream(request), 7, envelope, fact), 7)
    worker.REACTIONS[WorkReportedDone](context, received)
    return received


def fire(context: Context, request: UUID, work_round: int = 1) -> None:
    """Let the timer of silent consent fire."""
    stream_id = request_stream(request)
    due_at = context.store.load(REQUEST, stream_id).state.consent_due or context.store.now()
    timer = DueTimer(
        timer_id(stream_id, SILENT_CONSENT, str(work_round)), due_at, stream_id, SILENT_CONSENT, {"round": str(work_round)}
    )
    worker.TIMERS[SILENT_CONSENT](context, timer)


def facts(context: Context, request: UUID) -> list[str]:
    """Name what happened to a request, in order."""
    return [type(event.fact).__name__ for event in context.store.events(request_stream(request))]


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Give the status of a refusal and its name."""
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


async def test_a_submitted_request_is_registered_under_the_next_number_of_its_city_and_year(
    api: httpx.AsyncClient, context: Context
) -> None:
    """Numbers follow each other."""
    first, second = await submit(api, RESIDENT), await submit(api, RESIDENT)
    this_year = year(context.rules["kazan"], context.store.now())
    numbers = [answer.json()["number"] for answer in (first, second)]
    assert all(number.startswith(f"KZN-{this_year}-") and len(number) == len("KZN-2026-0001234") for number in numbers)
    assert int(numbers[1][-7:]) == int(numbers[0][-7:]) + 1
    assert first.json()["version"] == 2
    assert first.headers["location"] == f"/requests/{first.json()['id']}"


async def test_the_same_key_gives_the_same_id_and_number_whatever_has_happened_since(
    api: httpx.AsyncClient, context: Context
) -> None:
    """The first answer, not a refusal and not a second request; it is read from the store, not drawn again."""
    key = str(uuid4())
    first = await submit(api, RESIDENT, key)
    request = UUID(first.json()["id"])
    assert (await say(api, RESIDENT, request, "withdrawal", {"reason": "other"})).status_code == 200
    forget = "DELETE FROM register_draw WHERE command_id = %(id)s"
    context.database.execute(forget, {"id": command_id("request", key)})
    again = await submit(api, RESIDENT, key)
    context.database.execute(forget, {"id": command_id("request", key)})
    assert (again.status_code, again.json()) == (201, first.json())
    assert facts(context, request).count("RequestSubmitted") == 1


async def test_the_first_answer_to_a_request_without_a_type_has_no_number_even_when_it_got_one_since(
    api: httpx.AsyncClient,
) -> None:
    """The body is rebuilt as of the version it told of."""
    key = str(uuid4())
    first = await submit(api, RESIDENT, key, service_type=None)
    assert first.json()["number"] is None
    registered = await say(
        api, AGENT, UUID(first.json()["id"]), "registration", {"service_type": "lift-out-of-order"}, "reg" + key
    )
    assert registered.json()["number"].startswith("KZN-")
    assert (await submit(api, RESIDENT, key, service_type=None)).json() == first.json()
    again = await say(api, AGENT, UUID(first.json()["id"]), "registration", {"service_type": "lift-out-of-order"}, "reg" + key)
    assert again.json() == registered.json()


async def test_the_same_key_with_another_body_or_by_somebody_else_is_refused(api: httpx.AsyncClient) -> None:
    """A key is for one thing of one person."""
    key = str(uuid4())
    await submit(api, RESIDENT, key)
    assert refusal(await submit(api, RESIDENT, key, channel="mobile")) == (422, "key-reused-error")
    assert refusal(await submit(api, person("resident"), key)) == (422, "key-reused-error")


@pytest.mark.parametrize(
    ("wrong", "name", "allowed"),
    [
        ({"city": "atlantis"}, "unknown-city-error", "kazan, los-angeles"),
        ({"city": "madrid"}, "unknown-city-error", "kazan, los-angeles"),
        ({"service_type": "volcano"}, "unknown-service-type-error", "lift-out-of-order"),
        ({"location": {"district": "atlantis"}}, "unknown-district-error", "kirovsky"),
        ({"language": "la"}, "unknown-language-error", "en, ru, tt"),
    ],
)
async def test_what_the_pack_does_not_know_is_refused_in_words_that_name_what_it_knows(
    api: httpx.AsyncClient, context: Context, wrong: Mapping[str, Any], name: str, allowed: str
) -> None:
    """And no number is drawn for it."""
    before = context.database.query_one("SELECT count(*) AS drawn FROM register_draw")
    answer = await submit(api, RESIDENT, **wrong)
    assert refusal(answer) == (422, name)
    assert allowed in answer.json()["detail"]
    assert context.database.query_one("SELECT count(*) AS drawn FROM register_draw") == before


async def test_a_request_without_a_district_is_accepted(api: httpx.AsyncClient) -> None:
    """A blank one counts as none."""
    for location in ({}, {"district": None}, {"district": " "}):
        assert (await submit(api, RESIDENT, location=location)).status_code == 201


async def test_residents_submit_for_themselves_only(api: httpx.AsyncClient) -> None:
    """Nor do they take calls."""
    assert refusal(await submit(api, RESIDENT, person="caller")) == (403, "only-for-yourself-error")
    assert refusal(await submit(api, RESIDENT, person="none")) == (403, "only-for-yourself-error")
    assert refusal(await submit(api, RESIDENT, on_behalf_of=str(uuid4()))) == (422, "not-a-callers-error")
    assert refusal(await submit(api, RESIDENT, channel="call_centre")) == (403, "only-agents-take-calls-error")


async def test_an_agent_submits_for_a_caller_who_can_then_confirm(api: httpx.AsyncClient, context: Context) -> None:
    """The caller with an account is the request's person."""
    request = await submitted(api, AGENT, channel="call_centre", person="caller", on_behalf_of=str(RESIDENT.id))
    report_done(context, request)
    assert (await say(api, RESIDENT, request, "confirmation", {})).status_code == 200
    assert facts(context, request)[-2:] == ["CompletionConfirmed", "RequestClosed"]


async def test_a_caller_without_an_account_gets_a_random_person_whose_data_is_sealed(
    api: httpx.AsyncClient, context: Context
) -> None:
    """The same one when the call is repeated."""
    key = str(uuid4())
    answers = [await submit(api, AGENT, key, person="caller", description="Звонила Анна") for _ in range(2)]
    request = UUID(answers[0].json()["id"])
    seen = (await api.get(f"/requests/{request}", headers=AGENT.headers())).json()
    submission = seen["history"][0]["data"]
    assert submission["person"] not in {None, str(AGENT.id)}
    assert submission["description"] == "Звонила Анна"
    stored = context.database.query(
        "SELECT state FROM stored_events WHERE originator_id = %(id)s", {"id": request_stream(request)}
    )
    assert all("Анна".encode() not in bytes(row["state"]) for row in stored)


async def test_personal_data_of_nobody_is_refused_and_not_repeated(api: httpx.AsyncClient) -> None:
    """A refusal names the field, not what stood in it."""
    answer = await submit(api, AGENT, person="none", phone="+7 900 123-45-67")
    assert refusal(answer) == (422, "personal-data-of-nobody-error")
    assert "900" not in answer.text
    assert (await submit(api, AGENT, person="none")).status_code == 201


async def test_where_an_imported_request_came_from_is_kept_in_utc(api: httpx.AsyncClient) -> None:
    """With the dates its source states."""
    origin = {"system": "MyLA311", "id": "1-870704831", "created": "2017-12-31T23:59:58-08:00"}
    request = await submitted(api, AGENT, origin=origin)
    seen = (await api.get(f"/requests/{request}", headers=AGENT.headers())).json()["history"][0]["data"]["origin"]
    assert seen == {**origin, "created": "2018-01-01T07:59:58Z", "serviced": None, "closed": None}


async def test_the_journey_to_a_confirmed_request(api: httpx.AsyncClient, context: Context) -> None:
    """Submitted, registered, reported done, asked, confirmed, closed; saying it again changes nothing."""
    request = await submitted(api)
    report_done(context, request)
    report_done(context, request)
    shown = (await api.get(f"/requests/{request}", headers=RESIDENT.headers())).json()
    assert (shown["state"], shown["outcome"]) == ("completion_proposed", None)
    for _ in range(2):
        assert (await say(api, RESIDENT, request, "confirmation", {})).status_code == 200
    shown = (await api.get(f"/requests/{request}", headers=RESIDENT.headers())).json()
    assert (shown["state"], shown["ending"], shown["outcome"]) == ("closed", "confirmed", "done")
    assert [event["type"].split(".")[1] for event in shown["history"]] == [
        "request-submitted",
        "request-registered",
        "completion-proposed",
        "completion-confirmed",
        "request-closed",
    ]
    timer = context.database.query_one("SELECT cancelled_at FROM timer WHERE stream_id = %(id)s", {"id": request_stream(request)})
    assert timer is not None
    assert timer["cancelled_at"] is not None


async def test_silence_closes_a_request_when_its_timer_fires_and_is_told_apart(api: httpx.AsyncClient, context: Context) -> None:
    """A confirmation that comes later is refused by name; a second firing changes nothing."""
    request = await submitted(api, AGENT, person="none")
    report_done(context, request, context.store.now() - timedelta(days=10))
    for _ in range(2):
        fire(context, request)
    assert facts(context, request)[-2:] == ["CompletionDeemedAccepted", "RequestClosed"]
    shown = (await api.get(f"/requests/{request}")).json()
    assert (shown["ending"], shown["outcome"]) == ("deemed_accepted", "done")
    assert refusal(await say(api, AGENT, request, "confirmation", {})) == (409, "deemed-accepted-error")
    timer = context.database.query_one(
        "SELECT fired_at, cancelled_at FROM timer WHERE stream_id = %(id)s", {"id": request_stream(request)}
    )
    assert timer is not None
    assert timer["fired_at"] is not None
    assert timer["cancelled_at"] is None


async def test_the_term_of_silence_runs_from_the_report_by_the_pinned_policy(api: httpx.AsyncClient, context: Context) -> None:
    """Los Angeles gives a minute."""
    request = await submitted(api, AGENT, city="los-angeles", service_type="bulky-items", location={"district": "cd-13"})
    report_done(context, request, datetime(2026, 1, 31, 12, 0, tzinfo=UTC))
    shown = (await api.get(f"/requests/{request}", headers=AGENT.headers())).json()
    proposed = shown["history"][-1]["data"]
    assert proposed["consent_due"] == shown["consent_due"] == "2026-01-31T12:01:00Z"
    assert (proposed["policy_version"], proposed["calendar"], proposed["calendar_version"]) == ("1", "los-angeles", "1")


async def test_withdrawing_and_rejecting_close_at_once(api: httpx.AsyncClient, context: Context) -> None:
    """Work that is reported later changes nothing."""
    withdrawn, rejected = await submitted(api), await submitted(api)
    await say(api, RESIDENT, withdrawn, "withdrawal", {"reason": "solved_itself"})
    await say(api, AGENT, rejected, "rejection", {"ground": "Двор частный.", "outcome": "not_responsible"})
    for request in (withdrawn, rejected):
        report_done(context, request)
    assert facts(context, withdrawn)[2:] == ["RequestWithdrawn", "RequestClosed"]
    assert facts(context, rejected)[2:] == ["RequestRejected", "RequestClosed"]
    assert refusal(await say(api, RESIDENT, rejected, "withdrawal", {"reason": "other"})) == (409, "already-closed-error")


async def test_what_may_not_be_is_refused_with_its_own_name_and_status(api: httpx.AsyncClient) -> None:
    """404 for what is not there, 403 for somebody else's, 409 for what the state forbids."""
    request = await submitted(api)
    neighbour = person("resident")
    assert refusal(await say(api, neighbour, request, "confirmation", {})) == (403, "not-your-request-error")
    assert refusal(await say(api, RESIDENT, request, "confirmation", {})) == (409, "completion-not-proposed-error")
    assert refusal(await say(api, RESIDENT, uuid4(), "withdrawal", {"reason": "other"})) == (404, "unknown-request-error")
    assert refusal(await say(api, AGENT, request, "registration", {"service_type": "roof-leak"})) == (
        409,
        "already-registered-error",
    )
    assert refusal(await say(api, AGENT, uuid4(), "registration", {"service_type": "roof-leak"})) == (
        404,
        "unknown-request-error",
    )
    assert refusal(await api.get(f"/requests/{uuid4()}")) == (404, "unknown-request-error")


async def test_registering_as_an_unknown_type_is_refused_and_draws_no_number(api: httpx.AsyncClient, context: Context) -> None:
    """The request waits on."""
    request = await submitted(api, service_type=None)
    before = context.database.query_one("SELECT count(*) AS drawn FROM register_draw")
    assert refusal(await say(api, AGENT, request, "registration", {"service_type": "x"})) == (422, "unknown-service-type-error")
    assert context.database.query_one("SELECT count(*) AS drawn FROM register_draw") == before


PERSONAL: dict[str, Any] = {
    "description": "Застряла бабушка",
    "apartment": "12",
    "phone": "+7 900 000-00-01",
    "email": "anna@example.org",
}


@pytest.mark.parametrize(
    ("reader", "sees"),
    [
        (RESIDENT, True),
        (AGENT, True),
        (DISPATCHER, True),
        (person("executor", LIFTS), True),
        (person("executor", "organisation-kazan-heat-network"), False),
        (person("executor"), False),
        (person("resident"), False),
        (person("organiser"), False),
        (person("analyst"), False),
        (person("auditor"), False),
        (None, False),
    ],
    ids=lambda value: f"{value.role}-{value.organisation or ''}" if isinstance(value, Person) else str(value),
)
async def test_personal_data_is_opened_only_for_those_who_may_see_it(
    api: httpx.AsyncClient, context: Context, reader: Person | None, *, sees: bool
) -> None:
    """The person, agents, dispatchers, and the organisation that has the request."""
    request = await submitted(api, **PERSONAL)
    context.database.execute(
        "INSERT INTO case_status (request_id, position, organisation) VALUES (%(id)s, 1, %(organisation)s)",
        {"id": request, "organisation": LIFTS},
    )
    answer = await api.get(f"/requests/{request}", headers=reader.headers() if reader else {})
    data = answer.json()["history"][0]["data"]
    assert {name: data[name] for name in PERSONAL} == (PERSONAL if sees else dict.fromkeys(PERSONAL))
    assert answer.json()["personal_data"] == ("shown" if sees else "hidden")


async def test_nobody_learns_who_asked_but_those_who_must(api: httpx.AsyncClient) -> None:
    """A pseudonym in public would tie a person's requests together."""
    request = await submitted(api)
    public = await api.get(f"/requests/{request}", headers=person("resident").headers())
    assert str(RESIDENT.id) not in public.text
    assert public.json()["history"][0]["actor"] == "resident"
    auditor = await api.get(f"/requests/{request}", headers=person("auditor").headers())
    assert auditor.json()["history"][0]["actor"] == f"resident:{RESIDENT.id}"
    listed = await api.get("/requests", params={"limit": 1000})
    assert str(RESIDENT.id) not in listed.text


async def test_erased_data_reads_as_nothing(api: httpx.AsyncClient, context: Context) -> None:
    """The rest of the history stands."""
    forgotten = person("resident")
    request = await submitted(api, forgotten, **PERSONAL)
    context.keyring.destroy(forgotten.id)
    seen = (await api.get(f"/requests/{request}", headers=AGENT.headers())).json()
    assert {name: seen["history"][0]["data"][name] for name in PERSONAL} == dict.fromkeys(PERSONAL)
    assert seen["number"]
    assert refusal(await submit(api, forgotten, **PERSONAL)) == (409, "person-erased-error")


async def test_residents_list_their_own_requests_only(api: httpx.AsyncClient) -> None:
    """Staff list anybody's."""
    someone = person("resident")
    request = await submitted(api, someone)
    for value in ("me", str(someone.id)):
        own = await api.get("/requests", params={"person": value}, headers=someone.headers())
        assert [item["id"] for item in own.json()["items"]] == [str(request)]
    theirs = {"person": str(someone.id)}
    assert (await api.get("/requests", params=theirs, headers=AGENT.headers())).json()["items"]
    assert (await api.get("/requests", params=theirs, headers=RESIDENT.headers())).status_code == 403
    assert (await api.get("/requests", params=theirs)).status_code == 401


async def test_a_list_is_turned_page_by_page_and_chosen_by_every_filter(api: httpx.AsyncClient) -> None:
    """Newest first; what arrives meanwhile shifts nothing."""
    made = [await submitted(api, AGENT, service_type="gas-smell", location={"district": "sovetsky"}) for _ in range(5)]
    await say(api, AGENT, made[0], "withdrawal", {"reason": "other"})
    chosen = {"city": "kazan", "district": "sovetsky", "service_type": "gas-smell"}
    seen: list[str] = []
    cursor = None
    while True:
        page = (await api.get("/requests", params={**chosen, "limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        seen += [item["id"] for item in page["items"]]
        await submitted(api, AGENT, service_type="gas-smell", location={"district": "sovetsky"})
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == [str(request) for request in reversed(made)]
    closed = (await api.get("/requests", params={**chosen, "state": "closed"})).json()["items"]
    assert [item["id"] for item in closed] == [str(made[0])]
    by_outcome = (await api.get("/requests", params={**chosen, "outcome": "withdrawn"})).json()["items"]
    assert by_outcome == closed
    by_number = (await api.get("/requests", params={"number": closed[0]["number"]})).json()["items"]
    assert by_number == closed


async def test_a_number_drawn_and_never_used_is_listed_as_void_after_an_hour(api: httpx.AsyncClient, context: Context) -> None:
    """A hole in the register is explained, page by page."""
    this_year = year(context.rules["los-angeles"], context.store.now())
    series_of_year = f"LAX-{this_year}"
    there: dict[str, Any] = {"city": "los-angeles", "service_type": "bulky-items", "location": {}}
    await submitted(api, **there)
    lost = [application._draw(context, context.rules["los-angeles"], Command(uuid4(), "agent:1")) for _ in range(2)]
    await submitted(api, **there)
    where = {"city": "los-angeles"}
    assert (await api.get("/register/voids", params=where)).json() == {"items": [], "next": None}
    context.database.execute(
        "UPDATE register_draw SET drawn_at = drawn_at - interval '61 minutes' WHERE series = %(series)s",
        {"series": series_of_year},
    )
    voids = (await api.get("/register/voids", params={**where, "year": this_year})).json()
    assert [void["number"] for void in voids["items"]] == lost
    found: list[str] = []
    place: int | None = 0
    while place is not None:
        page, place = register.voids(context.database, series_of_year, place, window=2)
        found += [void.number for void in page]
    assert found == lost


CLOCK: LiteralString = "CREATE OR REPLACE FUNCTION rule_now() RETURNS timestamptz LANGUAGE sql VOLATILE AS {}"


def set_clock(database: ServiceDatabase, says: LiteralString) -> None:
    """Let the database's clock say something else."""
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute(SQL("SET search_path = {}").format(Identifier(database.service)))
        owner.execute(SQL(CLOCK).format(Literal(says)))


async def test_a_number_is_of_the_year_its_citys_clocks_show_and_stays_when_the_command_is_repeated(
    context: Context, request_database: ServiceDatabase
) -> None:
    """When Kazan's year has begun, that of Los Angeles has eleven hours to go."""
    kazan, los_angeles = context.rules["kazan"], context.rules["los-angeles"]
    before, after = Command(uuid4(), "agent:1"), Command(uuid4(), "agent:1")
    try:
        set_clock(request_database, "SELECT timestamptz '2031-12-31 20:59:59+00'")
        first = application._draw(context, kazan, before)
        set_clock(request_database, "SELECT timestamptz '2031-12-31 21:00:00+00'")
        assert application._draw(context, kazan, before) == first == "KZN-2031-0000001"
        assert application._draw(context, kazan, after) == "KZN-2032-0000001"
        assert application._draw(context, los_angeles, Command(uuid4(), "agent:1")) == "LAX-2031-0000001"
    finally:
        set_clock(request_database, "SELECT clock_timestamp()")
    assert series(kazan, 2031) == "KZN-2031"


async def test_the_service_types_of_a_pack_are_adopted_once(api: httpx.AsyncClient, context: Context) -> None:
    """Starting again adds nothing."""
    listed = (await api.get("/service-types", params={"city": "kazan"})).json()
    assert {item["code"] for item in listed} == {item.code for item in context.cities["kazan"].service_types}
    count = "SELECT count(*) AS stored FROM stored_events WHERE originator_id LIKE 'service-type-%'"
    before = context.database.query_one(count)
    application.adopt(context)
    assert context.database.query_one(count) == before
    assert refusal(await api.get("/service-types", params={"city": "madrid"})) == (422, "unknown-city-error")


async def test_a_report_about_a_request_nobody_made_is_parked(context: Context) -> None:
    """It is never skipped in silence."""
    with pytest.raises(Invalid, match="no such request"):
        report_done(context, uuid4())


async def test_a_timer_that_fires_before_its_time_is_tried_again(api: httpx.AsyncClient, context: Context) -> None:
    """The resident has the whole term, whatever the clocks do."""
    request = await submitted(api)
    report_done(context, request)
    with pytest.raises(Transient):
        fire(context, request)
    assert facts(context, request)[-1] == "CompletionProposed"


ROLES = ("organiser", "dispatcher", "agent", "executor", "analyst", "auditor", "resident")
USES: Mapping[str, tuple[str, str, Mapping[str, object] | None]] = {
    "submit": ("POST", "/requests", asked()),
    "register": ("POST", f"/requests/{uuid4()}/registration", {"service_type": "roof-leak"}),
    "confirm": ("POST", f"/requests/{uuid4()}/confirmation", {}),
    "withdraw": ("POST", f"/requests/{uuid4()}/withdrawal", {"reason": "other"}),
    "reject": ("POST", f"/requests/{uuid4()}/rejection", {"ground": "No.", "outcome": "refused"}),
    "read": ("GET", "/requests?limit=1", None),
    "list_own": ("GET", "/requests?limit=1&person=me", None),
    "list_of_anybody": ("GET", f"/requests?limit=1&person={uuid4()}", None),
}


@pytest.mark.parametrize("role", [*ROLES, None])
@pytest.mark.parametrize("use_case", USES)
async def test_each_role_may_do_what_the_table_says_and_nothing_else(
    api: httpx.AsyncClient, use_case: str, role: str | None
) -> None:
    """Cell by cell, and who is not signed in is asked to."""
    method, path, body = USES[use_case]
    headers = person(role).headers() if role else {}
    answer = await api.request(method, path, json=body, headers=headers)
    allowed = application.MAY[use_case]
    if "anybody" in allowed or (role is not None and role in allowed):
        assert answer.status_code not in {401, 403}
    else:
        assert answer.status_code == (401 if role is None else 403)
