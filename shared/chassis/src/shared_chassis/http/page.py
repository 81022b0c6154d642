"""Long lists a page at a time: each page says where the next begins, in a cursor nobody needs to understand.

A cursor is base64url of JSON. It holds the place of the last row shown, never a row number: rows that arrive meanwhile shift
nothing. Whoever edits one gets a refusal in words; what it may show is decided by the query, not by the cursor.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, Self, TypeVar

from fastapi import Query
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=1000, description="How many to show at most.")]
"""How many rows a page may have; give it a default."""

Cursor = Annotated[str | None, Query(max_length=2000, description="`next` of the page before; absent: from the start.")]
"""Where a page begins; give it the default None."""


class BrokenCursor(Exception):
    """This cursor is broken; take `next` of the page before as it is, or leave it out to begin again."""


class Page(BaseModel, Generic[T]):
    """A page of a list, and the cursor of the next one; None where the list ends."""

    model_config = ConfigDict(frozen=True)

    items: list[T]
    next: str | None = None

    @classmethod
    def cut(cls, rows: Sequence[T], limit: int, place: Callable[[T], object]) -> Self:
        """Make a page of at most `limit` rows; ask the query for `limit + 1`, so that the last page is known as such.

        `place` gives what `read_cursor` will read: what the rows are ordered by, unique in the end.
        """
        shown = list(rows[:limit])
        more = len(rows) > limit
        return cls(items=shown, next=write_cursor(place(shown[-1])) if more else None)


def write_cursor(place: object) -> str:
    """Write a place in a list as a cursor."""
    return base64.urlsafe_b64encode(TypeAdapter(object).dump_json(place)).rstrip(b"=").decode("ascii")


def read_cursor(cursor: str | None, shape: type[T]) -> T | None:
    """Read the place back, as `tuple[datetime, str]` or whatever it was written from; None begins at the start.

    Raises `BrokenCursor` when it is not one of ours.
    """
    if cursor is None:
        return None
    try:
        document = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return TypeAdapter(shape).validate_json(document)
    except (binascii.Error, ValueError, ValidationError) as error:
        raise BrokenCursor(BrokenCursor.__doc__) from error
