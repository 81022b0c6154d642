"""A request from submission to closing over HTTP on real PostgreSQL, as residents, agents, dispatch-svc and time have it."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
from citizens import AGENT, RESIDENT, facts, fire, person, refusal, report_done, say, submitted

from request_svc.application import Context
from shared_chassis.consumer import Invalid, Transient
from shared_events.ids import request_stream

pytestmark = pytest.mark.postgres


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
        "rating-asked",
        "request-closed",
    ]
    timer = context.database.query_one("SELECT cancelled_at FROM timer WHERE stream_id = %(id)s", {"id": request_stream(request)})
    assert timer is not None
    assert timer["cancelled_at"] is not None


async def test_silence_closes_a_request_when_its_timer_fires_and_is_told_apart(api: httpx.AsyncClient, context: Context) -> None:
    """A confirmation that comes later is refused by name; a second firing changes nothing."""
    request = await submitted(api, AGENT, person="none")
    report_done(context, request, context.store.now() - timedelta(days=30))
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
    terms = context.cities["los-angeles"].terms
    assert terms is not None
    pinned = (proposed["policy_version"], proposed["calendar"], proposed["calendar_version"])
    assert pinned == (terms.version, terms.calendar.id, terms.calendar.version)


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
