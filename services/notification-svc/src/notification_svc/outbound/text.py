"""The texts people read: templates in every language a city's people have."""

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context, select_autoescape
from jinja2.runtime import Context

PACKAGE: Final = "notification_svc"

LAST_RESORT: Final = "en"
"""The language of those whose own, and whose city's, has no templates."""

LINE: Final = 76
"""The most characters in a line of a message."""

_UNEVEN = re.compile(r"^[ \n]|[ \n]$|[ \n]{2}|[^\S \n]|--|[^\W\d]-[^\W\d]")
"""What words can be broken at beside single spaces, and space that is no single one."""

_FILE = re.compile(r"(?P<template>[a-z_]+)\.(?P<language>[a-z]{2,3})\.txt\.j2")


@dataclass(frozen=True, slots=True)
class Calendar:
    """How a language writes a moment; `months` in the form they stand in there, from the first."""

    pattern: str
    months: str


MOMENTS: Final[Mapping[str, Calendar]] = {
    "ru": Calendar(
        "{time} {day} {month} {year} года",
        "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
    ),
    "tt": Calendar(
        "{year} елның {day} {month}, {time}",
        "гыйнвары феврале марты апреле мае июне июле августы сентябре октябре ноябре декабре",
    ),
    "en": Calendar(
        "{time} on {day} {month} {year}",
        "January February March April May June July August September October November December",
    ),
    "es": Calendar(
        "el {day} de {month} de {year} a las {time}",
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    ),
}


def moment(at: datetime, language: str, zone: ZoneInfo) -> str:
    """Write a moment as people of a city and a language do: to the minute, in the city's time."""
    calendar, local = MOMENTS[language], at.astimezone(zone)
    month = calendar.months.split()[local.month - 1]
    return calendar.pattern.format(time=f"{local:%H:%M}", day=local.day, month=month, year=local.year)


def fill(paragraph: str) -> str:
    """Break a paragraph into lines as `textwrap` does; where single spaces alone separate words, at a tenth of its cost."""
    if _UNEVEN.search(paragraph):
        return textwrap.fill(paragraph, LINE, break_long_words=False)
    lines, room = [], -1
    for word in paragraph.replace("\n", " ").split(" "):
        room -= len(word) + 1
        if room < 0:
            lines.append(word)
            room = LINE - len(word)
        else:
            lines[-1] += f" {word}"
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Text:
    """What a person reads."""

    subject: str
    body: str


class Texts:
    """The templates, in every language they exist in; a variable a template misses is an error, never a gap in a letter."""

    def __init__(self) -> None:
        files = [_FILE.fullmatch(entry.name) for entry in resources.files(PACKAGE).joinpath("templates").iterdir()]
        self.written = frozenset((file["template"], file["language"]) for file in files if file is not None)
        self.languages = frozenset(language for _, language in self.written)
        self._environment = Environment(
            loader=PackageLoader(PACKAGE),
            undefined=StrictUndefined,
            autoescape=select_autoescape(["html"]),  # these are plain texts
            auto_reload=False,
        )
        self._environment.filters["moment"] = _moment

    def language_for(self, wanted: str | None, default: str) -> str:
        """Choose the language to write in: the person's, else the city's own, else English."""
        return next((each for each in (wanted or default, default) if each in self.languages), LAST_RESORT)

    def message(self, template: str, language: str, zone: ZoneInfo, facts: Mapping[str, object]) -> Text:
        """Write a message: the template's first line is the subject, its paragraphs are the body.

        Raises `jinja2.UndefinedError` when the facts lack something the template says.
        """
        subject, _, body = self._render(template, language, zone, facts).partition("\n")
        paragraphs = [fill(part) for part in re.split(r"\n{2,}", body.strip())]
        return Text(" ".join(subject.split()), "\n\n".join(paragraphs) + "\n")

    def sentence(self, template: str, language: str, zone: ZoneInfo, facts: Mapping[str, object]) -> str:
        """Write a single sentence."""
        return " ".join(self._render(template, language, zone, facts).split())

    def _render(self, template: str, language: str, zone: ZoneInfo, facts: Mapping[str, object]) -> str:
        written = self._environment.get_template(f"{template}.{language}.txt.j2")
        return written.render({**facts, "language": language, "zone": zone})


@pass_context
def _moment(context: Context, at: datetime) -> str:
    """Let a template write a moment in its own language."""
    return moment(at, context["language"], context["zone"])
