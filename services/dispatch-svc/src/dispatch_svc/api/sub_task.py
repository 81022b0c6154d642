"""Parts of the work over HTTP."""

from collections.abc import Mapping
from uuid import UUID

from pydantic import ConfigDict, Field

from dispatch_svc.api.call import AN_ORGANISATION, PROOF, Body, Changed, Evidence, OrganisationId, Wired, Words, changed
from dispatch_svc.application import MAY
from dispatch_svc.application import case as application
from dispatch_svc.domain.refusal import (
    NotYourSubTaskError,
    SubTaskIsCancelledError,
    SubTaskIsDoneError,
    SubTaskNotFoundError,
)
from shared_chassis.http import ConditionalCommand, Router, SignedIn, Tagged, allow, needs_scope

ERRORS: Mapping[type[Exception], int] = {
    SubTaskNotFoundError: 404,
    NotYourSubTaskError: 403,
    SubTaskIsDoneError: 409,
    SubTaskIsCancelledError: 409,
}

router = Router(tags=["sub-tasks"])


class SubTaskWanted(Body):
    """A part of the work, and who is to do it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"organisation": AN_ORGANISATION, "title": "Switch off the riser"}]}
    )

    organisation: OrganisationId
    title: Words


class SubTaskReport(Body):
    """The part is done; `evidence` are hashes (SHA-256, hex) of photos and acts."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"evidence": [PROOF]}]})

    evidence: Evidence = Field(default_factory=list)


class Cancellation(Body):
    """Why the part is not needed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "The riser was off already."}]})

    reason: Words


class SubTaskOpenedAnswer(Changed):
    """The part of the work stands; the same id when the command is repeated."""

    sub_task: UUID


@router.post("/cases/{case}/sub-tasks", status_code=201)
def open_sub_task(
    case: UUID, wanted: SubTaskWanted, actor: SignedIn, command: ConditionalCommand, context: Wired, tagged: Tagged
) -> SubTaskOpenedAnswer:
    """Give a part of the work to an organisation: the whole cannot be reported done before it is."""
    allow(actor, "open_sub_task", MAY)
    needs_scope(actor, "work")
    sub_task, result = application.open_sub_task(context, case, actor, wanted.organisation, wanted.title, command)
    tagged(result.version)
    return SubTaskOpenedAnswer(id=case, version=result.version, sub_task=sub_task)


@router.post("/cases/{case}/sub-tasks/{sub_task}/done")
def finish_sub_task(
    case: UUID,
    sub_task: UUID,
    report: SubTaskReport,
    actor: SignedIn,
    command: ConditionalCommand,
    context: Wired,
    tagged: Tagged,
) -> Changed:
    """Say that the part of the work your organisation was given is done."""
    allow(actor, "finish_sub_task", MAY)
    needs_scope(actor, "work")
    result = application.finish_sub_task(context, case, sub_task, actor, report.evidence, command)
    tagged(result.version)
    return changed(case, result)


@router.post("/cases/{case}/sub-tasks/{sub_task}/cancellation")
def cancel_sub_task(
    case: UUID,
    sub_task: UUID,
    cancellation: Cancellation,
    actor: SignedIn,
    command: ConditionalCommand,
    context: Wired,
    tagged: Tagged,
) -> Changed:
    """Say that a part of the work is not needed."""
    allow(actor, "cancel_sub_task", MAY)
    needs_scope(actor, "work")
    result = application.cancel_sub_task(context, case, sub_task, actor, cancellation.reason, command)
    tagged(result.version)
    return changed(case, result)
