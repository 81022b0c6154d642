"""The keys organisations' programs call with: issued and shown once, rotated without a gap, revoked at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dispatch_svc.application.context import Context
from dispatch_svc.domain import organisation
from dispatch_svc.domain.organisation import (
    ORGANISATION,
    KeyShownAlreadyError,
    KeysNeedAPersonError,
    NotYourOrganisationError,
    OrganisationNotFoundError,
)
from dispatch_svc.views.organisation import keys
from shared_chassis import api_key
from shared_chassis.http import Actor
from shared_chassis.store import Command, Result
from shared_events.dispatch import KeyScope, OrganisationKeyIssued
from shared_events.ids import derive

MAY: Mapping[str, frozenset[str]] = {
    "issue_key": frozenset({"dispatcher", "executor"}),
    "rotate_key": frozenset({"dispatcher", "executor"}),
    "revoke_key": frozenset({"dispatcher", "executor"}),
    "see_keys": frozenset({"dispatcher", "executor", "auditor"}),
}
"""Who may: use case → roles; an executor only for its own organisation, and in person."""

EVERY_ORGANISATION = frozenset({"dispatcher", "auditor"})
"""The roles that may see (a dispatcher: also change) the keys of every organisation."""


@dataclass(frozen=True, slots=True)
class WantedKey:
    """What a key is to be called and may do, and until when."""

    label: str
    scopes: Sequence[KeyScope]
    valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class ShownKey:
    """A key as it is shown, once; `key` is all of it."""

    key_id: str
    key: str
    version: int


def issue_key(context: Context, organisation_id: str, wanted: WantedKey, actor: Actor, command: Command) -> ShownKey:
    """Issue a key of an organisation, and show it this once."""
    _own(organisation_id, actor)
    made = api_key.issue(_key_id(command))
    fact = OrganisationKeyIssued(
        organisation=organisation_id,
        key_id=made.key_id,
        sha256=made.sha256,
        scopes=tuple(sorted(set(wanted.scopes))),
        label=wanted.label,
        valid_until=wanted.valid_until,
    )
    result = context.store.handle(
        ORGANISATION, organisation_id, lambda known, now: organisation.issue_key(known, fact, now), command
    )
    return _shown(made, result)


def rotate_key(
    context: Context, organisation_id: str, key_id: str, overlap: timedelta, actor: Actor, command: Command
) -> ShownKey:
    """Issue a key's successor, and let the key live on for an overlap."""
    _own(organisation_id, actor)
    made = api_key.issue(_key_id(command))
    result = context.store.handle(
        ORGANISATION,
        organisation_id,
        lambda known, now: organisation.rotate_key(known, key_id, made.key_id, made.sha256, overlap, now),
        command,
    )
    return _shown(made, result)


def revoke_key(context: Context, organisation_id: str, key_id: str, actor: Actor, command: Command) -> Result:
    """Revoke a key at once: every service knows within seconds."""
    _own(organisation_id, actor)
    return context.store.handle(
        ORGANISATION, organisation_id, lambda known, now: organisation.revoke_key(known, key_id, now), command
    )


def see_keys(context: Context, organisation_id: str, actor: Actor) -> list[dict[str, object]]:
    """List an organisation's keys without their secrets."""
    _own(organisation_id, actor)
    if organisation_id not in context.rulebooks.latest().organisations:
        raise OrganisationNotFoundError
    return keys(context.database, organisation_id)


def _key_id(command: Command) -> str:
    """Name a key after the command that issues it, so that a repeated command names the same."""
    return derive(command.id, "key").hex[:16]


def _shown(made: api_key.NewKey, result: Result) -> ShownKey:
    """Show a key just made. A repeated command made another secret than the one that was stored, which nobody knows any more."""
    if result.repeated:
        raise KeyShownAlreadyError
    return ShownKey(made.key_id, made.key, result.version)


def _own(organisation_id: str, actor: Actor) -> None:
    """Let a person act for its own organisation, a dispatcher for every one, and no program for any."""
    if actor.scopes is not None:
        raise KeysNeedAPersonError
    if actor.roles.isdisjoint(EVERY_ORGANISATION) and actor.organisation != organisation_id:
        raise NotYourOrganisationError
