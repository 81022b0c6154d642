"""The language of routing overrides: what it reads, what it refuses and where, and that working it out takes no shortcut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch_svc.domain.expression import (
    DEEPEST,
    LONGEST,
    CannotTellError,
    ExpressionError,
    Literals,
    Sight,
    Vocabulary,
    Word,
    check,
    evaluate,
    parse,
)

VOCABULARY: Vocabulary = {
    "district": Word(frozenset({"text"}), frozenset({"kirov", "volga"})),
    "building": Word(frozenset({"text"})),
    "hour": Word(frozenset({"number"})),
    "emergency": Word(frozenset({"truth"})),
    "answers.floor": Word(frozenset({"number"})),
    "answers.mixed": Word(frozenset({"number", "truth"})),
}
NIGHT: dict[str, Literals | None] = {"district": "kirov", "building": None, "hour": 23, "emergency": True}


def is_true(text: str, values: dict[str, Literals | None] | None = None) -> bool:
    """Work an expression out."""
    return evaluate(parse(text), Sight(NIGHT if values is None else values))


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ('district = "kirov"', True),
        ("district = 'volga'", False),
        ('district != "volga"', True),
        ("hour = 23", True),
        ("hour != 23", False),
        ("hour < 23", False),
        ("hour <= 23", True),
        ("hour > 22", True),
        ("hour >= 24", False),
        ("hour > -1", True),
        ('district in ["volga", "kirov"]', True),
        ('district not in ["volga"]', True),
        ("hour in [1, 2, 23]", True),
        ("emergency", True),
        ("emergency = true", True),
        ("emergency = false", False),
        ("not emergency", False),
        ("not not emergency", True),
        ('hour < 6 or hour >= 22 and district = "volga"', False),
        ('(hour < 6 or hour >= 22) and district = "kirov"', True),
        ("hour < 6 or\n hour >= 22", True),
        ("not hour < 6", True),
    ],
)
def test_each_form_is_worked_out(text: str, result: bool) -> None:  # noqa: FBT001 - what is expected
    """Comparisons, lists, joining words; `and` binds closer than `or`, `not` closest."""
    check(parse(text), VOCABULARY)
    assert is_true(text) is result


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("", 1, "ends too early"),
        ("hour =", 7, "ends too early"),
        ("(hour = 1", 10, "ends too early"),
        ("hour == 1", 7, "'=' cannot stand here"),
        ("hour = 1 hour = 2", 10, "'hour' cannot stand here"),
        ("hour = district", 8, "'district' cannot stand here"),
        ('district = "kirov', 12, "cannot stand here"),
        ("district in []", 14, "cannot stand here"),
        ("__import__('os').system('ls')", 11, "cannot stand here"),
        ("hour.__class__ = 1", 5, "cannot stand here"),
        ("lambda: 1", 7, "cannot stand here"),
        ("Hour = 1", 1, "cannot stand here"),
        ("hour = 1; hour = 2", 9, "cannot stand here"),
        ("hour = 1.5", 9, "cannot stand here"),
        ("(" * 31 + "hour = 1" + ")" * 31, 31, "levels of parentheses"),
        ("not " * 31 + "emergency", 1, "'not' in a row"),
        ("hour = 1 " * 200, LONGEST, "at most"),
    ],
)
def test_what_is_no_expression_is_refused_with_its_place(text: str, column: int, words: str) -> None:
    """Nothing beside the closed set is read, and the person is told where it went wrong."""
    with pytest.raises(ExpressionError, match=words) as refused:
        parse(text)
    assert refused.value.column == column


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ('distrct = "kirov"', 1, "there is no 'distrct'; known: answers.floor, answers.mixed, building, district"),
        ("answers.none = 1", 1, "there is no 'answers.none'"),
        ("true", 1, "there is no 'true'"),
        ('district = "moon"', 12, "district is never 'moon'; known: kirov, volga"),
        ('emergency and district in ["kirov", "moon"]', 37, "district is never 'moon'"),
        ("district = 1", 12, "district is a text, and this is a number"),
        ('hour = "six"', 8, "hour is a number, and this is a text"),
        ("hour = true", 8, "hour is a number, and this is true or false"),
        ('district < "kirov"', 1, "'<' compares numbers, and district is a text"),
        ("emergency > 1", 1, "compares numbers"),
        ("not hour", 5, "hour is not true or false"),
        ('answers.mixed = "x"', 17, "a number or true or false"),
    ],
)
def test_what_speaks_of_nothing_or_compares_unlike_things_is_refused_before_it_counts(text: str, column: int, words: str) -> None:
    """A slip in a name, a value that never occurs, a number against a text: told with the place and with what is known."""
    with pytest.raises(ExpressionError) as refused:
        check(parse(text), VOCABULARY)
    assert words in str(refused.value)
    assert refused.value.column == column


@pytest.mark.parametrize(
    "text", ['building = "7"', 'building in ["7"]', "answers.floor > 2", "answers.floor < 2", "answers.mixed"]
)
def test_what_a_request_does_not_say_equals_nothing(text: str) -> None:
    """No building, an answer not given: every comparison is false but `!=` and `not in`."""
    assert is_true(text) is False


def test_what_a_request_does_not_say_differs_from_everything() -> None:
    """So `not in` and `!=` hold."""
    assert is_true('building != "7"')
    assert is_true('building not in ["7"]')


@pytest.mark.parametrize(
    ("text", "values", "words"),
    [
        ("hour = 1", {}, "hour is not known of this request"),
        ("answers.floor > 2", {"answers.floor": "third"}, "answers.floor is 'third', a text, and is compared with a number"),
        ("answers.mixed", {"answers.mixed": 3}, "answers.mixed is 3, neither true nor false"),
        ("answers.floor = 1", {"answers.floor": True}, "true or false"),
        ("district < 3", {"district": "kirov"}, "compared with a number"),
    ],
)
def test_what_cannot_be_compared_is_an_error_never_a_guess(text: str, values: dict[str, Literals | None], words: str) -> None:
    """Also where Python would have compared: true is no 1."""
    with pytest.raises(CannotTellError, match=words):
        is_true(text, values)


def test_what_is_decided_already_is_not_looked_at() -> None:
    """From left to right: a later part that could not be told plays no part."""
    sight = Sight({"hour": 3})
    assert evaluate(parse("hour < 6 or unknown_name"), sight)
    assert sight.seen == {"hour": 3}


def test_the_deepest_expression_that_is_read_is_worked_out() -> None:
    """No expression that passes the parser exhausts the stack."""
    text = "(" * DEEPEST + "not " * DEEPEST + "emergency" + ")" * DEEPEST
    assert is_true(text)


names = st.sampled_from(["district", "building", "hour", "emergency", "answers.floor"])
written = st.one_of(st.integers(-99, 99).map(str), st.sampled_from(['"kirov"', "'volga'", "true", "false"]))
comparisons = st.tuples(names, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), written).map(" ".join)
members = st.tuples(names, st.sampled_from(["in", "not in"]), st.lists(written, min_size=1, max_size=3)).map(
    lambda parts: f"{parts[0]} {parts[1]} [{', '.join(parts[2])}]"
)
expressions = st.recursive(
    st.one_of(comparisons, members, names),
    lambda inner: st.one_of(
        inner.map(lambda text: f"not ({text})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda parts: f"({parts[0]}) {parts[1]} ({parts[2]})"),
    ),
    max_leaves=8,
)
readings: st.SearchStrategy[dict[str, Literals | None]] = st.fixed_dictionaries(
    {
        "district": st.sampled_from(["kirov", "volga", None]),
        "building": st.sampled_from(["7", None]),
        "hour": st.integers(0, 23),
        "emergency": st.booleans(),
    },
    optional={"answers.floor": st.integers(-1, 20)},
)


@given(expressions, readings)
def test_what_passes_the_check_can_always_be_worked_out(text: str, values: dict[str, Literals | None]) -> None:
    """The law of the language: a rule that was let in fails on no request whose values are of the kinds promised."""
    expression = parse(text)
    try:
        check(expression, VOCABULARY)
    except ExpressionError:
        return
    result = evaluate(expression, Sight(values))
    assert evaluate(parse(f"not ({text})"), Sight(values)) is not result


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    """Nothing else ever happens."""
    try:
        parse(text)
    except ExpressionError as refused:
        column = refused.column
    else:
        column = 1
    assert 1 <= column <= len(text) + 1
