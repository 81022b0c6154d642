"""Calls to executors' programs: a real PostgreSQL here, a real HTTP server there."""

import json
import socket
from dataclasses import replace
from uuid import uuid4

import city_of_tests as city
import pytest
from aiohttp import web
from program_of_tests import (
    ANSWERED,
    ASSIGNED,
    DECLINED,
    DISPATCHER,
    Program,
    by,
    calls,
    executor,
    send_everything,
    subscribed,
)
from standardwebhooks import Webhook, WebhookVerificationError

from notification_svc import views
from notification_svc.application import subscription as application
from notification_svc.application.context import Context
from notification_svc.domain import subscription as rules
from notification_svc.outbound.webhook import Programs
from shared_chassis.store import KeyReusedError
from shared_events.ids import uuid_of, work_item_stream
from shared_events.notification import WebhookDelivered, WebhookFailed

pytestmark = pytest.mark.postgres


async def test_a_program_is_told_what_happens_to_its_cases(context: Context, program: Program) -> None:
    """Signed, with the request's number and without anything of a person's; once, also when the fact is heard again."""
    request, person, secret_words = uuid4(), uuid4(), "my door is the green one"
    made = subscribed(context, program.url)
    event = city.answered(request, person).envelope.id
    answer = context.keyring.seal(person, event, "answer", secret_words)
    for _ in range(2):
        for fact in (
            city.submitted(request, person),
            city.registered(request),
            city.assigned(request, 3),
            city.accepted(request, 4),
            city.answered(request, person, answer),
        ):
            city.hear(context, fact)
    await send_everything(context)
    assert len(program.seen) == 3
    for headers, body in program.seen:
        assert Webhook(made.secret).verify(body, dict(headers)) == json.loads(body)
        assert headers["content-type"] == "application/json"
        assert not any(each in body.decode() for each in (str(person), secret_words, "sealed"))
    told = {body["type"]: body for body in program.bodies()}
    first = told[ASSIGNED]
    assert first == {
        "id": str(next(row.delivery for row in calls(context, made) if row.type == ASSIGNED)),
        "type": ASSIGNED,
        "time": "2026-03-02T12:00:00.000000+00:00",
        "case": str(request),
        "number": "KZN-2026-0000001",
        "data": {"organisation": city.ROADS, "round": 1, "by": "dispatcher"},
    }
    assert told[ANSWERED]["data"] == {"number": 1}
    assert {headers["webhook-id"] for headers, _ in program.seen} == {body["id"] for body in program.bodies()}
    stated = context.store.events(f"message-{first['id']}")
    assert [each.fact for each in stated] == [
        WebhookDelivered(
            subscription=made.row.subscription,
            organisation=city.ROADS,
            cause=city.assigned(request, 3).envelope.id,
            cause_type=ASSIGNED,
            case=request,
            attempts=1,
        )
    ]
    assert (stated[0].envelope.correlation, stated[0].envelope.causation) == (request, city.assigned(request, 3).envelope.id)


async def test_a_signature_of_anything_else_does_not_verify(context: Context, program: Program) -> None:
    """Another body, another time, another id, another secret."""
    made = subscribed(context, program.url)
    city.hear(context, city.assigned(uuid4()))
    await send_everything(context)
    ((headers, body),) = program.seen
    forged = [
        (made.secret, headers, body.replace(b"dispatcher", b"committee")),
        (made.secret, {**headers, "webhook-id": str(uuid4())}, body),
        (made.secret, {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)}, body),
        (made.secret, {**headers, "webhook-timestamp": "1700000000"}, body),
        (application.SECRET_PREFIX + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", headers, body),
    ]
    for secret, shown, sent in forged:
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(sent, dict(shown))


async def test_only_an_organisations_own_cases_are_told_of(context: Context, program: Program) -> None:
    """Who loses a case is told that it does, and nothing after; who declined is told of nothing any more."""
    moved, given_back, others = uuid4(), uuid4(), uuid4()
    made = subscribed(context, program.url)
    for fact in (
        city.assigned(moved, 3),
        city.assigned(moved, 4, city.WATER),
        city.accepted(moved, 5, city.WATER),
        city.assigned(given_back, 3),
        city.declined(given_back, 4),
        city.assigned(given_back, 5, city.WATER),
        city.assigned(others, 3, city.WATER),
        city.answered(others, uuid4()),
        city.answered(uuid4(), uuid4()),
    ):
        city.hear(context, fact)
    told = sorted((str(row.case), row.type, row.cause) for row in calls(context, made))
    assert told == sorted(
        [
            (str(moved), ASSIGNED, city.assigned(moved, 3).envelope.id),
            (str(moved), ASSIGNED, city.assigned(moved, 4).envelope.id),
            (str(given_back), ASSIGNED, city.assigned(given_back, 3).envelope.id),
            (str(given_back), DECLINED, city.declined(given_back, 4).envelope.id),
        ]
    )


async def test_what_fails_is_tried_again_with_the_same_id(context: Context, program: Program) -> None:
    """Twice 503, then taken: three attempts, one message to whoever counts by id, one fact."""
    program.answers = [503.0, 503.0]
    made = subscribed(context, program.url, (ASSIGNED,))
    city.hear(context, city.assigned(uuid4()))
    await send_everything(context)
    assert len(program.seen) == 3
    assert len({headers["webhook-id"] for headers, _ in program.seen}) == 1
    (row,) = calls(context, made)
    assert (row.state, row.attempts, row.next_at) == ("delivered", 3, None)
    assert row.ended_at is not None
    (stated,) = context.store.events(f"message-{row.delivery}")
    assert isinstance(stated.fact, WebhookDelivered)
    assert stated.fact.attempts == 3
    assert views.work_item.wall(context.database, None) == []


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (500.0, "The program answered 500."),
        (30.0, "No answer came within 0.3 seconds."),
        (404.0, "The program answered 404."),
    ],
)
async def test_what_is_never_taken_is_visible_and_sent_again_by_hand(
    context: Context, program: Program, answer: float, says: str
) -> None:
    """Failed, a fact, an item in the queue; resent by hand it is delivered, and the item is completed by that."""
    program.answers = [answer] * 2
    made = subscribed(context, program.url, (ASSIGNED,))
    request = uuid4()
    for fact in (city.submitted(request, None), city.assigned(request)):
        city.hear(context, fact)
    silent = answer < 100
    hasty = replace(context, programs=Programs(private_too=True, seconds=0.3, rest=0))
    await send_everything(hasty if silent else context, attempts=2)
    program.answers = []
    (row,) = calls(context, made)
    assert (row.state, row.attempts) == ("failed", 2)
    assert says in (row.error or "")
    (failed,) = context.store.events(f"message-{row.delivery}")
    assert isinstance(failed.fact, WebhookFailed)
    assert (failed.fact.attempts, says in failed.fact.error) == (2, True)
    item = uuid_of(work_item_stream(failed.envelope.id))
    assert item is not None
    shown = views.work_item.item(context.database, item)
    assert shown is not None
    assert (shown.kind, shown.state, shown.request, shown.city, shown.delivery) == (
        "failed_delivery",
        "waiting",
        request,
        "kazan",
        row.delivery,
    )
    command = by(DISPATCHER)
    again = application.resend(context, DISPATCHER, row.delivery, command)
    assert (again.state, again.attempts) == ("waiting", 0)
    with pytest.raises(rules.StillUnderWayError):
        application.resend(context, DISPATCHER, row.delivery, by(DISPATCHER))
    await send_everything(context)
    assert application.resend(context, DISPATCHER, row.delivery, command).state == "delivered"
    with pytest.raises(KeyReusedError):
        application.resend(context, DISPATCHER, row.delivery, replace(command, actor="dispatcher:other"))
    assert silent or len(program.seen) == 3
    assert {headers["webhook-id"] for headers, _ in program.seen} == {str(row.delivery)}
    assert [type(each.fact) for each in context.store.events(f"message-{row.delivery}")] == [WebhookFailed, WebhookDelivered]
    done = views.work_item.item(context.database, item)
    assert done is not None
    assert done.state == "completed"


async def test_what_was_taken_can_be_sent_again_too(context: Context, program: Program) -> None:
    """A program that lost its data asks for it again: the same id, a second fact."""
    made = subscribed(context, program.url, (ASSIGNED,))
    city.hear(context, city.assigned(uuid4()))
    await send_everything(context)
    (row,) = calls(context, made)
    mine = executor()
    for _ in range(2):
        application.resend(context, mine, row.delivery, by(mine))
        await send_everything(context)
    assert len(program.seen) == 3
    assert len({headers["webhook-id"] for headers, _ in program.seen}) == 1
    assert [type(each.fact) for each in context.store.events(f"message-{row.delivery}")] == [WebhookDelivered] * 3


async def test_a_redirect_is_an_answer_and_not_followed(context: Context, program: Program) -> None:
    """Nobody is led on, neither inside nor to where the secret's owner never asked to be called."""
    program.answers = [web.Response(status=307, headers={"location": program.url.replace("/hooks", "/elsewhere")})] * 1
    made = subscribed(context, program.url, (ASSIGNED,))
    city.hear(context, city.assigned(uuid4()))
    await send_everything(context, attempts=1)
    assert program.elsewhere == 0
    (row,) = calls(context, made)
    assert (row.state, "answered 307" in (row.error or "")) == ("failed", True)


async def test_a_program_that_is_gone_for_good_is_not_tried_again(context: Context, program: Program) -> None:
    """410 says so; one attempt is enough."""
    program.answers = [410.0]
    made = subscribed(context, program.url, (ASSIGNED,))
    city.hear(context, city.assigned(uuid4()))
    await send_everything(context, attempts=8)
    (row,) = calls(context, made)
    assert (row.state, row.attempts, len(program.seen)) == ("failed", 1, 1)


async def test_nobody_listening_is_a_failure_in_words(context: Context) -> None:
    """A closed port says so, without the address of anything inside."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        made = subscribed(context, f"http://127.0.0.1:{closed.getsockname()[1]}/", (ASSIGNED,))
        city.hear(context, city.assigned(uuid4()))
        await send_everything(context, attempts=1)
    (row,) = calls(context, made)
    assert row.state == "failed"
    assert "The program cannot be reached" in (row.error or "")
