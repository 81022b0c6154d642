"""Calls to executors' programs: a real PostgreSQL here, a real HTTP server there."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import city_of_tests as city
import pytest
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from notification_svc import views, worker
from notification_svc.application import subscription as application
from notification_svc.application.context import Context
from notification_svc.domain import subscription as rules
from notification_svc.domain.target import TargetNotSecureError, TargetPrivateError
from notification_svc.outbound.webhook import NotTakenError, Posted, Programs
from notification_svc.views.webhook import Row
from shared_chassis.http import Actor
from shared_chassis.postgres import ServiceDatabase
from shared_chassis.sender import Sender, UndeliverableError
from shared_chassis.store import Command, KeyReusedError
from shared_chassis.view import rebuild
from shared_events.dispatch import OrganisationKeyIssued, OrganisationKeyRevoked
from shared_events.ids import organisation_stream, uuid_of, work_item_stream
from shared_events.notification import SubscriptionChanged, WebhookDelivered, WebhookFailed

pytestmark = pytest.mark.postgres

ASSIGNED, ACCEPTED = "dispatch.request-assigned.v1", "dispatch.assignment-accepted.v1"
DECLINED, ANSWERED = "dispatch.assignment-declined.v1", "request.information-received.v1"
EVERYTHING = tuple(rules.TOLD)
LONG_AGO = timedelta(days=365)


@dataclass
class Program:
    """An organisation's program: what it was sent, and what it answers next; out of answers it says 200."""

    url: str = ""
    answers: list[web.StreamResponse | float] = field(default_factory=list)
    seen: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)
    elsewhere: int = 0

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Note a call and answer it, after a while where that is a number of seconds."""
        self.seen.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        answer = self.answers.pop(0) if self.answers else 200.0
        if isinstance(answer, float) and answer < 100:
            await asyncio.sleep(answer)
            return web.Response()
        return web.Response(status=int(answer)) if isinstance(answer, float) else answer

    async def go_elsewhere(self, _request: web.Request) -> web.StreamResponse:
        """Be where a redirect leads."""
        self.elsewhere += 1
        return web.Response()

    def bodies(self) -> list[dict[str, object]]:
        """Read what was sent."""
        return [json.loads(body) for _, body in self.seen]


@pytest.fixture
async def program() -> AsyncIterator[Program]:
    """A program that listens on this machine."""
    running = Program()
    app = web.Application()
    app.router.add_post("/hooks", running.take)
    app.router.add_route("*", "/elsewhere", running.go_elsewhere)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0]
    running.url = f"http://{host}:{port}/hooks"
    yield running
    await runner.cleanup()


def executor(organisation: str | None = city.ROADS) -> Actor:
    """Sign an executor in."""
    return Actor("executor", str(uuid4()), frozenset({"executor"}), organisation)


DISPATCHER = Actor("dispatcher", str(uuid4()), frozenset({"dispatcher"}))


def by(actor: Actor) -> Command:
    """Make a command of somebody."""
    return Command(uuid4(), str(actor))


def subscribed(
    context: Context, url: str, events: tuple[str, ...] = EVERYTHING, organisation: str = city.ROADS
) -> application.WithSecret:
    """Subscribe a program, long before anything happens in these tests."""
    actor = executor(organisation)
    made = application.subscribe(context, actor, url, events, by(actor))
    context.database.execute("UPDATE subscription SET since = %(since)s", {"since": city.NOON - LONG_AGO})
    return made


def calls(context: Context, made: application.WithSecret) -> list[Row]:
    """List the calls to a program."""
    return list(application.calls(context, DISPATCHER, made.row.subscription, None, None, 100))


async def send_everything(context: Context, attempts: int = 3) -> None:
    """Let the sender run until every call has come to an end."""
    sender = Sender(
        context.database,
        worker.PROGRAMS,
        context,
        delivered=worker.when_sent_then_state_it,
        failed=worker.when_given_up_then_state_it,
        attempts=attempts,
        first_rest=0.01,
    )
    stop = asyncio.Event()
    running = asyncio.create_task(sender.run(stop))
    await asyncio.to_thread(wait_until_reported, context)
    stop.set()
    await running


def wait_until_reported(context: Context) -> None:
    """Wait until every call has come to its end, twenty seconds at most."""
    deadline = time.monotonic() + 20
    while context.database.query("SELECT 1 FROM delivery WHERE channel = 'webhook' AND reported_at IS NULL LIMIT 1"):
        assert time.monotonic() < deadline, "a call does not come to its end"
        time.sleep(0.02)


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


def test_only_what_was_asked_for_since_it_was_asked_is_told(context: Context) -> None:
    """Other events, events before the subscription, and an ended subscription cause no call."""
    made = subscribed(context, "http://127.0.0.1:1/", (ACCEPTED,))
    actor = executor()
    young = application.subscribe(context, actor, "http://127.0.0.1:1/", (ASSIGNED,), by(actor))
    request = uuid4()
    city.hear(context, city.assigned(request, 3))
    city.hear(context, city.accepted(request, 4))
    assert [row.type for row in calls(context, made)] == [ACCEPTED]
    assert calls(context, young) == []
    application.end(context, actor, made.row.subscription, by(actor))
    city.hear(context, city.accepted(request, 5))
    assert len(calls(context, made)) == 1


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
        (2.5, "No answer came within 1 seconds."),
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
    await send_everything(context, attempts=2)
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
    assert len(program.seen) == 3
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
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = subscribed(context, f"http://127.0.0.1:{port}/", (ASSIGNED,))
    city.hear(context, city.assigned(uuid4()))
    await send_everything(context, attempts=1)
    (row,) = calls(context, made)
    assert row.state == "failed"
    assert "The program cannot be reached" in (row.error or "")


async def test_an_ended_subscription_is_called_no_more(context: Context, program: Program) -> None:
    """What was still to be sent fails at once, and nobody in the queue is bothered with it."""
    made = subscribed(context, program.url, (ASSIGNED,))
    city.hear(context, city.assigned(uuid4()))
    mine = executor()
    for _ in range(2):
        assert application.end(context, mine, made.row.subscription, by(mine)).active is False
    await send_everything(context)
    assert program.seen == []
    (row,) = calls(context, made)
    assert (row.state, "has ended" in (row.error or "")) == ("failed", True)
    assert views.work_item.wall(context.database, None) == []
    for act in (
        lambda: application.rotate(context, mine, made.row.subscription, by(mine)),
        lambda: application.resend(context, mine, row.delivery, by(mine)),
    ):
        with pytest.raises(rules.SubscriptionEndedError):
            act()


async def test_a_new_secret_signs_beside_the_former_one_for_a_day(
    context: Context, program: Program, service_database: ServiceDatabase
) -> None:
    """Nobody has to change both ends in the same second."""
    made, mine = subscribed(context, program.url, (ASSIGNED,)), executor()
    rotated = application.rotate(context, mine, made.row.subscription, by(mine))
    assert rotated.secret != made.secret
    city.hear(context, city.assigned(uuid4()))
    await send_everything(context)
    city.pass_time(service_database, timedelta(hours=25))
    city.hear(context, city.assigned(uuid4()))
    await send_everything(context)
    (early, early_body), (late, late_body) = program.seen
    for secret in (made.secret, rotated.secret):
        assert Webhook(secret).verify(early_body, dict(early))
    assert Webhook(rotated.secret).verify(late_body, dict(late))
    with pytest.raises(WebhookVerificationError):
        Webhook(made.secret).verify(late_body, dict(late))


def test_a_secret_is_shown_again_to_the_same_command_and_stored_nowhere(context: Context) -> None:
    """A lost answer is repeated, also after a rotation; no table holds the secret."""
    mine = executor()
    command = by(mine)
    url = "http://127.0.0.1:1/"
    made = application.subscribe(context, mine, url, (ASSIGNED,), command)
    rotated = application.rotate(context, mine, made.row.subscription, by(mine))
    again = application.subscribe(context, mine, url, (ASSIGNED,), command)
    assert (again.row.subscription, again.secret) == (made.row.subscription, made.secret)
    facts = [each.fact for each in context.store.events(f"subscription-{made.row.subscription}")]
    assert facts == [
        SubscriptionChanged(organisation=city.ROADS, url=url, events=(ASSIGNED,), secret_version=version, active=True)
        for version in (1, 2)
    ]
    for table in ("subscription", "stored_events", "command"):
        rows = " ".join(row["row"] for row in context.database.query(f"SELECT t::text AS row FROM {table} t"))
        for secret in (made.secret, rotated.secret):
            assert secret.removeprefix(application.SECRET_PREFIX) not in rows


def test_an_organisation_sees_and_changes_its_own_alone(context: Context) -> None:
    """Another's subscription and calls are unknown to it; staff see them and change nothing."""
    made = subscribed(context, "http://127.0.0.1:1/", (ASSIGNED,))
    city.hear(context, city.assigned(uuid4()))
    (row,) = calls(context, made)
    other, nobody, subscription = executor(city.WATER), executor(None), made.row.subscription
    refused: list[tuple[Callable[[], object], type[Exception]]] = [
        (lambda: application.rotate(context, other, subscription, by(other)), rules.SubscriptionUnknownError),
        (lambda: application.end(context, other, subscription, by(other)), rules.SubscriptionUnknownError),
        (lambda: application.read_subscription(context, other, subscription), rules.SubscriptionUnknownError),
        (lambda: application.calls(context, other, subscription, None, None, 10), rules.SubscriptionUnknownError),
        (lambda: application.resend(context, other, row.delivery, by(other)), rules.DeliveryUnknownError),
        (lambda: application.resend(context, other, uuid4(), by(other)), rules.DeliveryUnknownError),
        (lambda: application.rotate(context, DISPATCHER, subscription, by(DISPATCHER)), rules.SubscriptionUnknownError),
        (lambda: application.subscriptions(context, nobody, None, None, 10), rules.OrganisationMissingError),
        (
            lambda: application.subscribe(context, nobody, "http://127.0.0.1:1/", (ASSIGNED,), by(nobody)),
            rules.OrganisationMissingError,
        ),
    ]
    for act, error in refused:
        with pytest.raises(error):
            act()
    assert application.subscriptions(context, other, None, None, 10) == []
    assert application.subscriptions(context, other, city.ROADS, None, 10) == []
    assert [each.subscription for each in application.subscriptions(context, DISPATCHER, None, None, 10)] == [subscription]
    assert application.read_subscription(context, DISPATCHER, subscription).url == "http://127.0.0.1:1/"


def test_an_organisation_has_so_many_subscriptions_at_a_time(context: Context) -> None:
    """Ended ones do not count."""
    mine = executor()
    made = [
        application.subscribe(context, mine, "http://127.0.0.1:1/", (ASSIGNED,), by(mine)) for _ in range(rules.MOST_SUBSCRIPTIONS)
    ]
    with pytest.raises(rules.TooManySubscriptionsError):
        application.subscribe(context, mine, "http://127.0.0.1:1/", (ASSIGNED,), by(mine))
    application.end(context, mine, made[0].row.subscription, by(mine))
    assert application.subscribe(context, mine, "http://127.0.0.1:1/", (ASSIGNED,), by(mine)).row.active


async def test_nothing_inside_is_called_whatever_its_name(
    context: Context, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text of an address is looked at when it is subscribed, what its name leads to in each call."""
    guarded = replace(context, programs=Programs(seconds=1))
    mine = executor()
    for url, error in ((program.url, TargetNotSecureError), ("https://127.0.0.1/hooks", TargetPrivateError)):
        with pytest.raises(error):
            application.subscribe(guarded, mine, url, (ASSIGNED,), by(mine))
    port = program.url.split(":")[2].split("/")[0]
    asked: list[object] = []

    def leads_inside(host: object, *_args: object, **_more: object) -> list[object]:
        asked.append(host)
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", int(port))),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", int(port))),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", leads_inside)
    with pytest.raises(UndeliverableError, match="private network"):
        await asyncio.to_thread(
            guarded.programs.call, f"https://hooks.example.org:{port}/hooks", Posted(uuid4(), "{}"), [b"s" * 32]
        )
    assert asked == ["hooks.example.org"]
    assert program.seen == []
    with pytest.raises(UndeliverableError, match="private network"):
        guarded.programs.call("https://[::ffff:10.0.0.1]/", Posted(uuid4(), "{}"), [b"s" * 32])


async def test_a_call_is_bounded_in_all(program: Program) -> None:
    """A program that lets us wait costs so much time and no more."""
    program.answers = [30.0]
    began = time.monotonic()
    with pytest.raises(NotTakenError, match="within 0.3 seconds"):
        await asyncio.to_thread(
            Programs(private_too=True, seconds=0.3).call, program.url, Posted(uuid4(), "{}"), [b"s" * 32]
        )
    assert time.monotonic() - began < 2


async def test_rebuilt_lists_are_the_same_and_call_nobody(
    context: Context, program: Program, service_database: ServiceDatabase
) -> None:
    """Own facts alone give subscriptions and the ends of calls again; no program hears of it."""
    program.answers = [503.0]
    made, mine = subscribed(context, program.url, (ASSIGNED,)), executor()
    city.hear(context, city.assigned(uuid4()))
    await send_everything(context, attempts=1)
    city.hear(context, city.assigned(uuid4()))
    await send_everything(context)
    application.rotate(context, mine, made.row.subscription, by(mine))
    context.database.execute(
        "UPDATE subscription SET since = (SELECT (event_document(state) ->> 'time')::timestamptz FROM stored_events"
        " WHERE originator_version = 1 AND originator_id = %(stream)s)",
        {"stream": f"subscription-{made.row.subscription}"},
    )

    def snapshot() -> list[list[str]]:
        tables = ("subscription", "webhook", "work_item", "delivery")
        return [[row["row"] for row in context.database.query(f"SELECT t::text AS row FROM {table} t ORDER BY 1")] for table in tables]

    before = snapshot()
    assert [len(rows) for rows in before] == [1, 2, 1, 2]
    rebuild(service_database, context.store.mapper, views.PROJECTION, views.TABLES)
    assert snapshot() == before
    await send_everything(context)
    assert len(program.seen) == 2


def test_keys_come_and_go_as_dispatch_says(context: Context) -> None:
    """Issued and revoked by facts, in the table the edge looks into."""
    stream, sha256 = organisation_stream("kazan", "roads"), "ab" * 32
    issued = OrganisationKeyIssued(
        organisation=city.ROADS, key_id="k1", sha256=sha256, scopes=("read", "work"), label="ERP", valid_until=None
    )
    revoked = OrganisationKeyRevoked(organisation=city.ROADS, key_id="k1", at=datetime(2026, 3, 2, tzinfo=UTC))
    for version, fact in ((2, issued), (3, revoked), (2, issued)):
        statement = views.FOLDS[type(fact)](city.said(stream, version, fact, subject=UUID(int=1)))
        context.database.execute(statement.sql, statement.params)
    (row,) = context.database.query("SELECT organisation, scopes, revoked_at FROM api_key WHERE sha256 = %(sha256)s", {"sha256": sha256})
    assert (row["organisation"], row["scopes"], row["revoked_at"]) == (city.ROADS, ["read", "work"], revoked.at)
