"""Parts of the work: given to organisations, done or not needed; the whole is not done before each of them is."""

from collections.abc import Sequence
from uuid import UUID

from dispatch_svc.domain.case.state import Case, SubTask
from dispatch_svc.domain.case.transition import permit
from dispatch_svc.domain.refusal import (
    NotYourCaseError,
    NotYourSubTaskError,
    SubTaskIsCancelledError,
    SubTaskIsDoneError,
    SubTaskNotFoundError,
    UnknownOrganisationError,
)
from dispatch_svc.domain.rulebook import Rulebook
from shared_events.dispatch import SubTaskCancelled, SubTaskDone, SubTaskOpened
from shared_events.event import Event


def open_sub_task(
    case: Case, sub_task: UUID, organisation: str, title: str, whose: str | None, rulebook: Rulebook, *, staff: bool
) -> Sequence[Event]:
    """Let the assigned organisation (`whose`), or a dispatcher (`staff`), give a part of the work to an organisation."""
    _own(case, whose, staff=staff)
    permit(case, "open_sub_task")
    if rulebook.organisation(case.city, organisation) is None:
        raise UnknownOrganisationError
    if any(task.id == sub_task for task in case.sub_tasks):
        return []
    return [SubTaskOpened(sub_task=sub_task, round=case.round, organisation=organisation, title=title)]


def finish_sub_task(case: Case, sub_task: UUID, whose: str | None, evidence: tuple[str, ...]) -> Sequence[Event]:
    """Let the organisation that has a part of the work say that it is done. Who holds the case does not change."""
    permit(case, "finish_sub_task")
    task = _find(case, sub_task)
    if whose is None or task.organisation != whose:
        raise NotYourSubTaskError
    if task.over == "cancelled":
        raise SubTaskIsCancelledError
    if task.over == "done":
        return []
    return [SubTaskDone(sub_task=sub_task, round=case.round, evidence=evidence)]


def cancel_sub_task(case: Case, sub_task: UUID, reason: str, whose: str | None, *, staff: bool) -> Sequence[Event]:
    """Let the assigned organisation (`whose`), or a dispatcher (`staff`), say that a part of the work is not needed."""
    _own(case, whose, staff=staff)
    permit(case, "cancel_sub_task")
    task = _find(case, sub_task)
    if task.over == "done":
        raise SubTaskIsDoneError
    if task.over == "cancelled":
        return []
    return [SubTaskCancelled(sub_task=sub_task, round=case.round, reason=reason)]


def _own(case: Case, whose: str | None, *, staff: bool) -> None:
    if case.state != "unknown" and not staff and (whose is None or whose != case.organisation):
        raise NotYourCaseError


def _find(case: Case, sub_task: UUID) -> SubTask:
    found = next((task for task in case.sub_tasks if task.id == sub_task), None)
    if found is None:
        raise SubTaskNotFoundError
    return found
