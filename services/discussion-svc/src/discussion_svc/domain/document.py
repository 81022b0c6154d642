"""Documents of an exposition: of kinds everybody can open, of the kind they say they are, and not too large to be read."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from discussion_svc.domain.discussion import LONGEST_TITLE, check_text
from discussion_svc.domain.refusal import (
    DocumentMismatchError,
    DocumentMissingError,
    DocumentTooLargeError,
    MediaTypeError,
)
from shared_events.discussion import DocumentAttached

LARGEST: Final = 25 * 1024 * 1024
"""Bytes a document may have."""

_PLAIN: Final = b""
_ZIP: Final = b"PK\x03\x04"

BEGINNINGS: Final[Mapping[str, bytes]] = {
    "application/pdf": b"%PDF-",
    "application/vnd.oasis.opendocument.spreadsheet": _ZIP,
    "application/vnd.oasis.opendocument.text": _ZIP,
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": _ZIP,
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": _ZIP,
    "application/zip": _ZIP,
    "image/jpeg": b"\xff\xd8\xff",
    "image/png": b"\x89PNG\r\n\x1a\n",
    "text/csv": _PLAIN,
    "text/markdown": _PLAIN,
    "text/plain": _PLAIN,
}
"""Media types that are taken, and how a file of each begins. No type whose files run in a reader's browser is among them."""

_UNFIT: Final = re.compile(r"[\x00-\x1f\x7f-\x9f/\\]")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as an organiser sends it."""

    name: str
    media_type: str
    content: bytes


def describe(upload: Upload) -> DocumentAttached:
    """Say what a file is, or refuse it: too large, empty, of a kind not taken, or not of the kind it is said to be.

    Its name is kept without folders and control characters. Plain texts are UTF-8, whatever they were said to be.
    """
    if len(upload.content) > LARGEST:
        raise DocumentTooLargeError(f"It has {len(upload.content)} bytes; {LARGEST} are allowed.")
    if not upload.content:
        raise DocumentMissingError
    essence = upload.media_type.partition(";")[0].strip().lower()
    beginning = BEGINNINGS.get(essence)
    if beginning is None:
        raise MediaTypeError(f"Taken are: {', '.join(BEGINNINGS)}.")
    if not upload.content.startswith(beginning) or (beginning == _PLAIN and not _is_text(upload.content)):
        raise DocumentMismatchError(f"It is said to be {essence}.")
    name = _UNFIT.sub("", re.split(r"[/\\]", upload.name)[-1]).strip()
    check_text(name, LONGEST_TITLE)
    return DocumentAttached(
        sha256=hashlib.sha256(upload.content).hexdigest(),
        name=name,
        media_type=f"{essence}; charset=utf-8" if beginning == _PLAIN else essence,
        size=len(upload.content),
    )


def _is_text(content: bytes) -> bool:
    try:
        return "\x00" not in content.decode("utf-8")
    except UnicodeDecodeError:
        return False
