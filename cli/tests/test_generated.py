"""A made-up day is the same day for everybody who makes it from the same seed, and is shaped as the real files are."""

from collections import Counter
from pathlib import Path
from zoneinfo import ZoneInfo

from shared_city import City
from veche.play.comments import read_comments, read_proposals
from veche.play.generated import write_discussions, write_requests
from veche.play.rows import read_rows


def made(directory: Path, seed: int) -> dict[str, bytes]:
    """Make a day from a seed."""
    directory.mkdir()
    write_requests(directory / "requests.csv", 200, seed)
    write_discussions(directory / "proposals.csv", directory / "comments.csv", 4, 120, seed)
    return {file.name: file.read_bytes() for file in directory.iterdir()}


def test_the_same_seed_makes_the_same_day(tmp_path: Path) -> None:
    """To the byte; another seed makes another."""
    first, again, other = made(tmp_path / "a", 7), made(tmp_path / "b", 7), made(tmp_path / "c", 8)
    assert first == again
    assert all(first[name] != other[name] for name in first)


def test_the_ids_of_two_days_are_apart(tmp_path: Path, los_angeles: City) -> None:
    """So that two days can be played in one city."""
    made(tmp_path / "a", 7)
    made(tmp_path / "b", 8)
    numbers = [{row.number for row in read_rows(tmp_path / day / "requests.csv", los_angeles)[0]} for day in "ab"]
    assert not numbers[0] & numbers[1]
    comments = [{each.id for each in read_comments(tmp_path / day / "comments.csv", ZoneInfo("Europe/Madrid"))} for day in "ab"]
    assert not comments[0] & comments[1]


def test_every_row_can_be_played_and_every_kind_of_row_is_there(tmp_path: Path, los_angeles: City) -> None:
    """All endings, residents, callers and nobody; what nobody is responsible for, too."""
    write_requests(tmp_path / "requests.csv", 600)
    rows, refused = read_rows(tmp_path / "requests.csv", los_angeles)
    assert (len(rows), refused) == (600, [])
    assert set(Counter(row.ending for row in rows)) == {"done", "withdrawn", "not_responsible", "open"}
    assert set(Counter(row.reporter.person for row in rows)) == {"self", "caller", "none"}
    routed = {each.service_type for each in los_angeles.responsibilities}
    assert any(row.service_type not in routed and row.owner is not None for row in rows)


def test_comments_ask_answer_and_are_sometimes_empty(tmp_path: Path) -> None:
    """Under every proposal of the file."""
    write_discussions(tmp_path / "proposals.csv", tmp_path / "comments.csv", 3, 400)
    proposals = read_proposals(tmp_path / "proposals.csv", ZoneInfo("Europe/Madrid"))
    comments = read_comments(tmp_path / "comments.csv", ZoneInfo("Europe/Madrid"))
    assert {comment.proposal for comment in comments} == {proposal.id for proposal in proposals}
    assert {comment.parent is None for comment in comments} == {True, False}
    assert any(not comment.text for comment in comments)
