"""Who disputes, declines and bounces follows from the row's number alone."""

from collections import Counter
from hashlib import sha256

import pytest

from veche.play.temper import temper


@pytest.mark.parametrize("number", ["1-3580171", "G-7-000000", "1-926234811", "№ 17"])
def test_a_temper_is_the_numbers_hash_modulo_a_hundred(number: str) -> None:
    """As anybody can compute with another tool."""
    named = {0: "disputes", 1: "disputes", 2: "declines", 3: "declines", 4: "declines", 5: "bounces"}
    assert temper(number) == named.get(int(sha256(number.encode()).hexdigest(), 16) % 100, "content")


def test_of_many_rows_two_three_and_one_in_a_hundred_are_not_content() -> None:
    """Each number has its part of the hundred."""
    counts = Counter(temper(f"1-{number}") for number in range(20_000))
    assert {name: round(count / 200) for name, count in counts.items()} == {
        "content": 94,
        "disputes": 2,
        "declines": 3,
        "bounces": 1,
    }
