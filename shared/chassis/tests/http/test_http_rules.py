"""Who may: the table of roles and use cases decides, and everybody can read it."""

import pytest
from provider import MakeApi, calling

from shared_chassis.http import ANYBODY, Actor, Forbidden, NotSignedIn, allow

TABLE = {"submit": frozenset({"resident", "agent"}), "read": frozenset({ANYBODY}), "close": frozenset({"dispatcher"})}
NOBODY = Actor("anonymous", "00000000-0000-0000-0000-000000000001", frozenset())


def actor(*roles: str) -> Actor:
    """Give somebody with these roles."""
    return Actor(roles[0] if roles else "resident", "00000000-0000-0000-0000-000000000002", frozenset(roles))


@pytest.mark.parametrize(
    ("who", "use_case"),
    [
        (actor("resident"), "submit"),
        (actor("executor", "agent"), "submit"),
        (NOBODY, "read"),
        (actor("auditor"), "read"),
        (actor(), "read"),
    ],
)
def test_one_fitting_role_is_enough(who: Actor, use_case: str) -> None:
    """Whatever else a person is."""
    allow(who, use_case, TABLE)


@pytest.mark.parametrize(
    ("who", "use_case"), [(actor("resident"), "close"), (actor(), "submit"), (actor("auditor", "analyst"), "close")]
)
def test_without_a_fitting_role_it_is_forbidden(who: Actor, use_case: str) -> None:
    """Told in words."""
    with pytest.raises(Forbidden, match="role"):
        allow(who, use_case, TABLE)


@pytest.mark.parametrize("use_case", ["submit", "close"])
def test_who_has_no_account_is_asked_to_sign_in_first(use_case: str) -> None:
    """Not told of roles nobody gave."""
    with pytest.raises(NotSignedIn, match="Sign in"):
        allow(NOBODY, use_case, TABLE)


def test_an_account_cannot_pose_as_anybody_by_a_role_of_that_name() -> None:
    """The word stands for everybody in the table, not for a role in a token."""
    with pytest.raises(Forbidden):
        allow(actor(ANYBODY), "close", TABLE)


def test_a_use_case_in_no_table_is_open_to_nobody() -> None:
    """A forgotten line is a defect, never an open door."""
    with pytest.raises(KeyError):
        allow(actor("dispatcher"), "forgotten", TABLE)


async def test_the_table_is_published(make_api: MakeApi) -> None:
    """Sorted, so that two releases can be compared."""
    async with calling(make_api(rules=TABLE)) as client:
        answer = await client.get("/rules")
    assert answer.text == '{"close":["dispatcher"],"read":["anybody"],"submit":["agent","resident"]}'
