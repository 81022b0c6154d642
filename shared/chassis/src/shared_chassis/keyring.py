"""A key a person: what is sealed under it is gone for good when the key is destroyed, and all else stays valid."""

import hashlib
import hmac
import os
from base64 import b64decode, b64encode
from collections.abc import Iterable
from threading import Event, Lock
from uuid import UUID

from cachetools import TTLCache
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared_chassis.metric import KEYRING_LOOKUPS
from shared_chassis.postgres import KEYRING, Database
from shared_events.personal import Sealed

KEY_BYTES = 32
NONCE_BYTES = 12
WRAP_VERSION = b"\x01"
REMEMBERED_SECONDS = 20
"""How long an opened key is remembered: an erasure takes effect everywhere within this time."""
REMEMBERED_KEYS = 20_000

CREATE = "SELECT create_key(%(person)s, %(offered)s) AS wrapped"
OPEN = "SELECT person, wrapped FROM open_keys(%(persons)s)"
DESTROY = "SELECT destroy_key(person) FROM unnest(%(persons)s::uuid[]) AS person"


class PersonErasedError(RuntimeError):
    """This person's data was erased; nothing more can be kept under their name."""


class KeyringLockedError(ConnectionError):
    """The keyring does not open yet: the erasures that were asked for are being applied to it; try again in a moment."""


class SealBrokenError(ValueError):
    """A sealed value does not open: it is damaged, or stands where it was not sealed."""


class Keyring:
    """Seals and opens persons' values. `secret` (32 bytes) wraps the keys and is not known to their database."""

    def __init__(self, url: str, secret: bytes, pool_size: int = 4) -> None:
        self._database = Database(url, KEYRING, pool_size)
        self._wrapper = AESGCM(secret)
        self._nonces = hmac.digest(secret, b"nonces of files", hashlib.sha256)
        self._keys: TTLCache[UUID, AESGCM] = TTLCache(REMEMBERED_KEYS, REMEMBERED_SECONDS)
        self._lock = Lock()
        self._unlocked = Event()
        self._unlocked.set()

    def lock(self) -> None:
        """Seal and open nothing until `unlock`: whatever is asked for meanwhile raises `KeyringLockedError`.

        A keyring that was restored holds keys of persons who were erased since; the erasures are applied first.
        """
        self._unlocked.clear()

    def unlock(self) -> None:
        """Seal and open again."""
        self._unlocked.set()

    def seal(self, person: UUID, event: UUID, field: str, value: str) -> Sealed:
        """Seal a value as this field of this event of this person.

        Raises `PersonErasedError` when the person's key was destroyed.
        """
        nonce = os.urandom(NONCE_BYTES)
        bound = Sealed(event=event, person=person, field=field, box="")
        box = nonce + self._key_of(person).encrypt(nonce, value.encode(), bound.associated_data)
        return bound.model_copy(update={"box": b64encode(box).decode()})

    def open(self, tokens: Iterable[str]) -> dict[str, str | None]:
        """Open a page's sealed tokens with one query: token → text, None where the person was erased.

        Raises `SealBrokenError` for a token that was damaged or moved.
        """
        sealed = {token: Sealed.parse(token) for token in tokens}
        keys = self._keys_of({value.person for value in sealed.values()})
        return {token: _open_with(keys.get(value.person), value) for token, value in sealed.items()}

    def encrypt(self, person: UUID, bound: bytes, content: bytes) -> bytes:
        """Encrypt a file under a person's key, bound to what it is (`bound`): nonce (12 bytes) and AES-256-GCM ciphertext.

        The same file of the same person, bound to the same, gives the same bytes, so that keeping it twice is keeping it once:
        the nonce is an HMAC of all three under a key of its own. Raises `PersonErasedError`.
        """
        key = self._key_of(person)
        digest = hmac.new(self._nonces, person.bytes + hashlib.sha256(bound).digest(), hashlib.sha256)
        digest.update(content)
        nonce = digest.digest()[:NONCE_BYTES]
        return nonce + key.encrypt(nonce, content, bound)

    def decrypt(self, person: UUID, bound: bytes, stored: bytes) -> bytes | None:
        """Decrypt a file; None when the person was erased.

        Raises `SealBrokenError` for one that was damaged, or is bound to something else.
        """
        key = self._keys_of({person}).get(person)
        if key is None:
            return None
        try:
            return key.decrypt(stored[:NONCE_BYTES], stored[NONCE_BYTES:], bound)
        except InvalidTag as error:
            raise SealBrokenError(SealBrokenError.__doc__) from error

    def destroy(self, person: UUID) -> None:
        """Destroy a person's key: what was sealed under it never opens again."""
        self.destroy_all([person])

    def destroy_all(self, persons: Iterable[UUID]) -> None:
        """Destroy the keys of several persons, with one query; one that never had a key gets none any more."""
        gone = list(persons)
        self._database.query(DESTROY, {"persons": gone})
        KEYRING_LOOKUPS.labels("destroy", "done").inc(len(gone))
        with self._lock:
            for person in gone:
                self._keys.pop(person, None)

    def close(self) -> None:
        """Give the connections back."""
        self._database.close()

    def _key_of(self, person: UUID) -> AESGCM:
        self._check_unlocked()
        with self._lock:
            key = self._keys.get(person)
        if key is not None:
            return key
        offered = AESGCM.generate_key(KEY_BYTES * 8)
        row = self._database.query_one(CREATE, {"person": person, "offered": self._wrap(person, offered)})
        erased = row is None or row["wrapped"] is None
        KEYRING_LOOKUPS.labels("create", "erased" if erased else "given").inc()
        if row is None or row["wrapped"] is None:
            raise PersonErasedError(PersonErasedError.__doc__)
        return self._remember(person, bytes(row["wrapped"]))

    def _check_unlocked(self) -> None:
        if not self._unlocked.is_set():
            raise KeyringLockedError(KeyringLockedError.__doc__)

    def _keys_of(self, persons: set[UUID]) -> dict[UUID, AESGCM]:
        self._check_unlocked()
        with self._lock:
            keys = {person: key for person in persons if (key := self._keys.get(person)) is not None}
        missing = list(persons - keys.keys())
        if missing:
            KEYRING_LOOKUPS.labels("open", "asked").inc()
            for row in self._database.query(OPEN, {"persons": missing}):
                keys[row["person"]] = self._remember(row["person"], bytes(row["wrapped"]))
        return keys

    def _wrap(self, person: UUID, key: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return WRAP_VERSION + nonce + self._wrapper.encrypt(nonce, key, person.bytes)

    def _remember(self, person: UUID, wrapped: bytes) -> AESGCM:
        nonce, box = wrapped[1 : 1 + NONCE_BYTES], wrapped[1 + NONCE_BYTES :]
        key = AESGCM(self._wrapper.decrypt(nonce, box, person.bytes))
        with self._lock:
            self._keys[person] = key
        return key


def _open_with(key: AESGCM | None, value: Sealed) -> str | None:
    if key is None:
        return None
    box = b64decode(value.box)
    try:
        return key.decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], value.associated_data).decode()
    except InvalidTag as error:
        raise SealBrokenError(SealBrokenError.__doc__) from error
