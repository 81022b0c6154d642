"""Rows of the two files of citizens' proposals and the discussion under each."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from veche.failure import CommandError

ROOT = "-1"


@dataclass(frozen=True)
class Proposal:
    """What one discussion is about; `text` is the document put up for discussion."""

    id: str
    title: str
    text: str
    created: datetime | None


@dataclass(frozen=True)
class Comment:
    """What somebody said under a proposal; `parent` is what it answers, None at the top. Times are UTC."""

    line: int
    id: str
    parent: str | None
    proposal: str
    user: str
    text: str
    created: datetime | None


class MissingColumnError(CommandError):
    """The file lacks a column that is needed to play it."""


def read_proposals(file: Path, zone: ZoneInfo) -> list[Proposal]:
    """Read the proposals in the file's order."""
    return [
        Proposal(
            row["id"],
            row["title"].strip(),
            "\n\n".join(part.strip() for part in (row["title"], row.get("summary", ""), row.get("text", "")) if part.strip()),
            _time(row.get("date", ""), "", zone),
        )
        for _, row in _rows(file, ("id", "title"))
    ]


def read_comments(file: Path, zone: ZoneInfo) -> list[Comment]:
    """Read the comments, the oldest first; what answers another comes after it."""
    comments = [
        Comment(
            line,
            row["id"],
            None if row["parentId"] in (ROOT, "") else row["parentId"],
            row["proposalId"],
            row["userId"],
            row["text"],
            _time(row.get("date", ""), row.get("time", ""), zone),
        )
        for line, row in _rows(file, ("id", "parentId", "proposalId", "userId", "text"))
    ]
    comments.sort(key=lambda comment: (comment.created or datetime.max.replace(tzinfo=UTC), comment.line))
    return _parents_first(comments)


def _parents_first(comments: list[Comment]) -> list[Comment]:
    """Keep the order, but let no answer stand before what it answers."""
    by_id = {comment.id: comment for comment in comments}
    placed: dict[str, Comment] = {}
    for comment in comments:
        chain = []
        above: Comment | None = comment
        while above is not None and above.id not in placed and above not in chain:
            chain.append(above)
            above = by_id.get(above.parent) if above.parent is not None else None
        for each in reversed(chain):
            placed[each.id] = each
    return list(placed.values())


def _rows(file: Path, needed: tuple[str, ...]) -> list[tuple[int, Mapping[str, str]]]:
    with file.open(encoding="utf-8-sig", newline="") as source:
        reader = csv.DictReader(source)
        missing = [name for name in needed if name not in (reader.fieldnames or ())]
        if missing:
            raise MissingColumnError(f"{MissingColumnError.__doc__} {file.name}: {', '.join(missing)}")
        return [(reader.line_num, {name: value or "" for name, value in row.items()}) for row in reader]


def _time(day: str, time: str, zone: ZoneInfo) -> datetime | None:
    """Read `2015-09-15` and `0 days 10:50:19` in the city's zone; None where the file says nothing readable."""
    try:
        moment = datetime.fromisoformat(day).replace(tzinfo=zone)
        hours, minutes, seconds = (int(float(part)) for part in (time.rpartition(" ")[2] or "0:0:0").split(":"))
    except ValueError:
        return None
    return (moment + timedelta(hours=hours, minutes=minutes, seconds=seconds)).astimezone(UTC)
