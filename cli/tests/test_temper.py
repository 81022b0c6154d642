"""Who disputes, declines and bounces follows from the row's number alone."""

from collections import Counter
from hashlib import sha256

import pytest

from veche.play.temper import temper


@pytest.mark.parametrize(
    ("number", "expected"), [("1-3580171", 98), ("G-7-000000", None), ("1-926234811", None)], ids=lambda value: str(value)
)
def test_a_temper_is_the_numbers_hash_modulo_a_hundred(number: str, expected: int | None) -> None:
    """As anybody can compute with another tool."""
    part = int(sha256(number.encode()).hexdigest(), 16) % 100
    assert expected in (None, part)
    named = {0: "disputes", 1: "disputes", 2: "declines", 3: "declines", 4: "declines", 5: "bounces"}
    assert temper(number) == named.get(part, "content")


def test_of_many_rows_two_three_and_one_in_a_hundred_are_not_content() -> None:
    """Each number has its part of the hundred."""
    counts = Counter(temper(f"1-{number}") for number in range(20_000))
    assert {name: round(count / 200) for name, count in counts.items()} == {
        "content": 94,
        "disputes": 2,
        "declines": 3,
        "bounces": 1,
    }
