"""A small winter: what cases state is what is expected of them, a fault on either side is seen, and the real store agrees."""

import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from dispatch_svc.domain.case import clock, holder

sys.path.insert(0, str(Path(__file__).parents[1]))

import winter
from winter_city import kazan
from winter_people import Life
from winter_worlds import Memory

SEED = 4
FEW, SOME, MANY = range(60), range(200), range(500)


def test_five_hundred_requests_are_as_expected() -> None:
    """Every breach at its due time, every minute with its holder, every request at its end; and everything happened once."""
    tally = winter.live_through((MANY, SEED))
    assert (tally.requests, tally.breaches_wrong, tally.holder_sums_wrong, tally.left_open) == (len(MANY), 0, 0, 0)
    assert tally.wrong == []
    happened = {type_.partition(".")[2].removesuffix(".v1") for type_ in tally.facts}
    assert happened >= {
        "deadline-breached", "deadline-warned", "request-escalated", "clock-paused", "clock-resumed", "assignment-declined",
        "committee-decided", "work-returned", "case-reclassified", "case-reopened", "information-requested",
        "information-not-received", "completion-disputed", "completion-deemed-accepted", "completion-confirmed",
        "request-linked-to-incident", "request-linked-as-duplicate", "request-unlinked", "routing-failed",
    }  # fmt: skip
    assert tally.breaches > 300


def test_the_same_seed_is_the_same_winter() -> None:
    """To the last event; another seed is another."""
    first, again, other = (winter.live_through((FEW, seed)) for seed in (SEED, SEED, SEED + 1))
    assert first == again
    assert first.facts != other.facts


def test_a_forgotten_holiday_is_seen() -> None:
    """Let the bench's own office work on the day of the constitution of Tatarstan: breaches differ."""
    city = kazan(SEED)
    office = city.book.calendars["office"]
    working = replace(office, differs={**office.differs, date(2025, 11, 6): office.week["thu"]}, _measures={})
    other = replace(city, book=replace(city.book, calendars={**city.book.calendars, "office": working}))
    tally = winter.Tally()
    for number in SOME:
        world = Memory()
        winter.judge(number, Life(number, SEED, other, world).live(), world, tally)
    assert tally.breaches_wrong > 0


@pytest.mark.parametrize("fault", ["pauses are forgotten", "a minute too late", "a clock too few"])
def test_a_fault_of_the_clocks_is_seen(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the rules this time."""
    real: Any = clock.due
    match fault:
        case "pauses are forgotten":
            monkeypatch.setattr(clock, "due", lambda start, term, calendar, _pauses=(): real(start, term, calendar))
        case "a minute too late":
            monkeypatch.setattr(clock, "due", lambda *told: real(*told) + timedelta(minutes=1))
        case _:
            monkeypatch.setattr(clock, "FROM_REGISTRATION", ("total", "statutory"))
    assert winter.live_through((SOME, SEED)).breaches_wrong > 0


def test_a_holder_who_is_not_told_of_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Minutes of the resident that went to somebody else."""
    monkeypatch.setattr("dispatch_svc.domain.case.resident.hand_back", holder.hand_over)
    assert winter.live_through((SOME, SEED)).holder_sums_wrong > 0


@pytest.mark.postgres
def test_the_real_store_comes_to_the_same_events(postgres_admin_url: str) -> None:
    """With a clock of the bench's own: facts, moments and timers."""
    assert winter.stored_sample(postgres_admin_url, 12, SEED) == []
