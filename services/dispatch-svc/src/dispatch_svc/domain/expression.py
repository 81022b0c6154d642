"""The language of routing overrides: a closed set of comparisons, read by a library's parser and never run as code.

    emergency and (hour < 6 or hour >= 22) and district in ["kirovsky", "sovetsky"]

Comparisons are `=` and `!=`, for numbers also `<`, `<=`, `>`, `>=`; `in [...]` and `not in [...]`; `and`, `or`, `not` and
parentheses join them; a name that is true or false stands by itself. What an expression may speak of is a vocabulary: each name
with its kind and, where they are known, its values. Checking by it happens before a rule is activated; working a rule out
afterwards never takes a shortcut: what cannot be compared is an error with its reason.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, assert_never, cast

from lark import Lark, Token, Transformer, UnexpectedInput, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedToken, VisitError

Kind = Literal["text", "number", "truth"]
Literals: TypeAlias = bool | int | str
Operator = Literal["=", "!=", "<", "<=", ">", ">="]

LONGEST = 1000
"""Characters an expression may have."""

DEEPEST = 30
"""How deep parentheses and `not` may nest."""

_NOTS = re.compile(rf"(?:\bnot\b[\s(]*){{{DEEPEST + 1},}}")

ANSWERS = "answers."
"""How names begin that stand for answers to a service type's extra questions."""

GRAMMAR = r"""
    start: either
    ?either: both ("or" both)*
    ?both: single ("and" single)*
    ?single: "not" single -> negation
        | "(" either ")"
        | NAME OPERATOR literal -> comparison
        | NAME "in" "[" literal ("," literal)* "]" -> membership
        | NAME "not" "in" "[" literal ("," literal)* "]" -> exclusion
        | NAME -> truth
    ?literal: TEXT | NUMBER | TRUE | FALSE
    TRUE.2: "true"
    FALSE.2: "false"
    OPERATOR: "<=" | ">=" | "!=" | "=" | "<" | ">"
    NAME: /[a-z_][a-z0-9_]*(\.[A-Za-z0-9]+([-_][A-Za-z0-9]+)*)?/
    NUMBER: /-?[0-9]{1,12}/
    TEXT: /"[^"\n]*"|'[^'\n]*'/
    %import common.WS
    %ignore WS
"""


class ExpressionError(ValueError):
    """The expression cannot be read, or speaks of something that does not exist; `column` (from 1) is where."""

    def __init__(self, text: str, column: int) -> None:
        super().__init__(f"column {column}: {text}")
        self.column = column


class CannotTellError(ValueError):
    """The expression cannot be worked out for this request."""


@dataclass(frozen=True, slots=True)
class Word:
    """What a name stands for: the kinds its value may have, and the texts it may be where they are known."""

    kinds: frozenset[Kind]
    texts: frozenset[str] | None = None


Vocabulary: TypeAlias = Mapping[str, Word]
"""What expressions may speak of, by name."""


@dataclass(frozen=True, slots=True)
class Name:
    """A name as it stands in the text."""

    text: str
    column: int


@dataclass(frozen=True, slots=True)
class Value:
    """A text, number, true or false as it stands in the text."""

    value: Literals
    column: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """A name compared with a value."""

    name: Name
    operator: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class Membership:
    """A name that is one of several values, or (`among` False) none of them."""

    name: Name
    values: tuple[Value, ...]
    among: bool


@dataclass(frozen=True, slots=True)
class Truth:
    """A name that is true."""

    name: Name


@dataclass(frozen=True, slots=True)
class Negation:
    """Not so."""

    of: "Expression"


@dataclass(frozen=True, slots=True)
class Junction:
    """All of several (`and`), or at least one (`or`); worked out from left to right until it is decided."""

    every: bool
    parts: tuple["Expression", ...]


Expression: TypeAlias = Comparison | Membership | Truth | Negation | Junction


@dataclass(slots=True)
class Sight:
    """What was looked at while an expression was worked out: name → value, None where the request says nothing."""

    values: Mapping[str, Literals | None]
    seen: dict[str, Literals | None] = field(default_factory=dict)

    def look(self, name: Name) -> Literals | None:
        """Give the value of a name. An answer nobody gave is None; any other name must be known of the request."""
        if name.text not in self.values and not name.text.startswith(ANSWERS):
            raise CannotTellError(f"{name.text} is not known of this request")
        value = self.values.get(name.text)
        self.seen[name.text] = value
        return value


@v_args(inline=True)
class _Reader(Transformer[Token, Expression]):
    """Builds an expression bottom-up while it is parsed."""

    def start(self, expression: Expression) -> Expression:
        return expression

    def either(self, *parts: Expression) -> Expression:
        return Junction(every=False, parts=parts)

    def both(self, *parts: Expression) -> Expression:
        return Junction(every=True, parts=parts)

    def negation(self, of: Expression) -> Expression:
        return Negation(of)

    def comparison(self, name: Token, operator: Token, value: Token) -> Expression:
        return Comparison(_name(name), cast("Operator", str(operator)), _value(value))  # the grammar has no other operators

    def membership(self, name: Token, *values: Token) -> Expression:
        return Membership(_name(name), tuple(_value(value) for value in values), among=True)

    def exclusion(self, name: Token, *values: Token) -> Expression:
        return Membership(_name(name), tuple(_value(value) for value in values), among=False)

    def truth(self, name: Token) -> Expression:
        return Truth(_name(name))


_PARSER = Lark(GRAMMAR, parser="lalr", transformer=_Reader())


def parse(text: str) -> Expression:
    """Read an expression. Raises `ExpressionError`, which says what is wrong and where."""
    if len(text) > LONGEST:
        raise ExpressionError(f"an expression has at most {LONGEST} characters", LONGEST)
    text = text.replace("\r", " ").replace("\n", " ")
    _refuse_depths(text)
    try:
        return cast("Expression", _PARSER.parse(text))  # the transformer builds nothing else
    except UnexpectedInput as error:
        raise _in_words(text, error) from error
    except VisitError as error:
        raise ExpressionError(str(error.orig_exc), 1) from error


def check(expression: Expression, vocabulary: Vocabulary) -> None:
    """See that every name exists and is compared with what it can be. Raises `ExpressionError`."""
    match expression:
        case Comparison(name, operator, value):
            word = _word(name, vocabulary)
            if operator not in {"=", "!="} and ("number" not in word.kinds or _kind(value.value) != "number"):
                raise ExpressionError(f"'{operator}' compares numbers, and {name.text} is {_told(word.kinds)}", name.column)
            _fits(name, word, value)
        case Membership(name, values):
            for value in values:
                _fits(name, _word(name, vocabulary), value)
        case Truth(name):
            if "truth" not in _word(name, vocabulary).kinds:
                raise ExpressionError(
                    f"{name.text} is not true or false: compare it with something, as in {name.text} = …", name.column
                )
        case Negation(of):
            check(of, vocabulary)
        case Junction(_, parts):
            for part in parts:
                check(part, vocabulary)
        case _:
            assert_never(expression)


def evaluate(expression: Expression, sight: Sight) -> bool:
    """Work an expression out for one request.

    What the request says nothing about (no district, an answer not given) equals nothing and is in no list. Raises
    `CannotTellError` for a name not known of the request, and for a value of another kind than the one it is compared with.
    """
    match expression:
        case Comparison(name, operator, value):
            return _compare(name, sight.look(name), operator, value.value)
        case Membership(name, values, among):
            found = sight.look(name)
            return any(_compare(name, found, "=", value.value) for value in values) == among
        case Truth(name):
            found = sight.look(name)
            if found is not None and not isinstance(found, bool):
                raise CannotTellError(f"{name.text} is {found!r}, neither true nor false")
            return found is True
        case Negation(of):
            return not evaluate(of, sight)
        case Junction(every, parts):
            return (all if every else any)(evaluate(part, sight) for part in parts)
        case _:
            assert_never(expression)


def _compare(name: Name, found: Literals | None, operator: Operator, wanted: Literals) -> bool:
    if found is None:
        return operator == "!="
    if _kind(found) != _kind(wanted):
        raise CannotTellError(f"{name.text} is {found!r}, {_KINDS[_kind(found)]}, and is compared with {_KINDS[_kind(wanted)]}")
    if operator == "=":
        return found == wanted
    if operator == "!=":
        return found != wanted
    if isinstance(found, str) or isinstance(wanted, str):
        raise CannotTellError(f"{name.text} is a text, and '{operator}' compares numbers")
    return {"<": found < wanted, "<=": found <= wanted, ">": found > wanted, ">=": found >= wanted}[operator]


def _refuse_depths(text: str) -> None:
    """Refuse what nests deeper than anybody can read, before it is parsed: working it out is recursive."""
    depth, quote = 0, ""
    for index, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        else:
            depth += {"(": 1, ")": -1}.get(character, 0)
        if depth > DEEPEST:
            raise ExpressionError(f"at most {DEEPEST} levels of parentheses are read", index + 1)
    if (nots := _NOTS.search(text)) is not None:
        raise ExpressionError(f"at most {DEEPEST} times 'not' in a row is read", nots.start() + 1)


def _word(name: Name, vocabulary: Vocabulary) -> Word:
    word = vocabulary.get(name.text)
    if word is None:
        raise ExpressionError(f"there is no '{name.text}'; known: {_listed(vocabulary)}", name.column)
    return word


def _fits(name: Name, word: Word, value: Value) -> None:
    if _kind(value.value) not in word.kinds:
        raise ExpressionError(f"{name.text} is {_told(word.kinds)}, and this is {_KINDS[_kind(value.value)]}", value.column)
    if word.texts is not None and isinstance(value.value, str) and value.value not in word.texts:
        raise ExpressionError(f"{name.text} is never '{value.value}'; known: {_listed(word.texts)}", value.column)


_KINDS: Mapping[Kind, str] = {"text": "a text", "number": "a number", "truth": "true or false"}

MOST_LISTED = 40
"""How many known names a refusal lists at most."""


def _listed(names: Mapping[str, object] | frozenset[str]) -> str:
    known = sorted(names)
    more = f" and {len(known) - MOST_LISTED} more" if len(known) > MOST_LISTED else ""
    return ", ".join(known[:MOST_LISTED]) + more


def _told(kinds: frozenset[Kind]) -> str:
    return " or ".join(_KINDS[kind] for kind in sorted(kinds))


def _kind(value: Literals) -> Kind:
    if isinstance(value, bool):
        return "truth"
    return "number" if isinstance(value, int) else "text"


def _name(token: Token) -> Name:
    return Name(str(token), token.column or 1)


def _value(read: Token) -> Value:
    column = read.column or 1
    match read.type:
        case "NUMBER":
            return Value(int(read), column)
        case "TRUE":
            return Value(True, column)
        case "FALSE":
            return Value(False, column)
        case _:
            return Value(str(read)[1:-1], column)


def _in_words(text: str, error: UnexpectedInput) -> ExpressionError:
    """Say what was not expected and where."""
    if isinstance(error, UnexpectedToken) and error.token.type == "$END":
        return ExpressionError("the expression ends too early", len(text) + 1)
    column = max(error.column, 1)
    if isinstance(error, UnexpectedCharacters):
        return ExpressionError(f"'{text[error.pos_in_stream or 0 : (error.pos_in_stream or 0) + 1]}' cannot stand here", column)
    if isinstance(error, UnexpectedToken):
        return ExpressionError(f"'{error.token}' cannot stand here", column)
    return ExpressionError("cannot be read", column)
