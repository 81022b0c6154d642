"""The page that explains the clocks says what the clocks do: its terms and every worked example are worked out anew."""

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

from shared_calendar import Calendar, Pause, Term, WindowedMinutes, explain
from shared_city import City, Stage, load_cities, organisation, terms_for

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "clocks.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```clock\n(.*?)\n\n(.*?)\n```", PAGE, flags=re.DOTALL)
WORDS = {
    "elapsed-minutes": "minute",
    "working-minutes": "working minute",
    "windowed-minutes": "minute",
    "calendar-days": "calendar day",
    "working-days": "working day",
    "months": "month",
}


@pytest.fixture(scope="module")
def cities() -> Mapping[str, City]:
    """Load every pack of the repository."""
    return load_cities(ROOT / "cities")


def says(block: str) -> dict[str, str]:
    """Read the lines above an example's steps."""
    return dict(line.split(": ", maxsplit=1) for line in block.splitlines())


def calendar_of(city: City, slug: str | None) -> Calendar:
    """Find whose hours count: the organisation's own calendar, or that of the city's terms."""
    own = organisation(city, slug) if slug else None
    assert city.terms is not None
    return city.calendar(own.calendar) if own and own.calendar else city.terms.calendar


def in_words(term: Term) -> str:
    """Write a term as the page's table does."""
    window = f" of {term.opens}–{term.closes}" if isinstance(term, WindowedMinutes) else ""
    return f"{term.amount} {WORDS[term.unit]}{'' if term.amount == 1 else 's'}{window}"


@pytest.mark.parametrize(("head", "steps"), BLOCKS, ids=[" ".join(list(says(head).values())[1:4]) for head, _ in BLOCKS])
def test_a_worked_example_comes_out_as_the_page_says(cities: Mapping[str, City], head: str, steps: str) -> None:
    """Each of its steps, to the word."""
    example = says(head)
    city = cities[example["city"]]
    stage: Stage = next(stage for stage in get_args(Stage) if stage == example["clock"])
    calendar = calendar_of(city, example.get("organisation"))

    def local(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=calendar.timezone)

    pauses = []
    if "paused" in example:
        begin, end = example["paused"].split(" to ")
        pauses.append(Pause(start=local(begin), end=local(end)))
    told = explain(local(example["starts"]), terms_for(city, example["type"], stage), calendar, pauses)
    assert steps.splitlines() == list(told[1:])


def test_every_clock_has_an_example() -> None:
    """All six, silent consent and the wait for an answer."""
    assert {says(head)["clock"] for head, _ in BLOCKS} == set(get_args(Stage))


def test_the_table_of_terms_is_the_packs(cities: Mapping[str, City]) -> None:
    """Row by row: what holds for every other type, then what differs for some."""
    terms = cities["kazan"].terms
    assert terms is not None
    stages = get_args(Stage)
    rows = [f"| every other type | {' | '.join(in_words(terms.stages[stage]) for stage in stages)} |"]
    for code, own in terms.by_service_type.items():
        rows.append(f"| `{code}` | {' | '.join(in_words(own[stage]) if stage in own else '' for stage in stages)} |")
    said = [line for line in PAGE.splitlines() if line.startswith(("| every other type", "| `")) and line.count("|") == 10]
    assert said == rows


def test_the_days_the_page_counts_are_the_calendars(cities: Mapping[str, City]) -> None:
    """Working days a year, and the two days it names."""
    office = cities["kazan"].calendar("office")
    counted = {
        year: sum(office.is_working_day(date(year, 1, 1) + timedelta(days=number)) for number in range(365))
        for year in (2025, 2026)
    }
    assert f"work {counted[2025]} days in 2025 and {counted[2026]} days" in PAGE
    assert not office.is_working_day(date(2026, 1, 9))
    assert office.is_working_day(date(2025, 11, 1))
