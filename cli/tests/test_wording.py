"""Every fact of the catalogue is said in a sentence, with the fields people ask for, and nothing of the template is left."""

import re
from pathlib import Path

import orjson
import pytest

from shared_events.catalogue import CATALOGUE
from veche.wording import FIELD, SENTENCES, sentence

EXAMPLES = Path(__file__).resolve().parents[2] / "shared" / "events" / "tests" / "examples"


def test_every_type_of_the_catalogue_has_words() -> None:
    """And no words are kept for a type that nobody states."""
    assert set(SENTENCES) == set(CATALOGUE)


@pytest.mark.parametrize("type_", sorted(CATALOGUE))
def test_a_sentence_names_only_fields_that_there_are(type_: str) -> None:
    """Of the fact itself, or of a part of it."""
    for path in FIELD.findall(SENTENCES[type_]):
        assert path.split(".")[0] in CATALOGUE[type_].model_fields, path


@pytest.mark.parametrize("type_", sorted(CATALOGUE))
def test_a_golden_example_is_said_without_gaps(type_: str) -> None:
    """No brace, no bracket, and nothing empty between two words."""
    data = orjson.loads((EXAMPLES / f"{type_}.json").read_bytes())["data"]
    said = sentence(type_, data)
    assert said
    assert not re.search(r"[{}\[\]]|  |: $|\(\)| $", said), said


def test_what_is_absent_is_left_out_and_what_is_sealed_is_said_to_be() -> None:
    """A counter-proposal, a note, a reason in confidence."""
    declined = {
        "organisation": "organisation-kazan-a",
        "round": 1,
        "number": 2,
        "reason": "not_our_work",
        "note": "",
        "proposes": None,
    }
    assert (
        sentence("dispatch.assignment-declined.v1", declined) == "Round 1: organisation-kazan-a declines, refusal 2: not our work"
    )
    told = sentence("dispatch.assignment-declined.v1", declined | {"note": "Not ours.", "proposes": "organisation-kazan-b"})
    assert told.endswith("not our work, “Not ours.”; it proposes organisation-kazan-b")
    disputed = {"round": 2, "person": "x", "reason": {"sealed": "AAAA"}}
    assert sentence("request.completion-disputed.v1", disputed) == "Round 2: the resident disputes that it is done: (sealed)"


def test_a_type_from_tomorrow_is_read_aloud() -> None:
    """A history is never refused."""
    assert sentence("dispatch.work-praised.v1", {}) == "work praised"
