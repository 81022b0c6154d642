"""The rules of calling executors' programs, without any server."""

from uuid import UUID

import pytest

from notification_svc.domain import subscription as rules
from notification_svc.domain.subscription import SUBSCRIPTION, TOLD, WEBHOOK, Call, Subscription, Webhook
from notification_svc.domain.target import (
    TargetNotSecureError,
    TargetPrivateError,
    TargetUnreadableError,
    check_target,
    is_public,
)
from shared_events.event import Event
from shared_events.ids import uuid_of
from shared_events.notification import SubscriptionChanged, WebhookDelivered, WebhookFailed

ROADS, WATER = "organisation-kazan-roads", "organisation-kazan-water"
URL, ASSIGNED, CLOSED = "https://roads.example/hooks", "dispatch.request-assigned.v1", "dispatch.case-closed.v1"
CALL = Call(UUID(int=1), ROADS, UUID(int=2), ASSIGNED, UUID(int=3))


def after(*facts: Event) -> Subscription:
    """Given: these facts of a subscription."""
    subscription = SUBSCRIPTION.initial
    for fact in facts:
        subscription = SUBSCRIPTION.evolve(subscription, fact)
    return subscription


def stated(version: int = 1, *, active: bool = True) -> SubscriptionChanged:
    """State the subscription of these tests."""
    return SubscriptionChanged(organisation=ROADS, url=URL, events=(ASSIGNED, CLOSED), secret_version=version, active=active)


def test_a_program_is_subscribed_once_to_what_it_names() -> None:
    """In the order named, each once."""
    assert rules.subscribe(after(), ROADS, URL, [ASSIGNED, CLOSED, ASSIGNED]) == [stated()]
    assert rules.subscribe(after(stated()), ROADS, URL, [ASSIGNED]) == []


def test_what_no_program_is_told_of_is_refused_by_name() -> None:
    """The refusal says which, and what there is."""
    with pytest.raises(rules.NothingWantedError):
        rules.subscribe(after(), ROADS, URL, [])
    with pytest.raises(rules.EventNotToldError) as refused:
        rules.subscribe(after(), ROADS, URL, [ASSIGNED, "request.request-submitted.v1"])
    assert "request.request-submitted.v1" in str(refused.value).split("They can")[0]
    assert ASSIGNED in str(refused.value).split("They can")[1]


def test_a_rotation_is_a_new_version_of_the_secret() -> None:
    """Nothing else changes."""
    assert rules.rotate(after(stated()), ROADS) == [stated(2)]
    assert rules.rotate(after(stated(), stated(2)), ROADS) == [stated(3)]


def test_an_ended_subscription_is_over() -> None:
    """Ended once; no new secret after it."""
    assert rules.end(after(stated(2)), ROADS) == [stated(2, active=False)]
    ended = after(stated(2), stated(2, active=False))
    assert rules.end(ended, ROADS) == []
    with pytest.raises(rules.SubscriptionEndedError):
        rules.rotate(ended, ROADS)


@pytest.mark.parametrize("act", [rules.rotate, rules.end])
@pytest.mark.parametrize("organisation", [WATER, None, ""])
def test_anothers_subscription_is_unknown(act: object, organisation: str | None) -> None:
    """Nobody learns that there is one."""
    assert callable(act)
    for subscription in (after(stated()), after()):
        with pytest.raises(rules.SubscriptionUnknownError):
            act(subscription, organisation)


def test_how_a_call_ended_is_stated_each_time() -> None:
    """Sent again by hand it ends again."""
    delivered, failed = rules.deliver(CALL, 3), rules.fail(CALL, 12, "The program answered 500.")
    assert delivered == [
        WebhookDelivered(
            subscription=UUID(int=1), organisation=ROADS, cause=UUID(int=2), cause_type=ASSIGNED, case=UUID(int=3), attempts=3
        )
    ]
    assert isinstance(failed[0], WebhookFailed)
    assert (failed[0].attempts, failed[0].error) == (12, "The program answered 500.")
    assert [WEBHOOK.evolve(Webhook(), fact).status for fact in (*failed, *delivered)] == ["failed", "delivered"]


def test_everything_programs_are_told_of_belongs_to_a_case() -> None:
    """Facts of a request and of its case share their uuid; of nothing else is anybody's case known."""
    assert all(event.SERVICE in {"request", "dispatch"} for event in TOLD.values())
    assert all(name == event.TYPE for name, event in TOLD.items())
    assert uuid_of(f"case-{UUID(int=3)}") == uuid_of(f"request-{UUID(int=3)}")


@pytest.mark.parametrize(
    "url",
    [
        "https://roads.example/hooks",
        "https://roads.example:8443/hooks?key=1",
        "https://93.184.215.14/hooks",
        "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/",
        "https://xn--80a1acny.xn--p1ai/hooks",
    ],
)
def test_a_public_address_over_https_may_be_called(url: str) -> None:
    """Names and numbers of the public internet."""
    check_target(url, private_too=False)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "roads.example/hooks",
        "//roads.example/hooks",
        "ftp://roads.example/hooks",
        "file:///etc/passwd",
        "gopher://127.0.0.1:5432/_",
        "https://",
        "https:///hooks",
        "https://user:secret@roads.example/",
        "https://user@roads.example/",
        "https://roads.example/#part",
        "https://roads.example:99999/",
        "https://roads.example:0/",
        "https://roads.example:port/",
        "https://[::1/",
        "https://roads.example/a b",
        "https://roads.example/\r\nHost: inside",
        "https://roads.example\\@127.0.0.1/",
        "https://почта.рф/hooks",
        "https://roads.example/" + "a" * 2000,
    ],
)
@pytest.mark.parametrize("private_too", [True, False])
def test_what_is_no_address_is_refused(url: str, *, private_too: bool) -> None:
    """Also on developers' machines."""
    with pytest.raises(TargetUnreadableError):
        check_target(url, private_too=private_too)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1.2.3",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 - what is refused, nothing is bound
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[fd00::1]",
        "[ff02::1]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[2001:db8::1]",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "db.localhost",
        "printer.local",
        "metadata.google.internal",
        "postgres",
        "router.home.arpa",
    ],
)
def test_what_leads_inside_is_refused_but_for_developers(host: str) -> None:
    """Every kind of private, loopback, link-local, reserved and wrapped address, and names that never lead outside."""
    with pytest.raises(TargetPrivateError):
        check_target(f"https://{host}:8443/hooks", private_too=False)
    with pytest.raises(TargetNotSecureError):
        check_target(f"http://{host}/hooks", private_too=False)
    check_target(f"http://{host}/hooks", private_too=True)


@pytest.mark.parametrize(
    ("address", "public"),
    [("93.184.215.14", True), ("2606:2800:21f::1", True), ("fe80::1%eth0", False), ("64:ff9b::5db8:d70e", True), ("what", False)],
)
def test_an_address_is_public_or_not(address: str, *, public: bool) -> None:
    """As resolvers give them, with the zone where they have one; what is none is not."""
    assert is_public(address) is public
