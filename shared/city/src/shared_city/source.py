"""A pack's file, read so that every value knows its line."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

Where = tuple[str | int, ...]


@dataclass(frozen=True, order=True)
class Problem:
    """What is wrong with a pack, where: a file and a line (from 1)."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


class PackError(ValueError):
    """The city pack is not valid; every problem found is listed, with its file and line."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


@dataclass(frozen=True)
class Source:
    """What a file says, and on which line it says each part of it. A mapping's entry stands where its key stands."""

    file: str
    value: object
    lines: Mapping[Where, int]

    def line(self, where: Where) -> int:
        """Find the line of a value; of the closest thing around it that has one, if it is not in the file itself."""
        return self.lines[self.nearest(where)]

    def nearest(self, where: Where) -> Where:
        """Follow a path as far as the file goes; steps that name no part of the file are left out."""
        found: Where = ()
        for step in where:
            if (*found, step) in self.lines:
                found = (*found, step)
        return found

    def problem(self, where: Where, text: str) -> Problem:
        """Say what is wrong at a place of this file."""
        return Problem(self.file, self.line(where), text)


_Loader: type[yaml.CSafeLoader | yaml.SafeLoader] = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
"""Plain YAML, read by the C library where it is there: ten times as fast."""


def read(path: Path) -> tuple[Source | None, list[Problem]]:
    """Read a YAML file; None with the reason when it cannot be read at all."""
    try:
        text = path.read_text(encoding="utf-8")
        if (line := _line_of_alias(text)) is not None:
            return None, [Problem(str(path), line, "an alias (*) is not allowed: write the value out")]
        loader = _Loader(text)
        node = loader.get_single_node()
    except UnicodeDecodeError as error:
        return None, [Problem(str(path), error.object[: error.start].count(b"\n") + 1, "must be a text in UTF-8")]
    except OSError as error:
        return None, [Problem(str(path), 1, f"cannot be read: {error.strerror}")]
    except yaml.YAMLError as error:
        return None, [Problem(str(path), _line_of(error), f"is not YAML: {_words_of(error)}")]
    lines: dict[Where, int] = {(): 1}
    problems: list[Problem] = []
    value = None if node is None else _value(str(path), loader, node, (), lines, problems)
    return Source(str(path), value, lines), problems


def _line_of_alias(text: str) -> int | None:
    """Find the first alias, if there is any: a pack is read by people, who should find each value where it stands."""
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent) and event.start_mark is not None:
            return event.start_mark.line + 1
    return None


def _value(
    file: str,
    loader: yaml.CSafeLoader | yaml.SafeLoader,
    node: yaml.Node,
    where: Where,
    lines: dict[Where, int],
    problems: list[Problem],
) -> object:
    """Build the value of a node and note the line of each part; keys given twice or not as text are problems."""
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[*where, index] = item.start_mark.line + 1
        return [_value(file, loader, item, (*where, index), lines, problems) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, object] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != "tag:yaml.org,2002:str":
                problems.append(Problem(file, line, f"a key must be text; put it in quotes: {key_node.value}"))
            elif key in mapping:
                problems.append(Problem(file, line, f"'{key}' is given twice; first on line {lines[*where, key]}"))
            else:
                lines[*where, key] = line
                mapping[key] = _value(file, loader, value_node, (*where, key), lines, problems)
        return mapping
    try:
        return loader.construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        problems.append(Problem(file, node.start_mark.line + 1, f"'{node.value}' cannot be read: {_words_of(error)}"))
        return node.value


def _line_of(error: yaml.YAMLError) -> int:
    """Find the line an error of YAML speaks of."""
    mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
    return mark.line + 1 if mark else 1


def _words_of(error: Exception) -> str:
    """Take the words of an error without the excerpt of the file it carries."""
    if isinstance(error, yaml.MarkedYAMLError):
        return ", ".join(words for words in (error.context, error.problem) if words)
    return str(error)
