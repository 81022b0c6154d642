"""How a person's data stands in an event: plain until it is stored, sealed ever after, None once it is absent."""

from dataclasses import dataclass
from typing import Annotated, Self, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema


class PlainPersonalDataError(TypeError):
    """Personal data is sealed before it is written; this value is still plain."""


class SealedTokenError(ValueError):
    """This is not a sealed value: four parts divided by `|` are expected."""


class Sealed(BaseModel):
    """A person's value under that person's key: it opens only as this field of this event of this person.

    `box` is base64 of nonce (12 bytes) and AES-256-GCM ciphertext; associated data is `event|person|field`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    event: UUID
    person: UUID
    field: str
    box: str

    @property
    def token(self) -> str:
        """The sealed value as one string, for views and message rows."""
        return f"{self.event}|{self.person}|{self.field}|{self.box}"

    @property
    def associated_data(self) -> bytes:
        """What the seal is bound to, beside the key."""
        return f"{self.event}|{self.person}|{self.field}".encode()

    @classmethod
    def parse(cls, token: str) -> Self:
        """Read a token back.

        Raises `SealedTokenError` when the text is not a token.
        """
        parts = token.split("|")
        if len(parts) != len(cls.model_fields):
            raise SealedTokenError(SealedTokenError.__doc__)
        try:
            return cls(event=UUID(parts[0]), person=UUID(parts[1]), field=parts[2], box=parts[3])
        except ValueError as error:
            raise SealedTokenError(SealedTokenError.__doc__) from error


@dataclass(frozen=True)
class PersonalMark:
    """Marks a field that holds a person's data."""


T = TypeVar("T")


def _sealed_form(value: object) -> dict[str, str] | None:
    if value is None:
        return None
    if isinstance(value, Sealed):
        return {"sealed": value.box}
    raise PlainPersonalDataError(PlainPersonalDataError.__doc__)


Personal = Annotated[
    T | Sealed | None,
    PersonalMark(),
    Field(repr=False),
    PlainSerializer(_sealed_form, when_used="json"),
    WithJsonSchema(
        {
            "description": "Personal data under the person's key; null when absent.",
            "oneOf": [
                {
                    "type": "object",
                    "properties": {"sealed": {"type": "string", "contentEncoding": "base64"}},
                    "required": ["sealed"],
                    "additionalProperties": False,
                },
                {"type": "null"},
            ],
        }
    ),
]
"""A person's value: plain as decided, `Sealed` as stored and loaded, None when absent.

Allowed only at the top level of an event that has a `person`.
"""


def personal_fields(model: type[BaseModel]) -> frozenset[str]:
    """Name the fields of a model that hold personal data."""
    return frozenset(
        name for name, field in model.model_fields.items() if any(isinstance(mark, PersonalMark) for mark in field.metadata)
    )


def token_of(value: str | Sealed | None) -> str | None:
    """Give the token of a sealed value for a view; None stays None.

    Raises `PlainPersonalDataError` for a plain value: views keep sealed values only.
    """
    if value is None:
        return None
    if isinstance(value, Sealed):
        return value.token
    raise PlainPersonalDataError(PlainPersonalDataError.__doc__)
