"""What may be kept as a report."""

from collections.abc import Mapping

import pytest

from analytics_svc.api.wanted import WANTED
from analytics_svc.domain.refusal import (
    AlreadySavedError,
    AnalyticsError,
    NamelessReportError,
    UnknownParameterError,
    UnknownReportError,
)
from analytics_svc.domain.report import REPORT, REPORTS, save
from shared_events.analytics import ReportSaved

KEPT = ReportSaved(name="By district", report="requests", parameters={"dimensions": "district"})


def given(*facts: ReportSaved) -> ReportSaved | None:
    """Fold what was stated before."""
    state = REPORT.initial
    for fact in facts:
        state = REPORT.evolve(state, fact)
    return state


def test_a_report_is_kept_as_the_query_that_draws_it() -> None:
    """The name loses its margins, the parameters get an order."""
    parameters = {"dimensions": "district", "city": "kazan"}
    (saved,) = save(given(), "  By district ", "requests", parameters)
    assert saved == ReportSaved(name="By district", report="requests", parameters={"city": "kazan", "dimensions": "district"})


def test_the_same_report_again_is_nothing_new() -> None:
    """Already so is no error."""
    assert save(given(KEPT), KEPT.name, KEPT.report, KEPT.parameters) == []


def test_another_report_does_not_take_its_place() -> None:
    """A saved report stays what it is."""
    with pytest.raises(AlreadySavedError):
        save(given(KEPT), "Another", "holders", {})


@pytest.mark.parametrize(
    ("name", "report", "parameters", "refusal"),
    [
        ("   ", "requests", {}, NamelessReportError),
        ("x" * 201, "requests", {}, NamelessReportError),
        ("Mine", "secrets", {}, UnknownReportError),
        ("Mine", "requests", {"phone": "1"}, UnknownParameterError),
        ("Mine", "requests", {"city": "x" * 1001}, UnknownParameterError),
        ("Mine", "totals", {"city": "kazan"}, UnknownParameterError),
    ],
)
def test_what_cannot_be_drawn_is_not_kept(
    name: str, report: str, parameters: Mapping[str, str], refusal: type[AnalyticsError]
) -> None:
    """Refused in words, with nothing stated."""
    with pytest.raises(refusal) as refused:
        save(given(), name, report, parameters)
    assert str(refused.value).startswith(refusal.__doc__ or "?")


def test_the_rules_and_the_addresses_know_the_same_parameters() -> None:
    """What may be saved is what may be asked for; how much and in which form is not part of a report."""
    asked = {
        report: {field.alias or name for name, field in model.model_fields.items()} - {"format", "limit", "cursor"}
        for report, model in WANTED.items()
    }
    assert asked == {report: set(parameters) for report, parameters in REPORTS.items()}
