"""Trap T14: golden bytes of every fact ever released fold through their service's rules. Trap T17: always to the same state."""

import os
import subprocess
import sys

import fold_examples
import pytest
from fold_examples import LIVES, SIGNALS

from shared_events.catalogue import CATALOGUE


@pytest.mark.parametrize("service", LIVES)
def test_every_fact_of_a_service_lives_in_one_of_its_streams(service: str) -> None:
    """A fact that no stream takes could be stored and never be understood; a stream without facts is none."""
    told = [fact for facts in LIVES[service].values() for fact in facts]
    known = {type_.removeprefix(f"{service}.").rpartition(".")[0] for type_ in CATALOGUE if type_.startswith(f"{service}.")}
    assert sorted(told) == sorted(known - SIGNALS)
    assert set(fold_examples.streams(service)) == set(LIVES[service])


@pytest.mark.parametrize("service", LIVES)
def test_golden_examples_fold(service: str) -> None:
    """In an order in which they may happen, and each leaves a trace in the state or in the timers."""
    for name, states in fold_examples.everything(service).items():
        facts = LIVES[service][name]
        assert len(states) >= len(facts)
        assert states[-1] != repr(fold_examples.streams(service)[name].initial)


@pytest.mark.parametrize("service", LIVES)
def test_a_rule_never_refuses_what_has_happened(service: str) -> None:
    """Each fact folds alone, out of any order: history is taken as it is."""
    declared = fold_examples.streams(service)
    for name, facts in LIVES[service].items():
        for fact in facts:
            assert fold_examples.fold(declared[name], [each.fact for each in fold_examples.recorded(service, fact)])


def folded(**environment: str) -> str:
    """Fold everything in a process of its own, under this environment."""
    done = subprocess.run(
        (sys.executable, fold_examples.__file__),
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    return done.stdout


def test_folding_is_the_same_on_every_machine() -> None:
    """Another time zone, another locale, another order of hashes: the same states and timers."""
    here = folded(TZ="UTC", LC_ALL="C", PYTHONHASHSEED="1")
    there = folded(TZ="Asia/Vladivostok", LC_ALL="C.UTF-8", PYTHONHASHSEED="4242")
    assert len(here.splitlines()) == len(LIVES)
    assert here == there
