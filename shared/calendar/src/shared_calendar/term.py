"""How long something may take: a closed union of units, each a type of its own, never a number with a flag."""

from datetime import timedelta
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class ElapsedMinutes(BaseModel):
    """Minutes as they pass by the clock on the wall of the world: night, holiday or change of the clocks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: Literal["elapsed-minutes"] = "elapsed-minutes"
    minutes: int = Field(ge=1, strict=True)

    @property
    def duration(self) -> timedelta:
        """The counted time this term allows."""
        return timedelta(minutes=self.minutes)


def _says_its_unit(value: object) -> object:
    """Refuse written data that leaves its unit to be guessed: `minutes` alone could be of several kinds."""
    if isinstance(value, dict) and "unit" not in value:
        raise ValueError("a term says its unit; allowed: elapsed-minutes")
    return value


Term: TypeAlias = Annotated[ElapsedMinutes, BeforeValidator(_says_its_unit)]
"""Any term. Written data names the member by `unit`; code that takes a `Term` matches it and closes with `assert_never`."""
