"""Comments are read so that they can be said in order: what answers another comes after it."""

import csv
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veche.play.comments import Comment, MissingColumnError, _parents_first, read_comments, read_proposals
from veche.play.discussions import _kind

MADRID = ZoneInfo("Europe/Madrid")
COLUMNS = ("id", "parentId", "proposalId", "userId", "date", "time", "text")


def read(tmp_path: Path, *rows: tuple[str, str, str]) -> list[Comment]:
    """Read comments of which only id, parent and time of day are told."""
    file = tmp_path / "comments.csv"
    with file.open("w", encoding="utf-8", newline="") as target:
        writer = csv.writer(target)
        writer.writerow(COLUMNS)
        writer.writerows((id_, parent, "7", "1", "2015-09-15", f"0 days {time}", "Sí.") for id_, parent, time in rows)
    return read_comments(file, MADRID)


def test_comments_stand_in_the_order_of_time(tmp_path: Path) -> None:
    """Whatever the file's order; ties in the file's."""
    comments = read(tmp_path, ("3", "-1", "12:00:00"), ("2", "-1", "11:00:00"), ("1", "-1", "11:00:00"))
    assert [comment.id for comment in comments] == ["2", "1", "3"]
    assert comments[0].created == datetime(2015, 9, 15, 9, tzinfo=UTC)
    assert [comment.line for comment in comments] == [3, 4, 2]


def test_an_answer_never_stands_before_what_it_answers(tmp_path: Path) -> None:
    """Though the file dates it earlier; a chain is brought forward whole."""
    comments = read(tmp_path, ("c", "b", "09:00:00"), ("b", "a", "10:00:00"), ("a", "-1", "11:00:00"), ("x", "-1", "08:00:00"))
    assert [comment.id for comment in comments] == ["x", "a", "b", "c"]


def test_an_answer_to_an_absent_comment_keeps_its_place(tmp_path: Path) -> None:
    """And remembers what it answered: the play puts it at the top and says so in its origin."""
    comments = read(tmp_path, ("2", "99999", "10:00:00"), ("1", "-1", "09:00:00"))
    assert [(comment.id, comment.parent) for comment in comments] == [("1", None), ("2", "99999")]


def test_comments_that_answer_each_other_in_a_circle_are_all_kept(tmp_path: Path) -> None:
    """No real file should; none may hang the play."""
    comments = read(tmp_path, ("a", "b", "09:00:00"), ("b", "a", "10:00:00"), ("c", "c", "11:00:00"))
    assert sorted(comment.id for comment in comments) == ["a", "b", "c"]


@given(st.lists(st.integers(-1, 30), max_size=30))
def test_no_order_of_a_file_puts_an_answer_first(parents: list[int]) -> None:
    """Each comment once, and after the comment it answers unless they go in a circle."""
    comments = [
        Comment(index + 2, str(index), None if parent < 0 else str(parent), "7", "1", "Sí.", None)
        for index, parent in enumerate(parents)
    ]
    placed = _parents_first(comments)
    assert sorted(comment.line for comment in placed) == [comment.line for comment in comments]
    place = {comment.id: index for index, comment in enumerate(placed)}
    for comment in placed:
        if comment.parent in place and not in_a_circle(comment, comments):
            assert place[comment.parent] < place[comment.id]


def in_a_circle(comment: Comment, comments: list[Comment]) -> bool:
    """Whether the answers above a comment lead round for ever."""
    by_id = {each.id: each for each in comments}
    above, steps = comment, 0
    while above.parent is not None and above.parent in by_id:
        above, steps = by_id[above.parent], steps + 1
        if steps > len(comments):
            return True
    return False


def test_a_time_nobody_can_read_is_no_time(tmp_path: Path) -> None:
    """The comment is played last."""
    comments = read(tmp_path, ("1", "-1", "noon"), ("2", "-1", "10:00:00"))
    assert [(comment.id, comment.created is None) for comment in comments] == [("2", False), ("1", True)]


@pytest.mark.parametrize(
    ("parent", "text", "kind"),
    [
        (None, "¿Cuándo?", "question"),
        (None, "Cuándo?", "question"),
        (None, "Más árboles.", "proposal"),
        ("1", "¿Y quién lo paga?", "remark"),
    ],
)
def test_what_a_comment_is_shows_in_its_words_and_place(parent: str | None, text: str, kind: str) -> None:
    """Questions ask, answers remark, the rest proposes."""
    assert _kind(Comment(2, "2", parent, "7", "1", text, None)) == kind


def test_proposals_have_their_text_as_the_document(tmp_path: Path) -> None:
    """Title, summary and text, where there are any."""
    file = tmp_path / "proposals.csv"
    file.write_text(
        'id,title,date,summary,text\n7, Limpiar las calles ,2015-09-15,Algo básico.,"Uno.\n\nDos."\n8,Solo,,,\n', encoding="utf-8"
    )
    first, second = read_proposals(file, MADRID)
    assert (first.title, first.text) == ("Limpiar las calles", "Limpiar las calles\n\nAlgo básico.\n\nUno.\n\nDos.")
    assert first.created == datetime(2015, 9, 14, 22, tzinfo=UTC)
    assert (second.text, second.created) == ("Solo", None)


def test_a_file_without_a_needed_column_is_refused_whole(tmp_path: Path) -> None:
    """The column is named."""
    file = tmp_path / "comments.csv"
    file.write_text("id,parentId,userId,text\n", encoding="utf-8")
    with pytest.raises(MissingColumnError, match="proposalId"):
        read_comments(file, MADRID)
