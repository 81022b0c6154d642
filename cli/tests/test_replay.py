"""A slice of the streams is chosen by type and time, and written as lines."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from feeds import shown
from typer.testing import CliRunner

from veche.main import app
from veche.replay import line, wanted

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
EVENT = shown("request", 7, time="2026-11-23T12:00:00.000000Z", data={"text": "вече"})
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("types", "chosen"),
    [
        ([], True),
        (["request."], True),
        (["request.request-submitted.v1"], True),
        (["dispatch.", "request.request-"], True),
        (["dispatch."], False),
        (["request.request-submitted.v2"], False),
    ],
)
def test_events_are_chosen_by_type_or_by_how_it_begins(types: list[str], *, chosen: bool) -> None:
    """One fitting word is enough."""
    assert wanted(EVENT, types, None, None) is chosen


@pytest.mark.parametrize(
    ("from_", "to", "chosen"),
    [
        (NOON, None, True),
        (NOON + SECOND, None, False),
        (None, NOON, False),
        (None, NOON + SECOND, True),
        (NOON, NOON, False),
        (NOON.astimezone(timezone(timedelta(hours=3))), NOON + SECOND, True),
        ((NOON + SECOND).astimezone(timezone(timedelta(hours=-8))), None, False),
    ],
)
def test_a_slice_of_time_has_its_beginning_and_not_its_end(from_: datetime | None, to: datetime | None, *, chosen: bool) -> None:
    """Two slices side by side show every event once, whatever zone they are told in."""
    assert wanted(EVENT, (), from_, to) is chosen


def test_cloudevents_are_the_stored_bytes() -> None:
    """Not spelt anew: here the stored form escapes what a new one would not."""
    assert b"\\u0432" in EVENT.raw
    assert line(EVENT, "cloudevents") is EVENT.raw


def test_ndjson_is_one_flat_object_a_line() -> None:
    """For tools of analysts: who, when, why, and what was said."""
    written = line(EVENT, "ndjson")
    assert b"\n" not in written
    assert "вече".encode() in written
    flat = json.loads(written)
    assert (flat["service"], flat["position"], flat["data"]) == ("request", 7, {"text": "вече"})
    assert {"id", "type", "subject", "streamversion", "time", "recordedtime", "actor", "correlation", "causation"} < set(flat)


@pytest.mark.parametrize(
    ("arguments", "said"), [(["--service", "taxes"], "There is no service taxes"), (["--format", "xml"], "ndjson or cloudevents")]
)
def test_what_cannot_be_replayed_is_said(arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any city is looked for."""
    monkeypatch.setenv("COLUMNS", "200")
    result = CliRunner().invoke(app, ["replay", *arguments])
    assert result.exit_code == 2
    assert said in result.output
