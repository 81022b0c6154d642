"""The world outside: the protocol as people read it."""

import re
import tomllib
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

PACKAGE: Final = "discussion_svc"
LANGUAGE_OF_ALL: Final = "en"
"""The language of what is written where the city's own has no texts."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def language_of(template: str, wanted: str) -> str:
    """Say in which language a template can be filled: the wanted one where it has its texts, else English."""
    return wanted if wanted in _texts(template) else LANGUAGE_OF_ALL


def render(template: str, language: str, content: Mapping[str, object]) -> bytes:
    """Fill a template with content and a language's texts: the same in, the same bytes out.

    `template` is a file of `templates/` without its ending, its texts stand beside it. UTF-8, lines end with a line feed.
    """
    say = _texts(template)[language]
    return _environment().get_template(f"{template}.html.j2").render(language=language, say=say, **content).encode("utf-8")


@cache
def _texts(template: str) -> Mapping[str, Mapping[str, object]]:
    """Read the texts of a template: language → key → wording."""
    file = resources.files(PACKAGE).joinpath("templates", f"{template}.texts.toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    environment.filters["instant"] = _instant
    environment.filters["minute"] = _minute
    environment.filters["second"] = _second
    environment.filters["size"] = _size
    environment.filters["legible"] = _legible
    return environment


def _instant(moment: datetime) -> str:
    """Write a moment for programs, to the millisecond: finer is no valid time of a page (HTML Living Standard)."""
    return moment.isoformat(timespec="milliseconds")


def _minute(moment: datetime, day: str) -> str:
    """Write a moment to the minute with its offset from UTC: `01/03/2026 09:00 (UTC+01:00)`; `day` is how days are written."""
    return f"{moment.strftime(day)} {moment.strftime('%H:%M')} ({_offset(moment)})"


def _second(moment: datetime, day: str) -> str:
    """Write a moment to the second with its offset from UTC: `01/03/2026 09:00:17 (UTC+01:00)`."""
    return f"{moment.strftime(day)} {moment.strftime('%H:%M:%S')} ({_offset(moment)})"


def _offset(moment: datetime) -> str:
    minutes = (moment.utcoffset() or timedelta()) // timedelta(minutes=1)
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def _size(count: int) -> str:
    """Write a size in bytes as people read it, in units of 1,024."""
    if count < 1024:
        return f"{count} B"
    if count < 1024 * 1024:
        return f"{count / 1024:.1f} KiB"
    return f"{count / 1024 / 1024:.1f} MiB"


def _legible(text: str) -> str:
    """Show control characters, which a page cannot hold, as replacement characters; lines end with a line feed."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n").replace("\r", "\n"))
