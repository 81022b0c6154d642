"""Submitting over HTTP on real PostgreSQL: for whom, of what, under which number, and the same answer when repeated."""

from collections.abc import Mapping
from typing import Any, LiteralString
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from citizens import (
    AGENT,
    RESIDENT,
    facts,
    person,
    refusal,
    report_done,
    say,
    submit,
    submitted,
)
from psycopg.sql import SQL, Identifier, Literal

from request_svc.application import Context, lifecycle
from request_svc.domain.city import series, year
from shared_chassis.http import command_id
from shared_chassis.postgres import ServiceDatabase
from shared_chassis.store import Command
from shared_events.ids import request_stream

pytestmark = pytest.mark.postgres


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
    assert facts(context, request)[-3:] == ["CompletionConfirmed", "RatingAsked", "RequestClosed"]


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
        first = lifecycle.draw_number(context, kazan, before)
        set_clock(request_database, "SELECT timestamptz '2031-12-31 21:00:00+00'")
        assert lifecycle.draw_number(context, kazan, before) == first == "KZN-2031-0000001"
        assert lifecycle.draw_number(context, kazan, after) == "KZN-2032-0000001"
        assert lifecycle.draw_number(context, los_angeles, Command(uuid4(), "agent:1")) == "LAX-2031-0000001"
    finally:
        set_clock(request_database, "SELECT clock_timestamp()")
    assert series(kazan, 2031) == "KZN-2031"
