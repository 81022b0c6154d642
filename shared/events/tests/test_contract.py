"""The contract keeps its word: names, schemas and the place of personal data."""

import json
from pathlib import Path
from types import UnionType
from typing import Union, get_args, get_origin
from uuid import UUID

import pytest
from pydantic import BaseModel

from shared_events.catalogue import CATALOGUE, DuplicateTypeError, catalogue_of
from shared_events.event import Event, type_name
from shared_events.personal import Personal, PlainPersonalDataError, Sealed, SealedTokenError, personal_fields, token_of
from shared_events.schemas import differences, write

PERSON = UUID(int=7)


class LintEvent(Event, service="lint"):
    """Events of these tests alone."""


def models_inside(annotation: object) -> list[type[BaseModel]]:
    """Name the models an annotation holds, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation, *(inner for field in annotation.model_fields.values() for inner in models_inside(field.annotation))]
    if get_origin(annotation) in (Union, UnionType, tuple, list, dict):
        return [inner for part in get_args(annotation) for inner in models_inside(part)]
    return []


SUSPICIOUS = {"phone", "email", "name_of_person", "surname", "passport", "apartment", "description", "snils", "birthday"}


def lint(event: type[Event]) -> list[str]:
    """Say what is wrong with the place of personal data in an event."""
    wrong = []
    personal = personal_fields(event)
    if personal and "person" not in event.model_fields:
        wrong.append("personal data without a person")
    persons = [name for name, field in event.model_fields.items() if "person" in name and field.annotation in (UUID, UUID | None)]
    if personal and persons != ["person"]:
        wrong.append("personal data of more than one person")
    for name, field in event.model_fields.items():
        wrong += [
            f"personal data inside {name}"
            for model in models_inside(field.annotation)
            if model is not Sealed and personal_fields(model)
        ]
        if name in SUSPICIOUS and name not in personal:
            wrong.append(f"{name} is open")
        wrong += [
            f"{inner} inside {name} is open"
            for model in models_inside(field.annotation)
            if model is not Sealed
            for inner in model.model_fields
            if inner in SUSPICIOUS
        ]
    return wrong


@pytest.mark.parametrize("event", CATALOGUE.values(), ids=list(CATALOGUE))
def test_personal_data_stands_only_sealed_at_the_top_of_an_event_with_one_person(event: type[Event]) -> None:
    """Trap T28: the lint finds nothing in the catalogue."""
    assert lint(event) == []


def test_the_lint_sees_every_way_to_leak() -> None:
    """Each rule of the lint fires on an event made to break it."""

    class Nobody(LintEvent):
        phone: Personal[str] = None

    class TwoPeople(LintEvent):
        person: UUID
        other_person: UUID
        phone: Personal[str] = None

    class Open(LintEvent):
        person: UUID
        phone: str

    class Inner(BaseModel):
        email: Personal[str] = None

    class Nested(LintEvent):
        person: UUID
        inner: tuple[Inner, ...]

    assert "personal data without a person" in lint(Nobody)
    assert "personal data of more than one person" in lint(TwoPeople)
    assert lint(Open) == ["phone is open"]
    assert "personal data inside inner" in lint(Nested)


def test_a_type_name_follows_from_the_class() -> None:
    """`ProposalSubmitted` of discussion is version 1, a trailing V2 is version 2."""
    assert type_name("discussion", "ProposalSubmitted") == "discussion.proposal-submitted.v1"
    assert type_name("request", "RequestRegisteredV12") == "request.request-registered.v12"


def test_two_classes_of_one_type_are_refused() -> None:
    """A catalogue is a function from type to class."""
    event = next(iter(CATALOGUE.values()))
    with pytest.raises(DuplicateTypeError):
        catalogue_of([event, event])


def test_every_event_is_described_and_frozen() -> None:
    """The docstring is the glossary's sentence; a fact cannot be changed."""
    for event in CATALOGUE.values():
        assert event.__doc__
        assert event.model_config["frozen"]
        assert event.model_config["extra"] == "forbid"


def test_plain_personal_data_is_never_written() -> None:
    """Neither JSON nor a view takes a value that is not sealed; the repr hides it."""

    class Called(LintEvent):
        person: UUID
        phone: Personal[str] = None

    plain = Called(person=PERSON, phone="+7 900 000-00-00")
    with pytest.raises(Exception, match="still plain"):
        plain.model_dump_json()
    with pytest.raises(PlainPersonalDataError):
        token_of("plain")
    assert "900" not in repr(plain)


def test_a_sealed_value_travels_as_a_token() -> None:
    """Token and back; anything else is refused."""
    sealed = Sealed(event=UUID(int=1), person=PERSON, field="phone", box="AAAA")
    assert Sealed.parse(sealed.token) == sealed
    assert token_of(sealed) == sealed.token
    assert token_of(None) is None
    for broken in ("", "a|b", "x|y|z|w"):
        with pytest.raises(SealedTokenError):
            Sealed.parse(broken)


def test_the_schemas_are_what_the_code_says(tmp_path: Path) -> None:
    """A changed, missing or extra schema file is named."""
    assert differences() == []
    write(tmp_path)
    assert differences(tmp_path) == []
    first = min(tmp_path.glob("*.json"))
    first.write_text("{}", encoding="utf-8")
    (tmp_path / "nobody.v1.json").write_text("{}", encoding="utf-8")
    assert differences(tmp_path) == sorted([first.name, "nobody.v1.json"])


EXAMPLES = sorted((Path(__file__).parent / "examples").glob("*.json"))


def test_every_released_type_has_golden_bytes() -> None:
    """Trap T14: an event without an example, and an example without an event, are both red."""
    assert {path.stem for path in EXAMPLES} == set(CATALOGUE)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_golden_data_loads_and_writes_the_same(path: Path) -> None:
    """Trap T14: the stored data of every released version loads, and writes to the same JSON."""
    document = json.loads(path.read_text(encoding="utf-8"))
    event = CATALOGUE[document["type"]]
    data = dict(document["data"])
    for name in personal_fields(event):
        if data[name] is not None:
            data[name] = Sealed(event=document["id"], person=data["person"], field=name, box=data[name]["sealed"])
    assert json.loads(event.model_validate(data).model_dump_json()) == document["data"]
