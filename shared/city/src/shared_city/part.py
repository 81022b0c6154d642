"""What every part of a city pack is made of: slugs, texts, names in the city's languages, and models that cannot change."""

import re
from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LANGUAGE = re.compile(r"[a-z]{2,3}")

T = TypeVar("T")


def matching_key(text: str) -> str:
    """Reduce a name to what makes two spellings the same: case, spaces, underscores and a byte order mark play no part."""
    return re.sub(r"[\s_\ufeff]+", "", text).casefold()


def _slug(text: str) -> str:
    if not _SLUG.fullmatch(text):
        raise ValueError("must be lower-case Latin letters and digits, with single hyphens between them")
    return text


def _language(text: str) -> str:
    if not _LANGUAGE.fullmatch(text):
        raise ValueError("must be a language code of two or three lower-case letters, like tt")
    return text


def _text(text: str) -> str:
    if text != text.strip() or not text:
        raise ValueError("must be a text that is not empty, with no spaces around it")
    return text


def each_once(items: tuple[T, ...]) -> tuple[T, ...]:
    """Refuse a list that names a thing twice."""
    for index, item in enumerate(items):
        if item in items[:index]:
            raise ValueError(f"names '{item}' twice")
    return items


Slug = Annotated[str, AfterValidator(_slug)]
Language = Annotated[str, AfterValidator(_language)]
Text = Annotated[str, AfterValidator(_text)]
Names = Mapping[Language, Text]
Slugs = Annotated[tuple[Slug, ...], Field(min_length=1), AfterValidator(each_once)]
Texts = Annotated[tuple[Text, ...], Field(min_length=1), AfterValidator(each_once)]
Aliases = Annotated[tuple[Text, ...], AfterValidator(each_once)]


class Part(BaseModel):
    """A part of a pack: it cannot be changed, and a key nobody knows is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
