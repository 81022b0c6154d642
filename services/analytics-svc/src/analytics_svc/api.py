"""Reports over HTTP, as JSON or CSV, and the reports people keep."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Final, Literal
from urllib.parse import urlencode
from uuid import UUID

import orjson
from fastapi import Depends, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from analytics_svc import application
from analytics_svc.application import MAY, Context
from analytics_svc.domain.refusal import AlreadySavedError, AnalyticsError
from analytics_svc.domain.report import LONGEST_NAME
from analytics_svc.facts.file import Row
from analytics_svc.reports import holder, reconciliation, request, saved, submission, tally, total
from analytics_svc.reports.report import Table, Window, as_csv
from shared_chassis import http
from shared_chassis.http import Anybody, Cursor, IdempotentCommand, Limit, Page, Router, SignedIn, allow, read_cursor
from shared_chassis.log import told


class UnreadableParameterError(AnalyticsError):
    """This report cannot be drawn with these parameters."""


ERRORS: Mapping[type[Exception], int] = {AlreadySavedError: 409, AnalyticsError: 422}
"""What is refused, and as what."""

CSV: Final = "text/csv"

router = Router(tags=["reports"])

Wired = Annotated[Context, Depends(http.context)]


class Asked(BaseModel):
    """What a report is asked for; a parameter nobody knows is refused, not ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class AskedOf(Asked):
    """A report of what was known at a moment."""

    as_of: AwareDatetime | None = Field(None, alias="asOf", description="As it was known at this moment; absent: now.")


class AskedBy(AskedOf):
    """A report by dimensions."""

    city: str | None = Field(None, max_length=200)
    dimensions: str | None = Field(None, max_length=200, description="What to tell apart by, divided by commas.")
    format: Literal["json", "csv"] | None = Field(None, description="Absent: what `Accept` says.")

    def by(self, usual: tuple[str, ...]) -> list[str]:
        """Give the dimensions asked for, or the usual ones."""
        return list(usual) if self.dimensions is None else [each.strip() for each in self.dimensions.split(",") if each.strip()]


class HoldersWanted(AskedBy):
    """Who held requests how long."""

    @property
    def window(self) -> Window:
        """Which facts are meant."""
        return Window(self.as_of, self.city)


class RequestsWanted(AskedBy):
    """How many requests there were, day by day."""

    since: date | None = Field(None, alias="from", description="The first day, in the city's time.")
    until: date | None = Field(None, alias="to", description="The first day no longer meant.")

    @property
    def window(self) -> Window:
        """Which facts are meant."""
        return Window(self.as_of, self.city, self.since, self.until)


class SubmissionsWanted(RequestsWanted):
    """How many questions, proposals and remarks there were."""

    discussion: UUID | None = None


class TalliesWanted(Asked):
    """The tallies beside the facts."""

    city: str | None = Field(None, max_length=200)
    limit: int = Field(1000, ge=0, le=100_000, description="How many windows to show at most, the newest first.")


WANTED: Final[Mapping[str, type[Asked]]] = {
    "requests": RequestsWanted,
    "holders": HoldersWanted,
    "submissions": SubmissionsWanted,
    "totals": AskedOf,
    "reconciliation": AskedOf,
    "tallies": TalliesWanted,
}
"""The parameters of each report, as they are asked for."""


class Report(BaseModel):
    """A report: what was known at `as_of` (null: now), by `columns`; `total` is counted by itself, and the rows sum to it."""

    report: str
    as_of: datetime | None
    columns: list[str]
    rows: list[Row]
    total: Row


class Totals(BaseModel):
    """Everything heard, and how long it took from the store to here (seconds)."""

    events: int
    topics: list[Row]
    types: list[Row]
    latency: dict[str, Row]


class Reconciliation(BaseModel):
    """What is missing for a cause, and what happened twice for one."""

    lost: int
    missing: dict[str, int]
    duplicate_effects: int
    duplicates: dict[str, int]
    missing_examples: list[Row]
    duplicate_examples: list[Row]


class Tallies(BaseModel):
    """The tallies beside the facts, over the minutes that are settled, and the newest windows one by one."""

    tallies: int
    facts: int
    difference: int
    share: float
    alarm: bool
    parked: int
    windows: list[Row]


class ReportToSave(BaseModel):
    """A report to keep under a name: which one, and its parameters as they stand in its address."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {
                    "name": "Bulky items by district",
                    "report": "requests",
                    "parameters": {"dimensions": "district,day", "city": "los-angeles"},
                }
            ]
        },
    )

    name: str = Field(max_length=LONGEST_NAME)
    report: str = Field(max_length=100)
    parameters: dict[str, str] = Field(default_factory=dict, max_length=20)


class ReportSaved(BaseModel):
    """The report is kept; `address` draws it."""

    id: UUID
    version: int
    address: str


class SavedReport(BaseModel):
    """A report somebody keeps."""

    id: UUID
    name: str
    report: str
    parameters: dict[str, str]
    saved_by: str
    saved_at: datetime
    address: str


def _documented(model: type[BaseModel]) -> dict[int | str, dict[str, object]]:
    return {200: {"model": model, "content": {CSV: {}} if model is Report else {}}}


@router.get("/reports/requests", response_model=None, responses=_documented(Report))
def read_requests(call: Request, actor: SignedIn, context: Wired, wanted: Annotated[RequestsWanted, Query()]) -> Response:
    """Count requests by city, district, type, channel, day and outcome."""
    allow(actor, "see_reports", MAY)
    found = request.requests(context.facts, wanted.by(request.USUAL), wanted.window)
    return _drawn("requests", found, wanted, call)


@router.get("/reports/holders", response_model=None, responses=_documented(Report))
def read_holders(call: Request, actor: SignedIn, context: Wired, wanted: Annotated[HoldersWanted, Query()]) -> Response:
    """Sum the time each holder held requests; all of them sum to the time of all cases."""
    allow(actor, "see_reports", MAY)
    found = holder.holders(context.facts, wanted.by(holder.USUAL), wanted.window)
    return _drawn("holders", found, wanted, call)


@router.get("/reports/submissions", response_model=None, responses=_documented(Report))
def read_submissions(call: Request, actor: SignedIn, context: Wired, wanted: Annotated[SubmissionsWanted, Query()]) -> Response:
    """Count questions, proposals and remarks by city, discussion, kind and day."""
    allow(actor, "see_reports", MAY)
    found = submission.submissions(context.facts, wanted.by(submission.USUAL), wanted.window, wanted.discussion)
    return _drawn("submissions", found, wanted, call)


@router.get("/reports/totals", response_model=None, responses=_documented(Totals))
def read_totals(actor: Anybody, context: Wired, wanted: Annotated[AskedOf, Query()]) -> Response:
    """Count every event by topic and type, and say how long they took to get here."""
    allow(actor, "see_totals", MAY)
    return _json(total.totals(context.facts, wanted.as_of))


@router.get("/facts/ids", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def read_ids(actor: SignedIn, context: Wired) -> Response:
    """List the id of every event folded here, one a line, for whoever compares them with the stores."""
    allow(actor, "see_reports", MAY)
    return Response("\n".join(map(str, total.ids(context.facts))), media_type="text/plain")


@router.get("/reports/reconciliation", response_model=None, responses=_documented(Reconciliation))
def read_reconciliation(actor: SignedIn, context: Wired, wanted: Annotated[AskedOf, Query()]) -> Response:
    """Look for causes without their effect, and for effects that came twice."""
    allow(actor, "see_reports", MAY)
    return _json(reconciliation.reconcile(context.facts, wanted.as_of))


@router.get("/reports/tallies", response_model=None, responses=_documented(Tallies))
def read_tallies(actor: SignedIn, context: Wired, wanted: Annotated[TalliesWanted, Query()]) -> Response:
    """Compare the stream processor's tallies with the facts, minute by minute."""
    allow(actor, "see_reports", MAY)
    return _json(tally.compare(context.facts, wanted.city, wanted.limit))


@router.get("/reports/saved")
def read_saved_reports(actor: SignedIn, context: Wired, cursor: Cursor = None, limit: Limit = 100) -> Page[SavedReport]:
    """List the reports people keep, in the order of saving."""
    allow(actor, "see_saved_reports", MAY)
    kept = saved.page(context.database, read_cursor(cursor, tuple[datetime, UUID]), limit + 1)
    return Page.cut([_kept(each) for each in kept], limit, lambda row: (row.saved_at, row.id))


@router.post("/reports", status_code=201)
def save_report(wish: ReportToSave, actor: SignedIn, command: IdempotentCommand, context: Wired) -> ReportSaved:
    """Keep a report under a name, as the query that draws it."""
    allow(actor, "save_report", MAY)
    if wish.report in WANTED:
        try:
            WANTED[wish.report].model_validate(wish.parameters)
        except ValidationError as error:
            raise UnreadableParameterError(f"{UnreadableParameterError.__doc__} {told(error)}") from error
    report, result = application.save_report(context, wish.name, wish.report, wish.parameters, command)
    return ReportSaved(id=report, version=result.version, address=_address(wish.report, wish.parameters))


def _drawn(name: str, found: Table, wanted: AskedBy, call: Request) -> Response:
    """Write a report in the form asked for."""
    if wanted.format == "csv" or (wanted.format is None and CSV in call.headers.get("accept", "")):
        return Response(as_csv(found), media_type=f"{CSV}; charset=utf-8")
    return _json({"report": name, "as_of": wanted.as_of, "columns": found.columns, "rows": found.rows, "total": found.total})


def _json(answer: object) -> Response:
    return Response(orjson.dumps(answer), media_type="application/json")


def _kept(kept: saved.Kept) -> SavedReport:
    return SavedReport(
        id=kept.report,
        name=kept.name,
        report=kept.kind,
        parameters=kept.parameters,
        saved_by=kept.saved_by,
        saved_at=kept.saved_at,
        address=_address(kept.kind, kept.parameters),
    )


def _address(report: str, parameters: Mapping[str, str]) -> str:
    return f"/reports/{report}" + (f"?{urlencode(parameters)}" if parameters else "")
