"""What a fact is: a frozen model in the past tense, with a type name that follows from the class."""

import re
from typing import ClassVar

from pydantic import BaseModel, ConfigDict
from typing_extensions import Unpack

_VERSIONED = re.compile(r"^(?P<name>.+?)(?:V(?P<version>\d+))?$")
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def type_name(service: str, class_name: str) -> str:
    """Spell the type of an event class: `ProposalSubmitted` of discussion is `discussion.proposal-submitted.v1`."""
    match = _VERSIONED.match(class_name)
    assert match is not None, class_name  # noqa: S101 - the pattern matches every identifier
    words = _WORD.sub("-", match["name"]).lower()
    return f"{service}.{words}.v{match['version'] or 1}"


class Value(BaseModel):
    """A value inside a fact: frozen, and closed to unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Event(BaseModel):
    """A fact, stated once by the service that owns it.

    A service's base names it: `class RequestEvent(Event, service="request")`. A class with a trailing `V2` is version 2 of the
    same fact; the old class then has `upcast() -> Event`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    SERVICE: ClassVar[str] = ""
    TYPE: ClassVar[str] = ""

    def __init_subclass__(cls, *, service: str = "", **kwargs: Unpack[ConfigDict]) -> None:
        """Name the type when a class is defined."""
        super().__init_subclass__(**kwargs)
        if service:
            cls.SERVICE = service
        else:
            cls.TYPE = type_name(cls.SERVICE, cls.__name__)

    @classmethod
    def __pydantic_init_subclass__(cls, *, service: str = "", **kwargs: object) -> None:
        """Take the class keyword that pydantic hands on; `__init_subclass__` has used it."""

    def upcast(self) -> "Event | None":
        """Give the same fact in the next version's shape; None when this is the newest."""
        return None


def topic_of(service: str) -> str:
    """Name the Kafka topic a service publishes its facts on."""
    return f"{service}.events"
