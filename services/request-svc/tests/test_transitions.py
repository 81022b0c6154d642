"""What may happen to a request in which state: the table, cell by cell, against the rules themselves."""

from typing import get_args

import pytest
from lives import COMMANDS, DONE, IN_STATE, LINKED, given

from request_svc.domain.refusal import NotADuplicateError, RatingNotAskedError, RequestError
from request_svc.domain.request import TRANSITIONS, Action, State

LIVES = {("unlink", "closed"): LINKED, ("rate", "closed"): DONE}
"""Of a closed request only a duplicate is unlinked, and only one that is done is rated."""

CELLS = [(action, state) for action in get_args(Action) for state in get_args(State)]


@pytest.mark.parametrize(("action", "state"), CELLS)
def test_each_command_does_in_each_state_what_the_table_says(action: Action, state: State) -> None:
    """The state that follows, the refusal by its own name, or nothing at all."""
    life = LIVES.get((action, state), IN_STATE[state])
    cell = TRANSITIONS[action][state]
    request = given(*life)
    assert request.state == state
    if isinstance(cell, type):
        with pytest.raises(cell) as refused:
            COMMANDS[action](request)
        assert type(refused.value) is cell
        return
    facts = COMMANDS[action](request)
    assert bool(facts) == (cell is not None)
    assert given(*life, *facts).state == (cell or state)


def test_the_table_has_every_cell_once() -> None:
    """No command is forgotten, nor a state."""
    assert [(action, state) for action, cells in TRANSITIONS.items() for state in cells] == CELLS


@pytest.mark.parametrize(
    ("action", "refusal"), [("unlink", NotADuplicateError), ("rate", RatingNotAskedError)], ids=["unlink", "rate"]
)
def test_what_is_closed_otherwise_is_neither_unlinked_nor_rated(action: Action, refusal: type[RequestError]) -> None:
    """The table's one cell holds for the duplicates and the done alone."""
    with pytest.raises(refusal):
        COMMANDS[action](given(*IN_STATE["closed"]))
