"""The page for executors' developers says what is so: its example is run, its lists are compared with the code."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from standardwebhooks import Webhook

from notification_svc.domain.subscription import MOST_SUBSCRIPTIONS, OVERLAP, TOLD
from notification_svc.outbound.webhook import SECONDS
from notification_svc.settings import Settings

PAGE = (Path(__file__).parents[3] / "docs" / "executors.md").read_text(encoding="utf-8")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

Receive = Callable[[str, dict[str, str], bytes, set[str]], tuple[int, dict[str, object] | None]]


@pytest.fixture
def receive() -> Receive:
    """The example of the page, as a reader would copy it."""
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    names: dict[str, Receive] = {}
    exec(example, names)  # noqa: S102 - our own page
    return names["receive"]


def call(body: bytes, at: datetime) -> dict[str, str]:
    """Sign a body as it is signed for a program."""
    signed = Webhook(SECRET).sign("msg", at, body.decode())
    return {"webhook-id": "msg", "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signed}


def test_the_example_takes_what_the_page_shows_once(receive: Receive) -> None:
    """The body of the page, signed: taken; again: answered and not taken twice."""
    (shown,) = re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)
    body, seen = shown.encode(), set[str]()
    headers = call(body, datetime.now(UTC))
    assert receive(SECRET, headers, body, seen) == (200, json.loads(shown))
    assert receive(SECRET, headers, body, seen) == (200, None)
    assert set(json.loads(shown)) == {"id", "type", "time", "case", "number", "data"}
    assert UUID(json.loads(shown)["id"]).version == 8


def test_the_example_refuses_what_is_not_ours(receive: Receive) -> None:
    """A changed body, an old call, another secret, no signature at all."""
    body, now = b'{"id": "msg"}', datetime.now(UTC)
    for headers, sent in (
        (call(body, now), body + b" "),
        (call(body, now - timedelta(minutes=6)), body),
        ({**call(body, now), "webhook-signature": "v1,AAAA"}, body),
        ({}, body),
    ):
        assert receive(SECRET, headers, sent, set()) == (401, None)


def test_the_page_names_every_event_and_every_figure() -> None:
    """What can be subscribed to is listed, and nothing else; the numbers are the code's."""
    (table,) = re.findall(r"\| events \| when \|\n(.*?)\n\n", PAGE, flags=re.DOTALL)
    assert set(re.findall(r"`([a-z.-]+\.v\d+)`", table)) == set(TOLD)
    words = " ".join(PAGE.split())
    assert MOST_SUBSCRIPTIONS == 10
    assert "ten subscriptions at a time" in words
    assert f"For {OVERLAP // timedelta(hours=1)} hours" in words
    assert SECONDS == 5
    assert "within five seconds" in words
    assert Settings.model_fields["webhook_attempts"].default == 12
    assert "twelve times in all" in words
    assert f"after about {Settings.model_fields['webhook_first_rest_seconds'].default} seconds" in words
