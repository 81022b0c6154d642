"""An organisation as its city registered it, and the keys its programs call with.

A key is issued once and shown once; the store knows only its SHA-256. Rotating gives a successor and lets the old key live on for
an overlap, so that programs can be changed over without a gap.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import cast

from dispatch_svc.domain.refusal import DispatchRefusalError
from shared_chassis.stream import Stream
from shared_events.dispatch import OrganisationKeyIssued, OrganisationKeyRevoked, OrganisationRegistered
from shared_events.event import Event

PACK = {"pack_version"}
"""What may differ between two statements of the same: from which pack they come."""

MOST_KEYS = 20
"""Keys of an organisation that may open something at one time."""


class OrganisationNotFoundError(DispatchRefusalError):
    """No organisation is known under this id."""


class NotYourOrganisationError(DispatchRefusalError):
    """The keys of another organisation are not yours to see or change."""


class KeysNeedAPersonError(DispatchRefusalError):
    """A key cannot issue, rotate or revoke keys; a person of the organisation, or a dispatcher, can."""


class KeyNotFoundError(DispatchRefusalError):
    """The organisation has no key with this id."""


class KeyIsOverError(DispatchRefusalError):
    """This key opens nothing any more: it was revoked, rotated or has expired. Issue a new one."""


class KeyEndsInThePastError(DispatchRefusalError):
    """A key is valid until a moment to come."""


class TooManyKeysError(DispatchRefusalError):
    """The organisation has as many keys as it may; revoke one that is not used."""


class KeyShownAlreadyError(DispatchRefusalError):
    """This key was issued and shown once, and nobody can read it again. Revoke it and issue another."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it was issued, and from when on it opens nothing (None: nobody revoked it)."""

    issued: OrganisationKeyIssued
    revoked_at: datetime | None = None

    def opens(self, now: datetime) -> bool:
        """Say whether the key opens anything at a moment."""
        ends = [moment for moment in (self.issued.valid_until, self.revoked_at) if moment is not None]
        return all(now < moment for moment in ends)


@dataclass(frozen=True, slots=True)
class Registered:
    """An organisation as it was last registered (None: never), and its keys by their ids."""

    fact: OrganisationRegistered | None = None
    keys: Mapping[str, Key] = field(default_factory=dict)


def register(known: Registered, wanted: OrganisationRegistered) -> list[Event]:
    """Register what a city pack says, when it says something else than before; the pack's version alone is no difference."""
    if known.fact is not None and known.fact.model_dump(exclude=PACK) == wanted.model_dump(exclude=PACK):
        return []
    return [wanted]


def issue_key(known: Registered, wanted: OrganisationKeyIssued, now: datetime) -> list[Event]:
    """Issue a key. Raises `OrganisationNotFoundError`, `KeyEndsInThePastError` or `TooManyKeysError`."""
    if known.fact is None:
        raise OrganisationNotFoundError
    if wanted.valid_until is not None and wanted.valid_until <= now:
        raise KeyEndsInThePastError
    if sum(key.opens(now) for key in known.keys.values()) >= MOST_KEYS:
        raise TooManyKeysError
    return [wanted]


def rotate_key(known: Registered, key_id: str, successor_id: str, sha256: str, overlap: timedelta, now: datetime) -> list[Event]:
    """Issue a successor with the same scopes, and let the old key live on for an overlap, no longer than it would have.

    Raises `KeyNotFoundError`, or `KeyIsOverError` when the key was revoked or rotated before, or has expired.
    """
    key = _key(known, key_id)
    if not key.opens(now) or key.revoked_at is not None:
        raise KeyIsOverError
    successor = key.issued.model_copy(update={"key_id": successor_id, "sha256": sha256})
    return [successor, OrganisationKeyRevoked(organisation=key.issued.organisation, key_id=key_id, at=now + overlap)]


def revoke_key(known: Registered, key_id: str, now: datetime) -> list[Event]:
    """Revoke a key at once, also one that was to live on for an overlap; nothing when it opens nothing already."""
    key = _key(known, key_id)
    if not key.opens(now):
        return []
    return [OrganisationKeyRevoked(organisation=key.issued.organisation, key_id=key_id, at=now)]


def _key(known: Registered, key_id: str) -> Key:
    if known.fact is None:
        raise OrganisationNotFoundError
    key = known.keys.get(key_id)
    if key is None:
        raise KeyNotFoundError
    return key


def _evolve(known: Registered, fact: Event) -> Registered:
    match fact:
        case OrganisationKeyIssued():
            return replace(known, keys={**known.keys, fact.key_id: Key(fact)})
        case OrganisationKeyRevoked():
            key = known.keys.get(fact.key_id)
            if key is None:
                return known
            at = fact.at if key.revoked_at is None else min(fact.at, key.revoked_at)
            return replace(known, keys={**known.keys, fact.key_id: replace(key, revoked_at=at)})
        case _:
            return replace(known, fact=cast("OrganisationRegistered", fact))  # the stream holds nothing else


ORGANISATION: Stream[Registered] = Stream("organisation", Registered(), _evolve)
"""One organisation of a city, with its keys."""
