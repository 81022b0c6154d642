"""Who calls: a person under a pseudonym, with the roles and the assurance the city's identity provider vouches for."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self
from uuid import UUID

ROLES = ("organiser", "dispatcher", "agent", "executor", "analyst", "auditor", "resident")
"""Every role, in the order in which the first a person has becomes the kind of the actor."""

ANYBODY = "anybody"
"""Stands in a table of rules beside the roles: also callers without an account may do this."""

Rules = Mapping[str, frozenset[str]]
"""Who may: use case → the roles it is open to (of `ROLES`, or `ANYBODY`)."""


class NotSignedIn(Exception):
    """Sign in first: this needs an account."""


class Forbidden(Exception):
    """Your role does not allow this."""


class ScopeMissing(Forbidden):
    """This organisation's key does not allow this; another key of it may."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A caller. `id` is a pseudonym, the same in every service; nothing here says who the person is.

    `organisation` is the stream id of the organisation the person acts for, `assurance` whether the identity is
    confirmed, `city` the city the account belongs to, where it is bound to one. `scopes` are those of an organisation's key; a
    person has all, which None says.
    """

    kind: str
    id: str
    roles: frozenset[str]
    organisation: str | None = None
    assurance: Literal["none", "confirmed"] = "none"
    city: str | None = None
    scopes: frozenset[str] | None = None

    def __str__(self) -> str:
        """Write the actor as envelopes do: `kind:id`."""
        return f"{self.kind}:{self.id}"

    @classmethod
    def anonymous(cls, caller: UUID) -> Self:
        """Make the actor of a caller without an account."""
        return cls(kind="anonymous", id=str(caller), roles=frozenset())

    @property
    def signed_in(self) -> bool:
        """Whether an account stands behind the caller."""
        return self.kind != "anonymous"


def kind_of(roles: Sequence[str]) -> str:
    """Choose the kind of an actor with these roles; an account without a role of ours is a resident's."""
    return next((role for role in ROLES if role in roles), "resident")


def pseudonym(secret: bytes, issuer: str, subject: str) -> UUID:
    """Compute a person's id: the same in every service of the city, and of no use without the city's secret.

    The first 16 bytes of HMAC-SHA256(secret, `issuer|subject`) as a UUID of version 8 (RFC 9562: custom).
    """
    digest = bytearray(hmac.digest(secret, f"{issuer}|{subject}".encode(), hashlib.sha256)[:16])
    digest[6] = (digest[6] & 0x0F) | 0x80
    digest[8] = (digest[8] & 0x3F) | 0x80
    return UUID(bytes=bytes(digest))


def allow(actor: Actor, use_case: str, table: Rules) -> None:
    """Let the actor pass when the table of rules opens the use case to one of its roles.

    Raises `NotSignedIn` for a caller without an account, `Forbidden` for one with the wrong roles, `KeyError` for a
    use case that stands in no table: that is a defect, and nobody passes.
    """
    roles = table[use_case]
    if ANYBODY in roles or not roles.isdisjoint(actor.roles):
        return
    raise Forbidden(Forbidden.__doc__) if actor.signed_in else NotSignedIn(NotSignedIn.__doc__)


def needs_scope(actor: Actor, scope: str) -> None:
    """Let a person pass, and an organisation's key that has the scope.

    Raises `ScopeMissing` for a key without it.
    """
    if actor.scopes is not None and scope not in actor.scopes:
        raise ScopeMissing(f"This key does not have the scope `{scope}`.")
