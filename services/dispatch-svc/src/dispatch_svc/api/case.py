"""Cases over HTTP: executors act on theirs, dispatchers assign, staff see who holds what and why."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from psycopg.rows import DictRow
from pydantic import BaseModel, ConfigDict, Field

from dispatch_svc.api.call import Body, Changed, Sha256, Wired, changed
from dispatch_svc.application import MAY
from dispatch_svc.application import case as application
from dispatch_svc.domain.case import State
from dispatch_svc.domain.refusal import (
    AlreadyAcceptedError,
    AlreadyReportedError,
    CaseIsClosedError,
    CaseNotFoundError,
    NotAcceptedYetError,
    NotRegisteredYetError,
    NotStartedYetError,
    NotYourCaseError,
    UnknownOrganisationError,
)
from dispatch_svc.views.case import CaseFile, Filters
from shared_chassis.http import IdempotentCommand, Page, Router, SignedIn, allow, read_cursor
from shared_events.dispatch import HolderKind, RoutingInputs, Stage
from shared_events.request import Outcome

ERRORS: Mapping[type[Exception], int] = {
    CaseNotFoundError: 404,
    NotYourCaseError: 403,
    CaseIsClosedError: 409,
    NotAcceptedYetError: 409,
    NotStartedYetError: 409,
    AlreadyReportedError: 409,
    NotRegisteredYetError: 409,
    AlreadyAcceptedError: 409,
    UnknownOrganisationError: 422,
}

router = Router(tags=["cases"])


class Report(Body):
    """The work is done; `evidence` are hashes (SHA-256, hex) of photos and acts."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"evidence": ["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]}]}
    )

    evidence: list[Sha256] = Field(default_factory=list, max_length=100)


class Assignment(Body):
    """Who is to act: an organisation's id, as the list of organisations has it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"organisation": "organisation-los-angeles-bos"}]})

    organisation: str = Field(min_length=1, max_length=200)


class CasesWanted(BaseModel):
    """Which cases to list; a filter nobody knows is refused, not ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    city: str | None = Field(None, max_length=200)
    organisation: str | None = Field(None, max_length=200, description="The assigned organisation's id.")
    state: State | None = None
    stage: Stage | None = Field(None, description="The stage whose clock runs.")
    district: str | None = Field(None, max_length=200)
    cursor: str | None = Field(None, max_length=2000, description="`next` of the page before; absent: from the start.")
    limit: int = Field(100, ge=1, le=1000, description="How many to show at most.")


class HolderNow(BaseModel):
    """Who is to act, and since when."""

    kind: HolderKind
    organisation: str | None
    since: datetime


class CaseSummary(BaseModel):
    """A case in a list. `stage` and `due` are those of the clock that runs; `organisation` is who is assigned."""

    id: UUID
    version: int
    city: str
    service_type: str | None
    district: str | None
    building: str | None
    state: State
    round: int
    organisation: str | None
    assigned_by: Literal["rule", "dispatcher"] | None
    holder: HolderNow | None
    stage: Stage | None
    due: datetime | None
    opened_at: datetime
    closed_at: datetime | None
    outcome: Outcome | None


class Routing(BaseModel):
    """Why the request went where it went: the rule in its version, or why none applied, and what was looked at."""

    rule: str | None
    rule_version: int | None
    failure: str | None
    inputs: RoutingInputs


class Held(BaseModel):
    """Who held the case from when to when (None: still), in minutes."""

    kind: HolderKind
    organisation: str | None
    since: datetime
    until: datetime | None
    minutes: float


class ClockShown(BaseModel):
    """The term of one stage; `remaining_minutes` is negative once it is overdue, and None when the stage is over."""

    stage: Stage
    round: int
    starts_at: datetime
    due: datetime
    minutes: int
    policy_version: str
    calendar: str
    calendar_version: str
    remaining_minutes: float | None
    ended_at: datetime | None
    breached_at: datetime | None


class CaseExplained(CaseSummary):
    """A case with why it is where it is: the rule, every holder and every clock."""

    routing: Routing | None
    evidence: list[str]
    holders: list[Held]
    total_minutes: float
    clocks: list[ClockShown]


@router.post("/cases/{case}/acceptance")
def accept(case: UUID, actor: SignedIn, command: IdempotentCommand, context: Wired) -> Changed:
    """Accept a request your organisation is assigned to."""
    allow(actor, "accept", MAY)
    return changed(case, application.accept(context, case, actor, command))


@router.post("/cases/{case}/start")
def start(case: UUID, actor: SignedIn, command: IdempotentCommand, context: Wired) -> Changed:
    """Start the work on a request you accepted."""
    allow(actor, "start", MAY)
    return changed(case, application.start(context, case, actor, command))


@router.post("/cases/{case}/report")
def report_done(case: UUID, report: Report, actor: SignedIn, command: IdempotentCommand, context: Wired) -> Changed:
    """Report the work done, with evidence."""
    allow(actor, "report_done", MAY)
    return changed(case, application.report_done(context, case, actor, report.evidence, command))


@router.post("/cases/{case}/assignment")
def assign(case: UUID, assignment: Assignment, actor: SignedIn, command: IdempotentCommand, context: Wired) -> Changed:
    """Assign an organisation: where no rule could, or before the present one has accepted."""
    allow(actor, "assign", MAY)
    return changed(case, application.assign(context, case, assignment.organisation, command))


@router.get("/cases/{case}")
def see_case(case: UUID, actor: SignedIn, context: Wired) -> CaseExplained:
    """Show a case: which rule sent it where, who holds it since when, which clocks run and what is left of them."""
    allow(actor, "see_cases", MAY)
    return _explained(application.see_case(context, case, actor))


@router.get("/cases")
def see_cases(actor: SignedIn, context: Wired, wanted: Annotated[CasesWanted, Query()]) -> Page[CaseSummary]:
    """List cases, the longest open first; an executor sees those of its own organisation."""
    allow(actor, "see_cases", MAY)
    after = read_cursor(wanted.cursor, tuple[datetime, UUID])
    filters = Filters(wanted.city, wanted.organisation, wanted.state, wanted.stage, wanted.district)
    rows = application.see_cases(context, actor, filters, after, wanted.limit + 1)
    cases = [CaseSummary.model_validate(_summary(row)) for row in rows]
    return Page.cut(cases, wanted.limit, lambda row: (row.opened_at, row.id))


def _summary(row: DictRow) -> DictRow:
    holder = {"kind": row["holder"], "organisation": row["holder_organisation"], "since": row["held_since"]}
    return {**row, "holder": None if row["state"] == "closed" else holder}


def _explained(found: CaseFile) -> CaseExplained:
    row = found.case
    now: datetime = row["now"]
    routing = row["routing_inputs"] and {
        "rule": row["rule"],
        "rule_version": row["rule_version"],
        "failure": row["routing_failure"],
        "inputs": row["routing_inputs"],
    }
    holders = [
        {**held, "kind": held["holder"], "minutes": _minutes(held["since"], held["until"] or max(now, row["held_since"]))}
        for held in found.holders
    ]
    clocks = [
        {**clock, "remaining_minutes": None if clock["ended_at"] else _minutes(now, clock["due"])} for clock in found.clocks
    ]
    return CaseExplained.model_validate(
        {
            **_summary(row),
            "routing": routing,
            "evidence": row["evidence"] or [],
            "holders": holders,
            "total_minutes": _minutes(row["opened_at"], row["closed_at"] or max(now, row["held_since"])),
            "clocks": clocks,
        }
    )


def _minutes(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds() / 60
