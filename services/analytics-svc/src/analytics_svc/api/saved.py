"""The reports people keep, over HTTP."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Depends
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from analytics_svc import application
from analytics_svc.api.wanted import WANTED
from analytics_svc.application import MAY, Context
from analytics_svc.domain.refusal import AnalyticsError
from analytics_svc.domain.report import LONGEST_NAME
from analytics_svc.reports import saved
from shared_chassis import http
from shared_chassis.http import Cursor, IdempotentCommand, Limit, Page, Router, SignedIn, allow, read_cursor
from shared_chassis.log import told

router = Router(tags=["reports"])

Wired = Annotated[Context, Depends(http.context)]


class UnreadableParameterError(AnalyticsError):
    """This report cannot be drawn with these parameters."""


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
