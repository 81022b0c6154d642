"""Rows of a file of requests are read as the city's pack says, whatever the file calls its columns and dates."""

import csv
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from another_year import restyle

from shared_city import City, MissingColumnsError
from veche.play.generated import write_requests
from veche.play.rows import NothingToImportError, Refused, Row, gaps, read_rows

USUAL = {
    "SRNumber": "1-1",
    "CreatedDate": "12/27/2017 01:00:00 PM",
    "Owner": "BOS",
    "RequestType": "Bulky Items",
    "Status": "Closed",
    "RequestSource": "Mobile App",
    "Anonymous": "N",
    "ServiceDate": "12/28/2017 09:30:00 AM",
    "ClosedDate": "12/28/2017 09:31:00 AM",
    "Address": "2111 W BELLEVUE AVE, 90026",
    "Latitude": "34.073216645",
    "Longitude": "-118.266861909",
    "CD": "13",
}


def read(tmp_path: Path, city: City, *changes: Mapping[str, str]) -> tuple[list[Row], list[Refused]]:
    """Read a file of usual rows, each with some cells changed."""
    file = tmp_path / "requests.csv"
    with file.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, list(USUAL))
        writer.writeheader()
        writer.writerows({**USUAL, **change} for change in changes)
    return read_rows(file, city)


def only(tmp_path: Path, city: City, **change: str) -> Row:
    """Read one row, with some cells changed."""
    (row,), refused = read(tmp_path, city, change)
    assert not refused
    return row


def test_a_row_is_read_in_the_citys_words(tmp_path: Path, los_angeles: City) -> None:
    """Local times become UTC, names become the pack's codes."""
    row = only(tmp_path, los_angeles)
    assert (row.number, row.created) == ("1-1", datetime(2017, 12, 27, 21, tzinfo=UTC))
    assert row.closed == datetime(2017, 12, 28, 17, 31, tzinfo=UTC)
    assert row.service_type in {each.code for each in los_angeles.service_types}
    assert row.owner in {f"organisation-los-angeles-{each.slug}" for each in los_angeles.organisations}
    assert row.district in {each.code for each in los_angeles.districts}
    assert (row.ending, row.reporter.person, row.line) == ("done", "self", 2)


def test_a_file_of_another_year_says_the_same(tmp_path: Path, los_angeles: City) -> None:
    """Other names in another order, other dates, other flags: the same rows, and no code knows of it."""
    write_requests(tmp_path / "2017.csv", 60)
    restyle(tmp_path / "2017.csv", tmp_path / "2031.csv")
    usual, refused = read_rows(tmp_path / "2017.csv", los_angeles)
    other, other_refused = read_rows(tmp_path / "2031.csv", los_angeles)
    assert len(usual) == 60
    assert not refused + other_refused
    assert [replace(row, line=0) for row in other] == [replace(row, line=0) for row in usual]


def test_rows_stand_in_the_order_of_creation(tmp_path: Path, los_angeles: City) -> None:
    """Files stand newest first; their lines are kept to name a row by."""
    rows, _ = read(
        tmp_path,
        los_angeles,
        {"SRNumber": "late", "CreatedDate": "12/31/2017 11:00:00 PM"},
        {"SRNumber": "early", "CreatedDate": "12/27/2017 11:00:00 PM"},
        {"SRNumber": "middle", "CreatedDate": "12/29/2017 11:00:00 PM"},
    )
    assert [(row.number, row.line) for row in rows] == [("early", 3), ("middle", 4), ("late", 2)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"RequestType": "Meteorite"}, "'Meteorite'"),
        ({"CreatedDate": "the day after"}, "'the day after'"),
        ({"ClosedDate": "27.12.2017"}, "'27.12.2017'"),
        ({"SRNumber": ""}, "no number"),
        ({"CreatedDate": ""}, "no creation date"),
    ],
)
def test_what_cannot_be_read_is_refused_by_line_and_reason(
    tmp_path: Path, los_angeles: City, change: Mapping[str, str], reason: str
) -> None:
    """The other rows are played."""
    rows, refused = read(tmp_path, los_angeles, {}, {"SRNumber": "1-2", **change}, {"SRNumber": "1-3"})
    assert [row.number for row in rows] == ["1-1", "1-3"]
    assert [each.line for each in refused] == [3]
    assert reason in refused[0].reason


@pytest.mark.parametrize("said", ["", "N/A", "99"])
def test_a_request_without_a_known_district_is_taken_in(tmp_path: Path, los_angeles: City, said: str) -> None:
    """It has none then."""
    assert only(tmp_path, los_angeles, CD=said).district is None


def test_an_owner_the_pack_does_not_know_leaves_the_request_to_nobody(tmp_path: Path, los_angeles: City) -> None:
    """It is played all the same."""
    assert only(tmp_path, los_angeles, Owner="BUREAU OF NOWHERE").owner is None


def test_nothing_ends_before_it_began(tmp_path: Path, los_angeles: City) -> None:
    """Real files say so of thousands: it counts as having happened with the creation."""
    row = only(tmp_path, los_angeles, ServiceDate="12/26/2017 12:00:00 AM", ClosedDate="12/27/2017 12:59:59 PM")
    assert row.serviced == row.closed == row.created
    later = only(tmp_path, los_angeles, ServiceDate="12/28/2017 12:00:00 AM", ClosedDate="")
    assert later.serviced is not None
    assert later.serviced > later.created
    assert later.closed is None


@pytest.mark.parametrize(
    ("source", "anonymous", "person", "channel"),
    [
        ("Mobile App", "N", "self", "mobile"),
        ("Self Service", "N", "self", "web"),
        ("Mobile App", "Y", "none", "mobile"),
        ("Driver Self Report", "N", "none", "call_centre"),
        ("Call", "N", "caller", "call_centre"),
        ("A Channel Of 2031", "N", "caller", "call_centre"),
    ],
)
def test_the_channel_says_who_speaks(
    tmp_path: Path, los_angeles: City, source: str, anonymous: str, person: str, channel: str
) -> None:
    """The resident, an agent for a caller, or nobody who could be asked."""
    reporter = only(tmp_path, los_angeles, RequestSource=source, Anonymous=anonymous).reporter
    assert (reporter.person, reporter.channel) == (person, channel)


@pytest.mark.parametrize(
    ("status", "ending"),
    [("Closed", "done"), ("Cancelled", "withdrawn"), ("Referred Out", "not_responsible"), ("Open", "open"), ("Pending", None)],
)
def test_the_status_says_how_a_request_ends(tmp_path: Path, los_angeles: City, status: str, ending: str | None) -> None:
    """One that nobody knows is kept, and told of."""
    row = only(tmp_path, los_angeles, Status=status)
    assert (row.ending, row.status) == (ending, status)


def test_a_file_without_a_needed_column_is_refused_whole(tmp_path: Path, los_angeles: City) -> None:
    """Its missing columns are named, each with the names it may have."""
    file = tmp_path / "requests.csv"
    file.write_text("SRNumber,CreatedDate,Status\n", encoding="utf-8")
    with pytest.raises(MissingColumnsError, match="service_type"):
        read_rows(file, los_angeles)


def test_a_city_that_imports_nothing_says_so(tmp_path: Path, los_angeles: City) -> None:
    """And names the pack."""
    silent = los_angeles.model_copy(update={"request_import": None})
    with pytest.raises(NothingToImportError, match="cities/los-angeles"):
        read_rows(tmp_path / "requests.csv", silent)


def test_the_gaps_of_the_day_are_kept_or_not(tmp_path: Path, los_angeles: City) -> None:
    """In real time, sixty times faster, or as fast as can be."""
    rows, _ = read(tmp_path, los_angeles, {"SRNumber": "a"}, {"SRNumber": "b", "CreatedDate": "12/27/2017 01:02:00 PM"})
    assert [(due, row.number) for due, row in gaps(rows, 1.0)] == [(0.0, "a"), (120.0, "b")]
    assert [due for due, _ in gaps(rows, 60.0)] == [0.0, 2.0]
    assert [due for due, _ in gaps(rows, None)] == [0.0, 0.0]
