"""How a fact becomes the parameters of its statement."""

from collections.abc import Callable
from typing import LiteralString

from pydantic import BaseModel
from pydantic_core import to_json

from shared_chassis.view import Statement
from shared_events.envelope import Recorded
from shared_events.ids import uuid_of


def stating(sql: LiteralString, *as_json: str) -> Callable[[Recorded], Statement]:
    """Make the statement of a fact: its fields by their names; a value inside it as JSON text, and each part as `<field>_<name>`.

    Lists become arrays but for the fields named in `as_json`, which become JSON text, also where they are empty.
    Beside them stand `stream_id`, `stream_uuid` (of a case: the request's), `stream_version` and `time` (when it happened).
    """

    def state(recorded: Recorded) -> Statement:
        params: dict[str, object] = {
            "stream_id": recorded.stream_id,
            "stream_uuid": uuid_of(recorded.stream_id),
            "stream_version": recorded.version,
            "time": recorded.envelope.time,
        }
        for name, value in recorded.fact:
            params[name] = to_json(value).decode() if name in as_json else _plain(value)
            if isinstance(value, BaseModel):
                params |= {f"{name}_{part}": _plain(inner) for part, inner in value}
        return Statement(sql, params)

    return state


def _plain(value: object) -> object:
    """Give a value in a form the database driver takes."""
    if isinstance(value, BaseModel | dict):
        return to_json(value).decode()
    return list(value) if isinstance(value, tuple) else value
