"""Letters, and the outbox they leave by: one file a message, named by its id."""

import os
from binascii import b2a_base64
from dataclasses import dataclass
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.utils import format_datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from notification_svc.outbound.text import Text

CRLF: Final = "\r\n"

FIRST_LINE: Final = 67
"""The most characters of a subject beside its name, in a line of 76."""

FIRST_WORD: Final = 39
WORD: Final = 45
"""The most bytes in the first encoded word of a subject, which stands beside its name, and in one of a line of its own."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message ready to go: `message` and `person` are ids, `email` the opened address if there is one, `date` the event's."""

    message: UUID
    person: UUID
    email: str | None
    date: datetime
    language: str
    text: Text


def compose(letter: Letter, domain: str) -> bytes:
    """Write a letter as a text message of RFC 5322, 2045 and 2047: the same letter gives the same bytes.

    `domain` names the city's mail. Written by hand: the standard library's message takes ten times as long over seven headers.
    """
    headers = (
        f"From: no-reply@{domain}",
        f"To: {_addressee(letter)}",
        f"Subject: {_subject(letter.text.subject)}",
        f"Date: {format_datetime(letter.date)}",
        f"Message-ID: <message-{letter.message}@{domain}>",
        "Auto-Submitted: auto-generated",
        f"Content-Language: {letter.language}",
        "MIME-Version: 1.0",
        'Content-Type: text/plain; charset="utf-8"',
        "Content-Transfer-Encoding: 8bit",
    )
    return CRLF.join((*headers, "", *letter.text.body.split("\n"))).encode()


def _subject(subject: str) -> str:
    """Write a subject: as it is where it is ASCII and fits a line, else in encoded words of whole characters, one a line."""
    if subject.isascii() and len(subject) <= FIRST_LINE and "=?" not in subject:
        return subject
    words, word, room = [], b"", FIRST_WORD
    for character in subject:
        encoded = character.encode()
        if len(word) + len(encoded) > room:
            words.append(word)
            word, room = b"", WORD
        word += encoded
    return f"{CRLF} ".join(f"=?utf-8?b?{b2a_base64(each, newline=False).decode()}?=" for each in (*words, word))


def _addressee(letter: Letter) -> str:
    """Write whom a letter is for.

    Who has no usable e-mail address is addressed by pseudonym, under a domain that never exists (RFC 2606).
    """
    name, _, domain = (letter.email or "").strip().rpartition("@")
    if name:
        try:
            return str(Address(addr_spec=f"{name}@{domain.encode('idna').decode()}"))
        except (MessageError, ValueError, IndexError):
            pass  # what is no address is not written to
    return f"person-{letter.person}@person.invalid"


class Outbox:
    """A directory of letters; each stands in it whole or not at all.

    Letters are spread over 256 folders by the first two hex digits of their id.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def path_of(self, message: UUID) -> Path:
        """Say where a message's file is."""
        return self.directory / message.hex[:2] / f"message-{message}.eml"

    def write(self, message: UUID, letter: bytes) -> Path:
        """Put a letter into the outbox; the same one again takes its own place. It is on disk when this returns.

        What a crash leaves unfinished has a hidden name, of this process alone, and is never taken for a letter.
        """
        path = self.path_of(message)
        unfinished = path.with_name(f".{message}.{os.getpid()}.part")
        try:
            file = unfinished.open("wb")
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = unfinished.open("wb")
        with file:
            file.write(letter)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        return path
