"""The keys organisations' programs call with: how they are written, stored as hashes, and looked up.

A key is `vk_<key id>_<secret>`, the secret 32 random bytes in base64url. Only its SHA-256 is ever stored; a hash without salt is
enough, for nobody can try 2^256 secrets. Which facts issue and revoke keys is the service's business: `issued` and `revoked` take
what such facts say, for projections and folds alike.
"""

import base64
import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Final, Literal, LiteralString

from cachetools import TTLCache

from shared_chassis.postgres import Database
from shared_chassis.view import Statement

PREFIX: Final = "vk_"
"""How every key begins, so that a leaked one is recognised for what it is."""

SECRET_BYTES: Final = 32

REMEMBERED_SECONDS: Final = 5
"""How long a key found is remembered: a revocation known here takes effect within this time."""

REMEMBERED_KEYS: Final = 10_000

State = Literal["good", "expired", "revoked"]

_KEY = re.compile(r"vk_(?P<key_id>[a-z0-9-]{1,64})_(?P<secret>[A-Za-z0-9_-]{43})", re.ASCII)

ISSUED: LiteralString = """
    INSERT INTO api_key (sha256, key_id, organisation, scopes, valid_until)
    VALUES (%(sha256)s, %(key_id)s, %(organisation)s, %(scopes)s, %(valid_until)s)
    ON CONFLICT DO NOTHING
"""
REVOKED: LiteralString = """
    UPDATE api_key SET revoked_at = least(revoked_at, %(at)s) WHERE organisation = %(organisation)s AND key_id = %(key_id)s
"""
FIND: LiteralString = """
    SELECT k.key_id, k.organisation, k.scopes,
        CASE WHEN k.revoked_at <= n.now THEN 'revoked' WHEN k.valid_until <= n.now THEN 'expired' ELSE 'good' END AS state
    FROM (SELECT rule_now() AS now) n, api_key k
    WHERE k.sha256 = %(sha256)s
"""


class KeyShapeError(ValueError):
    """A key's id is 1 to 64 small letters, digits and hyphens, its secret 32 bytes."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made: `key` is shown once, to whom it is given, and `sha256` (hex) is stored."""

    key_id: str
    key: str
    sha256: str


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key that was issued once: whose it is, what it may do, and whether it still opens anything."""

    key_id: str
    organisation: str
    scopes: frozenset[str]
    state: State


def issue(key_id: str, secret: bytes | None = None) -> NewKey:
    """Make a key with this id; the secret is random unless given.

    Raises `KeyShapeError` for an id or a secret no key can have.
    """
    drawn = os.urandom(SECRET_BYTES) if secret is None else secret
    key = f"{PREFIX}{key_id}_{base64.urlsafe_b64encode(drawn).rstrip(b'=').decode('ascii')}"
    if len(drawn) != SECRET_BYTES or key_id_of(key) != key_id:
        raise KeyShapeError(KeyShapeError.__doc__)
    return NewKey(key_id, key, hash_of(key))


def key_id_of(key: str) -> str | None:
    """Read the id in a key; None for what is no key at all."""
    found = _KEY.fullmatch(key)
    return None if found is None else found["key_id"]


def hash_of(key: str) -> str:
    """Hash a key as it is stored: SHA-256 of all of it, in hex."""
    return hashlib.sha256(key.encode()).hexdigest()


def issued(*, sha256: str, key_id: str, organisation: str, scopes: Sequence[str], valid_until: datetime | None) -> Statement:
    """Take note that a key was issued; the same fact again changes nothing, also after its revocation."""
    return Statement(
        ISSUED,
        {
            "sha256": sha256,
            "key_id": key_id,
            "organisation": organisation,
            "scopes": list(scopes),
            "valid_until": valid_until,
        },
    )


def revoked(*, organisation: str, key_id: str, at: datetime) -> Statement:
    """Take note that a key opens nothing from `at` on; of several such moments the earliest counts."""
    return Statement(REVOKED, {"organisation": organisation, "key_id": key_id, "at": at})


class Keys:
    """Finds keys in a service's own table, and remembers what it found for a few seconds; safe to use from many threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._found: TTLCache[str, KnownKey] = TTLCache(REMEMBERED_KEYS, REMEMBERED_SECONDS)
        self._lock = Lock()

    def remembered(self, key: str) -> KnownKey | None:
        """Give what was found a moment ago, without asking the database."""
        with self._lock:
            return self._found.get(hash_of(key))

    def find(self, key: str) -> KnownKey | None:
        """Look a key up; None when it was never issued, as far as is known here.

        What is not found is not remembered: a key may be known here a moment later than where it was issued.
        """
        if key_id_of(key) is None:
            return None
        sha256 = hash_of(key)
        row = self._database.query_one(FIND, {"sha256": sha256})
        if row is None:
            return None
        known = KnownKey(row["key_id"], row["organisation"], frozenset(row["scopes"]), row["state"])
        with self._lock:
            self._found[sha256] = known
        return known
