"""Reading another system's file by the pack's data alone."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from shared_city import (
    MissingColumnsError,
    Reporter,
    RequestImport,
    UnreadableDateError,
    columns,
    ending,
    load_city,
    read_time,
    reporter,
)

WritePack = Callable[..., Path]

ZONE = ZoneInfo("America/Los_Angeles")


@pytest.fixture
def plan(write_pack: WritePack) -> RequestImport:
    """Load the sample pack's plan."""
    found = load_city(write_pack()).request_import
    assert found is not None
    return found


@pytest.mark.parametrize(
    "created", ["CreatedDate", "created_date", "CREATED DATE", " Created Date ", "\ufeffCreatedDate", "opened"]
)
def test_columns_are_found_however_they_are_spelt(plan: RequestImport, created: str) -> None:
    """The file's own spelling is given back; columns it lacks are absent, others are left alone."""
    named = columns(plan, [created, "NUMBER", "type", "Status", "Weather"])
    assert named == {"created": created, "number": "NUMBER", "service_type": "type", "status": "Status"}


def test_the_first_name_the_pack_lists_wins(plan: RequestImport) -> None:
    """Wherever it stands in the file."""
    assert columns(plan, ["Number", "Opened", "Created Date", "Type", "Status"])["created"] == "Created Date"


def test_a_file_without_needed_columns_is_refused(plan: RequestImport) -> None:
    """It is said which, by what names, and what the file has."""
    with pytest.raises(MissingColumnsError) as refused:
        columns(plan, ["Number", "Kind", "Status"])
    assert "created (as CreatedDate, Opened); service_type (as Type). The file has: Number, Kind, Status." in str(refused.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("31.12.2017 23:59", datetime(2018, 1, 1, 7, 59, tzinfo=UTC)),
        (" 31.07.2017 23:59 ", datetime(2017, 8, 1, 6, 59, tzinfo=UTC)),
        ("2017-12-31", datetime(2017, 12, 31, 8, tzinfo=UTC)),
        ("05.11.2017 01:30", datetime(2017, 11, 5, 8, 30, tzinfo=UTC)),
        ("", None),
        ("  ", None),
    ],
)
def test_dates_are_read_in_the_packs_zone(plan: RequestImport, text: str, expected: datetime | None) -> None:
    """Of an hour that comes twice the first is meant."""
    assert read_time(plan, ZONE, text) == expected


def test_an_unreadable_date_is_refused_in_words(plan: RequestImport) -> None:
    """With what it reads and the forms that are known."""
    with pytest.raises(UnreadableDateError, match=r"'12/31/2017'; known forms: %d.%m.%Y %H:%M, %Y-%m-%d"):
        read_time(plan, ZONE, "12/31/2017")


@pytest.mark.parametrize(
    ("channel", "anonymous", "expected"),
    [
        ("App", "N", Reporter("mobile", "resident", "self")),
        ("app", "", Reporter("mobile", "resident", "self")),
        ("App", "y", Reporter("mobile", "resident", "none")),
        ("Robot", "N", Reporter("call_centre", "agent", "none")),
        ("Pigeon", "N", Reporter("call_centre", "agent", "caller")),
        ("Pigeon", "Y", Reporter("call_centre", "agent", "none")),
        ("", "", Reporter("call_centre", "agent", "caller")),
    ],
)
def test_who_reports_follows_from_channel_and_anonymity(
    plan: RequestImport, channel: str, anonymous: str, expected: Reporter
) -> None:
    """A channel nobody listed means the others."""
    assert reporter(plan, channel, anonymous) == expected


def test_an_ending_follows_from_the_status(plan: RequestImport) -> None:
    """A status nobody listed is told apart from an open request."""
    assert [ending(plan, status) for status in ("closed ", "OPEN", "Pending", "")] == ["done", "open", None, None]
