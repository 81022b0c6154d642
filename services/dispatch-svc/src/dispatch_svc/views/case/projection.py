"""Facts of cases → what they are in the tables people look for cases in: the case's row, and which parts of the work are open."""

from collections.abc import Callable, Sequence
from typing import LiteralString, get_args

from dispatch_svc.domain.case.evolution import CaseFact
from dispatch_svc.views.case.row import ROWS, evolve
from dispatch_svc.views.statement import stating
from shared_chassis.view import Fold, Projection, Writing
from shared_events.dispatch import SubTaskCancelled, SubTaskDone, SubTaskOpened
from shared_events.envelope import Recorded

TABLES = ("cases", "sub_task")

OPEN_SUB_TASK: LiteralString = """
    INSERT INTO sub_task (sub_task_id, case_id, organisation, state)
    VALUES (%(sub_task)s, %(stream_uuid)s, %(organisation)s, 'open')
    ON CONFLICT (sub_task_id) DO NOTHING
"""
FINISH_SUB_TASK: LiteralString = "UPDATE sub_task SET state = 'done' WHERE sub_task_id = %(sub_task)s"
CANCEL_SUB_TASK: LiteralString = "UPDATE sub_task SET state = 'cancelled' WHERE sub_task_id = %(sub_task)s"

CHANGE = Fold(ROWS, evolve)
"""The step of a fact that is in the case's row and nowhere else."""


def beside_the_row(sql: LiteralString) -> Callable[[Recorded], Sequence[Writing]]:
    """Make the step of a fact of a case that is a statement too."""
    state = stating(sql)
    return lambda recorded: (state(recorded), CHANGE(recorded))


PROJECTION: Projection = {
    **dict.fromkeys(get_args(CaseFact), CHANGE),
    SubTaskOpened: beside_the_row(OPEN_SUB_TASK),
    SubTaskDone: beside_the_row(FINISH_SUB_TASK),
    SubTaskCancelled: beside_the_row(CANCEL_SUB_TASK),
}
"""Every fact of a case raises the version of its row; links to an incident are statements too, of `views.incident`."""
