"""Reading over HTTP on real PostgreSQL: who sees what of a request, of the register and of its holes; who may do what."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
from citizens import (
    AGENT,
    DISPATCHER,
    LIFTS,
    RESIDENT,
    Person,
    person,
    refusal,
    say,
    submit,
    submitted,
)

from request_svc import application
from request_svc.application import Context, lifecycle
from request_svc.domain.city import year
from request_svc.views import register
from shared_chassis.store import Command

pytestmark = pytest.mark.postgres


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
    lost = [lifecycle.draw_number(context, context.rules["los-angeles"], Command(uuid4(), "agent:1")) for _ in range(2)]
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


async def test_the_service_types_of_a_pack_are_adopted_once(api: httpx.AsyncClient, context: Context) -> None:
    """Starting again adds nothing."""
    listed = (await api.get("/service-types", params={"city": "kazan"})).json()
    assert {item["code"] for item in listed} == {item.code for item in context.cities["kazan"].service_types}
    count = "SELECT count(*) AS stored FROM stored_events WHERE originator_id LIKE 'service-type-%'"
    before = context.database.query_one(count)
    application.adopt(context)
    assert context.database.query_one(count) == before
    assert refusal(await api.get("/service-types", params={"city": "madrid"})) == (422, "unknown-city-error")
