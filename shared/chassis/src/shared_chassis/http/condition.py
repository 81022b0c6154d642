"""Versions over HTTP: a read says which version it shows, and a command may say on which version it was decided.

The tag of a resource is its stream's version in quotes: `ETag: "7"`. A command with `If-Match: "7"` is refused with 412 when the
stream stands elsewhere by now, `If-Match: *` when it does not exist; without the header a command takes the stream as it is. A
read with `If-None-Match` that names the present tag is answered by 304 without a body (RFC 9110, section 13).

Where an answer shows more than its own stream (what other services said, what only some readers may see), that is given beside
the version and becomes a second part of the tag, `"7-1f0c…"`: it decides about 304, and `If-Match` reads the version alone.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Header, Request

from shared_chassis.http.call import BadHeader, call_of
from shared_chassis.http.command import IdempotentCommand
from shared_chassis.store import EXISTING, Command

_TAG = re.compile(r'(?P<weak>W/)?"(?P<version>0|[1-9][0-9]{0,17})(?:-[0-9a-f]{16})?"')
_READS = frozenset({"GET", "HEAD"})


class NotModified(Exception):
    """The caller has this version already."""


def etag(version: int, *beside: object) -> str:
    """Write the tag of a resource at a version of its stream; `beside` is what else it shows, as texts, numbers and moments."""
    if not beside:
        return f'"{version}"'
    return f'"{version}-{hashlib.sha256(repr(beside).encode()).hexdigest()[:16]}"'


def expected_version(given: str) -> int:
    """Read the version an `If-Match` names; `EXISTING` for `*`.

    Raises `BadHeader` for a weak tag, several tags, or what is no tag of ours.
    """
    if given.strip() == "*":
        return EXISTING
    tag = _TAG.fullmatch(given.strip())
    if tag is None:
        raise BadHeader('If-Match takes one tag as the ETag of the answer was, for instance "7", or *.')
    if tag["weak"]:
        raise BadHeader('A weak tag (W/"…") does not say exactly which version is meant; send the ETag as it was given.')
    return int(tag["version"])


async def _if_match(
    request: Request,
    if_match: Annotated[
        str | None,
        Header(
            alias="If-Match",
            max_length=200,
            description="The ETag of what was read; when it has changed since, nothing is done (412).",
            examples=['"7"'],
        ),
    ] = None,
) -> int | None:
    """Read the version a call was decided on; None when it does not say. Raises `BadHeader` (400)."""
    if if_match is None:
        return None
    if len(request.headers.getlist("if-match")) > 1:
        raise BadHeader("Send one If-Match, not several.")
    return expected_version(if_match)


IfMatch = Annotated[int | None, Depends(_if_match)]
"""The version of the stream this call was decided on; `EXISTING` for any, None when the caller does not say."""


async def _conditional(command: IdempotentCommand, expected: IfMatch) -> Command:
    return command if expected is None else replace(command, expected=expected)


ConditionalCommand = Annotated[Command, Depends(_conditional)]
"""An `IdempotentCommand` that honours `If-Match`: for routes whose command goes to the stream the resource's tag names."""


async def _tagged(
    request: Request,
    if_none_match: Annotated[
        str | None,
        Header(alias="If-None-Match", max_length=1000, description="ETags at hand; when one is the present one: 304."),
    ] = None,
) -> Callable[..., None]:
    """Give a route the means to say which version it shows."""
    call = call_of(request.scope)
    reads = request.method in _READS

    def tag(version: int, *beside: object) -> None:
        call.etag = etag(version, *beside)
        if reads and if_none_match is not None and _names(if_none_match, call.etag):
            raise NotModified(NotModified.__doc__)

    return tag


Tagged = Annotated[Callable[..., None], Depends(_tagged)]
"""Says which version an answer shows: `tagged(version)` or `tagged(version, what else it shows)` sets the ETag.

To a read it also means: a caller who has that version already gets 304 and nothing more, so call it before building the answer.
"""


def _names(given: str, tag: str) -> bool:
    """Say whether a list of tags names this one; weak comparison, as RFC 9110 asks for reads."""
    tags = {each.strip().removeprefix("W/") for each in given.split(",")}
    return "*" in tags or tag in tags
