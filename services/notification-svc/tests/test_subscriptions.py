"""Which programs are called, with which secret, and that nothing inside is; on a real PostgreSQL."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import city_of_tests as city
import pytest
from program_of_tests import (
    ACCEPTED,
    ASSIGNED,
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
from notification_svc.domain.target import TargetNotSecureError, TargetPrivateError
from notification_svc.outbound.webhook import NotTakenError, Posted, Programs
from shared_chassis.postgres import ServiceDatabase
from shared_chassis.sender import UndeliverableError
from shared_chassis.view import rebuild
from shared_events.dispatch import OrganisationKeyIssued, OrganisationKeyRevoked
from shared_events.ids import organisation_stream
from shared_events.notification import SubscriptionChanged

pytestmark = pytest.mark.postgres


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
        application.subscribe(context, mine, "http://127.0.0.1:1/", (ASSIGNED,), by(mine))
        for _ in range(rules.MOST_SUBSCRIPTIONS)
    ]
    with pytest.raises(rules.TooManySubscriptionsError):
        application.subscribe(context, mine, "http://127.0.0.1:1/", (ASSIGNED,), by(mine))
    application.end(context, mine, made[0].row.subscription, by(mine))
    assert application.subscribe(context, mine, "http://127.0.0.1:1/", (ASSIGNED,), by(mine)).row.active


async def test_nothing_inside_is_called_whatever_its_name(
    context: Context, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text of an address is looked at when it is subscribed, what its name leads to in each call."""
    guarded = replace(context, programs=Programs(seconds=60))
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
    with pytest.raises(NotTakenError, match=r"within 0\.3 seconds"):
        await asyncio.to_thread(Programs(private_too=True, seconds=0.3).call, program.url, Posted(uuid4(), "{}"), [b"s" * 32])


async def test_a_program_that_lets_us_wait_is_left_alone_for_a_while(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call to it costs nobody time meanwhile, and other programs are called."""
    clock = [0.0]
    programs = Programs(private_too=True, seconds=0.3, rest=30.0, clock=lambda: clock[0])

    async def call(url: str) -> None:
        await asyncio.to_thread(programs.call, url, Posted(uuid4(), "{}"), [b"s" * 32])

    with socket.create_server(("127.0.0.1", 0)) as mute:
        silent = f"http://127.0.0.1:{mute.getsockname()[1]}/hooks"
        with pytest.raises(NotTakenError, match=r"within 0\.3 seconds\.$"):
            await call(silent)
        clock[0] = 29.0
        with pytest.raises(NotTakenError, match="left alone"):
            await call(silent)
        with monkeypatch.context() as patient:
            patient.setattr(programs, "_seconds", 60.0)
            await call(program.url)
        assert len(program.seen) == 1
        clock[0] = 31.0
        with pytest.raises(NotTakenError, match=r"within 0\.3 seconds\.$"):
            await call(silent)


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
        return [
            [row["row"] for row in context.database.query(f"SELECT t::text AS row FROM {table} t ORDER BY 1")] for table in tables
        ]

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
    (row,) = context.database.query(
        "SELECT organisation, scopes, revoked_at FROM api_key WHERE sha256 = %(sha256)s", {"sha256": sha256}
    )
    assert (row["organisation"], row["scopes"], row["revoked_at"]) == (city.ROADS, ["read", "work"], revoked.at)
