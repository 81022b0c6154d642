"""Reports over HTTP, as JSON in pages or as CSV whole."""

from datetime import datetime
from typing import Annotated, Final, TypeAlias

import orjson
from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel

from analytics_svc.api.wanted import (
    AskedBy,
    AskedOf,
    DeadlinesWanted,
    HoldersWanted,
    RatingsWanted,
    RequestsWanted,
    SubmissionsWanted,
    TalliesWanted,
)
from analytics_svc.application import MAY, Context
from analytics_svc.facts.file import Row
from analytics_svc.reports import deadline, holder, rating, reconciliation, request, submission, tally, total
from analytics_svc.reports.report import Place, Table, as_csv, page
from shared_chassis import http
from shared_chassis.http import Anybody, Router, SignedIn, allow, read_cursor
from shared_chassis.http.page import write_cursor

CSV: Final = "text/csv"

Documented: TypeAlias = dict[int | str, dict[str, object]]

router = Router(tags=["reports"])

Wired = Annotated[Context, Depends(http.context)]


class Report(BaseModel):
    """A report: what was known at `as_of` (null: now), by `columns`; `total` is counted by itself, and all rows sum to it.

    `next` is the cursor of the next page; null where the report ends.
    """

    report: str
    as_of: datetime | None
    columns: list[str]
    rows: list[Row]
    total: Row
    next: str | None


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


def _answers(model: type[BaseModel], example: object) -> Documented:
    return {200: {"model": model, "content": {"application/json": {"example": example}}}}


def _draws(report: str, dimensions: Row, measures: Row) -> Documented:
    """Document a report by a row of it."""
    row, columns = {**dimensions, **measures}, [*dimensions, *measures]
    example = {"report": report, "as_of": None, "columns": columns, "rows": [row], "total": measures, "next": None}
    lines = f"{','.join(columns)}\r\n{','.join(map(str, row.values()))}\r\n"
    return {200: {"model": Report, "content": {"application/json": {"example": example}, CSV: {"example": lines}}}}


_OF_REQUESTS: Final[Row] = dict.fromkeys(request.MEASURES, 0)


@router.get(
    "/reports/requests",
    response_model=None,
    responses=_draws(
        "requests", {"district": "cd-1", "ending": "confirmed"}, {**_OF_REQUESTS, "count": 12, "reopenings": 1, "disputes": 1}
    ),
)
def read_requests(call: Request, actor: SignedIn, context: Wired, wanted: Annotated[RequestsWanted, Query()]) -> Response:
    """Count requests by city, district, type, channel, day, outcome, by whose word they ended, and by rounds."""
    allow(actor, "see_reports", MAY)
    found = request.requests(context.facts, wanted.by(request.USUAL), wanted.window, wanted.of)
    return _drawn("requests", found, wanted, call)


@router.get(
    "/reports/holders",
    response_model=None,
    responses=_draws(
        "holders",
        {"kind": "organisation", "organisation": "organisation-kazan-management-vakhitovsky"},
        {"cases": 12, "intervals": 13, "microseconds": 43_200_000_000, "minutes": 720.0},
    ),
)
def read_holders(call: Request, actor: SignedIn, context: Wired, wanted: Annotated[HoldersWanted, Query()]) -> Response:
    """Sum the time each holder held requests; all of them sum to the time of all cases, as long as they were open."""
    allow(actor, "see_reports", MAY)
    found = holder.holders(context.facts, wanted.by(holder.USUAL), wanted.window, wanted.of)
    return _drawn("holders", found, wanted, call)


@router.get(
    "/reports/deadlines",
    response_model=None,
    responses=_draws(
        "deadlines",
        {"type": "no-heating", "stage": "finish", "organisation": "organisation-kazan-heat-network", "day": "2026-03-01"},
        {"clocks": 12, "kept": 10, "late": 1, "running": 1, "warnings": 2, "escalations": 1},
    ),
)
def read_deadlines(call: Request, actor: SignedIn, context: Wired, wanted: Annotated[DeadlinesWanted, Query()]) -> Response:
    """Count the clocks of cases that were kept, are late or still run, by stage, organisation, service type and day."""
    allow(actor, "see_reports", MAY)
    found = deadline.deadlines(context.facts, wanted.by(deadline.USUAL), wanted.window, wanted.of)
    return _drawn("deadlines", found, wanted, call)


@router.get(
    "/reports/ratings",
    response_model=None,
    responses=_draws(
        "ratings",
        {"organisation": "organisation-kazan-management-vakhitovsky"},
        {"asked": 12, "given": 5, "silent": 7, "points": 21, "average": 4.2},
    ),
)
def read_ratings(call: Request, actor: SignedIn, context: Wired, wanted: Annotated[RatingsWanted, Query()]) -> Response:
    """Count ratings asked for, given and not given; whoever said nothing is in no average."""
    allow(actor, "see_reports", MAY)
    found = rating.ratings(context.facts, wanted.by(rating.USUAL), wanted.window, wanted.of)
    return _drawn("ratings", found, wanted, call)


@router.get(
    "/reports/submissions",
    response_model=None,
    responses=_draws("submissions", {"kind": "question", "day": "2026-03-01"}, {"count": 12}),
)
def read_submissions(call: Request, actor: SignedIn, context: Wired, wanted: Annotated[SubmissionsWanted, Query()]) -> Response:
    """Count questions, proposals and remarks by city, discussion, kind and day."""
    allow(actor, "see_reports", MAY)
    found = submission.submissions(context.facts, wanted.by(submission.USUAL), wanted.window, wanted.discussion)
    return _drawn("submissions", found, wanted, call)


@router.get(
    "/reports/totals",
    response_model=None,
    responses=_answers(
        Totals,
        {
            "events": 14,
            "topics": [{"topic": "request.events", "events": 14, "last_position": 14, "xor_of_positions": 15}],
            "types": [{"topic": "request.events", "type": "request.request-submitted.v1", "events": 14}],
            "latency": {"all": {"count": 14, "p50_s": 0.4, "p99_s": 0.9, "max_s": 1.0}},
        },
    ),
)
def read_totals(actor: Anybody, context: Wired, wanted: Annotated[AskedOf, Query()]) -> Response:
    """Count every event by topic and type, and say how long they took to get here."""
    allow(actor, "see_totals", MAY)
    return as_json(total.totals(context.facts, wanted.as_of))


@router.get("/facts/ids", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def read_ids(actor: SignedIn, context: Wired) -> Response:
    """List the id of every event folded here, one a line, for whoever compares them with the stores."""
    allow(actor, "see_reports", MAY)
    return Response("\n".join(map(str, total.ids(context.facts))), media_type="text/plain")


@router.get(
    "/reports/reconciliation",
    response_model=None,
    responses=_answers(
        Reconciliation,
        {
            "lost": 0,
            "missing": {"cases": 0, "messages": 0, "work_items": 0},
            "duplicate_effects": 0,
            "duplicates": {"dispatch.case-opened.v1": 0},
            "missing_examples": [],
            "duplicate_examples": [],
        },
    ),
)
def read_reconciliation(actor: SignedIn, context: Wired, wanted: Annotated[AskedOf, Query()]) -> Response:
    """Look for causes without their effect, and for effects that came twice."""
    allow(actor, "see_reports", MAY)
    return as_json(reconciliation.reconcile(context.facts, wanted.as_of))


@router.get(
    "/reports/tallies",
    response_model=None,
    responses=_answers(
        Tallies, {"tallies": 200, "facts": 200, "difference": 0, "share": 0.0, "alarm": False, "parked": 0, "windows": []}
    ),
)
def read_tallies(actor: SignedIn, context: Wired, wanted: Annotated[TalliesWanted, Query()]) -> Response:
    """Compare the stream processor's tallies with the facts, minute by minute."""
    allow(actor, "see_reports", MAY)
    return as_json(tally.compare(context.facts, tally.checked(context.facts, wanted.city), wanted.limit))


def as_json(answer: object) -> Response:
    """Write an answer as JSON."""
    return Response(orjson.dumps(answer), media_type="application/json")


def _drawn(name: str, found: Table, wanted: AskedBy, call: Request) -> Response:
    """Write a report in the form asked for."""
    if wanted.format == "csv" or (wanted.format is None and CSV in call.headers.get("accept", "")):
        return Response(as_csv(found), media_type=f"{CSV}; charset=utf-8")
    shown, following = page(found, read_cursor(wanted.cursor, Place), wanted.limit)
    head = {"report": name, "as_of": wanted.as_of, "columns": found.columns}
    return as_json({**head, "rows": shown, "total": found.total, "next": None if following is None else write_cursor(following)})
