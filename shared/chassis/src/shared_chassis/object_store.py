"""Files as content-addressed objects: an object's name is the SHA-256 (hex) of its bytes, and it never changes."""

import hashlib
import os
import re
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class ObjectMissingError(LookupError):
    """No such object is stored."""


class ObjectDamagedError(RuntimeError):
    """A stored object is not what its name says."""


class ObjectStore:
    """A content-addressed directory.

    An object is there whole or not at all: written beside, made durable, then renamed.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def put(self, content: bytes) -> str:
        """Keep an object; its name. The same bytes are kept once."""
        name = hashlib.sha256(content).hexdigest()
        place = self._place(name)
        if place.exists():
            return name
        place.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=place.parent, prefix=".writing-", delete=False) as file:
            beside = Path(file.name)
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                beside.replace(place)
            except BaseException:
                beside.unlink(missing_ok=True)
                raise
        for directory in (place.parent, place.parent.parent):
            _make_durable(directory)
        return name

    def get(self, name: str) -> bytes:
        """Read an object back, whole and unchanged.

        Raises `ObjectMissingError` or `ObjectDamagedError`.
        """
        try:
            content = self._place(name).read_bytes()
        except FileNotFoundError as error:
            raise ObjectMissingError(name) from error
        if hashlib.sha256(content).hexdigest() != name:
            raise ObjectDamagedError(name)
        return content

    def _place(self, name: str) -> Path:
        if not _SHA256.fullmatch(name):
            raise ObjectMissingError(name)
        return self._directory / name[:2] / name


def _make_durable(directory: Path) -> None:
    """Make a directory's new entries outlive a power cut."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
