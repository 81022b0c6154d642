"""Keys of persons: sealed values open only in their place, and never after the key is destroyed."""

from uuid import uuid4

import psycopg
import pytest

from shared_chassis.keyring import Keyring, PersonErasedError, SealBrokenError
from shared_chassis.postgres import grant_keyring
from shared_events.personal import Sealed

pytestmark = pytest.mark.postgres


def forget(keyring: Keyring) -> None:
    """Let the process forget the keys it opened, as it does after seconds."""
    keyring._keys.clear()


def test_a_page_of_values_opens_with_one_query(keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty people on a page: one look-up."""
    tokens = {keyring.seal(uuid4(), uuid4(), "note", f"text {n}").token: f"text {n}" for n in range(20)}
    forget(keyring)
    queries: list[object] = []
    query = keyring._database.query
    monkeypatch.setattr(keyring._database, "query", lambda sql, params: queries.append(sql) or query(sql, params))
    assert keyring.open(tokens) == tokens
    assert len(queries) == 1


def test_an_erased_person_reads_none_and_gets_no_new_key(keyring: Keyring) -> None:
    """Gone for good, without an error to whoever reads; other people's values stay."""
    gone, other = uuid4(), uuid4()
    lost, kept = keyring.seal(gone, uuid4(), "note", "secret").token, keyring.seal(other, uuid4(), "note", "mine").token
    keyring.destroy(gone)
    forget(keyring)
    assert keyring.open([lost, kept]) == {lost: None, kept: "mine"}
    with pytest.raises(PersonErasedError):
        keyring.seal(gone, uuid4(), "note", "again")
    keyring.destroy(gone)


def test_an_erasure_elsewhere_is_heard_of_within_seconds(keyring: Keyring) -> None:
    """Opened keys are forgotten by themselves, well within a minute."""
    assert keyring._keys.ttl < 60


def test_a_value_moved_to_another_place_does_not_open(keyring: Keyring) -> None:
    """A seal is bound to event, person and field."""
    person = uuid4()
    sealed = keyring.seal(person, uuid4(), "note", "secret")
    keyring.seal(person, uuid4(), "phone", "+7")
    for moved in (
        sealed.model_copy(update={"event": uuid4()}),
        sealed.model_copy(update={"field": "phone"}),
        Sealed(event=sealed.event, person=person, field="note", box=("B" if sealed.box[0] == "A" else "A") + sealed.box[1:]),
    ):
        with pytest.raises(SealBrokenError):
            keyring.open([moved.token])


def test_the_database_alone_cannot_open_a_value(keyring: Keyring, postgres_admin_url: str) -> None:
    """The stored key is wrapped: another secret does not unwrap it."""
    token = keyring.seal(uuid4(), uuid4(), "note", "secret").token
    thief = Keyring(keyring._database.url, b"x" * 32)
    with pytest.raises(Exception, match="") as caught:
        thief.open([token])
    assert type(caught.value).__name__ == "InvalidTag"
    thief.close()


def test_a_role_has_only_the_functions_it_was_given(keyring: Keyring, postgres_admin_url: str) -> None:
    """No table, and no destroying by those who may only open."""
    role = keyring._database.url.split("//")[1].split(":")[0]
    with keyring._database.connection() as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT person FROM person_key")
    grant_keyring(postgres_admin_url, role, "only-for-tests", ["open_keys"])
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        keyring.destroy(uuid4())
    assert keyring.open([]) == {}
