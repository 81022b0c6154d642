"""What is wrong with a part of a pack, in words: what it says, and what it may say."""

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from shared_city.source import Problem, Source, Where

M = TypeVar("M", bound=BaseModel)

_WORDS: Mapping[str, str] = {
    "string_type": "must be text; put it in quotes if it looks like a number, a date or yes/no",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "date_type": "must be a date like 2026-01-31",
    "date_parsing": "must be a date like 2026-01-31",
    "date_from_datetime_parsing": "must be a date like 2026-01-31",
    "date_from_datetime_inexact": "must be a date like 2026-01-31",
    "zoneinfo_str": "must be a timezone like Europe/Moscow",
    "tuple_type": "must be a list",
    "mapping_type": "must be keys with values",
    "dict_type": "must be keys with values",
    "model_type": "must be keys with values",
    "too_short": "must not be empty",
}


def parse(model: type[M], source: Source, where: Where) -> tuple[M | None, list[Problem]]:
    """Read a part of a file as a model; None with every problem in words when it is not one."""
    value = source.value
    for step in where:
        value = value[step]  # type: ignore[index]  # `where` was made by walking this very value
    try:
        return TypeAdapter(model).validate_python(value), []
    except ValidationError as error:
        return None, [_problem(model, source, where, details) for details in error.errors(include_url=False)]


def _problem(model: type[BaseModel], source: Source, where: Where, details: ErrorDetails) -> Problem:
    """Say one error of pydantic in words, on the line it is about."""
    loc = tuple(step for step in details["loc"] if step != "[key]")
    place = (*where, *loc)
    kind, key = details["type"], str(loc[-1]) if loc else ""
    if kind == "missing":
        told = (*source.nearest(place[:-1])[len(where) :], key)
        return source.problem(place[:-1], f"'{_path(told)}' is missing")
    if kind == "extra_forbidden":
        return source.problem(place, f"unknown key '{key}'; allowed: {', '.join(_keys_at(model, loc[:-1]))}")
    if details["loc"][-1:] == ("[key]",):
        return source.problem(place, f"unknown key '{key}': {_words(details)}")
    words, said = _words(details), details["input"]
    if isinstance(said, str | int | float) and str(said) not in words:
        words = f"{words}, not '{said}'"
    name = _path(source.nearest(place)[len(where) :])
    return source.problem(place, f"{name}: {words}" if name else words)


def _words(details: ErrorDetails) -> str:
    """Say what is allowed instead."""
    context = details.get("ctx", {})
    if details["type"] == "value_error":
        return str(context["error"])
    if details["type"] == "literal_error":
        return f"must be {context['expected']}"
    if details["type"] == "greater_than_equal":
        return f"must be at least {context['ge']}"
    if details["type"] == "less_than_equal":
        return f"must be at most {context['le']}"
    return _WORDS.get(details["type"], details["msg"])


def _path(loc: Where) -> str:
    """Write a path with dots; the number in a list is told by the line."""
    return ".".join(step for step in loc if isinstance(step, str))


def _keys_at(model: type[BaseModel], loc: Where) -> list[str]:
    """Name the keys that are allowed where an unknown one was found."""
    shapes: list[object] = [model]
    for step in loc:
        shapes = [inner for shape in shapes for inner in _inside(shape, step)]
    return [key for shape in shapes if isinstance(shape, type) and issubclass(shape, BaseModel) for key in shape.model_fields]


def _inside(shape: object, step: str | int) -> Iterator[object]:
    """Give the types a value may have one step further in; a union has several."""
    if isinstance(shape, type) and issubclass(shape, BaseModel):
        field = shape.model_fields.get(str(step))
        unit = shape.model_fields.get("unit")
        if unit is not None and unit.default == step:
            yield shape
        yield from _plain(field.annotation) if field else ()
    elif get_origin(shape) is tuple:
        yield from _plain(get_args(shape)[0])
    elif isinstance(get_origin(shape), type) and issubclass(get_origin(shape) or object, Mapping):
        yield from _plain(get_args(shape)[1])


def _plain(annotation: object) -> Iterator[object]:
    """Strip what only annotates a type, and take unions apart."""
    if get_origin(annotation) is Annotated:
        yield from _plain(get_args(annotation)[0])
    elif get_origin(annotation) in {Union, UnionType}:
        for member in get_args(annotation):
            yield from _plain(member)
    else:
        yield annotation
