"""The people one may sign in as: a few of each role in each city, from `people.yaml`."""

import functools
import importlib.resources
from collections.abc import Mapping
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from local_stack.tokens import Assurance

Role = Literal["resident", "agent", "dispatcher", "executor", "organiser", "analyst", "auditor"]


class Person(BaseModel):
    """Somebody who does not exist, to sign in as."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sub: str
    name: str
    role: Role
    assurance: Assurance = "confirmed"
    organisation: str | None = None
    """The slug of the organisation in the city's pack."""


class City(BaseModel):
    """A city and its people."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slug: str
    names: Mapping[str, str]
    people: tuple[Person, ...]

    def organisation_of(self, person: Person) -> str | None:
        """Name the organisation a person works for by its stream id."""
        return f"organisation-{self.slug}-{person.organisation}" if person.organisation else None


@functools.cache
def load_cities() -> tuple[City, ...]:
    """Read everybody."""
    text = (importlib.resources.files("local_stack") / "people.yaml").read_text(encoding="utf-8")
    return tuple(City.model_validate(item) for item in yaml.safe_load(text))


def find(sub: str) -> tuple[City, Person] | None:
    """Find a person, and the city they belong to, by the subject they have in tokens."""
    for city in load_cities():
        for person in city.people:
            if person.sub == sub:
                return city, person
    return None
