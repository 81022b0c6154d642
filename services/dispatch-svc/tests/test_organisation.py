"""An organisation and its keys: issued once, rotated without a gap, revoked at once, never more than it may have."""

from datetime import UTC, datetime, timedelta

import pytest

from dispatch_svc.domain.organisation import (
    MOST_KEYS,
    ORGANISATION,
    KeyEndsInThePastError,
    KeyIsOverError,
    KeyNotFoundError,
    OrganisationNotFoundError,
    Registered,
    TooManyKeysError,
    issue_key,
    register,
    revoke_key,
    rotate_key,
)
from shared_events.dispatch import OrganisationKeyIssued, OrganisationKeyRevoked, OrganisationRegistered
from shared_events.event import Event

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LIFTS = OrganisationRegistered(city="kazan", slug="lifts", name="Lifts", kind="contractor", pack_version="1")


def key(key_id: str = "k1", valid_until: datetime | None = None) -> OrganisationKeyIssued:
    """State that a key was issued."""
    return OrganisationKeyIssued(
        organisation="organisation-kazan-lifts",
        key_id=key_id,
        sha256=key_id * 32,
        scopes=("read", "work"),
        label="Orders",
        valid_until=valid_until,
    )


def revoked(key_id: str = "k1", at: datetime = NOW) -> OrganisationKeyRevoked:
    """State that a key was revoked."""
    return OrganisationKeyRevoked(organisation="organisation-kazan-lifts", key_id=key_id, at=at)


def after(*facts: Event) -> Registered:
    """Fold an organisation's stream."""
    state = ORGANISATION.initial
    for fact in facts:
        state = ORGANISATION.evolve(state, fact)
    return state


def test_an_unchanged_pack_states_nothing_and_a_changed_one_a_new_version() -> None:
    """The pack's version by itself is no change, and keys play no part."""
    assert register(after(), LIFTS) == [LIFTS]
    assert register(after(LIFTS, key()), LIFTS.model_copy(update={"pack_version": "2"})) == []
    renamed = LIFTS.model_copy(update={"name": "Lifts & Sons"})
    assert register(after(LIFTS), renamed) == [renamed]
    assert set(after(LIFTS, key(), renamed).keys) == {"k1"}


def test_a_key_is_issued_to_an_organisation_that_exists() -> None:
    """Until a moment to come, or for good."""
    assert issue_key(after(LIFTS), key(), NOW) == [key()]
    with pytest.raises(OrganisationNotFoundError):
        issue_key(after(), key(), NOW)
    with pytest.raises(KeyEndsInThePastError):
        issue_key(after(LIFTS), key(valid_until=NOW), NOW)


def test_an_organisation_has_so_many_keys_that_open_something() -> None:
    """Those that open nothing any more make room."""
    full = after(LIFTS, *(key(f"k{number}") for number in range(MOST_KEYS)))
    with pytest.raises(TooManyKeysError):
        issue_key(full, key("more"), NOW)
    assert issue_key(ORGANISATION.evolve(full, revoked("k0")), key("more"), NOW) == [key("more")]


def test_a_rotated_key_lives_on_for_the_overlap_beside_its_successor() -> None:
    """Same scopes, same label, same end."""
    known = after(LIFTS, key(valid_until=NOW + 9 * HOUR))
    facts = rotate_key(known, "k1", "k2", "f" * 64, HOUR, NOW)
    successor = key("k2", NOW + 9 * HOUR).model_copy(update={"sha256": "f" * 64})
    assert facts == [successor, revoked(at=NOW + HOUR)]
    rotated = after(LIFTS, key(valid_until=NOW + 9 * HOUR), *facts)
    assert [rotated.keys[name].opens(NOW + HOUR - timedelta(microseconds=1)) for name in ("k1", "k2")] == [True, True]
    assert [rotated.keys[name].opens(NOW + HOUR) for name in ("k1", "k2")] == [False, True]


@pytest.mark.parametrize("facts", [[revoked()], [revoked(at=NOW + HOUR)]])
def test_a_key_that_was_revoked_or_rotated_is_not_rotated_again(facts: list[Event]) -> None:
    """Nor one that has expired: a new one is to be issued."""
    with pytest.raises(KeyIsOverError):
        rotate_key(after(LIFTS, key(), *facts), "k1", "k2", "f" * 64, HOUR, NOW)
    with pytest.raises(KeyIsOverError):
        rotate_key(after(LIFTS, key(valid_until=NOW)), "k1", "k2", "f" * 64, HOUR, NOW)


def test_a_key_is_revoked_at_once_also_one_that_was_to_live_on() -> None:
    """Revoking what opens nothing is no news."""
    assert revoke_key(after(LIFTS, key()), "k1", NOW) == [revoked()]
    assert revoke_key(after(LIFTS, key(), revoked(at=NOW + HOUR)), "k1", NOW) == [revoked()]
    assert revoke_key(after(LIFTS, key(), revoked()), "k1", NOW + HOUR) == []
    assert not after(LIFTS, key(), revoked(at=NOW + HOUR), revoked()).keys["k1"].opens(NOW)
    assert not after(LIFTS, key(), revoked(), revoked(at=NOW + HOUR)).keys["k1"].opens(NOW)


def test_a_key_nobody_issued_is_not_found() -> None:
    """Neither rotated nor revoked."""
    for known, refusal in ((after(LIFTS), KeyNotFoundError), (after(), OrganisationNotFoundError)):
        with pytest.raises(refusal):
            revoke_key(known, "k1", NOW)
        with pytest.raises(refusal):
            rotate_key(known, "k1", "k2", "f" * 64, HOUR, NOW)
