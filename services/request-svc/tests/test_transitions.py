"""What may happen to a request in which state: the table, cell by cell, against the rules themselves."""

from typing import get_args

import pytest
from lives import COMMANDS, DONE, IN_STATE, LINKED, given

from request_svc.domain.refusal import NotADuplicateError, RatingNotAskedError, RequestError
from request_svc.domain.request import TRANSITIONS, Action, State
from shared_chassis.http.problem import refusal_name

LIVES = {("unlink", "closed"): LINKED, ("rate", "closed"): DONE}
"""Of a closed request only a duplicate is unlinked, and only one that is done is rated."""

GRID = """
                    absent    submitted    registered    waiting      completion_proposed  closed
register            unknown!  registered   registered!   registered!  registered!          closed!
reclassify          unknown!  number!      registered    waiting      being-asked!         closed!
link                unknown!  number!      closed        closed       being-asked!         closed!
unlink              unknown!  no-double!   no-double!    no-double!   no-double!           registered
ask                 unknown!  number!      waiting       asking!      being-asked!         closed!
answer              unknown!  nothing!     nothing!      registered   nothing!             closed!
give_up_waiting     -         -            -             registered   -                    -
attach              unknown!  submitted    registered    waiting      completion_proposed  closed!
reject              unknown!  closed       closed        closed       being-asked!         closed!
withdraw            unknown!  closed       closed        closed       closed               closed!
propose_completion  unknown!  number!      completion_proposed  completion_proposed  -     -
find_impossible     unknown!  closed       closed        closed       closed               -
confirm             unknown!  not-done!    not-done!     not-done!    closed               closed!
dispute             unknown!  not-done!    not-done!     not-done!    registered           closed!
deem_accepted       -         -            -             -            closed               -
rate                unknown!  no-rating!   no-rating!    no-rating!   no-rating!           closed
"""
"""The table once more, as one reads it: a state, `-` for nothing, a refusal with an exclamation mark."""

REFUSED = {
    "unknown!": "unknown-request-error",
    "registered!": "already-registered-error",
    "number!": "not-registered-error",
    "being-asked!": "completion-being-asked-error",
    "no-double!": "not-a-duplicate-error",
    "asking!": "information-being-asked-error",
    "nothing!": "nothing-asked-error",
    "not-done!": "completion-not-proposed-error",
    "no-rating!": "rating-not-asked-error",
    "closed!": "already-closed-error",
}

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


def test_the_table_says_what_it_said() -> None:
    """A cell is changed in two places or not at all."""
    head, *rows = [line.split() for line in GRID.strip().splitlines()]
    told = {row[0]: {state: REFUSED.get(cell, cell) for state, cell in zip(head, row[1:], strict=True)} for row in rows}
    assert told == {
        action: {state: refusal_name(cell) if isinstance(cell, type) else cell or "-" for state, cell in cells.items()}
        for action, cells in TRANSITIONS.items()
    }


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
